"""``mailcrm erase``: everything about a person, for good."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import erasing
from mailcrm.cli.desk import desk
from mailcrm.cli.options import Json, Yes
from mailcrm.cli.output import confirm, emit_one
from mailcrm.core.addresses import normalise
from mailcrm.errors import NotFound

app = typer.Typer()


@app.command()
def erase(
    ctx: typer.Context,
    person: Annotated[
        str, typer.Argument(metavar="PERSON", help="Name, e-mail or id; or an address that is nobody's.")
    ],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase a person with his mail, files, notes and activities, and never store his addresses again.

    Deals stay, without him. Mail that others took part in stays, without his name and address in its head. Backups
    made before are not touched; `mailcrm db restore` erases him again. Prints what was erased.
    """
    at = desk(ctx)
    try:
        number, addresses = at.find("person", person), []
    except NotFound:
        if not normalise(person):
            raise
        number, addresses = None, [normalise(person)]
    who = f"person {number}" if number is not None else addresses[0]
    confirm(f"Erase {who} for good; this can't be taken back", yes)
    emit_one(erasing.erase(at.context, number, addresses), as_json)
