"""Writing what an import added, set-wise: ids are reserved first, so that children can name their new parents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, insert, select, update

from mailcrm.core.book import Book, Entry, Organization, Person, Trade
from mailcrm.store import stays
from mailcrm.store.db import insert_new, reserve, slices
from mailcrm.store.import_load import TRADES, Trading
from mailcrm.store.messages import adopt, canonical
from mailcrm.store.stays import Stay
from mailcrm.store.tables import (
    field_value,
    note,
    organization,
    organization_address,
    organization_domain,
    person,
    person_address,
    person_phone,
    person_tag,
    tag,
)


def save(connection: Connection, book: Book, *, trade: Trading | None, created_by: str, now: datetime) -> None:
    """Store everything new in the book.

    Args:
        trade: "deal" or "lead" where the book holds such.
        created_by: ``import:FILE``.
    """
    origin = {"created_by": created_by, "created_at": now}
    _organizations(connection, book.organizations, origin)
    _persons(connection, book.persons, origin)
    _extras(connection, "organization", book.organizations, now)
    _extras(connection, "person", book.persons, now)
    if trade:
        _trades(connection, trade, book.trades, origin)
        _extras(connection, trade, book.trades, now)


def _organizations(connection: Connection, entries: Sequence[Organization], origin: Mapping[str, Any]) -> None:
    _records(
        connection,
        organization,
        entries,
        origin,
        lambda entry: {"name": entry.name, "industry": entry.industry, "owner_id": entry.owner},
    )
    domains = [{"domain": name, "organization_id": entry.id} for entry in entries for name in entry.new_domains]
    _insert(connection, insert_new(connection, organization_domain), domains)
    emails = [{"address": email, "organization_id": entry.id} for entry in entries for email in entry.new_emails]
    _insert(connection, insert_new(connection, organization_address), emails)


def _persons(connection: Connection, entries: Sequence[Person], origin: Mapping[str, Any]) -> None:
    _records(
        connection,
        person,
        entries,
        origin,
        lambda entry: {"name": entry.name, "organization_id": _id(entry.organization), "owner_id": entry.owner},
    )
    addresses = [
        {
            "person_id": entry.id,
            "address": email,
            "canonical": canonical(email),
            "is_primary": place == 0 and len(entry.emails) == len(entry.new_emails),
        }
        for entry in entries
        for place, email in enumerate(entry.new_emails)
    ]
    _insert(connection, insert(person_address), addresses)
    adopt(connection, {email: entry.id for entry in entries if entry.id for email in entry.new_emails})
    phones = [
        {"person_id": entry.id, "number": number, "label": label}
        for entry in entries
        for number, label in entry.new_phones
    ]
    _insert(connection, insert_new(connection, person_phone), phones)
    _tags(connection, entries, origin["created_at"])


def _tags(connection: Connection, entries: Sequence[Person], now: datetime) -> None:
    names = {name for entry in entries for name in entry.new_tags}
    _insert(connection, insert_new(connection, tag), [{"name": name} for name in sorted(names)])
    ids = {
        row.name: row.id
        for piece in slices(names)
        for row in connection.execute(select(tag.c.name, tag.c.id).where(tag.c.name.in_(piece)))
    }
    rows = [{"person_id": entry.id, "tag_id": ids[name], "at": now} for entry in entries for name in entry.new_tags]
    _insert(connection, insert_new(connection, person_tag), rows)


def _trades(connection: Connection, kind: Trading, entries: Sequence[Trade], origin: Mapping[str, Any]) -> None:
    def columns(entry: Trade) -> dict[str, Any]:
        values: dict[str, Any] = {
            "title": entry.title,
            "person_id": _id(entry.person),
            "organization_id": _id(entry.organization),
            "value": entry.value,
            "currency": entry.currency,
            "owner_id": entry.owner,
        }
        if kind == "deal":
            closed = None if entry.status == "open" else entry.closed or entry.created or origin["created_at"]
            values |= {"stage_id": entry.stage, "status": entry.status}
            values |= {"closed_at": closed, "lost_reason": entry.lost_reason}
        return values

    new = [entry for entry in entries if entry.id is None]
    _records(connection, TRADES[kind], entries, origin, columns)
    if kind == "deal":
        stays.enter(connection, (_stay(entry, origin["created_at"]) for entry in new))


def _stay(entry: Trade, now: datetime) -> Stay:
    """An imported deal has stood where it stands since it was made, until it was closed."""
    assert entry.id is not None
    assert entry.stage is not None
    since = entry.created or now
    until = None if entry.status == "open" else max(since, entry.closed or since)
    return Stay(entry.id, entry.stage, since, until)


def _records(
    connection: Connection, table: Table, entries: Iterable[Any], origin: Mapping[str, Any], columns: Any
) -> None:
    """Insert the new ones, giving them their ids; update the columns of those that were completed."""
    new: list[Entry] = []
    for entry in entries:
        if entry.id is None:
            new.append(entry)
        elif entry.filled:
            connection.execute(update(table).where(table.c.id == entry.id).values(**columns(entry)))
    for entry, number in zip(new, reserve(connection, table, len(new)), strict=True):
        entry.id = number
    rows = [
        {"id": entry.id, **columns(entry), **origin, "created_at": entry.created or origin["created_at"]}
        for entry in new
    ]
    _insert(connection, insert(table), rows)


def _extras(connection: Connection, record: str, entries: Sequence[Entry], now: datetime) -> None:
    """Custom fields and notes."""
    fields = [
        {"record": record, "record_id": entry.id, "name": name, "value": value}
        for entry in entries
        for name, value in entry.new_fields.items()
    ]
    _insert(connection, insert_new(connection, field_value), fields)
    notes = [{"text": text, "at": now, f"{record}_id": entry.id} for entry in entries for text in entry.new_notes]
    _insert(connection, insert(note), notes)


def _insert(connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)


def _id(entry: Entry | None) -> int | None:
    return entry.id if entry else None
