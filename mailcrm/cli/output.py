"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import typer

from mailcrm.errors import Refused

# C0, C1 and the marks that turn text around: stored names come from strangers and must not steer a terminal.
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BREAKS = re.compile(r"\s*[\t\n]\s*")
_GAP = "  "
_SHORT = 17  # characters: a time; what is no longer is never broken
_NARROWEST = 12  # characters: a column of longer texts that can still be read
_ASIDE = {"created_by", "created_at", "pipeline", "fields", "sha256"}  # what the record's own page or --json tells


def clean(text: str) -> str:
    """Text without the characters by which it could steer a terminal. Line breaks and tabs stay."""
    return _STEERING.sub("", text)


def cell(value: object) -> str:
    """A value as it stands in a table, on one line."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else ""
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}Z"
        case Decimal():
            return f"{value:.2f}"
        case {"name": str(name), "email": str(email)}:
            return cell(f"{name} <{email}>".strip())
        case dict():
            return ", ".join(f"{key}={cell(item)}" for key, item in value.items())
        case list() | tuple():
            return ", ".join(cell(item) for item in value)
        case _:
            return _BREAKS.sub(" ", clean(str(value)))


def emit(rows: Iterable[object], as_json: bool, columns: Sequence[str]) -> None:
    """Print a listing.

    Args:
        rows: mappings, dataclasses or msgspec structs (whose renamed fields count under their new names).
        as_json: one object a line, unpaged, with every key of the row; else a table of ``columns``.
        columns: the keys that the table shows, which are also its headings.
    """
    if as_json:
        _json(rows)
        return
    _table([[mapping(row).get(name) for name in columns] for row in rows], columns)


def emit_one(row: object, as_json: bool) -> None:
    """Print one record: as JSON, or one ``key: value`` a line without the empty ones."""
    if as_json:
        _json([row])
        return
    _block({name.replace("_", " "): cell(value) for name, value in mapping(row).items()})


def emit_section(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print what belongs to a record: a title and a table of the main columns in which something stands."""
    columns = [name for name in rows[0] if name not in _ASIDE and any(cell(row[name]) for row in rows)]
    typer.echo(f"\n{title.replace('_', ' ')}")
    _table([[row[name] for name in columns] for row in rows], columns)


def say(text: str) -> None:
    """Progress or a warning: one line on standard error."""
    typer.echo(clean(text), err=True)


def fault(text: str) -> None:
    """What was refused or failed, why, and what to do: one line on standard error."""
    typer.echo(f"mailcrm: {_BREAKS.sub(' ', clean(text))}", err=True)


def confirm(question: str, yes: bool, *, final: bool = True) -> None:
    """Go on only if it is wanted.

    Args:
        question: what is about to be done, without the question mark.
        yes: ``--yes`` was given.
        final: it can't be taken back. What can be mended is asked at a terminal alone; a script is taken at its word.

    Raises:
        Refused: the answer was no, or there is no terminal to ask at and no ``--yes``.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        if not final:
            return
        raise Refused(f"{question}: not without being asked for; there is no terminal to ask at, so add --yes")
    if not typer.confirm(f"{clean(question)}?", err=True):
        raise Refused("nothing was done, as answered")


def mapping(row: object) -> Mapping[str, Any]:
    """A row's keys and values, as JSON has them, but for times and amounts."""
    if isinstance(row, Mapping):
        return row
    import msgspec

    built: dict[str, Any] = msgspec.to_builtins(row, builtin_types=(datetime, Decimal))
    return built


def _json(rows: Iterable[object]) -> None:
    import msgspec

    encoder = msgspec.json.Encoder(decimal_format="number")
    for row in rows:
        typer.echo(encoder.encode(row).decode())


def _table(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> None:
    headings = [name.replace("_", " ") for name in columns]
    lines = [headings, *(["no" if value is False else cell(value) for value in row] for row in rows)]
    amounts = [any(isinstance(row[at], Decimal) for row in rows) for at in range(len(columns))]
    if sys.stdout.isatty():
        _rich(lines, amounts)
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, amounts, strict=True)
        padded = [text.rjust(width) if amount else text.ljust(width) for text, width, amount in cells]
        typer.echo(_GAP.join(padded).rstrip())


def _rich(lines: list[list[str]], amounts: list[bool]) -> None:
    """A table as wide as the terminal: what is short stays whole, what is long goes on in the next line.

    Where the long columns would become too narrow to read, the rows stand one under the other instead.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, widths = Console(), [max(map(len, column)) for column in zip(*lines, strict=True)]
    needed = sum(width if width <= _SHORT else _NARROWEST for width in widths) + len(_GAP) * (len(widths) - 1)
    if needed > console.width:
        for line in lines[1:]:
            _block(dict(zip(lines[0], line, strict=True)))
            typer.echo()
        return
    drawn = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0))
    for heading, width, amount in zip(lines[0], widths, amounts, strict=True):
        justify: Literal["left", "right"] = "right" if amount else "left"
        drawn.add_column(Text(heading), no_wrap=width <= _SHORT, overflow="fold", justify=justify)
    for line in lines[1:]:
        drawn.add_row(*map(Text, line))
    console.print(drawn)


def _block(values: Mapping[str, str]) -> None:
    """One ``heading: value`` a line, without the empty ones."""
    width = max((len(heading) for heading, text in values.items() if text), default=0) + 1
    for heading, text in values.items():
        if text:
            typer.echo(f"{heading + ':':<{width}} {text}")
