"""Asks plugins whether a letter may leave."""

from __future__ import annotations

from mailcrm.app.context import Context
from mailcrm.core.outgoing import Outgoing, SenderConsent
from mailcrm.store import consents
from mailcrm.store.leaving import Leaving

HOOK = "veto_send"


def vetoed(context: Context, mail: Leaving) -> str | None:
    """Why plugins are against it; None: nobody is, or it has no consent anyway."""
    if not context.plugins.has(HOOK) or mail.flow_id is None or mail.user_id is None:
        return None
    with context.db.read() as connection:
        said = consents.last(connection, mail.flow_id, mail.user_id)
    if said is None or not said.granted:
        return None
    letter = Outgoing(
        message_id=mail.message_id,
        sender=mail.sender,
        recipient=mail.recipient,
        subject=mail.subject,
        content=mail.content,
        flow=said.flow,
        node=mail.node,
        person=mail.person_id,
    )
    consent = SenderConsent(said.user, said.flow, said.at, said.by, said.via)
    return "; ".join(context.plugins.vetoes(HOOK, letter=letter, consent=consent)) or None
