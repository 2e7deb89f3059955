"""``mailcrm pulse``: what a rep is to know or do; and ``done`` for a draft that he has sent or will not send."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import drafts
from mailcrm.cli.desk import desk
from mailcrm.cli.options import LARGEST_ID, Json
from mailcrm.cli.output import emit
from mailcrm.store import pulse

app = typer.Typer(help="What a rep is to know or do: drafts to send, mail that goes by itself, notices.")
User = Annotated[str | None, typer.Option("--user", metavar="USER", help="Key, e-mail or id; else who acts, or all.")]
_COLUMNS = ["id", "due_at", "user", "kind", "text", "flow"]


@app.callback(invoke_without_command=True)
def list_(
    ctx: typer.Context,
    user: User = None,
    every: Annotated[bool, typer.Option("--all", help="What is done too.")] = False,
    as_json: Json = False,
) -> None:
    """List what is open, by its due time."""
    if ctx.invoked_subcommand is not None:
        return
    at = desk(ctx)
    whose = at.user(user) or at.actor.id
    with at.context.db.read() as connection:
        emit(pulse.listed(connection, whose, everything=every), as_json, _COLUMNS)


@app.command()
def done(ctx: typer.Context, numbers: Annotated[list[int], typer.Argument(metavar="ID…", max=LARGEST_ID)]) -> None:
    """Say that these are done: the flow that waits for a draft goes on."""
    at = desk(ctx)
    for number in numbers:
        drafts.done(at.context, at.actor, number)
