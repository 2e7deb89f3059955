"""Shapes of mail in JSON, as the command line and the web give it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailcrm.core.model import Address, Direction, Message, Reading


def message_shape(
    message: Message,
    reading: Reading,
    *,
    direction: Direction = Direction.IN,
    thread: int | None = None,
    mailboxes: Sequence[str] = (),
) -> dict[str, Any]:
    """One message with what classification found out.

    Args:
        direction: whether one of ours wrote it.
        thread: its thread's id, once it is stored.
        mailboxes: keys of the mailboxes it was found in.
    """
    bounce, forward = reading.bounce, reading.forward
    return {
        "message_id": message.message_id,
        "thread": thread,
        "kind": str(reading.kind),
        "direction": str(direction),
        "from": _address(message.from_),
        "to": [_address(each) for each in message.to],
        "cc": [_address(each) for each in message.cc],
        "reply_to": [_address(each) for each in message.reply_to],
        "subject": message.subject,
        "date": message.date,
        "text": message.text,
        "reply_text": reading.reply_text,
        "attachments": [
            {"name": each.name, "type": each.type, "size": each.size, "sha256": each.sha256}
            for each in message.attachments
        ],
        "mailboxes": list(mailboxes),
        "bounce": None
        if bounce is None
        else {
            "recipient": bounce.recipient,
            "status": bounce.status,
            "permanent": bounce.permanent,
            "reason": bounce.reason,
            "original_id": bounce.original_id,
        },
        "forwarded_from": _address(forward.author) if forward else None,
        "returns_on": reading.returns_on.isoformat() if reading.returns_on else None,
        "in_reply_to": list(message.in_reply_to),
        "references": list(message.references),
        "rule": reading.rule,
        "problems": list(message.problems),
    }


def _address(address: Address | None) -> dict[str, str] | None:
    return None if address is None else {"name": address.name, "email": address.email}
