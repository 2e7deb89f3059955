"""What the IMAP suites share: an intake in a SQLite file that notices each double, quick readers, sample mail."""

from __future__ import annotations

import email.utils
import hashlib
import re
import sqlite3
import threading
import weakref
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from pathlib import Path

from mailcrm.config import Config, Mailbox, User
from mailcrm.core.model import Address, Batch, Cursor, Kind, Known, Message, Reading, Unreadable
from mailcrm.core.threads import identity
from mailcrm.errors import Temporary
from mailcrm.mail.imap_intake import Content


def mail(number: int, *, text: str = "Dzień dobry", size: int = 0) -> bytes:
    """A sample message, told apart by its number."""
    body = text + "\r\n" + "x" * size
    return (
        f"From: Jan Kowalski <jan{number % 7}@klient.example>\r\nTo: anna@firma.example\r\n"
        f"Date: Mon, 5 May 2025 10:00:00 +0000\r\nMessage-ID: <m{number}@klient.example>\r\n"
        f"Subject: Oferta {number}\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
    ).encode()


def mailbox(port: int, *, login: str = "anna", password: str = "pw", **settings: object) -> Mailbox:
    """The configuration of a mailbox at a local server."""
    values: dict[str, object] = {"tls": "none", "host": "127.0.0.1", "user": "anna"}
    return Mailbox(port=port, login=login, password=password, **(values | settings))  # type: ignore[arg-type]


def config(*, base: str = ".", **mailboxes: Mailbox) -> Config:
    """A configuration that holds these mailboxes."""
    return Config(users={"anna": User(email="anna@firma.example")}, mailboxes=mailboxes, base=base)


class QuickReaders:
    """Reads the headers alone, in this process."""

    def __init__(self) -> None:
        self.starts = 0

    def start(self) -> None:
        self.starts += 1

    def read_many(self, raws: Sequence[bytes | Path]) -> list[Content]:
        return [_read(raw.read_bytes() if isinstance(raw, Path) else raw) for raw in raws]


def _read(raw: bytes) -> Content:
    if b"X-Poison" in raw:
        return Unreadable("poison", hashlib.sha256(raw).hexdigest(), len(raw))
    parsed = BytesHeaderParser().parsebytes(raw)
    name, address = email.utils.parseaddr(str(parsed.get("From", "")))
    date = email.utils.parsedate_to_datetime(parsed["Date"]) if parsed["Date"] else None
    message = Message(
        (parsed["Message-ID"] or "").strip("<> ") or None,
        date,
        Address(name, address) if address else None,
        subject=str(parsed["Subject"] or ""),
        in_reply_to=tuple(re.findall(r"<([^>]+)>", str(parsed["In-Reply-To"] or ""))),
        size=len(raw),
    )
    return message, Reading(Kind.HUMAN, "test")


class MemoryBlobs:
    """Keeps quarantined bytes."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, content: bytes | Iterable[bytes]) -> tuple[str, int]:
        content = content if isinstance(content, bytes) else b"".join(content)
        name = hashlib.sha256(content).hexdigest()
        self.kept[name] = content
        return name, len(content)

    def settle_ahead(self, names: Collection[str]) -> None:
        assert set(names) <= self.kept.keys()


class SqliteIntake:
    """Messages, places and cursors in a file; a place stored twice is an error, as it must never be."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        weakref.finalize(self, self._db.close)  # many tests make one for each example
        self._lock = threading.RLock()
        self.pauses: dict[str, str] = {}
        self.living: list[str] = []
        self.refusals: list[str] = []
        self.letters: set[str] = set()
        self.batches: list[Batch] = []
        self.busy = 0
        self.stored = threading.Condition()
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(
            """
            CREATE TABLE IF NOT EXISTS message (identity TEXT PRIMARY KEY, subject TEXT);
            CREATE TABLE IF NOT EXISTS place (mailbox, folder, uidvalidity INT, uid INT, identity TEXT, kind TEXT,
                flags TEXT, received_at TEXT, hint TEXT, PRIMARY KEY (mailbox, folder, uidvalidity, uid));
            CREATE TABLE IF NOT EXISTS cursor (mailbox, folder, uidvalidity INT, last_uid INT, backfill_uid INT,
                modseq INT, PRIMARY KEY (mailbox, folder));
            """
        )

    def start(self) -> None:
        pass

    def cursors(self, mailbox: str) -> Mapping[str, Cursor]:
        with self._lock:
            rows = self._db.execute(
                "SELECT folder, uidvalidity, last_uid, backfill_uid, modseq FROM cursor WHERE mailbox = ?", (mailbox,)
            )
            return {folder: Cursor(*values) for folder, *values in rows}

    def uids(self, mailbox: str, folder: str, low: int, high: int) -> Sequence[int]:
        with self._lock:
            rows = self._db.execute(
                "SELECT uid FROM place WHERE mailbox = ? AND folder = ? AND uid BETWEEN ? AND ? ORDER BY uid",
                (mailbox, folder, low, high),
            )
            return [uid for (uid,) in rows]

    def known(self, identities: Sequence[str]) -> set[str]:
        with self._lock:
            have = {name for (name,) in self._db.execute("SELECT identity FROM message")}
        return have & set(identities)

    def expecting(self) -> bool:
        return bool(self.letters)

    def awaited(self, message_ids: Collection[str]) -> set[str]:
        return set(message_ids) & self.letters

    def store(self, batch: Batch) -> None:
        if self.busy:
            self.busy -= 1
            raise Temporary("the database is busy")
        assert batch.cursor is not None
        validity = batch.cursor.uidvalidity
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute(
                    "DELETE FROM place WHERE mailbox = ? AND folder = ? AND uidvalidity <> ?",
                    (batch.mailbox, batch.folder, validity),
                )
                for one in batch.arrivals:
                    if isinstance(one.content, Unreadable):
                        kind, name, subject = "unreadable", None, ""
                    elif isinstance(one.content, Known):
                        kind, name, subject = "known", one.content.identity, ""
                    else:
                        kind, message = "read", one.content[0]
                        name = identity(message.message_id, message.from_.email if message.from_ else "", message.date)
                        subject = message.subject
                        if name:
                            self._db.execute("INSERT OR IGNORE INTO message VALUES (?, ?)", (name, subject))
                    values = (batch.mailbox, batch.folder, validity, one.uid, name, kind)
                    rest = (" ".join(one.flags), one.received_at.isoformat(), one.thread_hint)
                    self._db.execute("INSERT INTO place VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values + rest)
                for uid in batch.vanished:
                    where = (batch.mailbox, batch.folder, uid)
                    self._db.execute("DELETE FROM place WHERE mailbox = ? AND folder = ? AND uid = ?", where)
                for uid, flags in batch.flags.items():
                    self._db.execute(
                        "UPDATE place SET flags = ? WHERE mailbox = ? AND folder = ? AND uid = ?",
                        (" ".join(flags), batch.mailbox, batch.folder, uid),
                    )
                c = batch.cursor
                self._db.execute(
                    "INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?, ?, ?)",
                    (batch.mailbox, batch.folder, validity, c.last_uid, c.backfill_uid, c.modseq),
                )
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        with self.stored:
            self.batches.append(batch)
            self.stored.notify_all()

    def refused(self, mailbox: str) -> None:
        self.refusals.append(mailbox)

    def paused(self, mailbox: str, reason: str) -> None:
        self.pauses[mailbox] = reason

    def alive(self, mailbox: str) -> None:
        self.living.append(mailbox)

    def places(self, mailbox: str = "anna") -> list[tuple[str, int, str]]:
        """Folder, UID and kind of all that is stored, in order."""
        with self._lock:
            return list(
                self._db.execute(
                    "SELECT folder, uid, kind FROM place WHERE mailbox = ? ORDER BY folder, uid", (mailbox,)
                )
            )

    def subjects(self, mailbox: str = "anna") -> list[str]:
        """Subjects in the order in which they were stored."""
        with self._lock:
            query = "SELECT subject FROM place JOIN message USING (identity) WHERE mailbox = ? ORDER BY place.rowid"
            return [subject for (subject,) in self._db.execute(query, (mailbox,))]

    def flags(self, uid: int, folder: str = "INBOX", mailbox: str = "anna") -> str:
        """The flags of one message."""
        with self._lock:
            query = "SELECT flags FROM place WHERE mailbox = ? AND folder = ? AND uid = ?"
            return str(self._db.execute(query, (mailbox, folder, uid)).fetchone()[0])

    def wait(self, count: int, *, mailbox: str = "anna", seconds: float = 10.0) -> None:
        """Wait until so many messages are stored."""
        with self.stored:
            if not self.stored.wait_for(lambda: len(self.places(mailbox)) >= count, seconds):
                raise TimeoutError(f"{len(self.places(mailbox))} of {count} messages after {seconds} s")


def at(day: int, month: int = 5, year: int = 2025) -> datetime:
    """A moment."""
    return datetime(year, month, day, 12, tzinfo=UTC)
