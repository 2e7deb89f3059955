"""What happened with a record (DATA-2, DATA-4) and its files (DATA-20), as far as somebody may see its mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mailcrm.store import document_records
from mailcrm.store.scope import Scope
from mailcrm.store.tables import activity, attachment, document, message, note
from mailcrm.store.visible import Viewer


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened.

    Args:
        kind: message, note, activity or document.
        id: of that message, note, activity or document.
        text: the subject, the note, the activity's type and note, or the document's number.
        detail: for a message ``in`` or ``out``, for an activity ``done`` or ``planned``, for a document its kind.
        message_id: the Message-ID of a message.
    """

    at: datetime
    kind: str
    id: int
    text: str
    detail: str = ""
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """An attachment. ``sha256`` names its bytes; ``message_id`` the message that brought it, ``at`` its date."""

    name: str
    type: str
    size: int
    sha256: str
    message_id: str | None
    at: datetime


def moments(connection: Connection, scope: Scope, viewer: Viewer, limit: int) -> list[Moment]:
    """The newest ``limit`` things, newest first. An activity stands at the time it was done, is due, or was made."""
    notes = (
        select(note.c.id, note.c.at, note.c.text)
        .where(scope.owns(note), note.c.removed_at.is_(None))
        .order_by(note.c.at.desc())
        .limit(limit)
    )
    mail = (
        select(message.c.id, message.c.date, message.c.subject, message.c.direction, message.c.message_id)
        .where(scope.messages(), viewer.sees())
        .order_by(message.c.date.desc())
        .limit(limit)
    )
    planned = select(
        activity.c.id,
        activity.c.type,
        activity.c.note,
        activity.c.done_at,
        activity.c.due,
        activity.c.created_at,
    ).where(scope.owns(activity), activity.c.removed_at.is_(None))
    issued = (
        select(document.c.id, document.c.created_at, document.c.name, document.c.kind)
        .where(document.c.id.in_(document_records.of(scope)))
        .order_by(document.c.id.desc())
        .limit(limit)
    )
    found = [Moment(row.at, "note", row.id, row.text) for row in connection.execute(notes)]
    found += [
        Moment(row.date, "message", row.id, row.subject, row.direction, row.message_id)
        for row in connection.execute(mail)
    ]
    found += [
        Moment(
            row.done_at or row.due or row.created_at,
            "activity",
            row.id,
            f"{row.type}: {row.note}" if row.note else row.type,
            "done" if row.done_at else "planned",
        )
        for row in connection.execute(planned)
    ]
    found += [Moment(row.created_at, "document", row.id, row.name, row.kind) for row in connection.execute(issued)]
    return sorted(found, key=lambda moment: moment.at, reverse=True)[:limit]


def files(connection: Connection, scope: Scope, viewer: Viewer, *, inline: bool = False) -> Sequence[File]:
    """The attachments of the record's mail, newest first; pictures inside a text only if ``inline``."""
    query = (
        select(
            attachment.c.name,
            attachment.c.type,
            attachment.c.size,
            attachment.c.sha256,
            message.c.message_id,
            message.c.date,
        )
        .join(message, message.c.id == attachment.c.message_id)
        .where(scope.messages(), viewer.sees())
        .order_by(message.c.date.desc(), attachment.c.id)
    )
    if not inline:
        query = query.where(attachment.c.inline.is_(False))
    return [File(*row) for row in connection.execute(query)]
