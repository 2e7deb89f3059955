"""What a campaign's planning has to know of its members, read set-wise: the same few queries however many they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from mailcrm.core.campaigns import Group, Member, Side
from mailcrm.store import enrollments
from mailcrm.store.db import Lookup
from mailcrm.store.members import GROUPS
from mailcrm.store.tables import (
    campaign_member,
    lead,
    organization,
    organization_address,
    person,
    person_address,
    recipient,
)


@dataclass(frozen=True, slots=True)
class Gone:
    """A member whose record was removed since it was chosen."""

    id: int
    group: Group
    record: int


@dataclass(slots=True)
class Batch:
    """Members, in their order.

    Args:
        last: the last one's id; None: there are none.
    """

    members: list[Member] = field(default_factory=list)
    gone: list[Gone] = field(default_factory=list)
    last: int | None = None


def batch(connection: Connection, flow: int, after: int, limit: int, *, hold: bool = False) -> Batch:
    """The next members of a campaign.

    Args:
        after: the id of the last one before.
        hold: nobody merges or erases their persons until the transaction ends.
    """
    asked = {"flow": flow, "after": after, "most": limit}
    chosen = connection.execute(_MEMBERS, asked).all()
    if not chosen:
        return Batch()
    last = chosen[-1].id
    held: set[int] | None = None
    while True:
        facts = _Facts(connection, chosen)
        if hold:
            enrollments.lock(connection, facts.persons)
        facts.read(connection)
        if facts.complete or not hold or facts.persons == held:
            break
        held = facts.persons  # some are gone, perhaps merged or erased before they were held: who stands there now?
        chosen = [row for row in connection.execute(_MEMBERS, asked).all() if row.id <= last]
    found = Batch(last=last)
    for row in chosen:
        facts.add(row, found)
    return found


class _Facts:
    """What is known of the records of some members."""

    def __init__(self, connection: Connection, chosen: Sequence[Any]) -> None:
        self._leads = _by_id(_LEADS.rows(connection, _ids(row.lead_id for row in chosen)))
        members = _ids(row.organization_id for row in chosen)
        self._only = {row.organization_id: row.only for row in _CONTACTS.rows(connection, members) if row.count == 1}
        self.persons = _ids(
            (*(row.person_id for row in (*chosen, *self._leads.values())), *self._only.values()),
        )
        self._chosen_companies = members

    def read(self, connection: Connection) -> None:
        """Read what ``add`` needs, besides whose records these are."""
        self._persons = _by_id(_PERSONS.rows(connection, self.persons))
        theirs = _ids(row.organization_id for row in (*self._leads.values(), *self._persons.values()))
        companies = theirs | self._chosen_companies
        self._companies = _by_id(_COMPANIES.rows(connection, companies))
        self._addresses = _lists(_ADDRESSES.rows(connection, self._persons))
        self._offices = _lists(_OFFICES.rows(connection, self._companies))

    @property
    def complete(self) -> bool:
        """Whether all of the persons are there."""
        return len(self._persons) == len(self.persons)

    def add(self, row: Any, found: Batch) -> None:
        """Put a member where he belongs."""
        if row.person_id is not None:
            contact = self._contact(row.person_id)
            if contact is None:
                found.gone.append(Gone(row.id, "person", row.person_id))
            else:
                company = self._company(self._persons[contact.id].organization_id)
                found.members.append(Member(row.id, "person", contact, company))
        elif row.organization_id is not None:
            company = self._company(row.organization_id)
            if company is None:
                found.gone.append(Gone(row.id, "organization", row.organization_id))
            else:
                contact = self._contact(self._only.get(row.organization_id))
                found.members.append(Member(row.id, "organization", contact, company))
        elif row.lead_id is not None:
            self._add_lead(row, found)

    def _add_lead(self, row: Any, found: Batch) -> None:
        known = self._leads.get(row.lead_id)
        if known is None:
            found.gone.append(Gone(row.id, "lead", row.lead_id))
            return
        contact = self._contact(known.person_id)
        organization_id = known.organization_id
        if organization_id is None and contact is not None:
            organization_id = self._persons[contact.id].organization_id
        company = self._company(organization_id)
        found.members.append(Member(row.id, "lead", contact, company, known.id, known.owner_id))

    def _contact(self, number: int | None) -> Side | None:
        known = self._persons.get(number) if number is not None else None
        return Side(known.id, self._addresses.get(known.id, ()), known.owner_id) if known is not None else None

    def _company(self, number: int | None) -> Side | None:
        known = self._companies.get(number) if number is not None else None
        return Side(known.id, self._offices.get(known.id, ()), known.owner_id) if known is not None else None


def taken(connection: Connection, flow: int, keys: Collection[str]) -> set[str]:
    """Those of these keys (``core.campaigns.Recipient.key``) that are somebody's who gets it already."""
    persons, organizations, addresses = [], [], []
    for key in keys:
        kind, _, number = key.rpartition(":")
        if kind == "person":
            persons.append(int(number))
        elif kind == "organization":
            organizations.append(int(number))
        else:
            addresses.append(key)
    found = {row.address for row in _ADDRESSED.rows(connection, addresses, flow=flow)}
    found |= {f"person:{row.person_id}" for row in _TAKEN.rows(connection, persons, flow=flow)}
    return found | {
        f"organization:{row.organization_id}" for row in _TAKEN_ALONE.rows(connection, organizations, flow=flow)
    }


def last_variant(connection: Connection, flow: int) -> int | None:
    """The variant that the last recipient who got one was given."""
    given = (recipient.c.flow_id == flow, recipient.c.variant.is_not(None))
    query = select(recipient.c.variant).where(*given).order_by(recipient.c.id.desc()).limit(1)
    return connection.execute(query).scalar()


def _ids(values: Iterable[int | None]) -> set[int]:
    return {value for value in values if value is not None}


def _by_id(rows: Iterable[Any]) -> dict[int, Any]:
    return {row.id: row for row in rows}


def _lists(rows: Iterable[Any]) -> Mapping[int, tuple[str, ...]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    for number, address in rows:
        found[number].append(address)
    return {number: tuple(addresses) for number, addresses in found.items()}


def _alive(table: Any, *names: str) -> Select[Any]:
    return select(table.c.id, *(table.c[name] for name in names)).where(table.c.removed_at.is_(None))


_MEMBERS = (
    select(campaign_member.c.id, *(campaign_member.c[f"{group}_id"] for group in GROUPS))
    .where(campaign_member.c.flow_id == bindparam("flow"), campaign_member.c.id > bindparam("after"))
    .order_by(campaign_member.c.id)
    .limit(bindparam("most"))
)
_LEADS = Lookup(_alive(lead, "person_id", "organization_id", "owner_id"), lead.c.id)
_PERSONS = Lookup(_alive(person, "organization_id", "owner_id"), person.c.id)
_COMPANIES = Lookup(_alive(organization, "owner_id"), organization.c.id)
_CONTACTS = Lookup(
    select(person.c.organization_id, func.min(person.c.id).label("only"), func.count().label("count"))
    .where(person.c.removed_at.is_(None))
    .group_by(person.c.organization_id),
    person.c.organization_id,
)
_ADDRESSES = Lookup(
    select(person_address.c.person_id, person_address.c.address)
    .where(person_address.c.valid_to.is_(None))
    .order_by(person_address.c.is_primary.desc(), person_address.c.id),
    person_address.c.person_id,
)
_OFFICES = Lookup(
    select(organization_address.c.organization_id, organization_address.c.address).order_by(
        organization_address.c.address
    ),
    organization_address.c.organization_id,
)
# Not by the index of the flow, which PostgreSQL takes for a few rows while they become a hundred thousand.
_got = (recipient.c.flow_id + 0 == bindparam("flow"), recipient.c.enrollment_id.is_not(None))
_ADDRESSED = Lookup(select(recipient.c.address).where(*_got, recipient.c.address.is_not(None)), recipient.c.address)
_TAKEN = Lookup(select(recipient.c.person_id).where(*_got), recipient.c.person_id)
_TAKEN_ALONE = Lookup(
    select(recipient.c.organization_id).where(*_got, recipient.c.person_id.is_(None)), recipient.c.organization_id
)
