"""Mailboxes and how far each of their folders has been read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from mailcrm.config import Config
from mailcrm.core.model import Cursor, FolderRole
from mailcrm.errors import NotFound
from mailcrm.store.db import insert_new, slices
from mailcrm.store.tables import folder, location, mailbox

DROP_BOX = "drop-box"


@dataclass(frozen=True, slots=True)
class MailboxState:
    """A mailbox as the database knows it.

    ``state``: new (never read), waiting (for ``mailbox resume``), active, paused.
    """

    id: int
    key: str
    state: str
    reason: str | None
    alive_at: datetime | None
    waiting: Mapping[str, int] | None


def sync(connection: Connection, config: Config) -> None:
    """Make a row for each configured mailbox and the drop-box. One that left the file stays, since mail lies in it."""
    known = set(connection.scalars(select(mailbox.c.key)))
    for key in (*config.mailboxes, DROP_BOX):
        if key not in known:
            # Another process may be first.
            connection.execute(insert_new(connection, mailbox, ["key"]).values(key=key, state="new"))


_CURSORS = (
    select(folder.c.name, folder.c.uidvalidity, folder.c.last_uid, folder.c.backfill_uid, folder.c.modseq)
    .join(mailbox, mailbox.c.id == folder.c.mailbox_id)
    .where(mailbox.c.key == bindparam("mailbox"), folder.c.uidvalidity > 0)
)
_STATES = select(mailbox.c.id, mailbox.c.key, mailbox.c.state, mailbox.c.reason, mailbox.c.alive_at, mailbox.c.waiting)
_STATE = _STATES.where(mailbox.c.key == bindparam("mailbox"))
_FOLDER = select(folder.c.id, folder.c.uidvalidity).where(
    folder.c.mailbox_id == bindparam("mailbox"), folder.c.name == bindparam("folder")
)
_PLACE = (folder.c.uidvalidity, folder.c.last_uid, folder.c.backfill_uid, folder.c.modseq)
_HAS_ROLE = update(folder).where(folder.c.id == bindparam("folder")).values(role=bindparam("role"))
_IS_READ = _HAS_ROLE.values({column: bindparam(column.name) for column in _PLACE})


def every(connection: Connection) -> list[MailboxState]:
    """All mailboxes, by key."""
    return [MailboxState(*row) for row in connection.execute(_STATES.order_by(mailbox.c.key))]


def find(connection: Connection, key: str) -> MailboxState:
    """One mailbox. Raises NotFound naming the known ones."""
    row = connection.execute(_STATE, {"mailbox": key}).first()
    if row is None:
        known = ", ".join(state.key for state in every(connection))
        raise NotFound(f"no mailbox {key!r}; configured are: {known}")
    return MailboxState(*row)


def set_state(
    connection: Connection, key: str, state: str, *, reason: str | None = None, waiting: Mapping[str, int] | None = None
) -> None:
    """Change the state; ``waiting`` are the counts shown while it waits for the operator."""
    values: dict[str, Any] = {"state": state, "reason": reason, "waiting": waiting, "refusals": 0}
    connection.execute(update(mailbox).where(mailbox.c.key == key).values(**values))


def set_alive(connection: Connection, key: str, now: datetime) -> None:
    """Note that all of its mail up to ``now`` has been taken in."""
    connection.execute(update(mailbox).where(mailbox.c.key == key).values(alive_at=now, refusals=0))


def count_refusal(connection: Connection, key: str) -> int:
    """Note that the server refused the login; gives how many times it did since it last let us in."""
    counted = update(mailbox).where(mailbox.c.key == key).values(refusals=mailbox.c.refusals + 1)
    return int(connection.execute(counted.returning(mailbox.c.refusals)).scalar_one())


def cursors(connection: Connection, key: str) -> dict[str, Cursor]:
    """Folder name -> how far it has been read."""
    return {row[0]: Cursor(*row[1:]) for row in connection.execute(_CURSORS, {"mailbox": key})}


def open_folder(connection: Connection, mailbox_id: int, name: str, role: FolderRole, cursor: Cursor | None) -> int:
    """The id of a folder, made if new, with its cursor moved. A new UIDVALIDITY forgets the old UIDs (RFC 3501)."""
    row = connection.execute(_FOLDER, {"mailbox": mailbox_id, "folder": name}).first()
    values: dict[str, Any] = {"role": role.value}
    if cursor is not None:
        values |= {
            "uidvalidity": cursor.uidvalidity,
            "last_uid": cursor.last_uid,
            "backfill_uid": cursor.backfill_uid,
            "modseq": cursor.modseq,
        }
    if row is None:
        blank = {"uidvalidity": 0, "last_uid": 0, "backfill_uid": 1, "modseq": 0}
        made = insert(folder).values(mailbox_id=mailbox_id, name=name, **(blank | values)).returning(folder.c.id)
        return int(connection.execute(made).scalar_one())
    if cursor is not None and row.uidvalidity not in (0, cursor.uidvalidity):
        connection.execute(update(location).where(location.c.folder_id == row.id).values(uid=None))
    connection.execute(_HAS_ROLE if cursor is None else _IS_READ, {"folder": row.id, **values})
    return int(row.id)


def uids(connection: Connection, key: str, name: str, low: int, high: int) -> list[int]:
    """The UIDs from ``low`` to ``high`` that are believed to lie in the folder, ascending."""
    query = (
        select(location.c.uid)
        .join(folder, folder.c.id == location.c.folder_id)
        .join(mailbox, mailbox.c.id == folder.c.mailbox_id)
        .where(mailbox.c.key == key, folder.c.name == name, location.c.uid.between(low, high))
        .where(location.c.gone_at.is_(None))
        .order_by(location.c.uid)
    )
    return list(connection.scalars(query))


def vanish(connection: Connection, folder_id: int, gone: Sequence[int], now: datetime) -> None:
    """The messages with these UIDs are no longer in the folder; the mail itself stays stored."""
    for piece in slices(gone):
        connection.execute(
            update(location)
            .where(location.c.folder_id == folder_id, location.c.uid.in_(piece), location.c.gone_at.is_(None))
            .values(gone_at=now)
        )


def reflag(connection: Connection, folder_id: int, flags: Mapping[int, Sequence[str]]) -> None:
    """Store the flags of known messages."""
    for uid, names in flags.items():
        connection.execute(
            update(location)
            .where(location.c.folder_id == folder_id, location.c.uid == uid)
            .values(flags=" ".join(names))
        )


def forget_stale(connection: Connection, folder_id: int, messages: Sequence[int]) -> None:
    """Drop what is left from before a new UIDVALIDITY, for messages that have been found again."""
    for piece in slices(messages):
        connection.execute(
            delete(location).where(
                location.c.folder_id == folder_id, location.c.uid.is_(None), location.c.message_id.in_(piece)
            )
        )
