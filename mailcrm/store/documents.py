"""Invoices and offers: their numbers, counted up where they are stored, and their rows, which never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, select, update

from mailcrm.errors import NotFound
from mailcrm.store.db import insert_new, slices
from mailcrm.store.tables import document, document_series


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """A document that is to be stored, but for its number. Amounts are rounded; in the tables they are text.

    Args:
        key: who made it: asked again, it is found.
        due_on: until when it is to be paid, or holds.
        created_by: ``user:anna``, ``command``, ``enrollment:12``.
        flow: the campaign's, or another's.
    """

    key: str
    kind: str
    series: str
    due_on: date | None
    language: str
    currency: str
    seller: Mapping[str, str]
    buyer: Mapping[str, str]
    lines: Sequence[Mapping[str, str | None]]
    note: str
    net: Decimal
    tax: Decimal
    gross: Decimal
    created_by: str
    person: int | None = None
    organization: int | None = None
    deal: int | None = None
    owner: int | None = None
    flow: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument(NewDocument):
    """A document as it was issued.

    Args:
        name: its number as it is printed.
        sha256: of its PDF, a blob; None: it was not made yet.
        handed_as: its number or address in the system that a plugin handed it to.
    """

    id: int
    period: str
    number: int
    name: str
    issued_on: date
    created_at: datetime
    sha256: str | None
    handed_as: str | None


def find(connection: Connection, key: str) -> int | None:
    """The document that was made under a key."""
    return connection.execute(select(document.c.id).where(document.c.key == key)).scalar()


def named(connection: Connection, name: str) -> int | None:
    """The document with this number, as it is printed."""
    return connection.execute(select(document.c.id).where(document.c.name == name)).scalar()


def meant(connection: Connection, given: str) -> int:
    """The document that somebody names: by its number as it is printed, or its id. Raises NotFound."""
    found = named(connection, given)
    if found is None and given.isdecimal() and len(given) < 19:
        found = connection.execute(select(document.c.id).where(document.c.id == int(given))).scalar()
    if found is None:
        raise NotFound(f"there is no document {given!r:.90}; `mailcrm document list` shows them")
    return found


def of(connection: Connection, numbers: Iterable[int]) -> dict[int, StoredDocument]:
    """Documents by id, in its order; one that is not there is left out."""
    return {
        row.id: _stored(row)
        for piece in slices(sorted(numbers))
        for row in connection.execute(select(document).where(document.c.id.in_(piece)).order_by(document.c.id))
    }


def last_made(
    connection: Connection, created_by: str, *, person: int | None = None, deal: int | None = None
) -> StoredDocument | None:
    """The newest document of one that makes documents, such as ``enrollment:12``, for this person or deal."""
    whose = document.c.person_id == person if person is not None else document.c.deal_id == deal
    query = select(document).where(whose, document.c.created_by == created_by).order_by(document.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return _stored(row) if row else None


def lock(connection: Connection, series: str, period: str) -> tuple[int, date | None]:
    """Keep a series to this transaction: whoever else wants a number of it waits until the transaction ends.

    Returns:
        The number given out last, 0 if none was, and the day of its document.
    """
    mine = (document_series.c.name == series, document_series.c.period == period)
    query = select(document_series.c.last).where(*mine).with_for_update()
    last = connection.execute(query).scalar()
    if last is None:  # of two who begin it at once one waits here
        connection.execute(insert_new(connection, document_series).values(name=series, period=period, last=0))
        last = connection.execute(query).scalar_one()
    day = connection.execute(
        select(document.c.issued_on).where(
            document.c.series == series, document.c.period == period, document.c.number == last
        )
    ).scalar()
    return last, day


def last_number(connection: Connection, series: str, period: str) -> int:
    """The number given out last; others may take the next one meanwhile."""
    mine = (document_series.c.name == series, document_series.c.period == period)
    return connection.execute(select(document_series.c.last).where(*mine)).scalar() or 0


def add(
    connection: Connection, new: NewDocument, name: str, number: int, period: str, issued_on: date, now: datetime
) -> int | None:
    """Store a document under the next number of its series, which this transaction has locked; gives its id.

    None, and nothing is stored: there is one of that name or key.
    """
    values = {column: getattr(new, field) for field, column in _COLUMNS.items()}
    query = insert_new(connection, document).values(
        **values, name=name, number=number, period=period, issued_on=issued_on, created_at=now
    )
    made: int | None = connection.execute(query.returning(document.c.id)).scalar()
    if made is not None:
        mine = (document_series.c.name == new.series, document_series.c.period == period)
        connection.execute(update(document_series).where(*mine).values(last=number))
    return made


def note_filed(connection: Connection, number: int, sha256: str) -> None:
    """Note the PDF that was made of a document; one that was made before stays."""
    blank = (document.c.id == number, document.c.sha256.is_(None))
    connection.execute(update(document).where(*blank).values(sha256=sha256))


def note_handed(connection: Connection, number: int, handed_as: str) -> None:
    """Note what a document is called where a plugin handed it to."""
    connection.execute(update(document).where(document.c.id == number).values(handed_as=handed_as))


def ids(
    *,
    kind: str | None = None,
    series: str | None = None,
    person: int | None = None,
    organization: int | None = None,
    deal: int | None = None,
    flow: int | None = None,
    owner: int | None = None,
) -> Select[int]:
    """A query for the ids of documents, by id."""
    wanted = {
        document.c.kind: kind,
        document.c.series: series,
        document.c.person_id: person,
        document.c.organization_id: organization,
        document.c.deal_id: deal,
        document.c.flow_id: flow,
        document.c.owner_id: owner,
    }
    given = (column == value for column, value in wanted.items() if value is not None)
    return select(document.c.id).where(*given).order_by(document.c.id)


_SAME = (
    *("key", "kind", "series", "due_on", "language", "currency", "seller", "buyer", "lines", "note"),
    *("net", "tax", "gross", "created_by"),
)
_COLUMNS = {name: name for name in _SAME} | {
    name: f"{name}_id" for name in ("person", "organization", "deal", "owner", "flow")
}
_OWN = ("id", "period", "number", "name", "issued_on", "created_at", "sha256", "handed_as")


def _stored(row: Any) -> StoredDocument:
    shared = {field: getattr(row, column) for field, column in _COLUMNS.items()}
    return StoredDocument(**shared, **{name: getattr(row, name) for name in _OWN})
