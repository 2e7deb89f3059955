"""``mailcrm field``: list, set."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.cli.desk import desk
from mailcrm.cli.options import Deal, Json, Lead, Org, Person
from mailcrm.cli.output import emit
from mailcrm.core.given import text
from mailcrm.errors import Refused
from mailcrm.store import fields

app = typer.Typer(no_args_is_help=True, help="Custom fields.")


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the fields, each with how many records have it."""
    with desk(ctx).context.db.read() as connection:
        rows = [{"record": record, "name": name, "count": count} for record, name, count in fields.names(connection)]
        emit(rows, as_json, ["record", "name", "count"])


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help='"" removes the field.')],
    person: Person = None,
    org: Org = None,
    deal: Deal = None,
    lead: Lead = None,
) -> None:
    """Set a field of one record."""
    at = desk(ctx)
    scope = at.scope(person, org, deal, lead)
    if scope is None:
        raise Refused("whose field? say --person, --org, --deal or --lead")
    with at.context.db.write() as connection:
        fields.put(connection, scope.noun, scope.id, text(name, "the field's name"), value or None)
    at.context.changed()
