"""How long somebody is away who has answered by a machine."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from mailcrm.core import spans

# What was not written in answer to a mail of ours says nothing of its owner (RFC 3834, section 5), nor does a delay.
_NO_ABSENCE = ("Auto-Submitted: auto-generated", "Auto-Submitted: auto-notified", "RFC 3464", "flufl", "mail system")


def back_at(until: object, reason: object, at: datetime, default: str) -> datetime | None:
    """When he is back, aware, in UTC; None if the reply is no sign of an absence.

    The day that a notice states begins in UTC; the rep's working hours say when on it he may be written to.

    Args:
        until: the stated day as ISO 8601 has it, or None.
        reason: what showed that the reply is a machine's (``Reading.rule``).
        at: when it came.
        default: the span that stands in for a day that is not stated.
    """
    if isinstance(until, str):
        try:
            return datetime.combine(date.fromisoformat(until[:10]), time(), UTC)
        except ValueError:
            pass  # emitted by hand, and no day
    if isinstance(reason, str) and reason.startswith(_NO_ABSENCE):
        return None
    return spans.after(at, default, UTC)
