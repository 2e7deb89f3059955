"""Taking back what mail created: a person, and an organization that came with him."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Table, delete, func, select, update

from mailcrm.core.plural import counted
from mailcrm.store import organizations, people
from mailcrm.store.db import slices
from mailcrm.store.tables import (
    activity,
    deal,
    field_value,
    lead,
    link,
    message,
    note,
    organization,
    participant,
    person,
    person_address,
    thread,
)


def tied(connection: Connection, person_id: int) -> str:
    """What people have tied to a person by hand, in words, or ""."""
    counts = {
        table.name: connection.execute(
            select(func.count()).where(table.c.person_id == person_id, table.c.removed_at.is_(None))
        ).scalar_one()
        for table in (deal, lead, activity, note)
    }
    return ", ".join(
        counted(count, name, "activities" if name == "activity" else "") for name, count in counts.items() if count
    )


def forget_person(connection: Connection, person_id: int, now: datetime) -> None:
    """Unlink a person from all mail, delete his addresses and fields, and take him out of every list."""
    threads = select(message.c.thread_id).where(
        message.c.id.in_(select(participant.c.message_id).where(participant.c.person_id == person_id))
    )
    touched = list(connection.execute(threads.distinct()).scalars())
    connection.execute(update(participant).where(participant.c.person_id == person_id).values(person_id=None))
    for table in (link, field_value):
        connection.execute(delete(table).where(table.c.record == "person", table.c.record_id == person_id))
    connection.execute(delete(person_address).where(person_address.c.person_id == person_id))
    people.remove(connection, person_id, now)
    known = select(1).where(
        message.c.thread_id == thread.c.id,
        participant.c.message_id == message.c.id,
        participant.c.person_id.is_not(None),
    )
    alone = (thread.c.link == "person") & ~known.exists()
    for piece in slices(touched):
        connection.execute(update(thread).where(thread.c.id.in_(piece), alone).values(link="none"))


def forget_organization(connection: Connection, organization_id: int, created_by: str, now: datetime) -> None:
    """Take an organization out if the same mail made it and nothing is left that belongs to it."""
    made = connection.execute(select(organization.c.created_by).where(organization.c.id == organization_id)).scalar()
    used: list[Table] = [person, deal, lead, activity, note]
    left = any(
        connection.execute(
            select(table.c.id).where(table.c.organization_id == organization_id, table.c.removed_at.is_(None)).limit(1)
        ).first()
        for table in used
    )
    if made == created_by and not left:
        of_it = thread.c.organization_id == organization_id
        connection.execute(update(thread).where(of_it).values(organization_id=None))
        mine = (link.c.record == "organization", link.c.record_id == organization_id)
        connection.execute(delete(link).where(*mine))
        organizations.remove(connection, organization_id, now)
