"""Automatic mail that is about to leave, as plugins are asked about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A letter that leaves by itself.

    Args:
        message_id: without ``<>``.
        sender, recipient: addresses.
        content: the whole message, lines ending in CRLF.
        flow: the name of the flow that sends it. node: its step.
        person: the recipient's id, where he is a person of ours.
    """

    message_id: str
    sender: str
    recipient: str
    subject: str
    content: bytes
    flow: str
    node: str | None
    person: int | None


@dataclass(frozen=True, slots=True)
class SenderConsent:
    """The consent by which a letter leaves.

    Args:
        user: the key of the user in whose name it goes.
        by: who gave it: ``user:anna``. via: ``command``, ``page``, ``api`` or ``reply``.
    """

    user: str
    flow: str
    at: datetime
    by: str
    via: str
