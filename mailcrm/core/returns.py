"""What came back, and whose fault it is: of the address for good or for now, or of the mail and its sender."""

from __future__ import annotations

import re
from enum import StrEnum

from mailcrm.core.addresses import normalise
from mailcrm.core.model import Bounce, Message
from mailcrm.core.permanence import is_senders_fault

_RETURNED = frozenset({"message/rfc822", "text/rfc822-headers"})
_MESSAGE_ID = re.compile(r"^Message-ID:\s{0,3}<([^<>\s]{1,500})>", re.IGNORECASE | re.MULTILINE)
_TYPE = re.compile(r"^Feedback-Type:[ \t]*([\w-]{1,40})", re.IGNORECASE | re.MULTILINE)
# RFC 5965, section 7.3: "not-spam" says the opposite, "auth-failure" (RFC 6591) and "virus" are about the mail.
_COMPLAINTS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list", "miscategorized", "other"})
_MOST = 30_000


class Fault(StrEnum):
    """Why a mail came back: ``ADDRESS`` takes none, ``PASSING`` is a full mailbox and the like, ``SENDER`` is ours."""

    ADDRESS = "address"
    PASSING = "passing"
    SENDER = "sender"


def fault(bounce: Bounce, recipient: str) -> Fault:
    """Whose fault it is that a mail came back.

    Args:
        recipient: whom we had written to, normalised. What some other server says of an address that he passes his
            mail on to (``bounce.recipient``) is not the end of his own.
    """
    if bounce.permanent:
        return Fault.ADDRESS if bounce.recipient in (None, recipient) else Fault.PASSING
    return Fault.SENDER if is_senders_fault(bounce.status, bounce.reason) else Fault.PASSING


def envelope_recipients(message: Message) -> tuple[str, ...]:
    """The addresses that a report may have been sent to, normalised: in To, and as servers note them on delivery."""
    noted = [
        value for name in ("delivered-to", "x-original-to", "envelope-to") for value in message.headers.get(name, ())
    ]
    found = [*(address.email for address in message.to), *map(normalise, noted[:20])]
    return tuple(dict.fromkeys(filter(None, found)))


def complained_ids(message: Message) -> tuple[str, ...]:
    """Message-IDs (without ``<>``) of the mail that a feedback report (RFC 5965) complains of; none: no complaint."""
    kinds = [
        found[1].lower()
        for part in message.embedded
        if part.type == "message/feedback-report" and (found := _TYPE.search(part.text, 0, _MOST))
    ]
    if not kinds or kinds[0] not in _COMPLAINTS:
        return ()
    heads = [
        part.text[:_MOST].replace("\r\n", "\n").partition("\n\n")[0]
        for part in message.embedded
        if part.type in _RETURNED
    ]
    return tuple(found[1] for head in heads if (found := _MESSAGE_ID.search(head)))
