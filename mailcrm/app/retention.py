"""Deletes what has been kept for as long as it is to be kept: how flows came about, and what ``[retention]`` names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.core.spans import before
from mailcrm.store import erasing, forgetting, keeping, step_sums

PIECE = 500
_EVERY = timedelta(days=1)


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
    total = _all(context, lambda c: (keeping.drop_steps(c, old, PIECE), set()))
    total += _all(context, lambda c: (keeping.drop_reactions(c, old, PIECE), set()))
    total += _all(context, lambda c: (keeping.drop_effects(c, old, PIECE), set()))
    if retention.unlinked_bodies:
        cutoff = before(now, retention.unlinked_bodies)
        total += _all(context, lambda c: (keeping.drop_unlinked_texts(c, cutoff, PIECE), set()))
    if retention.quarantine:
        aside = before(now, retention.quarantine)
        total += _all(context, lambda c: _both(keeping.drop_quarantined(c, aside, PIECE)))
    if retention.expunged:
        gone = before(now, retention.expunged)
        total += _all(context, lambda c: _messages(c, keeping.expunged(c, gone, PIECE)))
    if retention.hits:
        seen = before(now, retention.hits)
        total += _all(context, lambda c: (keeping.drop_hits(c, seen, PIECE), set()))
    if retention.letters:
        left = before(now, retention.letters)
        total += _all(context, lambda c: (keeping.drop_letters(c, left, PIECE), set()))
    with context.db.write() as connection:
        forgetting.drop_bodies(connection)
        step_sums.fold(connection, now.date())
        keeping.note_swept(connection, now)
    return total


def _all(context: Context, piece: Callable[[Connection], tuple[int, set[str]]]) -> int:
    """Repeat until nothing is left, each piece in its own transaction, and delete the files that nothing names."""
    total = 0
    while True:
        with context.db.write() as connection:
            count, files = piece(connection)
            unused = erasing.unreferenced(connection, files)
        for name in unused:
            context.blobs.remove(name)
        total += count
        if count < PIECE:
            return total


def _both(files: list[str]) -> tuple[int, set[str]]:
    return len(files), set(files)


def _messages(connection: Connection, ids: list[int]) -> tuple[int, set[str]]:
    return len(ids), erasing.delete_messages(connection, ids)
