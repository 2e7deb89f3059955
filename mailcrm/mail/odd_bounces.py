"""Bounces in no standard form (qmail, Exim, Yahoo, old Exchange, …), found with flufl.bounce.

flufl.bounce knows some fifty mail systems, wants a parsed standard-library message, and tries every pattern on every
line; so what it is given is cut to half a megabyte and 4,000 lines of a thousand bytes.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from email import message_from_bytes

from mailcrm.core import bounce, phrases
from mailcrm.core.addresses import normalise
from mailcrm.core.classify import FROM_MAIL_SYSTEM, classify, maybe_bounce
from mailcrm.core.model import Bounce, Kind, Message, Reading

_CERTAIN = ("RFC", "iTIP", "mail system's warning")
logging.getLogger("flufl.bounce").disabled = True  # it writes a traceback for every mail that a detector trips over
_MOST = 512 * 1024
_MOST_LINES = 4_000
_LONG_LINE = re.compile(rb"[^\r\n]{1000}")


def read(raw: bytes, message: Message, mail_from: str | None = None) -> Reading:
    """``classify``, and for what looks like a mail system's message also flufl.bounce.

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
    if reading.rule.startswith(_CERTAIN) or not maybe_bounce(message, mail_from):
        return reading
    waiting, failed = _recipients(raw)
    if failed:
        return Reading(Kind.BOUNCE, "flufl.bounce", bounce=bounce.from_text(message, failed[0]))
    if waiting:
        return Reading(Kind.AUTO_REPLY, "flufl.bounce: not delivered yet")
    if reading.rule == FROM_MAIL_SYSTEM and phrases.FAILURE_SUBJECT.match(message.subject, 0, 300):
        words = bounce.from_text(message)  # a daemon that flufl.bounce does not know, in its own language
        return Reading(Kind.BOUNCE, "from the mail system, of a failure", bounce=words) if words.recipient else reading
    return reading


def odd_bounce(raw: bytes, message: Message) -> Bounce | None:
    """The first recipient that failed for good according to flufl.bounce; None if it finds none. Never raises."""
    _, failed = _recipients(raw)
    return bounce.from_text(message, failed[0]) if failed else None


def _recipients(raw: bytes) -> tuple[list[str], list[str]]:
    """Normalised addresses that were not reached yet, and those that failed for good, in the order of the text."""
    from flufl.bounce import all_failures  # large, and needed by what looks like a bounce alone

    head = b"\n".join(_LONG_LINE.sub(lambda line: line[0] + b"\n", raw[:_MOST]).split(b"\n", _MOST_LINES)[:_MOST_LINES])
    try:
        found = all_failures(message_from_bytes(head))
    except Exception:  # noqa: BLE001  its detectors raise all sorts of errors on broken mail
        return [], []
    waiting, failed = (
        [email for each in sorted(group, key=lambda a: (head.find(a), a)) if (email := normalise(each.decode("ascii")))]
        for group in found
    )
    return waiting, failed
