"""Records by what a campaign's author says of them: all with a tag, an owner, a stage; or single ones, many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, Table, func, select

from mailcrm.core.addresses import normalise
from mailcrm.core.campaigns import Group
from mailcrm.store.db import Lookup
from mailcrm.store.tables import (
    deal,
    lead,
    organization,
    organization_address,
    organization_domain,
    person,
    person_address,
    person_tag,
    tag,
)

Found: TypeAlias = int | str
"""A record's id, or why none is meant."""

_TABLES: Mapping[Group, Table] = {"person": person, "organization": organization, "lead": lead}
_SHOWN = 5


def everybody(group: Group) -> Select[int]:
    """Every record of a group that was not removed."""
    table = _TABLES[group]
    return select(table.c.id).where(table.c.removed_at.is_(None))


def owned(group: Group, user: int) -> Select[int]:
    """Those of a user."""
    return everybody(group).where(_TABLES[group].c.owner_id == user)


def tagged(group: Group, name: str) -> Select[int]:
    """Persons with a tag; organizations and leads that have such a person."""
    persons = select(person_tag.c.person_id).join(tag, tag.c.id == person_tag.c.tag_id).where(tag.c.name == name)
    return _of_persons(group, persons)


def in_organization(group: Group, number: int) -> Select[int]:
    """Persons and leads of an organization; itself."""
    if group == "organization":
        return everybody(group).where(organization.c.id == number)
    return everybody(group).where(_TABLES[group].c.organization_id == number)


def with_deal(group: Group, *, stage: int | None = None, status: str = "open") -> Select[int]:
    """Persons and organizations with a deal in a stage, or of a status (``open``, ``won``, ``lost``)."""
    column = deal.c.person_id if group == "person" else deal.c.organization_id
    query = select(column).where(column.is_not(None), deal.c.removed_at.is_(None), deal.c.status == status)
    if stage is not None:
        query = query.where(deal.c.stage_id == stage)
    return everybody(group).where(_TABLES[group].c.id.in_(query))


def there_is_tag(connection: Connection, name: str) -> bool:
    """Whether anybody was ever given this tag."""
    return connection.execute(select(tag.c.id).where(tag.c.name == name)).first() is not None


def count(connection: Connection, chosen: Select[int]) -> int:
    """How many records that are."""
    return int(connection.execute(select(func.count()).select_from(chosen.subquery())).scalar_one())


def single(connection: Connection, group: Group, texts: Iterable[str]) -> dict[str, Found]:
    """Records by id (``7``, ``person:7``), address, name; organizations by domain, too.

    Returns:
        For each text the record's id, or why there is none. A record that was merged counts as the one it went into.
    """
    left = dict.fromkeys(texts)
    found: dict[str, Found] = {}
    for look in (_by_id, _by_address, _by_domain, _by_name):
        if left:
            found |= look(connection, group, list(left))
            left = {text: None for text in left if text not in found}
    return found | {text: f"there is no {group} {text[:100]!r}" for text in left}


# -- looking for single ones


def _by_id(connection: Connection, group: Group, texts: Sequence[str]) -> dict[str, Found]:
    wanted: dict[str, int] = {}
    for text in texts:
        digits = text.removeprefix(f"{group}:")
        if digits.isascii() and digits.isdigit() and len(digits) < 19:
            wanted[text] = int(digits)
    rows = {row.id: row for row in _IDS[group].rows(connection, set(wanted.values()))}
    there: dict[str, Found] = {}
    for text, number in wanted.items():
        row = rows.get(number)
        if row is None:
            there[text] = f"there is no {group} {number}"
        elif row.merged_into is None and row.removed_at is not None:
            there[text] = f"{group} {number} was removed on {row.removed_at:%Y-%m-%d}"
        else:
            there[text] = row.merged_into or number
    return there


def _by_address(connection: Connection, group: Group, texts: Sequence[str]) -> dict[str, Found]:
    wanted = {text: address for text in texts if (address := normalise(text))}
    rows: defaultdict[str, dict[int, None]] = defaultdict(dict)
    for row in _ADDRESSES[group].rows(connection, set(wanted.values())):
        if row.ended is None or row.address not in rows:  # of those who had it before the last
            rows[row.address][row.id] = None
    return {
        text: _only(group, list(rows[address]), text) if address in rows else f"no {group} has the address {address}"
        for text, address in wanted.items()
    }


def _by_domain(connection: Connection, group: Group, texts: Sequence[str]) -> dict[str, Found]:
    if group != "organization":
        return {}
    wanted = {text: text.casefold() for text in texts if "." in text}
    rows = {row.domain: row.organization_id for row in _DOMAINS.rows(connection, set(wanted.values()))}
    return {text: rows[domain] for text, domain in wanted.items() if domain in rows}


def _by_name(connection: Connection, group: Group, texts: Sequence[str]) -> dict[str, Found]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row in _NAMES[group].rows(connection, texts):
        rows[row.name].append(row.id)
    return {text: _only(group, rows[text], text) for text in texts if text in rows}


def _only(group: Group, numbers: Sequence[int], text: str) -> Found:
    if len(numbers) == 1:
        return numbers[0]
    shown = ", ".join(map(str, sorted(numbers)[:_SHOWN])) + (", …" if len(numbers) > _SHOWN else "")
    return f"{text[:100]!r} may be several {group}s; write the number of one: {shown}"


def _of_persons(group: Group, persons: Select[int]) -> Select[int]:
    if group == "person":
        return everybody(group).where(person.c.id.in_(persons))
    if group == "lead":
        return everybody(group).where(lead.c.person_id.in_(persons))
    theirs = select(person.c.organization_id).where(person.c.id.in_(persons), person.c.organization_id.is_not(None))
    return everybody(group).where(organization.c.id.in_(theirs))


def _alive(table: Table, *columns: ColumnElement[Any]) -> Select[Any]:
    return select(table.c.id, *columns).where(table.c.removed_at.is_(None)).order_by(table.c.id)


_IDS = {
    group: Lookup(select(table.c.id, table.c.removed_at, table.c.merged_into), table.c.id)
    for group, table in _TABLES.items()
}
_whose = (
    select(person.c.id, person_address.c.address, person_address.c.valid_to.label("ended"))
    .join(person_address, person_address.c.person_id == person.c.id)
    .where(person.c.removed_at.is_(None))
    .order_by(person_address.c.valid_to.is_not(None), person_address.c.valid_to.desc())
)
_leads_of = (
    select(lead.c.id, person_address.c.address, person_address.c.valid_to.label("ended"))
    .join(person_address, person_address.c.person_id == lead.c.person_id)
    .where(lead.c.removed_at.is_(None), person_address.c.valid_to.is_(None))
    .order_by(lead.c.id)
)
_companies = (
    select(organization.c.id, organization_address.c.address, organization.c.removed_at.label("ended"))
    .join(organization_address, organization_address.c.organization_id == organization.c.id)
    .where(organization.c.removed_at.is_(None))
)
_ADDRESSES: Mapping[Group, Lookup] = {
    "person": Lookup(_whose, person_address.c.address),
    "lead": Lookup(_leads_of, person_address.c.address),
    "organization": Lookup(_companies, organization_address.c.address),
}
_DOMAINS = Lookup(select(organization_domain), organization_domain.c.domain)
_NAMES: Mapping[Group, Lookup] = {
    "person": Lookup(_alive(person, person.c.name), person.c.name),
    "organization": Lookup(_alive(organization, organization.c.name), organization.c.name),
    "lead": Lookup(_alive(lead, lead.c.title.label("name")), lead.c.title),
}
