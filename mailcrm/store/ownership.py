"""A mailbox is read by one process at a time: an advisory lock on PostgreSQL, a locked file beside SQLite."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from mailcrm.store.db import Database, temporary


class Ownership:
    """The mailboxes that this process owns; a process that ends, however it ends, owns nothing any more.

    Args:
        folder: where lock files go (SQLite); made if missing.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._files: dict[str, int] = {}
        self._held: set[str] = set()
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def take(self, mailbox: str) -> bool:
        """Own a mailbox. False if another process does. Raises Temporary: the database is away."""
        with self._lock, temporary():
            if mailbox in self._held:
                return True
            taken = self._lock_file(mailbox) if self._database.is_sqlite else self._lock_row(mailbox)
            if taken:
                self._held.add(mailbox)
            return taken

    def lost(self) -> frozenset[str]:
        """The mailboxes that were owned until the connection broke that held them (PostgreSQL); owned no more."""
        with self._lock:
            if self._connection is None:
                return frozenset()
            try:
                self._connection.execute(text("SELECT 1"))
                self._connection.commit()
            except SQLAlchemyError:
                self._connection.invalidate()
                self._connection.close()
                self._connection = None
                gone = frozenset(self._held)
                self._held.clear()
                return gone
            return frozenset()

    def release(self, mailbox: str) -> None:
        """Own it no more."""
        with self._lock:
            if mailbox not in self._held:
                return
            self._held.discard(mailbox)
            if mailbox in self._files:
                os.close(self._files.pop(mailbox))
            elif self._connection is not None:
                with suppress(SQLAlchemyError):  # a connection that broke holds nothing
                    self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _key(mailbox)})
                    self._connection.commit()

    def close(self) -> None:
        """Own nothing."""
        for mailbox in list(self._held):
            self.release(mailbox)
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()

    def _lock_file(self, mailbox: str) -> bool:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(mailbox.encode()).hexdigest()[:32]
        handle = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._files[mailbox] = handle
        return True

    def _lock_row(self, mailbox: str) -> bool:
        if self._connection is None:
            self._connection = self._database.engine.connect()
        taken = self._connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _key(mailbox)}).scalar()
        self._connection.commit()
        return bool(taken)


def _key(mailbox: str) -> int:
    return int.from_bytes(hashlib.sha256(b"mailcrm mailbox " + mailbox.encode()).digest()[:8], "big", signed=True)
