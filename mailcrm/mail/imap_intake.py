"""What watching and syncing ask of the rest: where mail is handed in, and who reads its bytes."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from mailcrm.core.model import Batch, Cursor, Message, Reading, Unreadable

Content = tuple[Message, Reading] | Unreadable


class Intake(Protocol):
    """The store, as the watcher sees it. Called from several threads, for one mailbox never from two at once."""

    def start(self) -> None:
        """Get ready: much mail is to come."""

    def cursors(self, mailbox: str) -> Mapping[str, Cursor]:
        """How far each folder has been read, by folder name."""

    def uids(self, mailbox: str, folder: str, low: int, high: int) -> Sequence[int]:
        """UIDs from ``low`` to ``high`` (both included) that are believed to be in the folder, ascending."""

    def known(self, identities: Sequence[str]) -> Container[str]:
        """Which of these message identities (``threads.identity``) are stored already."""

    def expecting(self) -> bool:
        """Whether flows go on, so that their letters may be answered."""

    def awaited(self, message_ids: Collection[str]) -> Container[str]:
        """Which of these Message-IDs are those of letters of flows that go on: answers to them count."""

    def store(self, batch: Batch) -> None:
        """Store rows and cursor in one transaction.

        A batch whose cursor has another ``uidvalidity`` than the stored one starts the folder anew: the locations
        known in it are forgotten in that transaction.

        Raises:
            Temporary: the database is busy or away; nothing was stored, the same batch comes again.
        """

    def refused(self, mailbox: str) -> None:
        """The server refused the login; it is tried again."""

    def paused(self, mailbox: str, reason: str) -> None:
        """The mailbox needs a person: it is left alone until ``resume``."""

    def alive(self, mailbox: str) -> None:
        """The mailbox is in step with its server as of now."""


class Readers(Protocol):
    """Whoever turns raw bytes into messages."""

    def start(self) -> None:
        """Get ready in the background: there is something to read to come."""

    def read_many(self, raws: Sequence[bytes | Path]) -> list[Content]:
        """One result for each message, in order; large ones come as files."""


class Blobs(Protocol):
    """Where attachments and the bytes of unreadable mail are kept."""

    def put(self, content: bytes | Iterable[bytes]) -> tuple[str, int]:
        """Store; returns SHA-256 in hex and the size."""

    def settle_ahead(self, names: Collection[str]) -> None:
        """These are about to be named in a transaction: have them survive a power cut by then."""
