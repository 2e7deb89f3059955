"""Stored threads and messages as they are shown to the outside, and sharing a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from mailcrm.app.context import Context
from mailcrm.errors import NotFound, Refused
from mailcrm.store import reading
from mailcrm.store import threads as stored
from mailcrm.store.tables import message as message_table
from mailcrm.store.tables import thread as thread_table
from mailcrm.store.visible import Viewer


@dataclass(frozen=True, kw_only=True)
class Thread:
    """A thread. ``messages``: the Message-IDs that the viewer may see; ``link``: linked, choice, person or none."""

    id: int
    subject: str
    messages: list[str]
    persons: list[int]
    organization: int | None
    deal: int | None
    link: str
    shared: bool
    last_at: datetime


def threads(connection: Connection, ids: Sequence[int], viewer: Viewer) -> list[Thread]:
    """Threads, in the order of ``ids``."""
    rows = reading.threads(connection, ids)
    names = reading.names_in_threads(connection, ids, viewer)
    persons = reading.persons_in_threads(connection, ids)
    return [
        Thread(
            id=number,
            subject=rows[number].subject,
            messages=names.get(number, []),
            persons=persons.get(number, []),
            organization=rows[number].organization_id,
            deal=rows[number].deal_id,
            link=rows[number].link,
            shared=rows[number].shared,
            last_at=rows[number].last_at,
        )
        for number in ids
    ]


def messages(connection: Connection, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Messages, in the order of ``ids``, in the shape of ``shapes.message_shape`` with their numbers."""
    rows, files = reading.messages(connection, ids), reading.attachments(connection, ids)
    places = reading.mailboxes(connection, ids)
    shaped = []
    for row in (rows[number] for number in ids):
        details = row.details or {}
        author = {"name": row.from_name or "", "email": row.from_email or ""}
        shaped.append(
            {
                "id": row.id,
                "message_id": row.message_id,
                "thread": row.thread_id,
                "kind": row.kind,
                "direction": row.direction,
                "from": author if row.from_email or row.from_name else None,
                "to": _addresses(row.recipients.get("to", [])),
                "cc": _addresses(row.recipients.get("cc", [])),
                "subject": row.subject,
                "date": row.date,
                "text": row.text,
                "reply_text": row.text if row.reply_text is None else row.reply_text,
                "attachments": [
                    {"name": file.name, "type": file.type, "size": file.size, "sha256": file.sha256}
                    for file in files.get(row.id, [])
                ],
                "mailboxes": places.get(row.id, []),
                "bounce": details.get("bounce"),
                "forwarded_from": details.get("forwarded_from"),
                "returns_on": details.get("returns_on"),
                "historic": row.historic,
                "rule": row.kind_rule,
            }
        )
    return shaped


def visible_message(connection: Connection, name: str, viewer: Viewer) -> int:
    """The message with this Message-ID or number. Raises NotFound, also where the viewer may not see it."""
    number = stored.find_message(connection, name)
    if connection.execute(select(1).where(message_table.c.id == number, viewer.sees())).first() is None:
        raise NotFound(f"no message {name!r} that you may see; it lies in nobody's mailbox but others'")
    return number


def visible_thread(connection: Connection, number: int, viewer: Viewer) -> int:
    """The thread, or the one it was joined into. Raises NotFound, also where the viewer may not see it."""
    live = stored.live(connection, number)
    if connection.execute(select(1).where(thread_table.c.id == live, viewer.sees_thread())).first() is None:
        raise NotFound(f"no thread {number} that you may see; its owner can share it: `mailcrm thread share {number}`")
    return live


def share(context: Context, number: int, viewer: Viewer, *, shared: bool) -> None:
    """Open a thread to all colleagues, or close it again.

    Raises:
        NotFound: no such thread that he may see.
        Refused: it is in no mailbox of his own.
    """
    _mark(context, number, viewer, {"shared": shared} | ({"private": False} if shared else {}))


def make_private(context: Context, number: int, viewer: Viewer, *, private: bool) -> None:
    """Store no more mail of a thread, and close it to colleagues; or store it again.

    Raises:
        NotFound, Refused: as ``share``.
    """
    _mark(context, number, viewer, {"private": private} | ({"shared": False} if private else {}))


def _mark(context: Context, number: int, viewer: Viewer, values: dict[str, bool]) -> None:
    with context.db.write() as connection:
        live = visible_thread(connection, number, viewer)
        mine = select(1).where(thread_table.c.id == live, viewer.owns_thread())
        if connection.execute(mine).first() is None:
            raise Refused(f"thread {number} is in no mailbox of yours; its owner decides who sees it")
        connection.execute(update(thread_table).where(thread_table.c.id == live).values(**values))


def _addresses(pairs: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    return [{"name": name, "email": email} for name, email in pairs]
