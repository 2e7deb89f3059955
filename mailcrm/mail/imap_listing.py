"""What lies in a folder before bodies are read: sizes and dates, header fields, and groups to be fetched together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

from mailcrm.mail.imap_answers import Answer, Unclear, Value, as_set, expand, literal, moment, number, words
from mailcrm.mail.imap_faults import Declined
from mailcrm.mail.imap_suspects import LISTING, Suspects
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_wire import Literal

_T = TypeVar("_T")

BATCH_COUNT: Final = 200
BATCH_BYTES: Final = 3 << 20
UNDATED: Final = datetime(1970, 1, 1, tzinfo=UTC)  # a message of unknown age is old: it triggers nothing
_ROW = re.compile(rb'\(UID (\d{1,10}) RFC822\.SIZE (\d{1,18}) INTERNALDATE "([^"]*)"\)$')  # as most servers order it


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


def listing(
    talk: Talk, suspects: Suspects, low: int, high: int, without: frozenset[bytes] = frozenset()
) -> list[Entry]:
    """UID, size and date of what lies from ``low`` to ``high``, ascending.

    A row that can't be read, or a folder whose listing breaks the connection, still yields UIDs: nothing is lost.

    Args:
        without: labels, in lower case (Gmail): messages that have one are left out, so there is no doing without rows.

    Raises:
        Declined: the server lists nothing, and not to know its labels would be to read what is not to be read.
    """
    folder = talk.folder or b""
    found: dict[int, Entry] = {}
    hidden: set[int] = set()
    unread = suspects.poison(folder, LISTING) and not without
    if not unread:
        labels = b" X-GM-LABELS" if without else b""
        command = b"UID FETCH %d:%d (UID RFC822.SIZE INTERNALDATE%s)" % (low, high, labels)
        try:
            with suspects.watching(folder, LISTING):
                answers = talk.do(command)
        except Declined:
            if without:
                raise
            answers, unread = [], True
        for one in answers:
            if one.word == b"FETCH":
                entry = _entry(one)
                if entry is None:
                    unread = True
                elif without and not without.isdisjoint(_labels(one)):
                    hidden.add(entry.uid)
                elif low <= entry.uid <= high:
                    found[entry.uid] = entry
    if unread:
        for uid in expand(talk.search(low, high), high - low + 1):
            if uid not in hidden:
                found.setdefault(uid, Entry(uid))
    return [found[uid] for uid in sorted(found)]


def _labels(one: Answer) -> set[bytes]:
    value = one.items().get(b"X-GM-LABELS")
    return {label.lower() for label in value if isinstance(label, bytes)} if isinstance(value, list) else set()


def _entry(one: Answer) -> Entry | None:
    if len(one.parts) == 1 and (row := _ROW.match(one.text)):
        return Entry(int(row[1]), int(row[2]), attempt(moment, row[3], UNDATED))
    try:
        items = one.items()
    except Unclear:
        return None
    try:
        uid = number(items.get(b"UID"))
    except Unclear:
        return None
    return Entry(
        uid, attempt(number, items.get(b"RFC822.SIZE"), 0), attempt(moment, items.get(b"INTERNALDATE"), UNDATED)
    )


def attempt(read: Callable[[Value], _T], value: Value, otherwise: _T) -> _T:
    """What ``read`` makes of a value, or ``otherwise`` where it is unclear."""
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
                date = attempt(moment, items.get(b"INTERNALDATE"), UNDATED)
                found[uid] = Fetched(uid, raw, date, words(items.get(b"FLAGS")))
        except Unclear:
            continue
    return found
