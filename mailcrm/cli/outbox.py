"""``mailcrm outbox``: mail on its way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.cli.context import actor, context
from mailcrm.cli.options import LARGEST_ID, DryRun, Json, Yes
from mailcrm.cli.output import confirm, emit, emit_one, say
from mailcrm.errors import Refused

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailcrm.app.context import Context
    from mailcrm.store.outbox import Stored

app = typer.Typer(no_args_is_help=True, help="Outgoing mail: list, show, retry, hold, release.")
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]…", max=LARGEST_ID, help="These only.")]
All = Annotated[bool, typer.Option("--all", help="All that there are.")]
_COLUMNS = ["id", "kind", "to", "subject", "state", "attempts", "due_at", "reason"]
_STATES = ("pending", "sending", "sent", "failed", "held", "withdrawn")


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[str | None, typer.Option(metavar="STATE", help=", ".join(_STATES))] = None,
    as_json: Json = False,
) -> None:
    """List outgoing mail, with the last word about each: the server's, or why it waits."""
    from mailcrm.app import holding
    from mailcrm.store import outbox

    if state is not None and state not in _STATES:
        raise typer.BadParameter(f"{state!r} is not one of {', '.join(_STATES)}", param_hint="--state")
    built = context(ctx)
    with built.db.read() as connection:
        rows = [shape(each) for each in outbox.listed(connection, state)]
    emit(rows, as_json, _COLUMNS)
    if held := holding.standing(built):
        say(f"everything is held: {held.reason}; {holding.MEND}")


@app.command()
def show(
    ctx: typer.Context, number: Annotated[int, typer.Argument(metavar="ID", max=LARGEST_ID)], as_json: Json = False
) -> None:
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
def retry(ctx: typer.Context, ids: Ids = None, every: All = False, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Try failed and waiting mail again, now (--all: the failed ones)."""
    from mailcrm.store import outbox

    built, wanted = context(ctx), _meant(ids, every)
    if every and not dry_run:
        confirm(f"Try all failed mail again: {outbox.counts_in(built.db, 'failed')}", yes, final=False)
    count = _change(built, lambda connection: outbox.retry(connection, wanted, built.clock()), dry_run)
    _said(count, wanted, "tried again", "failed or waiting", dry_run)


@app.command()
def hold(ctx: typer.Context, ids: Ids = None, every: All = False, dry_run: DryRun = False) -> None:
    """Keep waiting mail back (--all: everything, what is still to come too, until `outbox release`)."""
    from mailcrm.app import holding
    from mailcrm.store import outbox

    built, wanted = context(ctx), _meant(ids, every)
    if wanted is None and not dry_run:
        count = holding.hold_all(built, f"held by {actor(ctx).source}", flows=False)
    else:
        count = _change(built, lambda connection: outbox.hold(connection, wanted), dry_run)
    _said(count, wanted, "held", "waiting", dry_run)


@app.command()
def release(
    ctx: typer.Context,
    ids: Ids = None,
    every: All = False,
    sender: Annotated[str | None, typer.Option("--sender", metavar="USER", help="This user's mail.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Let held mail go; with nothing named, what was held because everything was."""
    from mailcrm.app import holding
    from mailcrm.store import outbox, users

    built = context(ctx)
    now = built.clock()
    if sum((bool(ids), every, sender is not None)) > 1:
        raise typer.BadParameter("say which mails: their ids, --all, or --sender USER", param_hint="ID")
    if ids:
        count = _change(built, lambda connection: outbox.release(connection, ids, now), dry_run)
        _said(count, ids, "released", "held", dry_run)
        return

    def those(connection: Connection) -> int:
        user = users.find(connection, sender).id if sender is not None else None
        as_a_whole = None if every or sender is not None else outbox.ALL
        return outbox.release_all(connection, now, held_for=as_a_whole, user=user)

    count = _change(built, those, dry_run=True)
    if dry_run:
        _said(count, None, "released", "held", dry_run)
        return
    confirm(f"Let held mail go: {count}", yes, final=False)
    if sender is not None:
        say(f"{holding.release_sender(built, sender)} released")
    elif every:
        say(f"{holding.release_all(built)} released")
    elif (released := holding.release(built)) is None:
        raise Refused("nothing is held as a whole; name mails, --all, or --sender USER")
    else:
        say(f"{released} released")


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


def _change(built: Context, change: Callable[[Connection], int], dry_run: bool) -> int:
    """How many mails it changes; all of it is taken back if that is only to be shown."""
    with built.db.write() as connection:
        count = change(connection)
        if dry_run:
            connection.rollback()
    return count


def _meant(ids: list[int] | None, every: bool) -> list[int] | None:
    if bool(ids) == every:
        raise typer.BadParameter("say which mails: their ids, or --all", param_hint="ID")
    return ids or None


def _said(count: int, wanted: list[int] | None, done: str, needed: str, dry_run: bool) -> None:
    """What was done, or would be; it is a fault if some of the named mails were not in the right state."""
    done = f"would be {done}" if dry_run else done
    if wanted is not None and count < len(set(wanted)):
        raise Refused(f"{count} {done}; the others of {', '.join(map(str, wanted))} are not {needed}")
    say(f"{count} {done}")
