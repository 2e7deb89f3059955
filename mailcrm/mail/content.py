"""What reading a message gives, and where its files go: known to the parent, which loads nothing that reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from mailcrm.core.model import Message, Reading, Unreadable
from mailcrm.mail import transfer

if TYPE_CHECKING:
    from mailcrm.mail.headers import Buffer

Content = tuple[Message, Reading] | Unreadable


class Sink(Protocol):
    """Where attachments go: ``store.blobs.Blobs``, or something that only counts."""

    def put(self, content: bytes | Iterable[bytes]) -> tuple[str, int]:
        """Take bytes, whole or in pieces; their SHA-256 in hex and their size in bytes."""
        ...


def unreadable(raw: Buffer, blobs: Sink, reason: str) -> Unreadable:
    """Put the message away as it came. Raises OSError if that fails."""
    sha256, size = blobs.put(transfer.pieces(raw, 0, len(raw), ""))
    return Unreadable(reason, sha256, size)
