"""Deletes what has been kept for as long as it is to be kept: how flows came about, and what ``[retention]`` names."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta

from sqlalchemy import Connection, Select

from mailcrm.app.context import Context
from mailcrm.core.spans import before
from mailcrm.store import erasing, forgetting, keeping, step_sums

PIECE = 500
_EVERY = timedelta(days=1)
Dropped = tuple[int, Collection[str]]
"""How many rows, and the names of the files that they had."""


def sweep_due(context: Context) -> int:
    """Once a day, delete what is past its time.

    Returns:
        How many messages, quarantined messages, hits, letters, and lines of flows were touched.
    """
    retention, now = context.config.retention, context.clock()
    with context.db.read() as connection:
        last = keeping.swept_at(connection)
    if last is not None and now - last < _EVERY:
        return 0
    old = before(now, retention.history)  # WF-15
    total = _all(context, lambda c: (keeping.drop_steps(c, old, PIECE), ()))
    total += _all(context, lambda c: (keeping.drop_reactions(c, old, PIECE), ()))
    total += _found(context, keeping.effects(old), lambda c, wanted: (keeping.drop_effects(c, wanted), ()))
    if retention.unlinked_bodies:
        texts = keeping.unlinked_texts(before(now, retention.unlinked_bodies))
        total += _found(context, texts, lambda c, wanted: (keeping.drop_texts(c, wanted), ()))
    if retention.quarantine:
        aside = before(now, retention.quarantine)
        total += _all(context, lambda c: _counted(keeping.drop_quarantined(c, aside, PIECE)))
    if retention.expunged:
        total += _found(context, keeping.expunged(before(now, retention.expunged)), _messages)
    if retention.hits:
        seen = before(now, retention.hits)
        total += _all(context, lambda c: (keeping.drop_hits(c, seen, PIECE), ()))
    if retention.letters:
        letters = keeping.letters(before(now, retention.letters))
        total += _found(context, letters, lambda c, wanted: (keeping.drop_letters(c, wanted), ()))
    with context.db.write() as connection:
        forgetting.drop_bodies(connection)
        step_sums.fold(connection, now.date())
        keeping.note_swept(connection, now)
    return total


def _all(context: Context, piece: Callable[[Connection], Dropped]) -> int:
    """Repeat until nothing is left."""
    total = 0
    while True:
        count = _drop(context, piece)
        total += count
        if count < PIECE:
            return total


def _found(context: Context, kept: keeping.Kept, piece: Callable[[Connection, Select[int]], Dropped]) -> int:
    """Find them and drop them, from the first to the last."""
    total, last = 0, 0
    while True:
        with context.db.read() as connection:
            keys = kept.after(connection, last, PIECE)
        if not keys:
            return total
        total += _drop(context, piece, kept.among(keys))
        last = keys[-1]


def _drop(context: Context, piece: Callable[..., Dropped], *wanted: Select[int]) -> int:
    """Drop a piece in its own transaction, and the files that nothing names any more."""
    with context.db.write() as connection:
        count, files = piece(connection, *wanted)
        unused = erasing.unreferenced(connection, files)
    for name in unused:
        context.blobs.remove(name)
    return count


def _counted(files: Collection[str]) -> Dropped:
    return len(files), files


def _messages(connection: Connection, wanted: Select[int]) -> Dropped:
    ids = connection.execute(wanted).scalars().all()
    return len(ids), erasing.delete_messages(connection, ids)
