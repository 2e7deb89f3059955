"""``mailcrm message``: list, show."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import mail_shapes
from mailcrm.cli.desk import desk
from mailcrm.cli.options import LARGEST_ID, Deal, Json, Org, Person
from mailcrm.cli.output import clean, emit_one, emit_section
from mailcrm.core.model import Direction, Kind
from mailcrm.store import reading

app = typer.Typer(no_args_is_help=True, help="Messages.")


@app.command("list")
def list_(
    ctx: typer.Context,
    person: Person = None,
    org: Org = None,
    deal: Deal = None,
    thread: Annotated[int | None, typer.Option(max=LARGEST_ID, help="Only of this thread.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only of this kind.")] = None,
    direction: Annotated[Direction | None, typer.Option(help="Only these.")] = None,
    as_json: Json = False,
) -> None:
    """List the messages that the acting user may see, the newest first."""
    at = desk(ctx)
    query = reading.message_ids(
        at.viewer,
        scope=at.scope(person, org, deal, None),
        in_thread=thread,
        kind=kind.value if kind else None,
        direction=direction.value if direction else None,
    )
    columns = ["id", "date", "direction", "kind", "from", "subject", "thread"]
    at.list(query, mail_shapes.messages, as_json, columns)


@app.command()
def show(
    ctx: typer.Context,
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Message-ID without <>, or number.")],
    as_json: Json = False,
) -> None:
    """Show a message."""
    at = desk(ctx)
    with at.context.db.read() as connection:
        (found,) = mail_shapes.messages(connection, [mail_shapes.visible_message(connection, message, at.viewer)])
    if as_json:
        emit_one(found, as_json=True)
        return
    text, files = found.pop("text"), found.pop("attachments")
    found.pop("reply_text")
    emit_one(found, as_json=False)
    if files:
        emit_section("files", files)
    typer.echo(f"\n{clean(text or '')}")
