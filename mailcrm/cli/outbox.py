"""``mailcrm outbox``: mail on its way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.cli.context import actor, context
from mailcrm.cli.options import DryRun, Json, Yes
from mailcrm.cli.output import confirm, emit, emit_one, say
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
def retry(ctx: typer.Context, ids: Ids = None, every: All = False, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Try failed and waiting mail again, now (--all: the failed ones)."""
    from mailcrm.store import outbox

    built, wanted = context(ctx), _meant(ids, every)
    if every and _asked(outbox.counts_in(built.db, "failed"), "tried again", "Try all failed mail again", dry_run, yes):
        return
    with built.db.write() as connection:
        count = outbox.retry(connection, wanted, built.clock())
    _said(count, wanted, "tried again", "failed or waiting")


@app.command()
def hold(ctx: typer.Context, ids: Ids = None, every: All = False, dry_run: DryRun = False) -> None:
    """Keep waiting mail back (--all: everything, what is still to come too, until `outbox release`)."""
    from mailcrm.app import holding
    from mailcrm.store import outbox

    built, wanted = context(ctx), _meant(ids, every)
    if wanted is None:
        if dry_run:
            say(f"{outbox.counts_in(built.db, 'pending')} would be held")
            return
        count = holding.hold_all(built, f"held by {actor(ctx).source}", flows=False)
    else:
        with built.db.write() as connection:
            count = outbox.hold(connection, wanted)
    _said(count, wanted, "held", "waiting")


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
    from mailcrm.store import outbox

    built = context(ctx)
    if sum((bool(ids), every, sender is not None)) > 1:
        raise typer.BadParameter("say which mails: their ids, --all, or --sender USER", param_hint="ID")
    if ids:
        with built.db.write() as connection:
            count = outbox.release(connection, ids, built.clock())
        _said(count, ids, "released", "held")
        return
    if _asked(outbox.counts_in(built.db, "held"), "released", "Let held mail go", dry_run, yes):
        return
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


def _asked(count: int, done: str, question: str, dry_run: bool, yes: bool) -> bool:
    """Whether it is only shown what would be done; else it is asked for where somebody is there to answer."""
    if dry_run:
        say(f"{count} would be {done}")
        return True
    confirm(f"{question}: {count}", yes, final=False)
    return False


def _meant(ids: list[int] | None, every: bool) -> list[int] | None:
    if bool(ids) == every:
        raise typer.BadParameter("say which mails: their ids, or --all", param_hint="ID")
    return ids or None


def _said(count: int, wanted: list[int] | None, done: str, needed: str) -> None:
    """What was done; it is a fault if some of the named mails were not in the right state."""
    if wanted is not None and count < len(set(wanted)):
        raise Refused(f"{count} {done}; the others of {', '.join(map(str, wanted))} are not {needed}")
    say(f"{count} {done}")
