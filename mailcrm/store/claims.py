"""Whom the flows' workers take: subjects of whom something is due, each held by one worker alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, Select, bindparam, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from mailcrm.store.tables import effect, enrollment, person, reaction


@dataclass(frozen=True, slots=True)
class Claim:
    """Subjects that this transaction holds.

    Args:
        persons: with all that is pending of them, their deals and leads.
        alone: enrollments of deals and leads that have no person.
        events, told: whether events, and ends of effects, are among what is pending.
        full: there may be more.
    """

    persons: tuple[int, ...] = ()
    alone: tuple[int, ...] = ()
    events: bool = True
    told: bool = True
    full: bool = False


class Pending(NamedTuple):
    """Of what something is due; ``alone``: timers of enrollments without a person."""

    events: bool
    told: bool
    timers: bool
    alone: bool


def pending(connection: Connection, now: datetime) -> Pending:
    """What there is at all: cheap, and takes nothing."""
    return Pending(*(each is not None for each in connection.execute(_PROBE, {"now": now}).one()))


def claim(connection: Connection, now: datetime, limit: int, due: Pending) -> Claim:
    """Take subjects of whom something is due, who waits longest first; those held by another worker are left out.

    They are held until the transaction ends: on PostgreSQL by a lock of the person's row (of the enrollment's where
    there is none), which does not hinder who only refers to it; on SQLite there is one writer anyway.

    Args:
        limit: about how many.
        due: what ``pending`` found.
    """
    half, quarter = max(limit // 2, 1), max(limit // 4, 1)

    def taken(query: Select[Any], most: int) -> list[int]:
        return [row[0] for row in connection.execute(query, {"now": now, "most": most}).all()]

    happened = taken(_EVENTS, half) if due.events else []
    heard = taken(_TOLD, half) if due.told else []
    persons = dict.fromkeys([*happened, *heard])
    room = max(limit - len(persons), quarter)
    timed = taken(_TIMERS, room) if due.timers else []
    persons |= dict.fromkeys(timed)
    heard_alone = taken(_TOLD_ALONE, quarter) if due.told else []
    timed_alone = taken(_TIMERS_ALONE, quarter) if due.alone else []
    return Claim(
        tuple(persons),
        tuple(dict.fromkeys([*heard_alone, *timed_alone])),
        events=bool(happened),
        told=bool(heard or heard_alone),
        full=max(len(happened), len(heard)) >= half
        or len(timed) >= room
        or max(len(heard_alone), len(timed_alone)) >= quarter,
    )


def claim_one(connection: Connection, claimed: int, *, alone: bool) -> bool:
    """Take one subject of an earlier claim again; False if another worker holds it."""
    table = enrollment if alone else person
    query = select(table.c.id).where(table.c.id == claimed)
    return connection.execute(query.with_for_update(skip_locked=True, key_share=True)).first() is not None


class _Likely(FunctionElement[Any]):
    """A condition by which SQLite is not to look for rows: it takes it for the best of all, though it met a million."""

    inherit_cache = True


@compiles(_Likely)
def _as_it_is(element: _Likely, compiler: SQLCompiler, **how: Any) -> str:
    return compiler.process(element.clauses, **how)


@compiles(_Likely, "sqlite")
def _likely(element: _Likely, compiler: SQLCompiler, **how: Any) -> str:
    return f"likely({compiler.process(element.clauses, **how)})"


def _held(query: Select[Any], table: Any) -> Select[Any]:
    query = query if table is enrollment else query.join(person, person.c.id == query.selected_columns[0])
    return query.limit(bindparam("most", type_=Integer)).with_for_update(skip_locked=True, key_share=True, of=table)


# Whose events, ended effects and timers are due; the latter two also of enrollments without a person.
_NOW = bindparam("now", type_=enrollment.c.due_at.type)
_ended = effect.c.ended_at.is_not(None) & effect.c.told.is_(False)
_due = enrollment.c.due_at.is_not(None) & (enrollment.c.due_at <= _NOW)
_nobody = _Likely(enrollment.c.person_id.is_(None))
_happened = reaction.c.pending.is_(True)
_events = select(reaction.c.person_id).where(_happened)
_told = select(enrollment.c.person_id).join_from(effect, enrollment).where(_ended)
_timers = select(enrollment.c.person_id).where(_due)
# In order, for what EXISTS asks is looked for from the table's beginning, which is where what is done lies.
_PROBE = select(
    *(
        select(literal(1)).where(met).order_by(column).limit(1).scalar_subquery()
        for met, column in (
            (_happened, reaction.c.at),
            (_ended, effect.c.ended_at),
            (_due, enrollment.c.due_at),
            (_due & _nobody, enrollment.c.due_at),
        )
    )
)
_EVENTS = _held(_events.order_by(reaction.c.at), person)
_TOLD = _held(_told.order_by(effect.c.ended_at), person)
_TIMERS = _held(_timers.order_by(enrollment.c.due_at), person)
_TOLD_ALONE = _held(
    select(enrollment.c.id).join_from(effect, enrollment).where(_ended, _nobody).order_by(effect.c.ended_at), enrollment
)
_TIMERS_ALONE = _held(select(enrollment.c.id).where(_due, _nobody).order_by(enrollment.c.due_at), enrollment)
