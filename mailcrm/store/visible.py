"""Whose mail may be seen: the mailbox's owner's or members', unless the thread or the mailbox is shared."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select, true

from mailcrm.store.tables import folder, location, mailbox, message, thread


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks.

    Args:
        mailboxes: keys of the mailboxes whose mail he may see; None sees all (the operator, acting as nobody).
        own: keys of those that are his own: threads there are his to share.
    """

    mailboxes: frozenset[str] | None
    own: frozenset[str] = frozenset()

    def sees(self) -> ColumnElement[bool]:
        """True for the messages that he may see."""
        if self.mailboxes is None:
            return true()
        shared = select(1).where(thread.c.id == message.c.thread_id, thread.c.shared)
        return or_(_in(self.mailboxes), shared.exists())

    def sees_thread(self) -> ColumnElement[bool]:
        """True for the threads of which he may see a message."""
        if self.mailboxes is None:
            return true()
        his = select(1).where(message.c.thread_id == thread.c.id, _in(self.mailboxes))
        return or_(thread.c.shared, his.exists())

    def owns_thread(self) -> ColumnElement[bool]:
        """True for the threads that have a message in a mailbox of his own."""
        if self.mailboxes is None:
            return true()
        return select(1).where(message.c.thread_id == thread.c.id, _in(self.own)).exists()


def _in(keys: frozenset[str]) -> ColumnElement[bool]:
    """True for the messages that lie, or lay, in one of these mailboxes."""
    return (
        select(1)
        .select_from(location)
        .join(folder, folder.c.id == location.c.folder_id)
        .join(mailbox, mailbox.c.id == folder.c.mailbox_id)
        .where(location.c.message_id == message.c.id, mailbox.c.key.in_(keys))
        .exists()
    )
