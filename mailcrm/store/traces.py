"""What became of a person in flows: runs, and the steps that are still kept of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from mailcrm.core.enrollment import Status, Step
from mailcrm.core.flow import FlowKind
from mailcrm.store.db import slices
from mailcrm.store.tables import effect, enrollment, flow, outbox, step


@dataclass(frozen=True, slots=True)
class Run:
    """An enrollment as it is told of.

    Args:
        subject: ``person:3``, ``deal:7``, ``lead:2``.
        enrolled_by: ``user:anna``, ``event:17``, ``flow:3``.
    """

    id: int
    flow_id: int
    flow: str
    kind: FlowKind
    version: int
    subject: str
    number: int
    status: Status
    reason: str
    began_at: datetime
    enrolled_by: str
    ended_at: datetime | None
    ended_by: str


@dataclass(frozen=True, slots=True)
class Pending:
    """An action that is still to be carried out. ``due_at``: None: it waits for the rep."""

    node: str
    name: str
    due_at: datetime | None
    reason: str


def runs(connection: Connection, flow_id: int, person: int) -> list[Run]:
    """A person's runs through one flow, the newest first."""
    query = _RUNS.where(enrollment.c.flow_id == flow_id, enrollment.c.person_id == person)
    return [_run(row) for row in connection.execute(query.order_by(enrollment.c.id.desc()))]


def last_run(connection: Connection, flow_id: int, person: int) -> int | None:
    """The id of a person's latest run through a flow, or that of his deals and leads."""
    query = select(func.max(enrollment.c.id)).where(enrollment.c.flow_id == flow_id, enrollment.c.person_id == person)
    return connection.execute(query).scalar()


def lately(connection: Connection, person: int, since: datetime) -> list[Run]:
    """All runs of a person, his deals and leads that are going on, ended at or after ``since``; the newest first."""
    kept = or_(enrollment.c.status == Status.IN_PROGRESS.value, enrollment.c.ended_at >= since)
    query = _RUNS.where(enrollment.c.person_id == person, kept, flow.c.kind != FlowKind.CAMPAIGN)
    return [_run(row) for row in connection.execute(query.order_by(enrollment.c.id.desc()))]


def steps(connection: Connection, enrollments: Iterable[int]) -> Mapping[int, list[Step]]:
    """What is kept of the way that each has taken, in order."""
    found: dict[int, list[Step]] = defaultdict(list)
    columns = (step.c[name] for name in ("hop", "node", "at", "stimulus", "result", "expected", "actual"))
    query = select(step.c.enrollment_id, *columns).order_by(step.c.id)
    for piece in slices(enrollments):
        for number, *values in connection.execute(query.where(step.c.enrollment_id.in_(piece))):
            found[number].append(Step(*values))
    return found


def pending(connection: Connection, enrollments: Iterable[int]) -> Mapping[str, Pending]:
    """Actions that these still wait for, by key; mail is due when the outbox sends it."""
    query = (
        select(effect.c.key, effect.c.node, effect.c.name, effect.c.due_at, outbox.c.due_at, outbox.c.reason)
        .join(outbox, outbox.c.key == effect.c.key, isouter=True)
        .where(effect.c.state.in_(("pending", "running", "waiting")))
    )
    found: dict[str, Pending] = {}
    for piece in slices(enrollments):
        for key, node, name, due, sends, reason in connection.execute(query.where(effect.c.enrollment_id.in_(piece))):
            found[key] = Pending(node, name, sends or due, reason or "")
    return found


_RUNS: Select[Any] = select(
    enrollment.c.id,
    enrollment.c.flow_id,
    flow.c.name,
    flow.c.kind,
    enrollment.c.version,
    enrollment.c.subject,
    enrollment.c.number,
    enrollment.c.status,
    enrollment.c.reason,
    enrollment.c.began_at,
    enrollment.c.enrolled_by,
    enrollment.c.ended_at,
    enrollment.c.ended_by,
).join(flow, flow.c.id == enrollment.c.flow_id)


def _run(row: Sequence[Any]) -> Run:
    number, flow_id, name, kind, version, subject, run, status, *rest = row
    return Run(number, flow_id, name, FlowKind(kind), version, subject, run, Status(status), *rest)
