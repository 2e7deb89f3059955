"""Mail from files as batches, as if it had lain in a folder of the mailbox."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailcrm.core.model import Arrival, Batch, FolderRole, Message
from mailcrm.mail.content import Content
from mailcrm.mail.dates import date_of
from mailcrm.mail.files import messages
from mailcrm.mail.readers import Readers

BATCH = 200
BATCH_BYTES = 4_000_000
_AHEAD = 2  # batches being read while one is stored
_FUTURE = timedelta(days=1)  # a clock that is further ahead than this is wrong


def batches(
    paths: Iterable[Path], mailbox: str, readers: Readers, now: datetime, report: Callable[[str, str], object]
) -> Iterator[Batch]:
    """Read files and give batches for ``app.ingest``.

    Args:
        paths: .eml, mbox, maildir or folders of them.
        now: for mail that does not tell when it was received.
        report: called with (file, reason) for files that can't be opened.
    """
    running: deque[Future[list[Content]]] = deque()
    for raws in _portions(paths, report):
        running.append(readers.submit(raws))
        if len(running) > _AHEAD:
            yield _batch(running.popleft().result(), mailbox, now)
    for future in running:
        yield _batch(future.result(), mailbox, now)


def received_at(message: Message, now: datetime) -> datetime:
    """When a message from a file was received: its topmost Received field, else its Date, else ``now``."""
    received = message.header("received")
    stamp = date_of(received.rpartition(";")[2]) if received and ";" in received else None
    for found in (stamp, message.date):
        if found is not None and found <= now + _FUTURE:
            return found.astimezone(UTC)
    return now


def _portions(paths: Iterable[Path], report: Callable[[str, str], object]) -> Iterator[list[bytes]]:
    portion: list[bytes] = []
    size = 0
    for path in paths:
        for _, raw in messages(path, report):
            portion.append(raw)
            size += len(raw)
            if len(portion) == BATCH or size > BATCH_BYTES:
                yield portion
                portion, size = [], 0
    if portion:
        yield portion


def _batch(contents: list[Content], mailbox: str, now: datetime) -> Batch:
    arrivals = tuple(
        Arrival(
            uid=None,
            received_at=received_at(content[0], now) if isinstance(content, tuple) else now,
            content=content,
        )
        for content in contents
    )
    return Batch(mailbox=mailbox, folder="", role=FolderRole.OTHER, arrivals=arrivals)
