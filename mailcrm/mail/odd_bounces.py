"""Bounces in no standard form (qmail, Exim, Yahoo, old Exchange, …), found with flufl.bounce.

flufl.bounce knows some forty mail systems but wants a parsed standard-library message and its patterns scan whole
lines, so what it is given is cut: half a megabyte, lines of a thousand bytes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from email import message_from_bytes
from email.policy import compat32

from flufl.bounce import all_failures

from mailcrm.core import bounce
from mailcrm.core.addresses import normalise
from mailcrm.core.classify import classify, maybe_bounce
from mailcrm.core.model import Bounce, Kind, Message, Reading

_MOST = 512 * 1024
_LONG_LINE = re.compile(rb"[^\r\n]{1000}")


def read(raw: bytes, message: Message, mail_from: str | None = None) -> Reading:
    """``classify``, and for what looks like a mail system's message also ``odd_bounce``.

    Args:
        raw: the whole message as received.
        message: the same, parsed.
        mail_from: the envelope sender where known ("" is the null sender), else None.
    """
    reading = classify(message, mail_from)
    if reading.kind is Kind.BOUNCE:
        if reading.bounce is not None and reading.bounce.recipient is None and (found := odd_bounce(raw, message)):
            return replace(reading, bounce=found)
        return reading
    if reading.rule.startswith(("RFC", "iTIP", "mail system")) or not maybe_bounce(message, mail_from):
        return reading
    found = odd_bounce(raw, message)
    return reading if found is None else Reading(Kind.BOUNCE, "flufl.bounce", bounce=found)


def odd_bounce(raw: bytes, message: Message) -> Bounce | None:
    """The first recipient that failed for good according to flufl.bounce; None if it finds none. Never raises."""
    head = _LONG_LINE.sub(lambda line: line[0] + b"\n", raw[:_MOST])
    try:
        _, failed = all_failures(message_from_bytes(head, policy=compat32))
        addresses = sorted(failed, key=lambda address: (head.find(address), address))
        found = next((email for a in addresses if (email := normalise(a.decode("ascii", "replace")))), None)
    except Exception:  # noqa: BLE001  its detectors raise all sorts of errors on broken mail
        return None
    return bounce.from_text(message, found) if found else None
