"""``mailcrm outbox``: mail on its way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.cli.context import context
from mailcrm.cli.options import Json
from mailcrm.cli.output import emit, emit_one, say
from mailcrm.errors import Refused

if TYPE_CHECKING:
    from mailcrm.store.outbox import Stored

app = typer.Typer(no_args_is_help=True, help="Outgoing mail: list, show, retry, hold, release.")
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]…", help="These only.")]
All = Annotated[bool, typer.Option("--all", help="All that there are.")]
_COLUMNS = ["id", "kind", "to", "subject", "state", "attempts", "due_at", "reason"]
_STATES = ("pending", "sending", "sent", "failed", "held", "withdrawn")


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[str | None, typer.Option(metavar="STATE", help=", ".join(_STATES))] = None,
    as_json: Json = False,
) -> None:
    """List outgoing mail, with the server's last word about each."""
    from mailcrm.store import outbox

    if state is not None and state not in _STATES:
        raise typer.BadParameter(f"{state!r} is not one of {', '.join(_STATES)}", param_hint="--state")
    with context(ctx).db.read() as connection:
        rows = [shape(each) for each in outbox.listed(connection, state)]
    emit(rows, as_json, _COLUMNS)


@app.command()
def show(ctx: typer.Context, number: Annotated[int, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Show one mail, as it goes out."""
    from mailcrm.store import outbox

    with context(ctx).db.read() as connection:
        found = outbox.get(connection, number)
    text = found.content.decode("utf-8", "replace")
    if as_json:
        emit_one({**shape(found), "content": text}, as_json=True)
        return
    emit_one(shape(found), as_json=False)
    typer.echo("\n" + "\n".join(text.splitlines()))


@app.command()
def retry(ctx: typer.Context, ids: Ids = None, every: All = False) -> None:
    """Try failed and waiting mail again, now (--all: the failed ones)."""
    from mailcrm.store import outbox

    built, wanted = context(ctx), _meant(ids, every)
    with built.db.write() as connection:
        count = outbox.retry(connection, wanted, built.clock())
    _said(count, wanted, "tried again", "failed or waiting")


@app.command()
def hold(ctx: typer.Context, ids: Ids = None, every: All = False) -> None:
    """Keep waiting mail back."""
    from mailcrm.store import outbox

    wanted = _meant(ids, every)
    with context(ctx).db.write() as connection:
        count = outbox.hold(connection, wanted)
    _said(count, wanted, "held", "waiting")


@app.command()
def release(ctx: typer.Context, ids: Ids = None, every: All = False) -> None:
    """Let held mail go."""
    from mailcrm.store import outbox

    built, wanted = context(ctx), _meant(ids, every)
    with built.db.write() as connection:
        now = built.clock()
        count = outbox.release(connection, wanted, now) if wanted else outbox.release_all(connection, now)
    _said(count, wanted, "released", "held")


def shape(mail: Stored) -> Mapping[str, object]:
    """A mail of the outbox as JSON."""
    return {
        "id": mail.id,
        "key": mail.key,
        "kind": mail.kind,
        "from": mail.sender,
        "to": mail.recipient,
        "subject": mail.subject,
        "state": mail.state,
        "attempts": mail.attempts,
        "reason": mail.reason,
        "message_id": mail.message_id,
        "created_at": mail.created_at,
        "due_at": mail.due_at,
        "sent_at": mail.sent_at,
    }


def _meant(ids: list[int] | None, every: bool) -> list[int] | None:
    if bool(ids) == every:
        raise Refused("say which mails: their ids, or --all")
    return ids or None


def _said(count: int, wanted: list[int] | None, done: str, needed: str) -> None:
    """What was done; it is a fault if some of the named mails were not in the right state."""
    if wanted is not None and count < len(set(wanted)):
        raise Refused(f"{count} {done}; the others of {', '.join(map(str, wanted))} are not {needed}")
    say(f"{count} {done}")
