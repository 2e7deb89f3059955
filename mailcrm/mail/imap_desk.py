"""The desk of one mailbox: its mail is read there and handed in, and only there its cursors move."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Lock
from typing import Final

from mailcrm.core.model import Arrival, Batch, Cursor, Known, Unreadable
from mailcrm.core.threads import identity
from mailcrm.mail.imap_faults import Away, Declined
from mailcrm.mail.imap_folders import Folder
from mailcrm.mail.imap_intake import Blobs, Content, Intake, Readers
from mailcrm.mail.imap_listing import UNDATED, Entry, Fetched, Group, headers
from mailcrm.mail.imap_suspects import CHECKING, Suspects
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_wire import Literal, Spool

AHEAD: Final = 1
_IDENTITY: Final = b"HEADER.FIELDS (MESSAGE-ID FROM DATE)"
_ANSWERED: Final = b"HEADER.FIELDS (IN-REPLY-TO REFERENCES)"
_HEADERS_AT_ONCE: Final = 200


@dataclass(slots=True)
class Counts:
    """What a pass did. ``paced``: the first pass stopped early because the day's megabytes are used up."""

    stored: int = 0
    known: int = 0
    unreadable: int = 0
    vanished: int = 0
    flagged: int = 0
    bytes: int = 0
    paced: bool = False

    def add(self, other: Counts) -> None:
        """Add what another pass did."""
        for name in ("stored", "known", "unreadable", "vanished", "flagged", "bytes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.paced = self.paced or other.paced


class Desk:
    """Reads and hands in the mail of one mailbox. Safe for the watching and the first-pass thread at once.

    Args:
        key: the mailbox's name in the configuration.
        progress: told how many messages of a first pass are done, and how many there are.
    """

    __slots__ = (
        "_cursors", "_done", "_lock", "_progress", "_total", "blobs", "intake", "key", "readers", "sizes", "suspects",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        intake: Intake,
        readers: Readers,
        blobs: Blobs,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.key = key
        self.intake = intake
        self.readers = readers
        self.blobs = blobs
        self.suspects = Suspects()
        self.sizes: dict[str, int] = {}  # messages per folder when it was last compared with what we know
        self._progress = progress
        self._done = self._total = 0
        self._lock = Lock()
        self._cursors: dict[str, Cursor] | None = None

    def cursor(self, folder: Folder) -> Cursor | None:
        """How far a folder has been read; None if never."""
        return self.cursors().get(folder.name)

    def cursors(self) -> dict[str, Cursor]:
        """How far each folder has been read. Raises Temporary."""
        if self._cursors is None:
            found = self.intake.cursors(self.key)
            self._cursors = {sys.intern(name): cursor for name, cursor in found.items()}
        return self._cursors

    def unfinished(self) -> bool:
        """Whether, as far as is known, a first pass is to be made or gone on with. Raises Temporary."""
        cursors = self.cursors().values()
        return not cursors or any(cursor.backfill_uid > 1 for cursor in cursors)

    def begin(self, folder: Folder, cursor: Cursor) -> Cursor:
        """Start a folder anew, at first sight or after its UIDVALIDITY changed. Raises Temporary.

        Returns:
            Where it starts: if another thread was quicker, its cursor.
        """
        with self._lock:
            now = self.cursors().get(folder.name)
            if now is not None and now.uidvalidity == cursor.uidvalidity:
                return now
            self.intake.store(Batch(self.key, folder.name, folder.role, (), cursor))
            self.cursors()[folder.name] = cursor
            self.sizes.pop(folder.name, None)
            return cursor

    def hand_in(
        self,
        folder: Folder,
        uidvalidity: int,
        arrivals: Sequence[Arrival] = (),
        *,
        last_uid: int = 0,
        backfill_uid: int | None = None,
        modseq: int | None = None,
        vanished: Sequence[int] = (),
        flags: Mapping[int, tuple[str, ...]] | None = None,
    ) -> None:
        """Store what was found and move the cursor, in one transaction.

        Args:
            uidvalidity: under which it was found; if the folder was begun anew since, nothing is stored.
            last_uid: all new mail up to here is in.
            backfill_uid: the first pass has come down to here.
            modseq: all changes up to here are in.

        Raises:
            Temporary: the database is busy or away; nothing moved.
        """
        with self._lock:
            now = self.cursors().get(folder.name)
            if now is None or now.uidvalidity != uidvalidity:
                raise Away(f"mailboxes.{self.key}: {folder.name} was begun anew meanwhile")
            cursor = replace(
                now,
                last_uid=max(now.last_uid, last_uid),
                backfill_uid=now.backfill_uid if backfill_uid is None else min(now.backfill_uid, backfill_uid),
                modseq=now.modseq if modseq is None else modseq,
            )
            self.intake.store(
                Batch(self.key, folder.name, folder.role, tuple(arrivals), cursor, tuple(vanished), flags or {})
            )
            self.cursors()[folder.name] = cursor

    def expect(self, messages: int) -> None:
        """A first pass is going to see so many messages more."""
        self._total += messages

    def advance(self, messages: int) -> None:
        """A first pass has seen so many messages more."""
        self._done += messages
        if self._progress:
            self._progress(self._done, max(self._total, self._done))

    def read(self, groups: Iterable[Group]) -> Iterator[tuple[Group, list[Arrival]]]:
        """Read groups, in order, while the next ones are being fetched and the one before is being stored.

        Until the last one is given, the connection belongs to the fetching thread. If fetching fails, those fetched
        before are still given before the error is raised.
        """
        ready: Queue[tuple[Group, Future[list[Arrival]]] | None] = Queue(AHEAD)
        enough = Event()

        def fetch() -> None:
            try:
                for group in groups:
                    ready.put((group, pool.submit(self.arrivals, group)))
                    if enough.is_set():
                        break
            finally:
                ready.put(None)

        with ThreadPoolExecutor(AHEAD + 2, thread_name_prefix=f"read-{self.key}") as pool:
            fetching = pool.submit(fetch)
            try:
                while (one := ready.get()) is not None:
                    yield one[0], one[1].result()
            finally:
                enough.set()
                while not fetching.done() or not ready.empty():
                    with suppress(Empty):
                        ready.get(timeout=0.05)
            fetching.result()

    def arrivals(self, group: Group) -> list[Arrival]:
        """Read one group's messages, and free their bytes."""
        known = [_known(entry, group.flags.get(entry.uid, ()), name) for entry, name in group.known]
        whole = [f for f in group.found.values() if f.raw is not None and not f.problem]
        contents = self.readers.read_many([_given(f.raw) for f in whole]) if whole else []
        read = [_arrival(f, content) for f, content in zip(whole, contents, strict=True)]
        lost = [
            _arrival(f, Unreadable(f.problem, *self.blobs.put(_pieces(f.raw))))
            for f in group.found.values()
            if f.problem
        ]
        group.found = {}
        self.blobs.settle_ahead(
            {file.sha256 for content in contents if isinstance(content, tuple) for file in content[0].attachments}
        )
        return sorted((*known, *read, *lost), key=lambda arrival: arrival.uid or 0)

    def sort_out(self, talk: Talk, group: Group) -> None:
        """Find out by three header fields which of a group's messages are stored already; they need no bodies."""
        folder = talk.folder or b""
        if not group.entries or self.suspects.suspected(folder, CHECKING):
            return
        try:
            with self.suspects.watching(folder, CHECKING):
                found = headers(talk, [entry.uid for entry in group.entries], _IDENTITY)
        except Declined:
            return
        names = dict(zip(found, self._identities(list(found.values())), strict=True))
        stored = self.intake.known([name for name in names.values() if name])
        for entry in group.entries:
            name = names.get(entry.uid)
            if name is not None and name in stored:
                group.known.append((entry, name))
                group.flags[entry.uid] = found[entry.uid].flags
        group.entries = [entry for entry in group.entries if entry.uid not in group.flags]

    def answering(self, talk: Talk, entries: Sequence[Entry]) -> list[Entry]:
        """Those that answer letters of flows that go on, by two header fields; none where looking broke the connection.

        Raises:
            Away, Declined, Temporary: as ``imap_pass.catch_up``.
        """
        folder, answering = talk.folder or b"", []
        for start in range(0, len(entries), _HEADERS_AT_ONCE):
            if self.suspects.suspected(folder, CHECKING):
                break
            part = entries[start : start + _HEADERS_AT_ONCE]
            with self.suspects.watching(folder, CHECKING):
                found = headers(talk, [entry.uid for entry in part], _ANSWERED)
            named = dict(zip(found, self._references(list(found.values())), strict=True))
            awaited = self.intake.awaited({each for ids in named.values() for each in ids})
            answering += [entry for entry in part if any(each in awaited for each in named.get(entry.uid, ()))]
        return answering

    def _references(self, found: Sequence[Fetched]) -> list[tuple[str, ...]]:
        contents = self.readers.read_many([_given(f.raw) for f in found]) if found else ()
        return [
            () if isinstance(each, Unreadable) else (*each[0].in_reply_to, *each[0].references) for each in contents
        ]

    def _identities(self, found: Sequence[Fetched]) -> list[str | None]:
        names: list[str | None] = []
        for content in self.readers.read_many([_given(f.raw) for f in found]) if found else ():
            if isinstance(content, Unreadable):
                names.append(None)
            else:
                message = content[0]
                names.append(identity(message.message_id, message.from_.email if message.from_ else "", message.date))
        return names


def _given(raw: Literal | None) -> bytes | Path:
    """A message for the readers: its bytes, or the file that holds them."""
    return raw.path if isinstance(raw, Spool) else raw or b""


def _pieces(raw: Literal | None) -> bytes | Iterator[bytes]:
    return _chunks(raw.path) if isinstance(raw, Spool) else raw or b""


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            yield piece


def _arrival(found: Fetched, content: Content) -> Arrival:
    received_at = found.received_at
    if received_at is UNDATED and not isinstance(content, Unreadable) and content[0].date is not None:
        received_at = content[0].date
    return Arrival(found.uid, received_at, content, found.flags, found.thread_hint)


def _known(entry: Entry, flags: tuple[str, ...], name: str) -> Arrival:
    return Arrival(entry.uid, entry.received_at, Known(name), flags)
