"""What the commands that apply a definition file share: its faults, and telling what it would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from mailcrm.app.flow_files import Plan, kind_of
from mailcrm.cli.output import clean, emit_one, say
from mailcrm.core.definitions import DefinitionError
from mailcrm.core.plural import counted

File = Annotated[Path, typer.Argument(metavar="FILE.toml", help="A definition file.")]


@contextmanager
def definition_faults() -> Iterator[None]:
    """Every fault of a definition on a line of its own, ``FILE:LINE: element: what; mend``; then the command fails."""
    try:
        yield
    except DefinitionError as error:
        for each in error.faults:
            say(str(each))
        say(f"mailcrm: nothing was changed: {counted(len(error.faults), 'fault')} in the definition")
        raise typer.Exit(1) from None


def show_definition(row: Mapping[str, Any], text: str, *, toml: bool, as_json: bool) -> None:
    """Print what is stored: its file alone (``toml``), or what is known of it and below it the file."""
    if toml:
        typer.echo(text, nl=False)
    elif as_json:
        emit_one({**row, "definition": text}, as_json=True)
    else:
        emit_one(row, as_json=False)
        typer.echo(f"\n{text}", nl=False)


def announce(plan: Plan, effect: str, remarks: Sequence[str], as_json: bool) -> None:
    """Tell what applying would change and for whom; remarks, and with ``--json`` all of it, on standard error."""
    tell(plan.definition.name, plan.changes, effect, remarks, as_json)


def tell(name: str, changes: Sequence[str], effect: str, remarks: Sequence[str], as_json: bool) -> None:
    """As ``announce``, of any definition."""
    for line in remarks:
        say(f"note: {line}")
    out = say if as_json else _print
    if not changes:
        say(f"{name!r} is like that already")
    for line in (*changes, effect) if changes else ():
        out(line)


def applied(plan: Plan, effect: str, as_json: bool, *, stored: bool) -> None:
    """What was (``stored``) or would be done, as JSON; in words it was told before."""
    if as_json:
        values = {"kind": kind_of(plan.definition), "name": plan.definition.name, "applied": stored}
        emit_one({**values, "changes": plan.changes, "effect": effect, "inside": plan.inside}, as_json=True)


def _print(line: str) -> None:
    typer.echo(clean(line))
