"""Contact cards, read set-wise: a fixed number of queries for any number of persons, and only for the parts asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, bindparam, func, or_, select

from mailcrm.core.card import Card, CardActivity, CardDeal
from mailcrm.store.db import Lookup, Utc
from mailcrm.store.tables import (
    activity,
    deal,
    enrollment,
    event,
    field_value,
    flow,
    lead,
    message,
    organization,
    participant,
    permission,
    person,
    person_address,
    person_phone,
    person_tag,
    stage,
    tag,
    user,
)

T = TypeVar("T")

_CONTACT = ("human", "unsubscribe", "calendar")
"""Kinds of mail that somebody wrote to somebody."""

_NOW = bindparam("now", type_=Utc)
_TAGS = Lookup(
    select(person_tag.c.person_id, tag.c.name).join(tag, tag.c.id == person_tag.c.tag_id), person_tag.c.person_id
)
_CUSTOM = Lookup(
    select(field_value.c.record_id, field_value.c.name, field_value.c.value).where(field_value.c.record == "person"),
    field_value.c.record_id,
)
_OWN = Lookup(
    select(
        person.c.id,
        person.c.name,
        person.c.created_by,
        organization.c.name.label("organization"),
        user.c.key.label("owner_key"),
        user.c.email.label("owner_email"),
    )
    .join(organization, organization.c.id == person.c.organization_id, isouter=True)
    .join(user, user.c.id == person.c.owner_id, isouter=True),
    person.c.id,
)
_EMAILS = Lookup(
    select(person_address.c.person_id, person_address.c.address)
    .where(person_address.c.valid_to.is_(None))
    .order_by(person_address.c.is_primary.desc(), person_address.c.id),
    person_address.c.person_id,
)
_PHONES = Lookup(
    select(person_phone.c.person_id, person_phone.c.number).order_by(person_phone.c.number), person_phone.c.person_id
)
_DEALS = Lookup(
    select(deal.c.person_id, deal.c.id, deal.c.title, stage.c.name, deal.c.status, deal.c.value, deal.c.currency)
    .join(stage, stage.c.id == deal.c.stage_id)
    .where(deal.c.removed_at.is_(None))
    .order_by(deal.c.id),
    deal.c.person_id,
)
_later = permission.alias()
_PERMISSIONS = Lookup(  # the last word about each
    select(permission.c.person_id, permission.c.granted).where(
        ~select(1).where(_later.c.person_id == permission.c.person_id, _later.c.id > permission.c.id).exists()
    ),
    permission.c.person_id,
)
_FLOWS = Lookup(
    select(enrollment.c.person_id, flow.c.kind, flow.c.name)
    .join(flow, flow.c.id == enrollment.c.flow_id)
    .where(enrollment.c.status == "in_progress"),
    enrollment.c.person_id,
)


def _activities_of(whose: Any) -> Select[Any]:
    columns = (whose.label("whose"), activity.c.id, activity.c.type, activity.c.due, activity.c.done_at)
    return select(*columns).where(activity.c.removed_at.is_(None))


_ACTIVITIES = (  # a deal's and a lead's are also their person's (DATA-11)
    Lookup(_activities_of(activity.c.person_id), activity.c.person_id),
    Lookup(_activities_of(deal.c.person_id).join(deal, deal.c.id == activity.c.deal_id), deal.c.person_id),
    Lookup(_activities_of(lead.c.person_id).join(lead, lead.c.id == activity.c.lead_id), lead.c.person_id),
)
_MAIL = Lookup(
    select(participant.c.person_id, message.c.direction, func.max(message.c.received_at))
    .join(message, message.c.id == participant.c.message_id)
    .where(participant.c.role != "bounced", message.c.kind.in_(_CONTACT), message.c.received_at <= _NOW)
    .group_by(participant.c.person_id, message.c.direction),
    participant.c.person_id,
)


def _last(kind: str) -> Lookup:
    """When each person last did it; what a machine did, or may have done, does not count."""
    query = select(event.c.person_id, func.max(event.c.at)).where(event.c.kind == kind, event.c.at <= _NOW)
    if kind != "mail.replied":
        grade = event.c.data["grade"].as_string()
        query = query.where(or_(grade.is_(None), grade == "human"))
    return Lookup(query.group_by(event.c.person_id), event.c.person_id)


_EVENTS = {"opened": _last("mail.opened"), "clicked": _last("link.clicked"), "replied": _last("mail.replied")}


def cards(
    connection: Connection,
    persons: Collection[int],
    needs: Collection[str],
    now: datetime,
) -> dict[int, Card]:
    """The cards of these persons.

    Language and time zone are the custom fields ``language`` and ``time_zone``.

    Args:
        needs: the parts to be read (names of ``Card``'s fields); the others stay empty.
        now: mail and events after it are not known yet; aware.

    Returns:
        One for each person; of somebody unknown, an empty one.
    """
    needed, persons = frozenset(needs), frozenset(persons)
    parts: dict[str, Mapping[int, Any]] = {}
    if "tags" in needed:
        parts["tags"] = _sets(_TAGS.rows(connection, persons))
    if needed & {"fields", "language", "time_zone"}:
        parts |= _fields(connection, persons, whole="fields" in needed)
    if "permission" in needed:
        parts["permission"] = {row[0]: row[1] for row in _PERMISSIONS.rows(connection, persons)}
    if "deals" in needed:
        parts["deals"] = _tuples((row[0], CardDeal(*row[1:])) for row in _DEALS.rows(connection, persons))
    if needed & {"sequences", "workflows"}:
        inside = _FLOWS.rows(connection, persons)
        parts |= {f"{kind}s": _sets((row[0], row[2]) for row in inside if row[1] == kind) for kind in _KINDS}
    for part in _EVENTS.keys() & needed:
        parts[part] = {row[0]: row[1] for row in _EVENTS[part].rows(connection, persons, now=now)}
    if needed & {"activities", "last_contact"}:
        parts["activities"] = _activities(connection, persons)
    if needed & {"last_received", "last_sent", "last_contact"}:
        mail = _MAIL.rows(connection, persons, now=now)
        parts["last_received"] = {row[0]: row[2] for row in mail if row[1] == "in"}
        parts["last_sent"] = {row[0]: row[2] for row in mail if row[1] == "out"}
    if "last_contact" in needed:
        parts["last_contact"] = _last_contact(parts, now)
    wanted = {part: found for part, found in parts.items() if part in needed}
    return {
        each: Card(each, **{part: found[each] for part, found in wanted.items() if each in found}) for each in persons
    }


_KINDS = ("sequence", "workflow")


def _sets(rows: Iterable[Any]) -> dict[int, frozenset[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for number, name in rows:
        found[number].add(name)
    return {number: frozenset(names) for number, names in found.items()}


def _tuples(rows: Iterable[tuple[int, T]]) -> dict[int, tuple[T, ...]]:
    found: dict[int, list[T]] = defaultdict(list)
    for number, each in rows:
        found[number].append(each)
    return {number: tuple(values) for number, values in found.items()}


def _fields(connection: Connection, persons: Collection[int], *, whole: bool) -> dict[str, dict[int, Any]]:
    """Custom fields, language and time zone; the built-in fields too if ``whole``."""
    fields: dict[int, dict[str, Any]] = defaultdict(dict)
    for number, name, value in _CUSTOM.rows(connection, persons):
        fields[number][name] = value
    parts: dict[str, dict[int, Any]] = {
        part: {number: mine[part] for number, mine in fields.items() if isinstance(mine.get(part), str)}
        for part in ("language", "time_zone")
    }
    if whole:
        for row in _OWN.rows(connection, persons):
            owner = (row.owner_key, row.owner_email) if row.owner_key else None
            fields[row.id] |= {"name": row.name, "organization": row.organization, "owner": owner}
            fields[row.id]["created_by"] = row.created_by
        for name, lookup in (("email", _EMAILS), ("phone", _PHONES)):
            found: dict[int, tuple[str, ...]] = _tuples((row[0], row[1]) for row in lookup.rows(connection, persons))
            for number, values in found.items():
                fields[number][name] = values
    return {**parts, "fields": dict(fields)}


def _activities(connection: Connection, persons: Collection[int]) -> dict[int, tuple[CardActivity, ...]]:
    found: dict[int, dict[int, CardActivity]] = defaultdict(dict)
    for lookup in _ACTIVITIES:
        for row in lookup.rows(connection, persons):
            found[row[0]][row[1]] = CardActivity(*row[1:])
    return {number: tuple(mine[key] for key in sorted(mine)) for number, mine in found.items()}


def _last_contact(parts: Mapping[str, Mapping[int, Any]], now: datetime) -> dict[int, datetime]:
    """The last mail either way, or activity done."""
    found: dict[int, datetime] = {}
    moments = [*parts["last_received"].items(), *parts["last_sent"].items()]
    for number, mine in parts["activities"].items():
        moments += [(number, each.done_at) for each in mine if each.done_at is not None and each.done_at <= now]
    for number, at in moments:
        found[number] = max(at, found.get(number, at))
    return found
