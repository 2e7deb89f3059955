"""``mailcrm consent``: grant, revoke, ask, list."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import consenting
from mailcrm.cli.desk import desk
from mailcrm.cli.options import Json
from mailcrm.cli.output import emit
from mailcrm.cli.output import say as tell
from mailcrm.store import consents, flows

app = typer.Typer(no_args_is_help=True, help="A user's consent that a flow sends mail in his name.")
FlowName = Annotated[str, typer.Option("--flow", metavar="NAME", help="The sequence, workflow or campaign that sends.")]
User = Annotated[str | None, typer.Option("--user", metavar="USER", help="Key, e-mail or id; else who acts.")]
_COLUMNS = ["flow", "user", "granted", "at", "by", "via"]


@app.command()
def grant(ctx: typer.Context, flow: FlowName, user: User = None) -> None:
    """Let a flow send mail by itself in a user's name."""
    at = desk(ctx)
    if not consenting.say(at.context, at.actor, flow, user, granted=True):
        tell(f"that is granted already for {flow}")


@app.command()
def revoke(ctx: typer.Context, flow: FlowName, user: User = None) -> None:
    """Withdraw it. What is scheduled fails when it would be sent."""
    at = desk(ctx)
    if not consenting.say(at.context, at.actor, flow, user, granted=False):
        tell(f"there is no consent for {flow} to withdraw")


@app.command()
def ask(ctx: typer.Context, flow: FlowName, user: User = None, as_json: Json = False) -> None:
    """Ask by mail those in whose name a flow would send without consent; a reply answers. Prints who was asked now."""
    from mailcrm.app import consent_by_mail

    at = desk(ctx)
    asked = consent_by_mail.ask(at.context, at.actor, flow, user)
    emit([{"user": key} for key in asked], as_json, ["user"])
    if not asked:
        tell(f"nobody is to be asked about {flow}: all consent, or were asked and have not answered yet")


@app.command("list")
def list_(
    ctx: typer.Context,
    flow: Annotated[str | None, typer.Option("--flow", metavar="NAME", help="Of this one only.")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="USER", help="Of this one only.")] = None,
    as_json: Json = False,
) -> None:
    """List all that was said, the newest first: of a flow and a user the first line counts."""
    at = desk(ctx)
    with at.context.db.read() as connection:
        number = flows.find(connection, flow, consenting.KINDS).id if flow is not None else None
        emit(consents.history(connection, number, at.user(user) or None), as_json, _COLUMNS)
