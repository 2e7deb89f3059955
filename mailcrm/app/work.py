"""Does what is due: what is past its time goes, questions into the outbox, the outbox to the smarthost, events."""

from __future__ import annotations

from dataclasses import dataclass

from mailcrm.app.ask import ask_due
from mailcrm.app.context import Context
from mailcrm.app.dispatch import Transport, dispatch
from mailcrm.app.react import deliver_due
from mailcrm.app.retention import sweep_due


@dataclass(frozen=True, slots=True)
class Worked:
    """What one round did; ``reason`` says why mail had to wait."""

    asked: int = 0
    sent: int = 0
    failed: int = 0
    delayed: int = 0
    delivered: int = 0
    reason: str | None = None


def work(context: Context, transport: Transport) -> Worked:
    """One round of what is due at the context's clock. Safe in several processes at once.

    Plugins are told for a limited time, so that a slow one holds up no mail: while ``delivered`` is not 0, call again.
    """
    sweep_due(context)
    asked = ask_due(context)
    mail = dispatch(context, transport)
    delivered = deliver_due(context)
    return Worked(asked, mail.sent, mail.failed, mail.delayed, delivered, mail.reason)
