"""``mailcrm permission``: on what basis a person may be written to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from mailcrm.cli.desk import desk
from mailcrm.cli.options import Json
from mailcrm.cli.output import emit
from mailcrm.store import people, permissions
from mailcrm.store.permissions import Permission

app = typer.Typer(no_args_is_help=True, help="Recipients' permission to be written to: list, grant, withdraw.")
Person = Annotated[str, typer.Argument(metavar="PERSON", help="Name, e-mail or id.")]
Proof = Annotated[str, typer.Option(metavar="TEXT", help="What shows it: a link, a file, his own words.")]
_COLUMNS = ["name", "granted", "basis", "source", "proof", "tracking", "at", "by"]


@app.command("list")
def list_(
    ctx: typer.Context,
    person: Annotated[str | None, typer.Argument(metavar="[PERSON]", help="Name, e-mail or id.")] = None,
    as_json: Json = False,
) -> None:
    """List all that was recorded, the newest first: the first line of a person counts."""
    at = desk(ctx)
    number = at.find("person", person) if person else None
    with at.context.db.read() as connection:
        rows = permissions.history(connection, number)
        names = {key: row.name for key, row in people.rows(connection, sorted({each.person for each in rows})).items()}
    emit([_row(each, names.get(each.person, "")) for each in rows], as_json, _COLUMNS)


@app.command()
def grant(
    ctx: typer.Context,
    person: Person,
    basis: Annotated[str, typer.Option(metavar="BASIS", help="consent, contract, legitimate_interest …")] = "consent",
    source: Annotated[str, typer.Option(metavar="TEXT", help="Where it is from: form, fair, call …")] = "",
    proof: Proof = "",
    tracking: Annotated[bool, typer.Option("--tracking", help="It covers that opens and clicks are noted.")] = False,
) -> None:
    """Record that a person may be written to by automatic and campaign mail."""
    at = desk(ctx)
    number, by, now = at.find("person", person), at.actor.source, at.context.clock()
    with at.context.db.write() as connection:
        permissions.grant(connection, number, basis, source or by, proof, tracking, by, now)


@app.command()
def withdraw(
    ctx: typer.Context,
    person: Person,
    source: Annotated[str, typer.Option(metavar="TEXT", help="How he said so: call, mail …")] = "",
    proof: Proof = "",
) -> None:
    """Record that a person may not be written to any more. What is scheduled fails when it would be sent."""
    at = desk(ctx)
    number, by = at.find("person", person), at.actor.source
    with at.context.db.write() as connection:
        permissions.withdraw(connection, number, source or by, proof, by, at.context.clock())


def _row(each: Permission, name: str) -> Mapping[str, object]:
    return {**asdict(each), "name": name}
