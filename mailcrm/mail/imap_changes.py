"""What happened to mail that is known already: expunged or moved away, flags and keywords changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from mailcrm.core.model import Cursor
from mailcrm.mail.imap_answers import Ranges, Unclear, as_set, number, words
from mailcrm.mail.imap_desk import Counts, Desk
from mailcrm.mail.imap_folders import Folder
from mailcrm.mail.imap_talk import Opened, Talk

_PORTION: Final = 1_000
_COMPARED: Final = 5_000
_CHOICE = re.compile(r"\$crm[1-9]$", re.IGNORECASE)


def changes(talk: Talk, desk: Desk, folder: Folder, cursor: Cursor, opened: Opened, counts: Counts) -> None:
    """Hand in what vanished and changed since the cursor, by the best means the server has (RFC 7162).

    Raises:
        Away, Declined, Temporary: as ``imap_pass.catch_up``.
    """
    low, high = _read_so_far(cursor)
    if high < low:
        return
    if opened.resumed:
        vanished = _of_ours(desk, folder, opened.vanished, low, high)
    elif desk.sizes.get(folder.name) == opened.exists - _added(opened, cursor):
        vanished = []
    else:
        vanished = compare(talk, desk, folder, low, high)
    if opened.resumed:
        flags: Mapping[int, tuple[str, ...]] = {u: f for u, f in opened.changed.items() if low <= u <= high}
    elif cursor.modseq and opened.modseq > cursor.modseq:
        flags = _flags(talk, b"UID FETCH %d:%d (UID FLAGS) (CHANGEDSINCE %d)" % (low, high, cursor.modseq), low, high)
    elif not opened.modseq:
        flags = _choices(talk, opened, low, high)
    else:
        flags = {}
    _hand_in(desk, folder, cursor, vanished, flags, opened.modseq)
    counts.vanished += len(vanished)
    counts.flagged += len(flags)


def told(talk: Talk, desk: Desk, folder: Folder, cursor: Cursor) -> int:
    """Hand in what the server told gone while the folder was open. Returns how many of ours it was."""
    low, high = _read_so_far(cursor)
    vanished = _of_ours(desk, folder, talk.vanished, low, high)
    _hand_in(desk, folder, cursor, vanished, {}, cursor.modseq)
    talk.vanished = []
    return len(vanished)


def compare(talk: Talk, desk: Desk, folder: Folder, low: int, high: int) -> list[int]:
    """UIDs that we believe are in the folder and are not, found a few thousand at a time."""
    gone: list[int] = []
    ours = desk.intake.uids(desk.key, folder.name, low, high)
    for start in range(0, len(ours), _COMPARED):
        part = ours[start : start + _COMPARED]
        there = talk.search(part[0], part[-1])
        position = 0
        for uid in part:
            while position < len(there) and there[position][1] < uid:
                position += 1
            if position >= len(there) or uid < there[position][0]:
                gone.append(uid)
    return gone


def _read_so_far(cursor: Cursor) -> tuple[int, int]:
    return max(1, cursor.backfill_uid), cursor.last_uid


def _added(opened: Opened, cursor: Cursor) -> int:
    """How many messages the folder must have gained if none was lost: known only if there are none or few."""
    return opened.uidnext - 1 - cursor.last_uid


def _of_ours(desk: Desk, folder: Folder, gone: Sequence[tuple[int, int]], low: int, high: int) -> list[int]:
    """Of the ranges told gone, the UIDs we know; ranges may span billions, so ours are looked up in them."""
    spans = [(max(low, a), min(high, b)) for a, b in gone if a <= high and b >= low]
    if len(spans) <= 50:
        return [uid for a, b in spans for uid in desk.intake.uids(desk.key, folder.name, a, b)]
    found, position = [], 0
    for uid in desk.intake.uids(desk.key, folder.name, spans[0][0], spans[-1][1]):
        while position < len(spans) and spans[position][1] < uid:
            position += 1
        if position < len(spans) and spans[position][0] <= uid:
            found.append(uid)
    return found


def _flags(talk: Talk, command: bytes, low: int, high: int) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    for one in talk.do(command):
        if one.word != b"FETCH":
            continue
        try:
            items = one.items()
            uid = number(items.get(b"UID"))
        except Unclear:
            continue
        if low <= uid <= high and b"FLAGS" in items:
            flags = words(items[b"FLAGS"])
            found[uid] = shared.setdefault(flags, flags)
    return found


def _choices(talk: Talk, opened: Opened, low: int, high: int) -> dict[int, tuple[str, ...]]:
    """Without CONDSTORE: the flags of messages that carry one of the keywords by which a question is answered."""
    marked: Ranges = []
    for keyword in opened.keywords:
        if _CHOICE.match(keyword):
            marked += talk.matching(b"KEYWORD " + keyword.encode("ascii"))
    uids = [uid for a, b in marked[:_PORTION] for uid in range(max(a, low), min(b, high, a + _PORTION) + 1)]
    if not uids:
        return {}
    return _flags(talk, b"UID FETCH " + as_set(uids[:_PORTION]) + b" (UID FLAGS)", low, high)


def _hand_in(
    desk: Desk,
    folder: Folder,
    cursor: Cursor,
    vanished: Sequence[int],
    flags: Mapping[int, tuple[str, ...]],
    modseq: int,
) -> None:
    """Store in portions; only the last moves ``modseq``, so that a kill in between repeats and loses nothing."""
    items = list(flags.items())
    gone = [vanished[i : i + _PORTION] for i in range(0, len(vanished), _PORTION)]
    changed = [dict(items[i : i + _PORTION]) for i in range(0, len(items), _PORTION)]
    for part in gone:
        desk.hand_in(folder, cursor.uidvalidity, vanished=part)
    for each in changed:
        desk.hand_in(folder, cursor.uidvalidity, flags=each)
    if modseq != cursor.modseq:
        desk.hand_in(folder, cursor.uidvalidity, modseq=modseq)
