"""What a rep hands in at the relay becomes a message in its thread at once, as if it had been seen in Sent.

When the copy that his mail program keeps there is read later, it is the same message, at one more place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias

from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.config import Config
from mailcrm.core.addresses import normalise
from mailcrm.core.model import Address, Arrival, Batch, FolderRole, Message, Reading, Unreadable
from mailcrm.store import handed_in

Content: TypeAlias = tuple[Message, Reading] | Unreadable
Read = Callable[[Sequence[bytes], Sequence[str]], Sequence[Content]]
FOLDER = "(relay)"
"""Stands for a folder, in a mailbox of the writer's; no folder of a server is named so by chance."""

_LOOK_BACK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Written:
    """A mail that a rep wrote: his key, the envelope, the message as he handed it in."""

    user: str
    sender: str
    recipients: tuple[str, ...]
    raw: bytes


def link(context: Context, read: Read, mails: Sequence[Written]) -> None:
    """Store these mails as messages and link them. Safe to repeat.

    Mail of a user without a mailbox is linked when a copy of it is seen somewhere else.

    Args:
        read: reads raw bytes; gets the envelope senders too.

    Raises:
        Temporary: the database is busy or away, or nothing can be read just now.
    """
    by_mailbox: defaultdict[str, list[Written]] = defaultdict(list)
    for mail in mails:
        if (key := mailbox_of(context.config, mail.user)) is not None:
            by_mailbox[key].append(mail)
    now = context.clock()
    for key, his in by_mailbox.items():
        contents = read([mail.raw for mail in his], [mail.sender for mail in his])
        arrivals = tuple(
            Arrival(uid=None, received_at=now, content=_to_all(content, mail.recipients), mail_from=mail.sender)
            for mail, content in zip(his, contents, strict=True)
        )
        ingest(context, Batch(mailbox=key, folder=FOLDER, role=FolderRole.SENT, arrivals=arrivals))


def link_rest(context: Context, read: Read) -> None:
    """Link what a process that died had stored and not linked yet. Raises what ``link`` does."""
    with context.db.read() as connection:
        for some in handed_in.unlinked(connection, context.clock() - _LOOK_BACK):
            link(context, read, [Written(each.user, each.sender, each.recipients, each.content) for each in some])


def _to_all(content: Content, recipients: Sequence[str]) -> Content:
    """With blind copies: mail programs take them out of the header, so the envelope alone names them."""
    if isinstance(content, Unreadable):
        return content
    message, reading = content
    named = {address.email for address in (*message.to, *message.cc, *message.bcc)}
    blind = tuple(Address("", email) for email in map(normalise, recipients) if email not in named)
    return replace(message, bcc=message.bcc + blind), reading


def mailbox_of(config: Config, user: str) -> str | None:
    """The mailbox that a user's mail belongs to: his own, else one that he shares."""
    own = (key for key, mailbox in config.mailboxes.items() if mailbox.user == user)
    shared = (key for key, mailbox in config.mailboxes.items() if user in mailbox.members)
    return next(own, None) or next(shared, None)
