"""Persons, their addresses and phones. The rules of merging are in ``merging``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from mailcrm.errors import Refused
from mailcrm.store.db import Lookup, insert_new, slices
from mailcrm.store.messages import adopt, canonical
from mailcrm.store.tables import person, person_address, person_phone, person_tag, tag

AnyRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What is known of a person who is to be stored.

    Args:
        emails: normalised addresses; the first is the primary one.
        created_by: ``user:anna``, ``mail:<message-id>``, ``import:FILE`` or ``command``.
    """

    name: str
    created_by: str
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    organization: int | None = None
    owner: int | None = None


def add(connection: Connection, new: NewPerson, now: datetime) -> int:
    """Store a person; stored mail of his addresses becomes his (DATA-16).

    Raises:
        Refused: an address is another person's; the text names him.
    """
    number = connection.execute(
        insert(person)
        .values(
            name=new.name,
            organization_id=new.organization,
            owner_id=new.owner,
            created_by=new.created_by,
            created_at=now,
        )
        .returning(person.c.id)
    ).scalar_one()
    add_addresses(connection, number, new.emails)
    add_phones(connection, number, new.phones)
    return int(number)


def add_addresses(connection: Connection, number: int, emails: Sequence[str]) -> None:
    """Give a person more addresses; the first becomes primary if he had none. Raises Refused as ``add``."""
    current = {row.address: row for row in _current(connection, emails)}
    fresh = [email for email in dict.fromkeys(emails) if email not in current]
    for row in current.values():
        if row.person_id != number:
            raise Refused(
                f"{row.address} is the address of {row.name} (person {row.person_id}); merge the two, or take it "
                f"from there: `mailcrm person edit {row.person_id} --remove-email {row.address}`"
            )
    if not fresh:
        return
    has_one = connection.execute(
        select(person_address.c.id).where(
            person_address.c.person_id == number, person_address.c.is_primary, person_address.c.valid_to.is_(None)
        )
    ).first()
    rows = [
        {
            "person_id": number,
            "address": email,
            "canonical": canonical(email),
            "is_primary": place == 0 and has_one is None,
        }
        for place, email in enumerate(fresh)
    ]
    connection.execute(insert(person_address), rows)
    adopt(connection, dict.fromkeys(fresh, number))


def end_addresses(connection: Connection, number: int, now: datetime, emails: Sequence[str] | None = None) -> int:
    """End the validity of these addresses of a person, or of all; older mail stays his. Returns how many ended."""
    ending = (
        update(person_address)
        .where(person_address.c.person_id == number, person_address.c.valid_to.is_(None))
        .values(valid_to=now, is_primary=False)
    )
    if emails is not None:
        ending = ending.where(person_address.c.address.in_(emails))
    ended = connection.execute(ending).rowcount
    ensure_primary(connection, number)
    return ended


def set_primary(connection: Connection, number: int, email: str) -> None:
    """Make one of a person's current addresses the primary one."""
    his = (person_address.c.person_id == number) & person_address.c.valid_to.is_(None)
    connection.execute(update(person_address).where(his).values(is_primary=person_address.c.address == email))


def add_phones(connection: Connection, number: int, phones: Sequence[str]) -> None:
    """Give a person more phone numbers."""
    if phones:
        rows = [{"person_id": number, "number": phone} for phone in dict.fromkeys(phones)]
        connection.execute(insert_new(connection, person_phone), rows)


def remove_phones(connection: Connection, number: int, phones: Sequence[str]) -> None:
    """Take phone numbers from a person."""
    connection.execute(
        delete(person_phone).where(person_phone.c.person_id == number, person_phone.c.number.in_(phones))
    )


def change(connection: Connection, number: int, **values: Any) -> None:
    """Set columns of a person."""
    if values:
        connection.execute(update(person).where(person.c.id == number).values(**values))


def remove(connection: Connection, number: int, now: datetime) -> None:
    """Take a person out of every list; his addresses are free again, his history stays."""
    end_addresses(connection, number, now)
    change(connection, number, removed_at=now)


def ids(
    *,
    search: str | None = None,
    organization: int | None = None,
    owner: int | None = None,
    tagged: str | None = None,
) -> Select[int]:
    """A query for the ids of persons, by id. ``search`` is part of a name or address, of any case."""
    query = select(person.c.id).where(person.c.removed_at.is_(None)).order_by(person.c.id)
    if organization is not None:
        query = query.where(person.c.organization_id == organization)
    if owner is not None:
        query = query.where(person.c.owner_id == owner)
    if tagged is not None:
        query = query.where(
            person.c.id.in_(
                select(person_tag.c.person_id).join(tag, tag.c.id == person_tag.c.tag_id).where(tag.c.name == tagged)
            )
        )
    if search is not None:
        addressed = select(person_address.c.person_id).where(person_address.c.address.contains(search, autoescape=True))
        query = query.where(person.c.name.icontains(search, autoescape=True) | person.c.id.in_(addressed))
    return query


def rows(connection: Connection, numbers: Iterable[int]) -> dict[int, AnyRow]:
    """Id -> the person's own columns."""
    return {row.id: row for row in _ROWS.rows(connection, numbers)}


def emails(connection: Connection, numbers: Iterable[int]) -> dict[int, list[str]]:
    """Id -> current addresses, the primary one first."""
    found: dict[int, list[str]] = defaultdict(list)
    for piece in slices(numbers):
        query = (
            select(person_address.c.person_id, person_address.c.address)
            .where(person_address.c.person_id.in_(piece), person_address.c.valid_to.is_(None))
            .order_by(person_address.c.is_primary.desc(), person_address.c.id)
        )
        for number, address in connection.execute(query):
            found[number].append(address)
    return found


def phones(connection: Connection, numbers: Iterable[int]) -> dict[int, list[str]]:
    """Id -> phone numbers."""
    found: dict[int, list[str]] = defaultdict(list)
    for piece in slices(numbers):
        query = (
            select(person_phone.c.person_id, person_phone.c.number)
            .where(person_phone.c.person_id.in_(piece))
            .order_by(person_phone.c.number)
        )
        for number, phone in connection.execute(query):
            found[number].append(phone)
    return found


def addresses_ever(connection: Connection, number: int) -> list[AnyRow]:
    """Every address a person has or had: ``address``, ``canonical``, ``valid_from``, ``valid_to``."""
    return list(connection.execute(select(person_address).where(person_address.c.person_id == number)))


def with_address(connection: Connection, email: str) -> int | None:
    """The person whose address this is now; ``email`` is normalised."""
    return next((row.person_id for row in _current(connection, [email])), None)


def _current(connection: Connection, emails: Iterable[str]) -> list[AnyRow]:
    return [
        row
        for piece in slices(emails)
        for row in connection.execute(
            select(person_address.c.address, person_address.c.person_id, person.c.name)
            .join(person, person.c.id == person_address.c.person_id)
            .where(person_address.c.address.in_(piece), person_address.c.valid_to.is_(None))
        )
    ]


def ensure_primary(connection: Connection, number: int) -> None:
    """Make the oldest current address primary where none is."""
    current = select(person_address.c.id).where(
        person_address.c.person_id == number, person_address.c.valid_to.is_(None)
    )
    if connection.execute(current.where(person_address.c.is_primary)).first() is None:
        first = connection.execute(current.order_by(person_address.c.id).limit(1)).scalar()
        if first is not None:
            connection.execute(update(person_address).where(person_address.c.id == first).values(is_primary=True))


_ROWS = Lookup(select(person), person.c.id)
