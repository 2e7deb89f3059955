"""``mailcrm event``: kinds, emit, list."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from mailcrm.app import emit as verbs
from mailcrm.cli.context import actor, context
from mailcrm.cli.options import Json, Person
from mailcrm.cli.output import emit as show
from mailcrm.cli.output import say
from mailcrm.core.events import type_name
from mailcrm.errors import Refused
from mailcrm.store import events, find

app = typer.Typer(no_args_is_help=True, help="Events: their kinds, and emitting one.")
_SHOWN = 50


@app.command()
def kinds(ctx: typer.Context, as_json: Json = False) -> None:
    """List the kinds of events with their fields, those of plugins too."""
    rows = [
        {
            "kind": kind.name,
            "fields": {name: type_name(wanted) for name, wanted in kind.fields.items()},
            "label": kind.label,
        }
        for kind in context(ctx).registry.kinds.values()
    ]
    show(rows, as_json, ["kind", "fields", "label"])


@app.command()
def emit(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="One of `event kinds`.")],
    data: Annotated[str, typer.Option(metavar="JSON", help="Its fields, as a JSON object.")] = "{}",
    person: Person = None,
    key: Annotated[str | None, typer.Option(help="Makes it one and the same, however often it is emitted.")] = None,
) -> None:
    """Store an event, as if it had happened now."""
    new = verbs.emit(context(ctx), kind, _object(data), source=actor(ctx).source, person=person, key=key)
    say(f"{kind} is stored" if new else f"{kind} was stored before with this key; nothing was done")


@app.command("list")
def list_(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="Only these.")] = None,
    person: Person = None,
    as_json: Json = False,
) -> None:
    """List what happened, the newest first."""
    with context(ctx).db.read() as connection:
        whose = find.person_id(connection, person) if person else None
        found = events.recent(connection, kind=kind, person=whose, limit=None if as_json else _SHOWN)
    columns = ["id", "at", "kind", "person", "source", "data"]
    show([{name: getattr(event, name) for name in columns} for event in found], as_json, columns)


def _object(given: str) -> dict[str, Any]:
    try:
        data = json.loads(given)
    except ValueError as error:
        raise Refused(f'--data is not JSON ({error}); give an object, such as \'{{"tag": "vip"}}\'') from None
    if not isinstance(data, dict):
        raise Refused('--data must be a JSON object, such as \'{"tag": "vip"}\'')
    return data
