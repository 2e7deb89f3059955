"""Fetching bodies: two commands in flight, answers streamed, a bad message retried alone, never skipped in silence."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mailcrm.mail.imap_answers import Unclear, as_set, number
from mailcrm.mail.imap_body import fetched
from mailcrm.mail.imap_faults import Away, Declined, Throttled
from mailcrm.mail.imap_listing import UNDATED, Entry, Fetched, Group
from mailcrm.mail.imap_suspects import POISON, Suspects
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_wire import Literal

IN_FLIGHT: Final = 2


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
                if (got := fetched(one)) is not None and got.uid > after:
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
                got = fetched(one)
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
                got = fetched(one)
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
