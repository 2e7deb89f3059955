"""A file that lists recipients: one a line, or a sheet with a column of ids, addresses or names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailcrm.app.sheets import Ragged, Row, open_sheet
from mailcrm.core import cells, columns
from mailcrm.core.addresses import normalise
from mailcrm.core.campaigns import Group
from mailcrm.core.cells import BadCell, Cell
from mailcrm.core.columns import Subject
from mailcrm.core.headings import Field
from mailcrm.errors import Refused

MOST_BYTES = 100 << 20
MOST_ROWS = 1_000_000
_LONGEST = 500
_ADDRESSED = re.compile(r"<([^<>\s]{3,320})>\s*$")
_SUBJECTS: Mapping[Group, Subject] = {
    "person": Subject.PERSONS,
    "organization": Subject.ORGANIZATIONS,
    "lead": Subject.LEADS,
}
_TELLING = (Field.EMAIL, Field.DOMAIN, Field.TITLE, Field.NAME)
"""What tells a record, the surest first; an id is surer still."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """What names no recipient.

    Args:
        line: of the file, from 1; None: it was given by itself.
        given: as it stands there.
        why: it names none.
    """

    line: int | None
    given: str
    why: str


@dataclass(frozen=True, slots=True)
class Named:
    """A row, and the text in it that names a record. ``line``: as of ``BadRow``."""

    line: int | None
    text: str


def read(path: Path, group: Group, encoding: str | None = None) -> Iterator[Named | BadRow]:
    """The rows of a file, one after the other.

    In a sheet whose first row is of headings, the column of ids, addresses, domains or names is taken, whichever is
    filled first in this order; else the first address in a row, or its first cell.

    Raises:
        Refused: it is too large.
        Permanent: it can't be read.
    """
    if path.is_file() and path.stat().st_size > MOST_BYTES:
        raise Refused(f"{path} has more than {MOST_BYTES >> 20} MB; cut it into several")
    sheet = open_sheet(path, encoding=encoding)
    first, told = sheet.sample[0]
    places = _places(told, group)
    for count, row in enumerate(sheet.after(first if places else 0), 1):
        if count > MOST_ROWS:
            raise Refused(f"{path} has more than {MOST_ROWS:,} rows; cut it into several")
        if isinstance(row, Ragged):
            yield BadRow(row.line, "", row.reason)
        elif (named := _named(row, places)) is not None:
            yield named


def _places(headings: Sequence[Cell], group: Group) -> list[int]:
    """The columns that tell a record, the surest first; none: these are no headings."""
    names = [cell[:_LONGEST] if isinstance(cell, str) else "" for cell in headings]
    if any(normalise(name) for name in names):
        return []
    ids = [at for at, name in enumerate(names) if columns.fold(name) in ("id", group, f"{group} id")]
    known = {column.field: column.index for column in reversed(columns.guess(_SUBJECTS[group], names)) if column.field}
    return list(dict.fromkeys([*ids, *(known[field] for field in _TELLING if field in known)]))


def _named(row: Row, places: Sequence[int]) -> Named | BadRow | None:
    line, found = row
    try:
        texts = [cells.line(cell) for cell in found]
    except BadCell as error:
        return BadRow(line, "", str(error))
    filled = [texts[at] for at in places if at < len(texts) and texts[at]] if places else _filled(texts)
    if not filled:
        return BadRow(line, "", "names nobody") if any(texts) else None
    if len(filled[0]) > _LONGEST:
        return BadRow(line, f"{filled[0][:100]}…", "is too long to name anybody")
    return Named(line, _address(filled[0]))


def _filled(texts: Sequence[str]) -> list[str]:
    """The cells of a row that may name a record, the first one meant."""
    filled = [text for text in texts if text]
    return [text for text in filled if normalise(text)] or filled


def _address(text: str) -> str:
    """``Jan Lis <jan@klient.example>``, as mail programs write it, is that address."""
    found = _ADDRESSED.search(text)
    return found[1] if found and normalise(found[1]) else text
