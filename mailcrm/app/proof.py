"""Whether a mail is from whom its From says, as far as our own mail server has found out."""

from __future__ import annotations

from mailcrm.app.context import Context
from mailcrm.core.addresses import domain_of
from mailcrm.core.authres import dmarc_failed, dmarc_passed
from mailcrm.core.model import Message


def forged(context: Context, message: Message) -> bool:
    """True if ``linking.authserv_id`` names our server, and it says in Authentication-Results that DMARC failed.

    With ``linking.require_dmarc`` set to false it is never asked.
    """
    linking = context.config.linking
    if not linking.authserv_id or not linking.require_dmarc:
        return False
    return dmarc_failed(message.headers.get("authentication-results", ()), linking.authserv_id)


def proven(context: Context, message: Message, sender: str, via: str, mailbox_key: str | None) -> bool:
    """Whether an answer to a question of ours is from the user whom its From names.

    Args:
        sender: his key.
        via: ``sent``: it was read in a Sent folder, which proves it if the mailbox is his.
        mailbox_key: where it was found.
    """
    mailbox = context.config.mailboxes.get(mailbox_key or "")
    if via == "sent" and mailbox is not None and sender in mailbox.people:
        return True
    linking = context.config.linking
    if not linking.authserv_id or not linking.require_dmarc:
        return True
    fields = message.headers.get("authentication-results", ())
    return message.from_ is not None and dmarc_passed(fields, linking.authserv_id, domain_of(message.from_.email))
