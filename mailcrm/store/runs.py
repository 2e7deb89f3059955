"""Runs of flows whose person, deal or lead is merged, given to somebody else, removed or erased."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import Column, ColumnElement, Connection, and_, delete, func, select, update

from mailcrm.core.enrollment import Status
from mailcrm.store import chosen_records
from mailcrm.store.tables import deal, effect, enrollment, event, lead, pulse, reaction, step

Noun = Literal["person", "deal", "lead"]
_INSIDE = enrollment.c.status == Status.IN_PROGRESS.value


def inside(connection: Connection, noun: Noun, number: int) -> list[int]:
    """The runs in progress that are about a record; of a person those of his deals and leads, too."""
    query = select(enrollment.c.id).where(_column(noun) == number, _INSIDE).order_by(enrollment.c.id)
    found = list(connection.execute(query).scalars())
    return [*found, *chosen_records.inside(connection, noun, number)] if noun == "lead" else found


def twice(connection: Connection, noun: Noun, keep: int, gone: int) -> list[int]:
    """The runs in progress of ``gone`` in flows that ``keep`` is inside of as well: one of the two has to end."""
    kept = select(enrollment.c.flow_id).where(_about(noun, keep), _INSIDE)
    query = select(enrollment.c.id).where(_about(noun, gone), _INSIDE)
    return list(connection.execute(query.where(enrollment.c.flow_id.in_(kept))).scalars())


def move(connection: Connection, noun: Noun, keep: int, gone: int) -> None:
    """Make the runs in progress of ``gone`` those of ``keep``, after the records were merged.

    None may be inside twice. What has ended stays with the record that it was about.
    """
    had = (
        select(enrollment.c.flow_id, func.max(enrollment.c.number))
        .where(_about(noun, keep))
        .group_by(enrollment.c.flow_id)
    )
    last: dict[int, int] = {row[0]: row[1] for row in connection.execute(had)}
    own = _about(noun, gone) & _INSIDE
    for flow in connection.execute(select(enrollment.c.flow_id).distinct().where(own)).scalars().all():
        values = {"subject": f"{noun}:{keep}", "number": enrollment.c.number + last.get(flow, 0)}
        connection.execute(update(enrollment).where(own, enrollment.c.flow_id == flow).values(**values))
    connection.execute(update(enrollment).where(_column(noun) == gone, _INSIDE).values({f"{noun}_id": keep}))
    if noun == "person":
        connection.execute(update(reaction).where(reaction.c.person_id == gone).values(person_id=keep))
    else:
        follow(connection, noun, keep)


def follow(connection: Connection, noun: Literal["deal", "lead"], number: int) -> None:
    """The runs of a deal or lead are from now on about the person whom it is with."""
    table = deal if noun == "deal" else lead
    whose = select(table.c.person_id).where(table.c.id == number).scalar_subquery()
    connection.execute(update(enrollment).where(_column(noun) == number, _INSIDE).values(person_id=whose))


def delete_of(connection: Connection, persons: Sequence[int]) -> None:
    """Delete what flows did with these persons: runs, their traces, and what the pulse says of them."""
    runs = select(enrollment.c.id).where(enrollment.c.person_id.in_(persons))
    for table in (pulse, step, effect):
        connection.execute(delete(table).where(table.c.enrollment_id.in_(runs)))
    connection.execute(delete(enrollment).where(enrollment.c.person_id.in_(persons)))
    his = select(event.c.id).where(event.c.person_id.in_(persons))
    connection.execute(delete(reaction).where(reaction.c.event_id.in_(his) | reaction.c.person_id.in_(persons)))


def _about(noun: Noun, number: int) -> ColumnElement[bool]:
    return and_(_column(noun) == number, enrollment.c.subject == f"{noun}:{number}")  # only the column has an index


def _column(noun: Noun) -> Column[int]:
    return enrollment.c[f"{noun}_id"]
