"""Mail that could not be read: listed, and tried again after an update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.core.model import Arrival, Batch, FolderRole, Message, Reading, Unreadable
from mailcrm.errors import NotFound
from mailcrm.store.tables import folder, mailbox, quarantine


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message put aside; its raw bytes are the file ``sha256``."""

    id: int
    mailbox: str
    folder: str
    uid: int | None
    received_at: datetime
    size: int
    sha256: str
    reason: str
    at: datetime
    attempts: int


def listing(context: Context) -> list[Quarantined]:
    """Everything that is still put aside, oldest first."""
    query = (
        select(
            quarantine.c.id,
            mailbox.c.key.label("mailbox"),
            quarantine.c.folder,
            quarantine.c.uid,
            quarantine.c.received_at,
            quarantine.c.size,
            quarantine.c.sha256,
            quarantine.c.reason,
            quarantine.c.at,
            quarantine.c.attempts,
        )
        .join(mailbox, mailbox.c.id == quarantine.c.mailbox_id)
        .where(quarantine.c.stored_at.is_(None))
        .order_by(quarantine.c.id)
    )
    with context.db.read() as connection:
        return [Quarantined(**row) for row in connection.execute(query).mappings()]


def find(context: Context, number: int) -> Quarantined:
    """One of them. Raises NotFound."""
    for entry in listing(context):
        if entry.id == number:
            return entry
    raise NotFound(f"nothing in quarantine has the number {number}; `mailcrm quarantine list` shows what there is")


def retry(
    context: Context,
    entries: Sequence[Quarantined],
    read: Callable[[bytes], tuple[Message, Reading] | Unreadable],
) -> list[tuple[Quarantined, str | None]]:
    """Read them again, as the program now reads mail; what can be read is taken in where it lay.

    Returns:
        Each with None if it is stored now, else with the reason why it still can't be read.
    """
    results: list[tuple[Quarantined, str | None]] = []
    for entry in entries:
        content = read(context.blobs.read(entry.sha256))
        if isinstance(content, Unreadable):
            with context.db.write() as connection:
                connection.execute(
                    update(quarantine)
                    .where(quarantine.c.id == entry.id)
                    .values(attempts=quarantine.c.attempts + 1, reason=content.reason)
                )
            results.append((entry, content.reason))
            continue
        arrival = Arrival(uid=entry.uid, received_at=entry.received_at, content=content)
        ingest(context, Batch(entry.mailbox, entry.folder, _role(context, entry), (arrival,)))
        with context.db.write() as connection:
            connection.execute(update(quarantine).where(quarantine.c.id == entry.id).values(stored_at=context.clock()))
        results.append((entry, None))
    return results


def _role(context: Context, entry: Quarantined) -> FolderRole:
    query = (
        select(folder.c.role)
        .join(mailbox, mailbox.c.id == folder.c.mailbox_id)
        .where(mailbox.c.key == entry.mailbox, folder.c.name == entry.folder)
    )
    with context.db.read() as connection:
        return FolderRole(connection.scalar(query) or FolderRole.OTHER)
