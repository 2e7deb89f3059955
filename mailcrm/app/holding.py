"""Holds all outgoing mail, and flows: by hand, and where the program finds itself in another place or time."""

from __future__ import annotations

import socket
from datetime import timedelta

from mailcrm.app.context import Context
from mailcrm.errors import Refused
from mailcrm.store import outbox, sender_holds, standstill, users
from mailcrm.store.standstill import Standstill

OVERDUE = timedelta(hours=24)
MEND = "`mailcrm outbox release` lets it go, after a look at `mailcrm outbox list`"


def standing(context: Context) -> Standstill | None:
    """Whether everything is held now."""
    with context.db.read() as connection:
        return standstill.of(connection)


def look(context: Context, host: str | None = None, *, patience: timedelta | None = OVERDUE) -> Standstill | None:
    """Before work begins: hold everything if this is another host or address than before, or all is long overdue.

    Somebody may have put a copy of the database to work, or an old one: what is due there has perhaps been done.

    Args:
        host: where this is; None: as this machine calls itself.
        patience: how long something may have been due; None: for ever, where the clock is not the real one.

    Returns:
        Whether everything is held, and why.
    """
    host = host or socket.gethostname()
    base_url, now = context.config.web.base_url, context.clock()
    with context.db.read() as connection:
        known, held = standstill.place(connection), standstill.of(connection)
        oldest = standstill.oldest_due(connection)
    here = known is not None and host in known["hosts"] and base_url == known["base_url"]
    late = oldest is not None and patience is not None and oldest < now - patience
    if here and not late:
        return held
    with context.db.write() as connection:
        waits = standstill.anything_waits(connection)
        hosts = sorted({host, *(known["hosts"] if known and base_url == known["base_url"] else ())})
        standstill.note_place(connection, {"hosts": hosts, "base_url": base_url}, now)
    if known is not None and not here and waits:
        what = f"host ({host})" if host not in known["hosts"] else f"web.base_url ({base_url})"
        hold_all(context, f"this is another {what} than before", flows=True)
    elif late and oldest is not None and held is None:
        hold_all(context, f"what waits has been due since {oldest:%Y-%m-%d %H:%M}Z", flows=True)
    return standing(context)


def hold_all(context: Context, reason: str, *, flows: bool) -> int:
    """Hold all mail, and what is still to come; with ``flows`` they stand still too. Returns how many mails wait."""
    now = context.clock()
    with context.db.write() as connection:
        standstill.begin(connection, reason, now, flows=flows)
        return outbox.hold(connection, None)


def after_restore(context: Context, source: str) -> int | None:
    """Hold what was put back, if anything waits there. Returns how many mails; None: nothing waits."""
    with context.db.read() as connection:
        if not standstill.anything_waits(connection):
            return None
    return hold_all(context, f"restored from {source}", flows=True)


def release(context: Context) -> int | None:
    """Let go what was held because everything was. Returns how many mails; None if nothing was held so."""
    now = context.clock()
    with context.db.write() as connection:
        if not standstill.end(connection, now):
            return None
        count = outbox.release_all(connection, now, held_for=outbox.ALL)
    context.changed()
    return count


def release_all(context: Context) -> int:
    """Let every held mail go, and every sender. Returns how many mails."""
    now = context.clock()
    with context.db.write() as connection:
        standstill.end(connection, now)
        sender_holds.lift(connection)
        count = outbox.release_all(connection, now)
    context.changed()
    return count


def release_sender(context: Context, user: str) -> int:
    """Let one user's mail go. Returns how many mails. Raises NotFound, or Refused: nothing of his is held."""
    now = context.clock()
    with context.db.write() as connection:
        whose = users.find(connection, user)
        lifted = sender_holds.lift(connection, whose.id)
        count = outbox.release_all(connection, now, user=whose.id)
    if not lifted and not count:
        raise Refused(f"no mail of {whose.key} is held; `mailcrm outbox list --state held` shows what is")
    context.changed()
    return count
