"""Mail that could not be read: listed, and tried again after an update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest_whole
from mailcrm.app.refused import kept
from mailcrm.core.model import Arrival, Batch, FolderRole, Message, Reading, Unreadable
from mailcrm.core.text import clean
from mailcrm.errors import MailcrmError, NotFound
from mailcrm.store.tables import folder, location, mailbox, quarantine


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
        raw = context.blobs.read(entry.sha256)
        reason = _taken_in(context, entry, kept(raw) or read(raw))
        with context.db.write() as connection:
            attempts = update(quarantine).where(quarantine.c.id == entry.id)
            if reason is None:
                connection.execute(attempts.values(stored_at=context.clock()))
            else:
                connection.execute(attempts.values(attempts=quarantine.c.attempts + 1, reason=clean(reason)))
        results.append((entry, reason))
    return results


def _taken_in(context: Context, entry: Quarantined, content: tuple[Message, Reading] | Unreadable) -> str | None:
    """None, or why it still is not stored."""
    if isinstance(content, Unreadable):
        return content.reason
    arrival = Arrival(uid=_uid(context, entry), received_at=entry.received_at, content=content)
    try:
        ingest_whole(context, Batch(entry.mailbox, entry.folder, _role(context, entry), (arrival,)))
    except MailcrmError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this message's own, and told
        return f"it was read, but not stored: {type(error).__name__}: {error}"[:500]
    return None


def _uid(context: Context, entry: Quarantined) -> int | None:
    """Its place in the folder, unless the server has given that to another message since."""
    taken = (
        select(location.c.uid)
        .join(folder, folder.c.id == location.c.folder_id)
        .join(mailbox, mailbox.c.id == folder.c.mailbox_id)
        .where(mailbox.c.key == entry.mailbox, folder.c.name == entry.folder, location.c.uid == entry.uid)
    )
    with context.db.read() as connection:
        return entry.uid if connection.execute(taken).first() is None else None


def _role(context: Context, entry: Quarantined) -> FolderRole:
    query = (
        select(folder.c.role)
        .join(mailbox, mailbox.c.id == folder.c.mailbox_id)
        .where(mailbox.c.key == entry.mailbox, folder.c.name == entry.folder)
    )
    with context.db.read() as connection:
        return FolderRole(connection.scalar(query) or FolderRole.OTHER)
