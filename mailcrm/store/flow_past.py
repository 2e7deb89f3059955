"""What is stored of persons' past, for flows that are tried on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, or_, select

from mailcrm.core.enrollment import Happened
from mailcrm.core.flow import FlowKind
from mailcrm.core.past_card import Stay
from mailcrm.store import reactions
from mailcrm.store.db import slices
from mailcrm.store.tables import enrollment, event, flow, person, reaction


def persons(connection: Connection, kinds: Collection[str], since: datetime) -> list[int]:
    """Ids of the persons of whom an event of these kinds is stored that happened at or after ``since``."""
    wanted = select(event.c.person_id).where(event.c.kind.in_(kinds), event.c.at >= since).distinct()
    query = select(person.c.id).where(person.c.id.in_(wanted), person.c.removed_at.is_(None)).order_by(person.c.id)
    return list(connection.execute(query).scalars())


def events(connection: Connection, people: Iterable[int], since: datetime) -> Mapping[int, list[Happened]]:
    """Their events at or after ``since``, and all about their deals; each with what caused it; by time."""
    query = (
        select(event, reaction.c.chain)
        .join(reaction, reaction.c.event_id == event.c.id, isouter=True)
        .where(or_(event.c.at >= since, event.c.kind.like("deal.%")))
        .order_by(event.c.at, event.c.id)
    )
    found: dict[int, list[Happened]] = defaultdict(list)
    for piece in slices(people):
        for row in connection.execute(query.where(event.c.person_id.in_(piece))):
            found[row.person_id].append(reactions.happened(row))
    return found


def stays(connection: Connection, people: Iterable[int]) -> Mapping[int, list[Stay]]:
    """When they were in which sequences and workflows."""
    query = (
        select(enrollment.c.person_id, flow.c.kind, flow.c.name, enrollment.c.began_at, enrollment.c.ended_at)
        .join(flow, flow.c.id == enrollment.c.flow_id)
        .where(flow.c.kind != FlowKind.CAMPAIGN)
        .order_by(enrollment.c.id)
    )
    found: dict[int, list[Stay]] = defaultdict(list)
    for piece in slices(people):
        for whose, kind, name, began, ended in connection.execute(query.where(enrollment.c.person_id.in_(piece))):
            of: Literal["sequence", "workflow"] = "sequence" if kind == "sequence" else "workflow"
            found[whose].append(Stay(of, name, began, ended))
    return found


def names(connection: Connection, people: Iterable[int]) -> Mapping[int, str]:
    """The persons' names."""
    found: dict[int, str] = {}
    for piece in slices(people):
        rows = connection.execute(select(person.c.id, person.c.name).where(person.c.id.in_(piece)))
        found |= {row.id: row.name for row in rows}
    return found
