"""Fetching bodies: two commands in flight, answers streamed, a bad message retried alone, never skipped in silence."""

from __future__ import annotations

import contextlib
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

from mailcrm.mail.imap_answers import Answer, Unclear, Value, as_set, expand, literal, moment, number, words
from mailcrm.mail.imap_faults import Away, Declined, Throttled
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_wire import Literal

_T = TypeVar("_T")

IN_FLIGHT: Final = 2
BATCH_COUNT: Final = 200
BATCH_BYTES: Final = 4 << 20
POISON: Final = 3
_ROW = re.compile(rb'\(UID (\d{1,10}) RFC822\.SIZE (\d{1,18}) INTERNALDATE "([^"]*)"\)$')  # as most servers order it
LISTING: Final = -1
CHECKING: Final = -2
UNDATED: Final = datetime(1970, 1, 1, tzinfo=UTC)  # a message of unknown age is old: it triggers nothing


@dataclass(frozen=True, slots=True)
class Entry:
    """A message in a folder, before its body is read. ``size`` in bytes as the server claims."""

    uid: int
    size: int = 0
    received_at: datetime = UNDATED


@dataclass(slots=True)
class Fetched:
    """A message as it came. ``raw`` None: it could not be had, and ``problem`` says why."""

    uid: int
    raw: Literal | None
    received_at: datetime
    flags: tuple[str, ...] = ()
    thread_hint: str | None = None
    problem: str = ""


@dataclass(slots=True)
class Group:
    """What is fetched by one command and stored as one batch: once it is, all from ``low`` to ``high`` is done.

    ``known`` are messages that need no body: their content is stored already, under that identity;
    ``flags`` are theirs.
    """

    low: int
    high: int
    entries: list[Entry] = field(default_factory=list)
    known: list[tuple[Entry, str]] = field(default_factory=list)
    flags: dict[int, tuple[str, ...]] = field(default_factory=dict)
    found: dict[int, Fetched] = field(default_factory=dict)
    alone: bool = False


class Suspects:
    """Remembers at what the connection broke, so that a poison message ends in quarantine, not in a loop."""

    def __init__(self) -> None:
        self._broke: Counter[tuple[bytes, int]] = Counter()

    def blame(self, folder: bytes, uid: int) -> None:
        """The connection broke while this message was awaited."""
        self._broke[folder, uid] += 1

    def suspected(self, folder: bytes, uid: int) -> bool:
        """Whether it is to be fetched by a command of its own."""
        return self._broke[folder, uid] > 0 if self._broke else False

    def poison(self, folder: bytes, uid: int) -> bool:
        """Whether it broke the connection too often to be tried again."""
        return self._broke[folder, uid] >= POISON if self._broke else False

    @contextlib.contextmanager
    def watching(self, folder: bytes, step: int) -> Iterator[None]:
        """Blame a step (``LISTING``, ``CHECKING``) if the connection breaks in it."""
        try:
            yield
        except Away as fault:
            if fault.retry_after is None or isinstance(fault, Throttled):
                self.blame(folder, step)
            raise


def grouped(entries: Sequence[Entry], low: int, high: int, *, descending: bool) -> Iterator[Group]:
    """Cut a window into groups bounded by count and bytes; together they cover ``low`` to ``high`` without a gap.

    Args:
        entries: of the window, ascending.
        descending: newest first, for a first pass.
    """
    order = list(reversed(entries)) if descending else list(entries)
    edge = high if descending else low
    chunk: list[Entry] = []
    size = 0
    for entry in order:
        if chunk and (len(chunk) >= BATCH_COUNT or size + entry.size > BATCH_BYTES):
            yield _group(chunk, edge, descending=descending)
            edge = chunk[-1].uid - 1 if descending else chunk[-1].uid + 1
            chunk, size = [], 0
        chunk.append(entry)
        size += entry.size
    last = _group(chunk, edge, descending=descending)
    if descending:
        last.low = low
    else:
        last.high = high
    yield last


def _group(chunk: list[Entry], edge: int, *, descending: bool) -> Group:
    if descending:
        return Group(chunk[-1].uid if chunk else edge, edge, chunk)
    return Group(edge, chunk[-1].uid if chunk else edge, chunk)


def listing(talk: Talk, suspects: Suspects, low: int, high: int) -> list[Entry]:
    """UID, size and date of what lies from ``low`` to ``high``, ascending.

    A row that can't be read, or a folder whose listing breaks the connection, still yields UIDs: nothing is lost.
    """
    folder = talk.folder or b""
    found: dict[int, Entry] = {}
    unread = suspects.poison(folder, LISTING)
    if not unread:
        command = b"UID FETCH %d:%d (UID RFC822.SIZE INTERNALDATE)" % (low, high)
        try:
            with suspects.watching(folder, LISTING):
                answers = talk.do(command)
        except Declined:
            answers, unread = [], True
        for one in answers:
            if one.word == b"FETCH":
                entry = _entry(one)
                if entry is None:
                    unread = True
                elif low <= entry.uid <= high:
                    found[entry.uid] = entry
    if unread:
        for uid in expand(talk.search(low, high), high - low + 1):
            found.setdefault(uid, Entry(uid))
    return [found[uid] for uid in sorted(found)]


def _entry(one: Answer) -> Entry | None:
    if len(one.parts) == 1 and (row := _ROW.match(one.text)):
        return Entry(int(row[1]), int(row[2]), _or(moment, row[3], UNDATED))
    try:
        items = one.items()
    except Unclear:
        return None
    try:
        uid = number(items.get(b"UID"))
    except Unclear:
        return None
    return Entry(uid, _or(number, items.get(b"RFC822.SIZE"), 0), _or(moment, items.get(b"INTERNALDATE"), UNDATED))


def fetch(talk: Talk, groups: Iterable[Group], suspects: Suspects) -> Iterator[Group]:
    """Fill each group's ``found``, in the order given.

    Raises:
        Away: the connection broke; groups already yielded are complete, the rest were not begun or are to be redone.
    """
    items = _items(talk)
    folder = talk.folder or b""
    waiting: deque[tuple[bytes, Group]] = deque()
    source = iter(groups)
    held: Group | None = None
    while True:
        while len(waiting) < IN_FLIGHT and (group := held or next(source, None)) is not None:
            held = None
            _excuse(talk, group, suspects)
            wanted = [entry.uid for entry in group.entries if entry.uid not in group.found]
            calm = [uid for uid in wanted if not suspects.suspected(folder, uid)]
            group.alone = len(calm) < len(wanted)
            if waiting and (group.alone or waiting[-1][1].alone):
                held = group
                break
            waiting.append((talk.start(b"UID FETCH " + as_set(calm) + items) if calm else b"", group))
        if not waiting:
            return
        received = [group for _, group in waiting]
        try:
            _receive(talk, waiting[0][0], received)
            group = waiting.popleft()[1]
            missing = [entry for entry in group.entries if entry.uid not in group.found]
            if missing and waiting:
                # the next command is on its way: let it finish before asking for single messages
                _receive(talk, waiting[0][0], received)
                waiting[0] = (b"", waiting[0][1])
        except Away as fault:
            if fault.retry_after is None:
                _blame(folder, received, suspects)
            raise
        _singly(talk, group, missing, items, suspects)
        yield group


def newest(talk: Talk, after: int) -> list[Fetched] | None:
    """All messages with UIDs above ``after``, by one command: for the one or two that have just come.

    Returns:
        None if anything about the answer is odd; then they are to be listed and fetched with care.
    """
    found: dict[int, Fetched] = {}
    told = set()
    try:
        for one in talk.do(b"UID FETCH %d:*" % (after + 1) + _items(talk)):
            if one.word == b"FETCH":
                items = one.items()
                told.add(number(items.get(b"UID")) if b"UID" in items else 0)
                if (got := _fetched(one)) is not None and got.uid > after:
                    found[got.uid] = got
    except (Unclear, Declined):
        return None
    if any(uid > after and uid not in found for uid in told):
        return None
    return [found[uid] for uid in sorted(found)]


def _items(talk: Talk) -> bytes:
    hint = b""
    if "X-GM-EXT-1" in talk.capabilities:
        hint = b"X-GM-THRID "
    elif "OBJECTID" in talk.capabilities:
        hint = b"THREADID "
    return b" (UID FLAGS INTERNALDATE " + hint + b"BODY.PEEK[])"


def _excuse(talk: Talk, group: Group, suspects: Suspects) -> None:
    """Give up on messages that broke the connection again and again, and on those too large to be taken in."""
    for entry in group.entries:
        if suspects.poison(talk.folder or b"", entry.uid):
            problem = f"the server failed {POISON} times to hand out this message"
        elif entry.size > talk.wire.max_literal:
            problem = f"{entry.size} bytes are more than the {talk.wire.max_literal} that are taken in"
        else:
            continue
        group.found[entry.uid] = Fetched(entry.uid, None, entry.received_at, problem=problem)


def _receive(talk: Talk, tag: bytes, groups: Sequence[Group]) -> None:
    """Read until the command is done, well or not: what did not come is asked for singly. No tag: nothing was asked."""
    dates = {entry.uid: (group, entry) for group in groups for entry in group.entries}
    while tag:
        one = talk.next()
        if one.tag == tag:
            return
        if one.word == b"FETCH" and one.tag == b"*":
            try:
                got = _fetched(one)
            except Unclear:
                continue
            if got is not None and got.uid in dates:
                group, entry = dates[got.uid]
                if got.received_at is UNDATED:
                    got.received_at = entry.received_at
                group.found[got.uid] = got


def _singly(talk: Talk, group: Group, missing: Sequence[Entry], items: bytes, suspects: Suspects) -> None:
    """Ask for messages one by one.

    Some servers say "unavailable, try later" of a message that they will never give: if another one can be had
    after that, it is the message; else the server does ask for a pause.
    """
    refused: list[tuple[Entry, Throttled]] = []
    for entry in sorted(missing, key=lambda entry: entry.uid):
        try:
            with suspects.watching(talk.folder or b"", entry.uid):
                _retry(talk, group, entry, items)
        except Throttled as fault:
            refused.append((entry, fault))
            if len(refused) == 1 and not _works(talk, group):
                raise
    for entry, why in refused:
        group.found[entry.uid] = Fetched(entry.uid, None, entry.received_at, problem=str(why))


def _works(talk: Talk, group: Group) -> bool:
    """Whether a message that was had before can be had again."""
    had = min((f for f in group.found.values() if f.raw is not None), key=lambda f: len(f.raw or b""), default=None)
    try:
        return had is not None and bool(talk.do(b"UID FETCH %d (UID BODY.PEEK[])" % had.uid))
    except (Throttled, Declined):
        return False


def _retry(talk: Talk, group: Group, entry: Entry, items: bytes) -> None:
    """Ask for one message alone. It is either had, or gone, or marked with what is wrong."""
    problem = "the server sends no content for this message"
    rest: Literal | None = None
    try:
        for one in talk.do(b"UID FETCH %d" % entry.uid + items):
            if one.word != b"FETCH":
                continue
            try:
                got = _fetched(one)
                if got is not None and got.uid == entry.uid:
                    got.received_at = entry.received_at if got.received_at is UNDATED else got.received_at
                    group.found[entry.uid] = got
                    return
            except Unclear as error:
                problem = f"the server's answer can't be read: {error}"
                rest = max(one.parts[1::2], key=len, default=None)
    except Declined as refusal:
        problem = str(refusal)
    if talk.search(entry.uid, entry.uid):
        group.found[entry.uid] = Fetched(entry.uid, rest, entry.received_at, problem=problem)


def _blame(folder: bytes, groups: Sequence[Group], suspects: Suspects) -> None:
    """Messages come in order: the broken one is the first that is missing."""
    for group in groups:
        missing = [entry.uid for entry in group.entries if entry.uid not in group.found]
        calm = [uid for uid in missing if not suspects.suspected(folder, uid)]
        if calm:
            suspects.blame(folder, min(calm))
            return


def _fetched(one: Answer) -> Fetched | None:
    """A message out of a FETCH response; None if it is about flags alone. Raises Unclear."""
    items = one.items()
    if b"BODY[]" not in items:
        return None
    raw = literal(items[b"BODY[]"])
    if raw is None:
        raise Unclear("no content")
    hint: str | None = None
    if (gmail := items.get(b"X-GM-THRID")) is not None:
        hint = f"gm:{number(gmail)}"
    elif thread := items.get(b"THREADID"):
        inner = thread[0] if isinstance(thread, list) and thread else thread
        hint = f"oid:{inner[:255].decode('ascii', 'replace')}" if isinstance(inner, bytes) else None
    date = _or(moment, items.get(b"INTERNALDATE"), UNDATED)
    return Fetched(number(items.get(b"UID")), raw, date, words(items.get(b"FLAGS")), hint)


def _or(read: Callable[[Value], _T], value: Value, otherwise: _T) -> _T:
    try:
        return read(value)
    except Unclear:
        return otherwise


def headers(talk: Talk, uids: Sequence[int], section: bytes) -> dict[int, Fetched]:
    """Header bytes of messages, by UID; those that can't be read are left out.

    Args:
        section: ``HEADER`` or ``HEADER.FIELDS (…)``.
    """
    found: dict[int, Fetched] = {}
    for one in talk.do(b"UID FETCH " + as_set(uids) + b" (UID FLAGS INTERNALDATE BODY.PEEK[" + section + b"])"):
        if one.word != b"FETCH":
            continue
        try:
            items = one.items()
            part = next((value for name, value in items.items() if name.startswith(b"BODY[HEADER")), None)
            raw = literal(part)
            if isinstance(raw, bytes):
                uid = number(items.get(b"UID"))
                date = _or(moment, items.get(b"INTERNALDATE"), UNDATED)
                found[uid] = Fetched(uid, raw, date, words(items.get(b"FLAGS")))
        except Unclear:
            continue
    return found
