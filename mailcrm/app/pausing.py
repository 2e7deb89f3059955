"""Pausing a mailbox and letting it go on."""

from __future__ import annotations

from mailcrm.app.context import Context
from mailcrm.errors import Refused
from mailcrm.store import mailboxes


def pause(context: Context, mailbox: str, reason: str) -> None:
    """Leave a mailbox alone until ``resume``. Raises NotFound."""
    with context.db.write() as connection:
        mailboxes.find(connection, mailbox)
        mailboxes.set_state(connection, mailbox, "paused", reason=reason)
    context.changed()


def resume(context: Context, mailbox: str) -> str:
    """Let a mailbox go on: one that waits after the first look begins its first pass, a paused one is read again.

    A paused one of which nothing was ever read is looked into first, as if it were new.

    Returns:
        The new state: ``active`` or ``new``.

    Raises:
        NotFound: there is no such mailbox.
        Refused: it neither waits nor is paused.
    """
    with context.db.write() as connection:
        now = mailboxes.find(connection, mailbox)
        if now.state not in ("waiting", "paused"):
            raise Refused(f"the mailbox {mailbox} is neither paused nor waiting (it is {now.state}); nothing to resume")
        begun = now.state == "waiting" or bool(mailboxes.cursors(connection, mailbox))
        state = "active" if begun else "new"
        mailboxes.set_state(connection, mailbox, state)
    context.changed()
    return state
