"""Threads and messages as they are listed and shown: a fixed number of queries for a page of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, or_, select

from mailcrm.store.db import slices
from mailcrm.store.scope import Scope
from mailcrm.store.tables import attachment, folder, location, mailbox, message, participant, thread
from mailcrm.store.visible import Viewer

AnyRow = Row[*tuple[Any, ...]]


def thread_ids(viewer: Viewer, *, scope: Scope | None = None, link: str | None = None) -> Select[int]:
    """A query for the ids of threads that the viewer may see, the newest mail first."""
    query = (
        select(thread.c.id)
        .where(thread.c.merged_into.is_(None), viewer.sees_thread())
        .order_by(thread.c.last_at.desc(), thread.c.id.desc())
    )
    if link is not None:
        query = query.where(thread.c.link == link)
    if scope is None:
        return query
    if scope.noun == "deal":
        return query.where(thread.c.deal_id == scope.id)
    mine = thread.c.id.in_(select(message.c.thread_id).where(scope.messages()))
    return query.where(or_(mine, thread.c.organization_id == scope.id) if scope.noun == "organization" else mine)


def message_ids(
    viewer: Viewer,
    *,
    scope: Scope | None = None,
    in_thread: int | None = None,
    kind: str | None = None,
    direction: str | None = None,
) -> Select[int]:
    """A query for the ids of messages that the viewer may see, the newest first."""
    query = select(message.c.id).where(viewer.sees()).order_by(message.c.date.desc(), message.c.id.desc())
    if scope is not None:
        query = query.where(scope.messages())
    wanted = {message.c.thread_id: in_thread, message.c.kind: kind, message.c.direction: direction}
    return query.where(*(column == value for column, value in wanted.items() if value is not None))


def threads(connection: Connection, ids: Iterable[int]) -> dict[int, AnyRow]:
    """Id -> the thread's own columns."""
    return _by_id(connection, thread, ids)


def messages(connection: Connection, ids: Iterable[int]) -> dict[int, AnyRow]:
    """Id -> the message's own columns."""
    return _by_id(connection, message, ids)


def names_in_threads(connection: Connection, ids: Iterable[int], viewer: Viewer) -> dict[int, list[str]]:
    """Thread -> the Message-IDs (or numbers) of its messages that the viewer may see, oldest first."""
    found: dict[int, list[str]] = defaultdict(list)
    for piece in slices(ids):
        query = (
            select(message.c.thread_id, message.c.message_id, message.c.id)
            .where(message.c.thread_id.in_(piece), viewer.sees())
            .order_by(message.c.date, message.c.id)
        )
        for thread_id, name, number in connection.execute(query):
            found[thread_id].append(name or str(number))
    return found


def persons_in_threads(connection: Connection, ids: Iterable[int]) -> dict[int, list[int]]:
    """Thread -> the persons who take part in it."""
    found: dict[int, list[int]] = defaultdict(list)
    for piece in slices(ids):
        query = (
            select(message.c.thread_id, participant.c.person_id)
            .distinct()
            .join(participant, participant.c.message_id == message.c.id)
            .where(message.c.thread_id.in_(piece), participant.c.person_id.is_not(None))
            .order_by(message.c.thread_id, participant.c.person_id)
        )
        for thread_id, person_id in connection.execute(query):
            found[thread_id].append(person_id)
    return found


def attachments(connection: Connection, ids: Iterable[int]) -> dict[int, list[AnyRow]]:
    """Message -> its attachments."""
    found: dict[int, list[AnyRow]] = defaultdict(list)
    for piece in slices(ids):
        query = select(attachment).where(attachment.c.message_id.in_(piece)).order_by(attachment.c.id)
        for row in connection.execute(query):
            found[row.message_id].append(row)
    return found


def mailboxes(connection: Connection, ids: Iterable[int]) -> dict[int, list[str]]:
    """Message -> keys of the mailboxes where it lies, or lay."""
    found: dict[int, list[str]] = defaultdict(list)
    for piece in slices(ids):
        query = (
            select(location.c.message_id, mailbox.c.key)
            .distinct()
            .join(folder, folder.c.id == location.c.folder_id)
            .join(mailbox, mailbox.c.id == folder.c.mailbox_id)
            .where(location.c.message_id.in_(piece))
            .order_by(location.c.message_id, mailbox.c.key)
        )
        for message_id, key in connection.execute(query):
            found[message_id].append(key)
    return found


def _by_id(connection: Connection, table: Table, ids: Iterable[int]) -> dict[int, AnyRow]:
    return {
        row.id: row for piece in slices(ids) for row in connection.execute(select(table).where(table.c.id.in_(piece)))
    }
