"""Tags of persons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from mailcrm.store.db import insert_new, slices
from mailcrm.store.tables import person, person_tag, tag


def add(connection: Connection, name: str, person_id: int, now: datetime) -> bool:
    """Tag a person; the tag is made if new. False if he had it."""
    connection.execute(insert_new(connection, tag).values(name=name))
    number = connection.execute(select(tag.c.id).where(tag.c.name == name)).scalar_one()
    added = insert_new(connection, person_tag).values(person_id=person_id, tag_id=number, at=now)
    return connection.execute(added.returning(person_tag.c.tag_id)).first() is not None


def remove(connection: Connection, name: str, person_id: int) -> bool:
    """Take a tag from a person. False if he did not have it."""
    number = select(tag.c.id).where(tag.c.name == name).scalar_subquery()
    gone = delete(person_tag).where(person_tag.c.person_id == person_id, person_tag.c.tag_id == number)
    return connection.execute(gone).rowcount > 0


def of(connection: Connection, person_ids: Iterable[int]) -> dict[int, list[str]]:
    """Person -> his tags, by name."""
    found: dict[int, list[str]] = defaultdict(list)
    for piece in slices(person_ids):
        query = (
            select(person_tag.c.person_id, tag.c.name)
            .join(tag, tag.c.id == person_tag.c.tag_id)
            .where(person_tag.c.person_id.in_(piece))
            .order_by(tag.c.name)
        )
        for number, name in connection.execute(query):
            found[number].append(name)
    return found


def counts(connection: Connection) -> list[tuple[str, int]]:
    """Every tag with how many persons have it."""
    query = (
        select(tag.c.name, func.count(person.c.id))
        .join(person_tag, person_tag.c.tag_id == tag.c.id, isouter=True)
        .join(person, (person.c.id == person_tag.c.person_id) & person.c.removed_at.is_(None), isouter=True)
        .group_by(tag.c.name)
        .order_by(tag.c.name)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]
