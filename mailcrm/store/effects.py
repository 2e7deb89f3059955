"""What flows want done outside of their own transaction, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, insert, literal_column, select, true, update

from mailcrm.core.enrollment import Done, Effect, Place, Subject
from mailcrm.store import outbox, pulse
from mailcrm.store.db import Lookup, slices
from mailcrm.store.tables import effect, enrollment

LEASE = timedelta(minutes=2)
"""How long a claim holds: longer than an action may take."""

State = Literal["pending", "waiting"]
_OPEN = ("pending", "running", "waiting")
_TO_DO = effect.c.state.in_((literal_column("'pending'"), literal_column("'running'")))  # as the index has it


@dataclass(frozen=True, slots=True)
class Claimed:
    """An action that this process may carry out until its lease ends. ``attempts`` counts this one."""

    effect: Effect
    enrollment: int
    subject: Subject
    attempts: int
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """An effect that somebody waits for, as listings show it."""

    effect: Effect
    enrollment: int
    subject: Subject
    state: str
    attempts: int
    reason: str
    due_at: datetime | None


def add(connection: Connection, wanted: Sequence[tuple[int, Effect, State]]) -> None:
    """Keep effects, each with its enrollment: ``pending`` for ``claim``, ``waiting`` for somebody's ``settle``."""
    if not wanted:
        return
    rows = [
        {
            "key": each.key,
            "enrollment_id": number,
            "node": each.node,
            "name": each.name,
            "args": each.args,
            "chain": each.chain,
            "at": each.at,
            "state": state,
            "due_at": each.at if state == "pending" else None,
        }
        for number, each, state in wanted
    ]
    connection.execute(insert(effect), rows)


def claim(connection: Connection, now: datetime, limit: int) -> list[Claimed]:
    """Take up to ``limit`` pending effects that are due, and those whose claim has run out. The caller commits."""
    chosen = select(effect.c.id).where(_TO_DO, effect.c.due_at <= now).order_by(effect.c.due_at, effect.c.id)
    locked = connection.execute(chosen.limit(limit).with_for_update(skip_locked=True)).scalars().all()
    if not locked:
        return []
    values = {
        "state": "running",
        "claimed_at": now,
        "due_at": now + LEASE,  # then somebody else may take it
        "attempts": effect.c.attempts + 1,
    }
    connection.execute(update(effect).where(effect.c.id.in_(locked)).values(**values))
    rows = connection.execute(_LISTED.where(effect.c.id.in_(locked)).order_by(effect.c.id))
    return [
        Claimed(
            _effect(row),
            row.enrollment_id,
            Subject(row.person_id, row.deal_id, row.lead_id, row.recipient_id),
            row.attempts,
            now,
        )
        for row in rows
    ]


def again(connection: Connection, claimed: Claimed, due_at: datetime, reason: str) -> None:
    """It failed for now: try again at ``due_at``."""
    values = {"state": "pending", "due_at": due_at, "claimed_at": None, "reason": reason}
    held = and_(
        effect.c.key == claimed.effect.key, effect.c.state == "running", effect.c.claimed_at == claimed.claimed_at
    )
    connection.execute(update(effect).where(held).values(**values))


def settle(connection: Connection, key: str, at: datetime, problem: str = "", *, refused: bool = False) -> bool:
    """An effect was carried out, or (``problem``) will not be. Its enrollment is told by the next round.

    Args:
        at: when it was accepted or refused; aware.
        refused: for lack of consent.

    Returns:
        False if there is none of this key, or it has ended or been withdrawn already: nothing is changed.
    """
    values = {
        "state": "failed" if problem else "done",
        "due_at": None,
        "claimed_at": None,
        "reason": problem,
        "refused": refused,
        "ended_at": at,
    }
    ending = update(effect).where(effect.c.key == key, effect.c.state.in_(_OPEN)).values(**values)
    return connection.execute(ending).rowcount > 0


def carried_out(connection: Connection, keys: Iterable[str], at: datetime) -> None:
    """``settle`` for many that were carried out at one time."""
    values = {"state": "done", "due_at": None, "claimed_at": None, "reason": "", "refused": False, "ended_at": at}
    for piece in slices(keys):
        done = update(effect).where(effect.c.key.in_(piece), effect.c.state.in_(_OPEN))
        connection.execute(done.values(**values))


def withdraw(connection: Connection, keys: Iterable[str], reason: str, now: datetime) -> None:
    """Take effects back that have not been carried out, with their mail in the outbox and what asks the rep for them.

    What the smarthost has taken already stays.
    """
    for piece in slices(keys):
        _withdraw(connection, effect.c.key.in_(piece), reason, now)


def withdraw_all(connection: Connection, enrollments: Iterable[int], reason: str, now: datetime) -> None:
    """``withdraw`` for every effect of these enrollments."""
    for piece in slices(enrollments):
        _withdraw(connection, effect.c.enrollment_id.in_(piece), reason, now)


def ended(connection: Connection, persons: Iterable[int], alone: Iterable[int]) -> list[tuple[int, Done]]:
    """What enrollments are still to be told, each with its number; by time.

    Args:
        persons: whose enrollments; ``alone``: further ones, by id.
    """
    rows = [*_untold_of_persons.rows(connection, persons), *_untold.rows(connection, alone)]
    found = [
        (row.enrollment_id, Done(row.key, row.ended_at, row.reason if row.failed else "", row.refused)) for row in rows
    ]
    return sorted(found, key=lambda pair: (pair[1].at, pair[1].key))


def told(connection: Connection, keys: Iterable[str]) -> None:
    """Their enrollments know what became of these effects."""
    for piece in slices(keys):
        connection.execute(update(effect).where(effect.c.key.in_(piece)).values(told=true()))


def find(connection: Connection, key: str) -> Wanted | None:
    """The effect of this key, whatever became of it."""
    row = connection.execute(_LISTED.where(effect.c.key == key)).first()
    return _wanted(row) if row else None


def open_of(connection: Connection, enrollments: Iterable[int]) -> list[Wanted]:
    """What these enrollments wait for, in the order in which it was wanted."""
    query = _LISTED.where(effect.c.state.in_(_OPEN)).order_by(effect.c.id)
    return [
        _wanted(row)
        for piece in slices(enrollments)
        for row in connection.execute(query.where(effect.c.enrollment_id.in_(piece)))
    ]


def next_due(connection: Connection) -> datetime | None:
    """When there is something to claim next; None if nothing waits for us."""
    query = select(effect.c.due_at).where(_TO_DO, effect.c.due_at.is_not(None)).order_by(effect.c.due_at).limit(1)
    return connection.execute(query).scalar()


_LISTED: Select[Any] = select(
    *(effect.c[name] for name in ("key", "node", "name", "args", "at", "chain", "enrollment_id", "state", "attempts")),
    effect.c.reason,
    effect.c.due_at,
    enrollment.c.person_id,
    enrollment.c.deal_id,
    enrollment.c.lead_id,
    enrollment.c.recipient_id,
).join_from(effect, enrollment)
_told = (
    select(
        effect.c.enrollment_id,
        effect.c.key,
        effect.c.ended_at,
        effect.c.reason,
        effect.c.refused,
        (effect.c.state == "failed").label("failed"),
    )
    .join_from(effect, enrollment)
    .where(effect.c.ended_at.is_not(None), effect.c.told.is_(False))
)
_untold = Lookup(_told, enrollment.c.id)
_untold_of_persons = Lookup(_told, enrollment.c.person_id)


def _withdraw(connection: Connection, which: ColumnElement[bool], reason: str, now: datetime) -> None:
    values = {"state": "withdrawn", "due_at": None, "claimed_at": None, "reason": reason}
    taken = update(effect).where(which, effect.c.state.in_(_OPEN)).values(**values).returning(effect.c.key)
    keys = connection.execute(taken).scalars().all()
    outbox.withdraw(connection, keys, reason)
    pulse.close(connection, keys, now)


def _effect(row: Any) -> Effect:
    chain: tuple[Place, ...] = tuple((flow, node) for flow, node in row.chain)
    args: Mapping[str, Any] = row.args
    return Effect(row.key, row.node, row.name, args, row.at, chain)


def _wanted(row: Any) -> Wanted:
    subject = Subject(row.person_id, row.deal_id, row.lead_id, row.recipient_id)
    return Wanted(_effect(row), row.enrollment_id, subject, row.state, row.attempts, row.reason, row.due_at)
