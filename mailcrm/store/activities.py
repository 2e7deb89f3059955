"""Activities (planned tasks of any type, DATA-14) and notes, each linked to any of the records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from mailcrm.store.db import slices
from mailcrm.store.scope import Scope
from mailcrm.store.tables import activity, note

AnyRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class About:
    """The records, by id, that an activity or note is about."""

    person_id: int | None = None
    organization_id: int | None = None
    deal_id: int | None = None
    lead_id: int | None = None


def add(
    connection: Connection,
    kind: str,
    about: About,
    now: datetime,
    *,
    created_by: str,
    due: datetime | None = None,
    assignee: int | None = None,
    priority: str | None = None,
    text: str | None = None,
) -> int:
    """Store an activity."""
    number = connection.execute(
        insert(activity)
        .values(
            type=kind,
            due=due,
            assignee_id=assignee,
            priority=priority,
            note=text,
            created_by=created_by,
            created_at=now,
            **asdict(about),
        )
        .returning(activity.c.id)
    ).scalar_one()
    return int(number)


def change(connection: Connection, number: int, **values: Any) -> None:
    """Set columns of an activity."""
    if values:
        connection.execute(update(activity).where(activity.c.id == number).values(**values))


def ids(
    *,
    scope: Scope | None = None,
    assignee: int | None = None,
    kind: str | None = None,
    done: bool | None = None,
    due_before: datetime | None = None,
) -> Select[int]:
    """A query for the ids of activities, the soonest due first and those without a time last."""
    query = select(activity.c.id).where(activity.c.removed_at.is_(None))
    if scope is not None:
        query = query.where(scope.owns(activity))
    if assignee is not None:
        query = query.where(activity.c.assignee_id == assignee)
    if kind is not None:
        query = query.where(activity.c.type == kind)
    if done is not None:
        query = query.where(activity.c.done_at.is_not(None) if done else activity.c.done_at.is_(None))
    if due_before is not None:
        query = query.where(activity.c.due < due_before)
    return query.order_by(activity.c.due.is_(None), activity.c.due, activity.c.id)


def rows(connection: Connection, numbers: Iterable[int]) -> dict[int, AnyRow]:
    """Id -> the activity's own columns."""
    return {
        row.id: row
        for piece in slices(numbers)
        for row in connection.execute(select(activity).where(activity.c.id.in_(piece)))
    }


def add_note(connection: Connection, text: str, about: About, now: datetime, *, author: int | None = None) -> int:
    """Store a note."""
    number = connection.execute(
        insert(note).values(text=text, author_id=author, at=now, **asdict(about)).returning(note.c.id)
    ).scalar_one()
    return int(number)


def change_note(connection: Connection, number: int, **values: Any) -> None:
    """Set columns of a note."""
    if values:
        connection.execute(update(note).where(note.c.id == number).values(**values))


def note_ids(*, scope: Scope | None = None, author: int | None = None) -> Select[int]:
    """A query for the ids of notes, the newest first."""
    query = select(note.c.id).where(note.c.removed_at.is_(None)).order_by(note.c.at.desc(), note.c.id.desc())
    if scope is not None:
        query = query.where(scope.owns(note))
    return query if author is None else query.where(note.c.author_id == author)


def note_rows(connection: Connection, numbers: Iterable[int]) -> dict[int, AnyRow]:
    """Id -> the note's own columns."""
    return {
        row.id: row for piece in slices(numbers) for row in connection.execute(select(note).where(note.c.id.in_(piece)))
    }
