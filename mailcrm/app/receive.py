"""Mail that is handed in by LMTP: to the drop-box, or to a mailbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.core.addresses import without_tag
from mailcrm.core.model import Arrival, Batch, FolderRole, Message, Reading, Unreadable
from mailcrm.store.mailboxes import DROP_BOX

Read = Callable[[bytes, str], tuple[Message, Reading] | Unreadable]


def receive(
    context: Context,
    read: Read,
    mailboxes: Mapping[str, str | None],
    raw: bytes,
    mail_from: str,
    recipients: Sequence[str],
) -> None:
    """Take in one message; when this returns it is stored for good, for every recipient.

    Args:
        read: reads raw bytes; gets the envelope sender too.
        mailboxes: accepted address -> mailbox, None for the drop-box.
        mail_from: the envelope sender, "" is the null sender.
        recipients: normalised; each, perhaps without its plus-tag, is in ``mailboxes``.

    Raises:
        Temporary: the database is busy or away; the client comes again, which stores nothing twice.
    """
    content = read(raw, mail_from)
    keys = {mailboxes.get(each, mailboxes.get(without_tag(each))) or DROP_BOX for each in recipients}
    for key in sorted(keys):
        role = FolderRole.OTHER if key == DROP_BOX else FolderRole.INBOX
        arrival = Arrival(uid=None, received_at=context.clock(), content=content, mail_from=mail_from)
        ingest(context, Batch(mailbox=key, folder="", role=role, arrivals=(arrival,)))
    context.db.settle()
