"""Reading sheets: CSV of any encoding and separator, row by row; XLS and XLSX."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mailcrm.app.encodings import Encoding, find_encoding
from mailcrm.app.workbook import open_workbook
from mailcrm.core.cells import Cell
from mailcrm.errors import Permanent

SEPARATORS = ",;\t|"
MAX_COLUMNS = 1_000
_SAMPLE_ROWS = 100
_STRAY = 8
"""So many NUL may stand in a text that is short: they are the faults of their rows."""
_WORKBOOKS = (".xls", ".xlsx", ".xlsm", ".xlsb", ".ods")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FOREIGN = {
    b"%PDF": "a PDF",
    b"\x1f\x8b": "compressed by gzip",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"SQLite format 3": "a SQLite database",
}
_MARKUP = re.compile(rb"\s*(?:<!doctype html|<html|<table|<\?xml)", re.IGNORECASE)

Row = tuple[int, list[Cell]]


@dataclass(frozen=True, slots=True)
class Ragged:
    """A row that could not be cut into cells; ``line`` is where it begins."""

    line: int
    reason: str


@dataclass(slots=True)
class Sheet:
    """An opened sheet, not yet mapped.

    Args:
        described: how it is read, in words: encoding and separator, or the sheet's name.
        leading: its first rows that are not empty, for finding the headings.
        rest: the rows after those; can be gone through once.
    """

    described: str
    leading: list[Row | Ragged] = field(default_factory=list)
    rest: Iterator[Row | Ragged] = field(default_factory=lambda: iter(()))

    def after(self, line: int) -> Iterator[Row | Ragged]:
        """Every row below the one numbered ``line``."""
        return itertools.chain((row for row in self.leading if _line(row) > line), self.rest)

    @property
    def sample(self) -> list[Row]:
        """Those of the first rows that are whole, each with its number from 1."""
        return [row for row in self.leading if not isinstance(row, Ragged)]


def _line(row: Row | Ragged) -> int:
    return row.line if isinstance(row, Ragged) else row[0]


def open_sheet(path: Path, *, sheet: str | None = None, encoding: str | None = None) -> Sheet:
    """Open a file by what its name says it is.

    Args:
        path: ``.xls``, ``.xlsx`` (also ``.xlsm``, ``.xlsb``, ``.ods``) is a workbook, everything else text.
        sheet: the name of a workbook's sheet; default: the first.
        encoding: of a text file, where it is not to be detected.

    Raises:
        Permanent: it can't be read, is not what its name says, is protected, or beyond the bounds.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise Permanent(f"can't read {path}: {error.strerror}") from None
    if not head.strip():
        raise Permanent(f"{path} is empty")
    workbook = path.suffix.lower() in _WORKBOOKS
    _refuse_other_kinds(path, head, workbook=workbook)
    rows = _workbook(path, sheet) if workbook else _text(path, sheet, encoding)
    rows.leading = list(itertools.islice(rows.rest, _SAMPLE_ROWS))
    if not rows.sample:
        raise Permanent(f"{path} has no rows")
    return rows


def _refuse_other_kinds(path: Path, head: bytes, *, workbook: bool) -> None:
    for magic, kind in _FOREIGN.items():
        if head.startswith(magic):
            raise Permanent(f"{path} is {kind}, not a sheet; export it as CSV or XLSX")
    packed = head.startswith((_ZIP, _OLE))
    if packed and not workbook:
        kind = "xlsx" if head.startswith(_ZIP) else "xls"
        raise Permanent(f"{path} is no text but looks like a workbook; name it {path.with_suffix('.' + kind).name}")
    if workbook and not packed:
        if _MARKUP.match(head):
            raise Permanent(f"{path} is a web page or XML and only called {path.suffix}; save it anew as XLSX or CSV")
        raise Permanent(f"{path} is no workbook; if it is text, name it {path.with_suffix('.csv').name}")
    if not workbook and _MARKUP.match(head):
        raise Permanent(f"{path} is a web page or XML, not CSV; save it anew as XLSX or CSV")


def _text(path: Path, sheet: str | None, encoding: str | None) -> Sheet:
    if sheet is not None:
        raise Permanent(f"{path} is text, which has no sheets; leave --sheet out")
    found = find_encoding(path) if encoding is None else Encoding(encoding, "strict")
    try:
        with path.open(encoding=found.name, errors=found.errors, newline="") as file:
            sample = file.read(200_000)
    except (LookupError, UnicodeError) as error:
        raise Permanent(f"can't read {path} as {found.name}: {error}; name the right one with --encoding") from None
    if sample.count("\0") > max(_STRAY, len(sample) // 100):
        raise Permanent(f"{path} is no text; export it as CSV or XLSX")
    separator = find_separator(sample)
    name = {"\t": "tabulator"}.get(separator, separator)
    return Sheet(f"{found.name}, separated by {name}", rest=_csv_rows(path, found, separator))


def find_separator(sample: str) -> str:
    """The sign that cuts the sample into most columns, evenly; "," for a single column.

    A first line ``sep=;``, as Excel writes it, settles it.
    """
    if match := re.match(r"\ufeff?sep=(.)\r?\n", sample):
        return match[1]
    best, most = ",", (0.0, 0)
    for candidate in SEPARATORS:
        try:
            reader = csv.reader(io.StringIO(sample, newline=""), delimiter=candidate)
            widths = [len(row) for row in itertools.islice(reader, _SAMPLE_ROWS) if any(row)]
        except csv.Error:
            continue
        widths = widths[:-1] if len(widths) > 2 else widths  # the sample may end inside a row
        usual = max(set(widths), key=widths.count, default=1)
        if usual > 1:
            score = (widths.count(usual) / len(widths), usual)
            best, most = (candidate, score) if (score[0] > 0.7, score[1]) > (most[0] > 0.7, most[1]) else (best, most)
    return best


def _csv_rows(path: Path, encoding: Encoding, separator: str) -> Iterator[Row | Ragged]:
    with path.open(encoding=encoding.name, errors=encoding.errors, newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        begins = 1
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Ragged(begins, f"it can't be cut into cells ({error}); is a quotation mark left open?")
            except UnicodeError as error:
                raise Permanent(
                    f"{path}, line {reader.line_num + 1}: not {encoding.name} ({error}); "
                    "name the right encoding with --encoding"
                ) from None
            else:
                if any(row) and not (begins == 1 and len(row) <= 2 and row[0].lstrip("\ufeff").startswith("sep=")):
                    yield _bounded(path, begins, row), list[Cell](row)
            begins = reader.line_num + 1


def _workbook(path: Path, sheet: str | None) -> Sheet:
    name, rows = open_workbook(path, sheet)
    return Sheet(f"sheet {name}", rest=_workbook_rows(path, rows))


def _workbook_rows(path: Path, rows: Iterator[list[Cell]]) -> Iterator[Row | Ragged]:
    for line, row in enumerate(rows, 1):
        if any(cell not in ("", None) for cell in row):
            yield _bounded(path, line, row), row


def _bounded(path: Path, line: int, row: Sequence[object]) -> int:
    if len(row) > MAX_COLUMNS and any(cell not in ("", None) for cell in row[MAX_COLUMNS:]):
        raise Permanent(f"{path}, line {line}: {len(row):,} columns, at most {MAX_COLUMNS:,}; is the separator right?")
    return line
