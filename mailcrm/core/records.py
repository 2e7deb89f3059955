"""One row of an imported sheet, read into the record that it describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from mailcrm.core import cells
from mailcrm.core.cells import BadCell, Cell
from mailcrm.core.columns import Column, Subject
from mailcrm.core.headings import Field

T = TypeVar("T")
Scalar = str | int | float | bool

_STATUSES = {
    word: status
    for status, words in {
        "open": "open|otwarta|otwarte|otwarty|w toku|aktywna|offen|in progress|active",
        "won": "won|wygrana|wygrane|wygrany|zamknięta|closed won|gewonnen|closed",
        "lost": "lost|przegrana|przegrane|przegrany|stracona|stracony|utracona|closed lost|verloren",
        "deleted": "deleted|usunięta|usunięty|gelöscht",
    }.items()
    for word in words.split("|")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every record can have.

    Args:
        line: where the row begins in the file, from 1.
        owner: as written: a user's name, e-mail address or key.
        created: when the record came to be, aware, UTC.
        fields: custom fields by name.
    """

    line: int
    owner: str = ""
    note: str = ""
    created: datetime | None = None
    fields: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow(Row):
    """A person. ``phones`` are numbers with their labels; ``name`` is "" where only addresses are given."""

    name: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[tuple[str, str | None], ...] = ()
    organization: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationRow(Row):
    """An organization; ``domains`` are host names without ``www.``."""

    name: str
    emails: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    industry: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRow(Row):
    """A deal or a lead. ``person`` is the one it is about; ``status`` and what follows are a deal's alone."""

    title: str
    value: Decimal | None = None
    currency: str | None = None
    person: PersonRow | None = None
    organization: str = ""
    pipeline: str = ""
    stage: str = ""
    status: str = "open"
    closed: datetime | None = None
    lost_reason: str = ""


AnyRow = PersonRow | OrganizationRow | TradeRow


class Skipped(Exception):
    """The row is not to be imported, for the reason given."""


def read_row(
    subject: Subject, columns: Sequence[Column], line: int, row: Sequence[Cell], *, day_first: bool = True
) -> AnyRow:
    """The record that a row describes.

    Args:
        line: of the file, from 1.
        row: its cells; missing ones at the end are empty.
        day_first: how to read 03/04/2025.

    Raises:
        BadCell: a cell does not hold what its column is for, or a needed one is empty.
        Skipped: Pipedrive marks it as deleted.
    """
    reader = _Reader(columns, row, day_first)
    match subject:
        case Subject.PERSONS:
            return reader.person(line, whole=True)
        case Subject.ORGANIZATIONS:
            return reader.organization(line)
        case _:
            return reader.trade(line)


class _Reader:
    """The cells of one row, asked for by field."""

    def __init__(self, columns: Sequence[Column], row: Sequence[Cell], day_first: bool) -> None:
        self.day_first = day_first
        self.given: dict[Field, list[tuple[Column, Cell]]] = {}
        self.fields: dict[str, Scalar] = {}
        for column in columns:
            cell = row[column.index] if column.index < len(row) else None
            if cell is None or cell == "":
                continue
            if column.field is not None:
                self.given.setdefault(column.field, []).append((column, cell))
            elif column.custom is not None:
                value = _in_column(column, cells.value, cell)
                if value is not None:
                    self.fields.setdefault(column.custom, value)

    def person(self, line: int, *, whole: bool) -> PersonRow:
        """The person of the row: the row itself (``whole``), or the one that a deal names."""
        name = self.text(Field.NAME if whole else Field.PERSON)
        if whole and not name:
            name = f"{self.text(Field.FIRST_NAME)} {self.text(Field.LAST_NAME)}".strip()
        name, named = _named(name)
        found = PersonRow(
            line=line,
            name=name,
            emails=tuple(dict.fromkeys([*named, *self.every(Field.EMAIL, cells.emails)])),
            phones=self.phones(),
            organization=self.text(Field.ORGANIZATION),
        )
        if not whole:
            return found
        if not (found.name or found.emails):
            raise BadCell("neither a name nor an e-mail address")
        return PersonRow(
            line=line,
            name=found.name,
            emails=found.emails,
            phones=found.phones,
            organization=found.organization,
            tags=tuple(dict.fromkeys(self.every(Field.TAGS, cells.tags))),
            owner=self.text(Field.OWNER),
            note=self.note(),
            created=self.moment(Field.CREATED),
            fields=self.fields,
        )

    def organization(self, line: int) -> OrganizationRow:
        """The organization that the row is."""
        return OrganizationRow(
            line=line,
            name=self.needed(Field.NAME, "name"),
            emails=tuple(dict.fromkeys(self.every(Field.EMAIL, cells.emails))),
            domains=tuple(dict.fromkeys(self.every(Field.DOMAIN, cells.domains))),
            industry=self.text(Field.INDUSTRY),
            owner=self.text(Field.OWNER),
            note=self.note(),
            created=self.moment(Field.CREATED),
            fields=self.fields,
        )

    def trade(self, line: int) -> TradeRow:
        """The deal or lead that the row is."""
        amount, beside = self.first(Field.VALUE, cells.money) or (None, None)
        person = self.person(line, whole=False)
        won, lost, closed = map(self.moment, (Field.WON_TIME, Field.LOST_TIME, Field.CLOSED))
        status = self.status(won, lost)
        return TradeRow(
            line=line,
            title=self.needed(Field.TITLE, "title"),
            value=amount,
            currency=self.first(Field.CURRENCY, cells.currency) or beside,
            person=person if person.name or person.emails else None,
            organization=person.organization,
            pipeline=self.text(Field.PIPELINE),
            stage=self.text(Field.STAGE),
            status=status,
            closed={"won": won, "lost": lost}.get(status) or (closed if status != "open" else None),
            lost_reason=self.text(Field.LOST_REASON),
            owner=self.text(Field.OWNER),
            note=self.note(),
            created=self.moment(Field.CREATED),
            fields=self.fields,
        )

    def status(self, won: datetime | None, lost: datetime | None) -> str:
        """The deal's status as written, else told by the time at which it was won or lost."""
        given = self.text(Field.STATUS)
        if not given:
            return "won" if won else "lost" if lost else "open"
        status = _STATUSES.get(given.casefold())
        if status is None:
            raise BadCell(f"{given[:60]!r} is no status of a deal; write open, won or lost")
        if status == "deleted":
            raise Skipped("deleted where it comes from")
        return status

    def phones(self) -> tuple[tuple[str, str | None], ...]:
        """The telephone numbers with the labels of their columns, each once."""
        found: dict[str, tuple[str, str | None]] = {}
        for column, cell in self.given.get(Field.PHONE, ()):
            for number in _in_column(column, cells.phones, cell):
                found.setdefault(cells.digits(number), (number, column.label))
        return tuple(found.values())

    def note(self) -> str:
        """The text of every note column, one under the other."""
        pieces = (_in_column(column, cells.text, cell) for column, cell in self.given.get(Field.NOTE, ()))
        return "\n\n".join(piece for piece in pieces if piece)

    def moment(self, field: Field) -> datetime | None:
        """A time."""
        return self.first(field, lambda cell: cells.moment(cell, day_first=self.day_first))

    def text(self, field: Field) -> str:
        """A name, a title: one line, "" where absent."""
        return self.first(field, cells.line) or ""

    def needed(self, field: Field, what: str) -> str:
        """As ``text``. Raises BadCell if it is empty."""
        if found := self.text(field):
            return found
        raise BadCell(f"no {what}")

    def first(self, field: Field, read: Callable[[Cell], T]) -> T | None:
        """The first of the field's columns that holds something."""
        for column, cell in self.given.get(field, ()):
            found = _in_column(column, read, cell)
            if found:
                return found
        return None

    def every(self, field: Field, read: Callable[[Cell], Sequence[str]]) -> list[str]:
        """What all of the field's columns hold."""
        return [one for column, cell in self.given.get(field, ()) for one in _in_column(column, read, cell)]


def _named(name: str) -> tuple[str, list[str]]:
    """Name and addresses of somebody who is named by his address: ``jan@x.pl`` or ``Jan <jan@x.pl>``."""
    if "@" not in name:
        return name, []
    try:
        return name.partition("<")[0].strip() if "<" in name else "", cells.emails(name)
    except BadCell:
        return name, []


def _in_column(column: Column, read: Callable[[Cell], T], cell: Cell) -> T:
    try:
        return read(cell)
    except BadCell as error:
        raise BadCell(f"{column.heading}: {error}") from None
