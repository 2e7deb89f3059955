"""Whom the flows' workers take: subjects of whom something is due, each held by one worker alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select

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


def anything(connection: Connection, now: datetime) -> bool:
    """Whether something is due: cheap, and takes nothing."""
    return any(_probe(connection, now))


def claim(connection: Connection, now: datetime, limit: int) -> Claim:
    """Take subjects of whom something is due, who waits longest first; those held by another worker are left out.

    They are held until the transaction ends: on PostgreSQL by a lock of the person's row (of the enrollment's where
    there is none), which does not hinder who only refers to it; on SQLite there is one writer anyway.

    Args:
        limit: about how many.
    """
    due = _probe(connection, now)
    events, told, told_alone, timers, timers_alone = _queries(now)
    half, quarter = max(limit // 2, 1), max(limit // 4, 1)
    happened = _held(connection, _by_person(events), person, half) if due.events else []
    heard = _held(connection, _by_person(told), person, half) if due.told else []
    persons = dict.fromkeys([*happened, *heard])
    room = max(limit - len(persons), quarter)
    timed = _held(connection, _by_person(timers), person, room) if due.timers else []
    persons |= dict.fromkeys(timed)
    heard_alone = _held(connection, told_alone, enrollment, quarter) if due.told else []
    timed_alone = _held(connection, timers_alone, enrollment, quarter) if due.timers else []
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
    return bool(_held(connection, query, table, 1))


class _Due(NamedTuple):
    events: bool
    told: bool
    timers: bool


def _probe(connection: Connection, now: datetime) -> _Due:
    """What there is at all, in one question."""
    events, told, _, timers, _ = _queries(now)
    asked = select(*(query.order_by(None).limit(1).exists() for query in (events, told, timers)))
    events_due, told_due, timers_due = connection.execute(asked).one()
    return _Due(events_due, told_due, timers_due)


def _held(connection: Connection, query: Select[Any], held: Any, limit: int) -> list[int]:
    locking = query.limit(limit).with_for_update(skip_locked=True, key_share=True, of=held)
    return list(connection.execute(locking).scalars())


def _by_person(query: Select[Any]) -> Select[Any]:
    return query.join(person, person.c.id == query.selected_columns[0])


def _queries(now: datetime) -> tuple[Select[Any], Select[Any], Select[Any], Select[Any], Select[Any]]:
    """Of events, ended effects and timers: whose something is due; each also of those without a person."""
    ended = effect.c.ended_at.is_not(None) & effect.c.told.is_(False)
    due = enrollment.c.due_at.is_not(None) & (enrollment.c.due_at <= now)
    nobody = enrollment.c.person_id.is_(None)
    events = select(reaction.c.person_id).where(reaction.c.pending.is_(True)).order_by(reaction.c.at)
    told = select(enrollment.c.person_id).join_from(effect, enrollment).where(ended).order_by(effect.c.ended_at)
    told_alone = select(enrollment.c.id).join_from(effect, enrollment).where(ended, nobody).order_by(effect.c.ended_at)
    timers = select(enrollment.c.person_id).where(due).order_by(enrollment.c.due_at)
    timers_alone = select(enrollment.c.id).where(due, nobody).order_by(enrollment.c.due_at)
    return events, told, told_alone, timers, timers_alone
