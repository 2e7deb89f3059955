"""A place for attachments that keeps nothing: for looking at mail without storing it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


class Counting:
    """Takes what ``store.blobs.Blobs`` takes and answers the same, without keeping it."""

    def put(self, content: bytes | Iterable[bytes]) -> tuple[str, int]:
        """The SHA-256 in hex and the size of the bytes, given whole or in pieces."""
        digest, size = hashlib.sha256(), 0
        for piece in (content,) if isinstance(content, bytes) else content:
            digest.update(piece)
            size += len(piece)
        return digest.hexdigest(), size
