"""Drafts that flows ask of reps: one is done when the rep's mail to the person turns up, or when he says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.errors import Refused
from mailcrm.store import effects, pulse, users, written
from mailcrm.store.events import NewEvent
from mailcrm.store.pulse import Draft
from mailcrm.store.tables import message

SENT = "mail.sent"


def done(context: Context, actor: Actor, number: int) -> None:
    """Close a line of somebody's pulse; a flow that waits for a draft goes on from now.

    Raises:
        NotFound: there is no such line.
        Refused: it is another's, closed already, or a mail that goes by itself.
    """
    now = context.clock()
    with context.db.write() as connection:
        entry = pulse.get(connection, number)
        if actor.user is not None and actor.user.key != entry.user:
            raise Refused(f"pulse item {number} is {entry.user}'s; `mailcrm pulse` shows yours")
        if entry.done_at is not None:
            raise Refused(f"pulse item {number} was done on {entry.done_at:%Y-%m-%d}")
        if entry.kind == "auto":
            raise Refused(f"pulse item {number} goes by itself; `mailcrm consent revoke` or `sequence leave` stops it")
        pulse.done(connection, number, now)
        if entry.effect is not None:
            effects.settle(connection, entry.effect, now)
    context.changed()


def fulfil(connection: Connection, context: Context, events: Sequence[NewEvent], now: datetime) -> None:
    """Settle the drafts that these mails of ours are: for each person the oldest that its writer was asked for before.

    Args:
        events: just stored; those of other kinds than ``mail.sent`` are left out. Mail that a flow sent by itself is
            no draft.
    """
    mails = [event for event in events if event.kind == SENT and event.person is not None]
    waiting = pulse.drafts(connection, {event.person for event in mails if event.person is not None}) if mails else []
    if not waiting:
        return
    by_person: defaultdict[int, list[Draft]] = defaultdict(list)
    for draft in waiting:
        by_person[draft.person].append(draft)
    ids = {str(event.data["message"]) for event in mails}
    authors = _authors(connection, context, ids)
    flows_own = written.of_flows(connection, ids)
    for event in sorted(mails, key=lambda each: each.at):
        mine = by_person[event.person or 0]
        mail = str(event.data["message"])
        his = (each for each in mine if each.user_id == authors.get(mail) and each.made_at <= event.at)
        meant = next(his, None) if mail not in flows_own else None
        if meant is not None:
            mine.remove(meant)
            effects.settle(connection, meant.effect, event.at)
            pulse.close(connection, [meant.effect], now)


def _authors(connection: Connection, context: Context, message_ids: set[str]) -> dict[str, int]:
    """Message-ID -> the id of the user who wrote it."""
    query = select(message.c.message_id, message.c.from_email).where(message.c.message_id.in_(message_ids))
    keys = {row[0]: context.ours.user(row[1]) for row in connection.execute(query) if row[1]}
    ids = users.ids(connection, [key for key in keys.values() if key])
    return {mail: ids[key] for mail, key in keys.items() if key in ids}
