"""One pass over one folder: what vanished, what changed, what is new; and the first pass, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from mailcrm.core.model import Arrival, Cursor, Known, Unreadable
from mailcrm.mail.imap_changes import changes, compare
from mailcrm.mail.imap_desk import Counts, Desk
from mailcrm.mail.imap_faults import Declined
from mailcrm.mail.imap_fetch import fetch
from mailcrm.mail.imap_folders import Folder
from mailcrm.mail.imap_listing import Group, grouped
from mailcrm.mail.imap_talk import Opened, Talk
from mailcrm.mail.imap_windows import windows

CHECK_ABOVE: Final = 10  # so many new messages at once may be moved ones that are stored already
_PORTION: Final = 8
_SEARCHED: Final = 300_000  # an answer that names so many UIDs still fits a line
_LOOK_BACK: Final = timedelta(days=1)  # a letter may be answered before anybody looks for answers among the junk
_MONTHS: Final = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def catch_up(talk: Talk, desk: Desk, folder: Folder, counts: Counts) -> None:
    """Bring a folder up to date, but for its first pass. It stays open.

    Args:
        counts: what is done is added to it, batch by batch.

    Raises:
        Away: the connection failed; what was handed in stays.
        Declined: the folder can't be opened.
        Temporary: the store is busy.
    """
    cursor = desk.cursor(folder)
    opened = talk.examine(folder.wire, cursor)
    if cursor is None or cursor.uidvalidity != opened.uidvalidity:
        if not folder.answers_only:
            desk.begin(folder, start(opened))
            desk.sizes[folder.name] = opened.exists
            return
        low = _floor(talk, datetime.now(UTC) - _LOOK_BACK)
        cursor = desk.begin(folder, Cursor(opened.uidvalidity, low - 1, 1, opened.modseq))
    changes(talk, desk, folder, cursor, opened, counts)
    if opened.uidnext - 1 > cursor.last_uid:
        new_mail(talk, desk, folder, cursor, opened.uidnext - 1, counts)
    desk.sizes[folder.name] = talk.exists


def start(opened: Opened) -> Cursor:
    """The cursor of a folder at first sight: all that is there belongs to the first pass."""
    last = opened.uidnext - 1
    return Cursor(opened.uidvalidity, last, opened.uidnext if opened.exists else 1, opened.modseq)


def new_mail(talk: Talk, desk: Desk, folder: Folder, cursor: Cursor, high: int, counts: Counts) -> None:
    """Fetch what came after the cursor, oldest first, up to UID ``high``."""

    def groups() -> Iterator[Group]:
        after, without = cursor.last_uid + 1, folder.without
        for low, top, entries in windows(talk, desk.suspects, after, high, descending=False, without=without):
            taken = desk.answering(talk, entries) if folder.answers_only else entries
            for group in grouped(taken, low, top, descending=False):
                if len(taken) > CHECK_ABOVE:
                    desk.sort_out(talk, group)
                yield group

    for group, arrivals in desk.read(_fetched(talk, desk, groups())):
        desk.hand_in(folder, cursor.uidvalidity, arrivals, last_uid=group.high)
        _count(counts, arrivals)


def first_pass(
    talk: Talk,
    desk: Desk,
    folder: Folder,
    counts: Counts,
    *,
    since: datetime | None,
    enough: Callable[[int], bool] = lambda _: False,
) -> None:
    """Go on with the first pass over a folder, newest first, down to mail older than ``since``.

    Args:
        counts: what is done is added to it, batch by batch.
        since: INTERNALDATE before which mail is left alone; None takes all.
        enough: told the bytes that each batch took; True stops the pass for now.

    Raises:
        Away, Declined, Temporary: as ``catch_up``.
    """
    cursor = desk.cursor(folder)
    opened = talk.examine(folder.wire)
    moved = cursor is not None and cursor.uidvalidity != opened.uidvalidity
    if cursor is None or moved:
        cursor = desk.begin(folder, start(opened))
    validity, floor = cursor.uidvalidity, _floor(talk, since)
    check = True  # a renamed folder, or one whose UIDVALIDITY changed, holds nothing new: look before downloading

    def groups() -> Iterator[Group]:
        nonlocal check
        below, without = cursor.backfill_uid - 1, folder.without
        for low, high, entries in windows(talk, desk.suspects, floor, below, descending=True, without=without):
            wanted = [e for e in entries if since is None or e.received_at >= since or e.received_at.year == 1970]
            for group in grouped(wanted, low, high, descending=True):
                if check and group.entries:
                    total = len(group.entries)
                    desk.sort_out(talk, group)
                    check = moved or len(group.known) * 5 >= total
                yield group

    before, seen = talk.wire.received, 0
    for group, arrivals in desk.read(_fetched(talk, desk, groups())):
        desk.hand_in(folder, validity, arrivals, backfill_uid=max(1, group.low))
        desk.advance(len(arrivals))
        seen += len(arrivals)
        _count(counts, arrivals)
        taken, before = talk.wire.received - before, talk.wire.received
        counts.bytes += taken
        if enough(taken):
            counts.paced = True
            return
    talk.do(b"NOOP")
    gone = compare(talk, desk, folder, 1, cursor.last_uid)  # expunged between being fetched and being stored
    desk.hand_in(folder, validity, backfill_uid=1, vanished=gone)
    counts.vanished += len(gone)
    desk.advance(opened.exists - seen)


def _fetched(talk: Talk, desk: Desk, groups: Iterator[Group]) -> Iterator[Group]:
    """Fetch groups some at a time: commands that list or check must not come between two fetches in flight."""
    while portion := list(islice(groups, _PORTION)):
        yield from fetch(talk, portion, desk.suspects)


def _floor(talk: Talk, since: datetime | None) -> int:
    """The lowest UID worth looking at, so that old mail is not even listed; 1 unless the server names one.

    An answer that finds nothing is not believed: some servers read search keys in their own way, and mail that is
    listed in vain costs a little time, while mail that is passed over is lost.
    """
    if since is None or since.year < 1980:
        return 1
    day = since - timedelta(days=1)  # servers compare dates without time and zone
    criteria = b"SINCE %d-%s-%d" % (day.day, _MONTHS[day.month - 1], day.year)
    try:
        lowest = talk.edge(criteria, lowest=True)
        if lowest is None and talk.exists <= _SEARCHED:
            found = talk.matching(criteria)
            lowest = found[0][0] if found else None
    except Declined:
        return 1
    return lowest or 1


def _count(counts: Counts, arrivals: Iterable[Arrival]) -> None:
    for arrival in arrivals:
        if isinstance(arrival.content, Known):
            counts.known += 1
        elif isinstance(arrival.content, Unreadable):
            counts.unreadable += 1
        else:
            counts.stored += 1
