"""``mailcrm thread``: list, show, split, merge, share, private."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mailcrm.app import mail_shapes
from mailcrm.app import threads as verbs
from mailcrm.cli.desk import desk
from mailcrm.cli.options import LARGEST_ID, Deal, Json, Org, Person
from mailcrm.cli.output import emit_one, emit_section
from mailcrm.store import reading

app = typer.Typer(no_args_is_help=True, help="Threads.")
ThreadArgument = Annotated[int, typer.Argument(metavar="THREAD", max=LARGEST_ID, help="Its id.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    person: Person = None,
    org: Org = None,
    deal: Deal = None,
    link: Annotated[Literal["linked", "choice", "person", "none"] | None, typer.Option(help="Only these.")] = None,
    as_json: Json = False,
) -> None:
    """List the threads that the acting user may see, the newest first."""
    at = desk(ctx)
    query = reading.thread_ids(at.viewer, scope=at.scope(person, org, deal, None), link=link)
    columns = ["id", "last_at", "subject", "link", "organization", "deal", "shared"]
    at.list(query, lambda connection, ids: mail_shapes.threads(connection, ids, at.viewer), as_json, columns)


@app.command()
def show(ctx: typer.Context, thread: ThreadArgument, as_json: Json = False) -> None:
    """Show a thread and its messages."""
    at = desk(ctx)
    with at.context.db.read() as connection:
        number = mail_shapes.visible_thread(connection, thread, at.viewer)
        (found,) = mail_shapes.threads(connection, [number], at.viewer)
        if as_json:
            emit_one(found, as_json=True)
            return
        ids = list(connection.execute(reading.message_ids(at.viewer, in_thread=number)).scalars())
        messages = mail_shapes.messages(connection, ids[::-1])
    emit_one({key: value for key, value in vars(found).items() if key not in ("messages", "persons")}, as_json=False)
    columns = ("id", "date", "direction", "kind", "from", "subject")
    emit_section("messages", [{key: row[key] for key in columns} for row in messages])


@app.command()
def split(
    ctx: typer.Context,
    messages: Annotated[list[str], typer.Argument(metavar="MESSAGE…", help="Message-IDs or numbers of one thread.")],
) -> None:
    """Give messages a thread of their own, for good; prints its id."""
    at = desk(ctx)
    with at.context.db.read() as connection:
        numbers = [str(mail_shapes.visible_message(connection, each, at.viewer)) for each in messages]
    typer.echo(str(verbs.split(at.context, numbers)))


@app.command()
def merge(
    ctx: typer.Context,
    into: ThreadArgument,
    others: Annotated[
        list[int], typer.Argument(metavar="THREAD…", max=LARGEST_ID, help="Those that become part of it.")
    ],
) -> None:
    """Make several threads one, for good; prints its id."""
    at = desk(ctx)
    with at.context.db.read() as connection:
        target, *gone = (mail_shapes.visible_thread(connection, each, at.viewer) for each in (into, *others))
    typer.echo(str(verbs.merge(at.context, target, gone)))


@app.command()
def share(
    ctx: typer.Context,
    thread: ThreadArgument,
    off: Annotated[bool, typer.Option("--off", help="Close it again.")] = False,
) -> None:
    """Open a thread to all colleagues."""
    at = desk(ctx)
    mail_shapes.share(at.context, thread, at.viewer, shared=not off)


@app.command()
def private(
    ctx: typer.Context,
    thread: ThreadArgument,
    off: Annotated[bool, typer.Option("--off", help="Store its mail again.")] = False,
) -> None:
    """Store no more mail of a thread, and close it to colleagues."""
    at = desk(ctx)
    mail_shapes.make_private(at.context, thread, at.viewer, private=not off)
