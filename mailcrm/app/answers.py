"""What arriving mail says to the CRM itself: answers by reply, keyword or folder; forwards to the drop-box."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection

from mailcrm.app import ask, choose, consent_by_mail
from mailcrm.app.context import Context
from mailcrm.core import linking
from mailcrm.core.choices import answer_reference, is_question
from mailcrm.core.consent_mail import consent_reference, is_consent_mail
from mailcrm.core.model import Arrival, Batch, FolderRole, Message, Reading
from mailcrm.store import messages
from mailcrm.store.mailboxes import DROP_BOX

_KEYWORD = re.compile(r"\$crm([1-9])", re.IGNORECASE)
_FOLDER = re.compile(r"(?:INBOX[/.\\])?CRM[/.\\](?P<deal>.+)")


def by_mail(
    connection: Connection, context: Context, batch: Batch, message: Message, reading: Reading, now: datetime
) -> bool:
    """Take a message as the answer to a question of ours, if it is one; or as our own question, which is no mail.

    Returns:
        True if it has been dealt with and is not to be stored.
    """
    if is_question(message, context.secret) or is_consent_mail(message, context.secret):
        return True
    reference = answer_reference(message, context.secret)
    matter = consent_reference(message, context.secret) if reference is None else None
    if (reference is None and matter is None) or _has_outsider(context, message):
        return False
    via = _way(context, batch)
    if via is not None and matter is not None:
        consent_by_mail.answer(
            connection, context, matter, message, reading, via=via, mailbox_key=batch.mailbox, now=now
        )
    if via is not None and reference is not None:
        choose.answer_by_mail(
            connection, context, reference, message, reading, via=via, mailbox_key=batch.mailbox, now=now
        )
    return True


def by_mark(connection: Connection, context: Context, batch: Batch, folder_id: int, now: datetime) -> int:
    """Take keywords ``$crm1`` … ``$crm9`` and folders ``CRM/<deal>`` as answers; gives how many there were."""
    configured = context.config.mailboxes.get(batch.mailbox)
    if configured is None:
        return 0
    answered = 0
    if configured.choice_keywords:
        flags = {arrival.uid: arrival.flags for arrival in batch.arrivals if arrival.uid is not None} | dict(
            batch.flags
        )
        marked = {
            uid: int(match[1]) for uid, names in flags.items() for name in names if (match := _KEYWORD.fullmatch(name))
        }
        threads = messages.threads_at(connection, folder_id, marked) if marked else {}
        for uid, thread in threads.items():
            answered += choose.answer_by_keyword(connection, context, thread, marked[uid], batch.mailbox, now)
    folder = _FOLDER.fullmatch(batch.folder) if configured.choice_folders else None
    if folder and batch.arrivals:
        found = [arrival.uid for arrival in batch.arrivals if arrival.uid is not None]
        for thread in set(messages.threads_at(connection, folder_id, found).values()):
            answered += choose.answer_by_folder(connection, context, thread, folder["deal"], batch.mailbox, now)
    return answered


def is_forward(context: Context, batch: Batch, message: Message, reading: Reading) -> bool:
    """True if one of ours handed a customer's mail in to the drop-box, and to nobody outside.

    With a Bcc or a copy to it he hands in mail of his own.
    """
    author = reading.forward.author if reading.forward else None
    return (
        _handed_in(context, batch, message)
        and linking.outside_recipients(message, context.ours) == 0
        and author is not None
        and context.ours.is_outside_party(author.email)
    )


def unsure_forward(
    connection: Connection, context: Context, batch: Batch, arrival: Arrival, message: Message, now: datetime
) -> None:
    """A mail to the drop-box of which nobody can tell what it is about: the rep is told, nothing is guessed.

    Of old mail nobody is told.
    """
    fresh = now - arrival.received_at <= timedelta(days=context.config.linking.history_days)
    if fresh and _handed_in(context, batch, message):
        ask.tell_unreadable_forward(connection, context, message, now)


def is_drop_box(context: Context, batch: Batch) -> bool:
    """True for what lies in the drop-box, or was handed in to it by LMTP."""
    configured = context.config.mailboxes.get(batch.mailbox)
    return batch.mailbox == DROP_BOX or (configured is not None and configured.drop_box)


def _has_outsider(context: Context, message: Message) -> bool:
    """A question that was passed on to a customer leaves its token in the References of all that follows."""
    everyone = (message.from_, *message.to, *message.cc, *message.bcc)
    return any(address is not None and context.ours.is_outside_party(address.email) for address in everyone)


def _way(context: Context, batch: Batch) -> Literal["sent", "reply"] | None:
    """A copy in the rep's own Sent, read over IMAP, proves who he is; what the drop-box got has to be checked."""
    if is_drop_box(context, batch):
        return "reply"
    if batch.role is FolderRole.SENT and batch.cursor is not None:
        return "sent"
    # Where one folder holds everything (Gmail), Sent is not read: his copy has to be proved as mail has.
    return "reply" if batch.role is FolderRole.ALL else None


def _handed_in(context: Context, batch: Batch, message: Message) -> bool:
    if not is_drop_box(context, batch) or message.from_ is None or context.ours.user(message.from_.email) is None:
        return False
    return any(address.email in context.ours.addresses for address in (*message.to, *message.cc))
