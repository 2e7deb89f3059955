"""Whether a mail is from whom its From says, as far as our own mail server has found out."""

from __future__ import annotations

from mailcrm.app.context import Context
from mailcrm.core.authres import dmarc_failed
from mailcrm.core.model import Message


def forged(context: Context, message: Message) -> bool:
    """True if ``linking.authserv_id`` names our server, and it says in Authentication-Results that DMARC failed.

    With ``linking.require_dmarc`` set to false it is never asked.
    """
    linking = context.config.linking
    if not linking.authserv_id or not linking.require_dmarc:
        return False
    return dmarc_failed(message.headers.get("authentication-results", ()), linking.authserv_id)
