"""Deletes what has been kept for as long as the configuration's ``[retention]`` says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.config import Retention
from mailcrm.core.spans import before
from mailcrm.store import erasing, keeping

PIECE = 500
_EVERY = timedelta(days=1)


def sweep_due(context: Context) -> int:
    """Once a day, delete what is past its time. Does nothing where nothing is to be forgotten.

    Returns:
        How many messages and quarantined messages were touched.
    """
    retention, now = context.config.retention, context.clock()
    if retention == Retention():
        return 0
    with context.db.read() as connection:
        last = keeping.swept_at(connection)
    if last is not None and now - last < _EVERY:
        return 0
    total = 0
    if retention.unlinked_bodies:
        cutoff = before(now, retention.unlinked_bodies)
        total += _all(context, lambda c: (keeping.drop_unlinked_texts(c, cutoff, PIECE), set()))
    if retention.quarantine:
        aside = before(now, retention.quarantine)
        total += _all(context, lambda c: _both(keeping.drop_quarantined(c, aside, PIECE)))
    if retention.expunged:
        gone = before(now, retention.expunged)
        total += _all(context, lambda c: _messages(c, keeping.expunged(c, gone, PIECE)))
    with context.db.write() as connection:
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
