"""Mail of our own that came back: the outbox says so, and the choice that it asked about stays open for other ways."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from mailcrm.core.bounce import returned_ids
from mailcrm.core.model import Arrival, Bounce
from mailcrm.core.text import clean
from mailcrm.store import outbox

log = logging.getLogger(__name__)
_LONGEST_REASON = 400


def take(connection: Connection, arrivals: Mapping[str, Arrival]) -> set[str]:
    """Note in the outbox which of its mails these bounces return.

    Args:
        arrivals: by identity.

    Returns:
        The identities of those bounces: reports about our own mail are no correspondence and are not stored.
    """
    named: dict[str, tuple[str, ...]] = {}
    reasons: dict[str, str] = {}
    back: dict[str, datetime] = {}
    for identity, arrival in arrivals.items():
        if not isinstance(arrival.content, tuple) or (bounce := arrival.content[1].bounce) is None:
            continue
        named[identity] = tuple(map(clean, returned_ids(arrival.content[0], bounce)))
        for each in named[identity]:
            reasons.setdefault(each, _reason(bounce))
            back[each] = max(arrival.received_at, back.get(each, arrival.received_at))
    ours = outbox.returned(connection, reasons, back) if reasons else set()
    for each in ours:
        log.warning("mail of ours came back: %s: %s", each, reasons[each])
    return {identity for identity, ids in named.items() if not ours.isdisjoint(ids)}


def _reason(bounce: Bounce) -> str:
    said = " ".join(filter(None, (bounce.recipient, bounce.status, bounce.reason)))
    plain = "".join(c if c.isprintable() else " " for c in said)
    return clean(f"came back: {plain}")[:_LONGEST_REASON]
