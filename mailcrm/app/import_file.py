"""Opening a sheet for import: which row holds the headings, what each column is."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mailcrm.app.sheets import Ragged, Row, open_sheet
from mailcrm.core import cells, columns
from mailcrm.core.cells import BadCell, Cell
from mailcrm.core.columns import Column, Subject
from mailcrm.core.headings import Field
from mailcrm.errors import Permanent

_HEADING_ROWS = 10
_DATES = (Field.CREATED, Field.WON_TIME, Field.LOST_TIME, Field.CLOSED)


@dataclass(slots=True)
class Import:
    """An opened file and how its columns are understood.

    Args:
        described: encoding and separator, or the sheet, in words.
        headings: the line of the column headings, from 1.
        width: how many headings there are, empty ones included.
        day_first: how 03/04/2025 is read.
        rows: what comes below them; can be gone through once.
    """

    path: Path
    subject: Subject
    described: str
    headings: int
    columns: list[Column]
    width: int
    day_first: bool
    rows: Iterator[Row | Ragged]


def prepare(
    path: Path,
    subject: Subject,
    *,
    given: Mapping[str, str] | None = None,
    sheet: str | None = None,
    encoding: str | None = None,
) -> Import:
    """Open a file and understand its columns; stores nothing.

    Args:
        given: heading -> target, which overrides the guess (see ``columns.guess``).
        sheet: of a workbook; default: the first.
        encoding: of a text file; default: detected.

    Raises:
        Permanent: it can't be read, or no column holds what every row needs.
    """
    opened = open_sheet(path, sheet=sheet, encoding=encoding)
    line, names = _headings(opened.sample, subject, given or {})
    found = columns.guess(subject, names, given)
    if missing := columns.lacking(subject, found):
        shown = ", ".join(repr(name) for name in names[:20] if name) + ("…" if len(names) > 20 else "")
        raise Permanent(
            f"no column of {path} is known to hold {missing}; the headings in line {line} are: {shown}. Say which "
            'column is what by --map FILE, with lines such as "Column" = "name" (of deals and leads: "title")'
        )
    dates = [column.index for column in found if column.field in _DATES]
    samples = [row[index] for number, row in opened.sample if number > line for index in dates if index < len(row)]
    return Import(
        path=path,
        subject=subject,
        described=opened.described,
        headings=line,
        columns=found,
        width=len(names),
        day_first=not cells.month_first(samples),
        rows=opened.after(line),
    )


def read_mapping(path: Path) -> dict[str, str]:
    """A mapping file: TOML, ``"Column heading" = "field"``. Raises Permanent."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Permanent(f"can't read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Permanent(f'{path} is not valid TOML ({error}); write lines such as "Column" = "field"') from None
    for heading, target in data.items():
        if not isinstance(target, str):
            raise Permanent(f'{path}: {heading!r} must be a text in quotation marks, such as "email"')
    return data


def _headings(leading: list[Row], subject: Subject, given: Mapping[str, str]) -> tuple[int, list[str]]:
    """The line of the column headings, and the headings: the first row that has known ones, else the first row."""
    for line, row in leading[:_HEADING_ROWS]:
        names = [_heading(cell) for cell in row]
        if any(name in given or (name and columns.is_known(subject, name)) for name in names):
            return line, names
    line, row = leading[0]
    return line, [_heading(cell) for cell in row]


def _heading(cell: Cell) -> str:
    try:
        return cells.line(cell)
    except BadCell:
        return ""
