"""How far campaigns are: launched, planned up to which member, paused, stopped, ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, insert, literal, select, update

from mailcrm.core.enrollment import Status
from mailcrm.core.flow import FlowKind
from mailcrm.store import flows
from mailcrm.store.flows import StoredFlow
from mailcrm.store.tables import campaign, enrollment, outbox

KINDS = (FlowKind.CAMPAIGN,)
_FAR = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Course:
    """What a campaign's flow does not say.

    Args:
        adder: who added it.
        launched_by: ``user:anna`` or ``command``.
        planned_upto: the last member that was planned; ``planned_at``: when all were.
        why: it was paused or stopped.
        ended_at: nothing was left to do.
    """

    id: int
    adder: int | None
    launched_at: datetime | None
    launched_by: str
    planned_upto: int
    planned_at: datetime | None
    paused_at: datetime | None
    stopped_at: datetime | None
    why: str
    ended_at: datetime | None

    @property
    def status(self) -> str:
        """In one word: ``not launched``, ``planning``, ``running``, ``paused``, ``stopped`` or ``ended``."""
        if self.launched_at is None:
            return "not launched"
        if self.stopped_at is not None:
            return "stopped"
        if self.ended_at is not None:
            return "ended"
        if self.paused_at is not None:
            return "paused"
        return "running" if self.planned_at is not None else "planning"

    @property
    def goes_on(self) -> bool:
        """Whether something is to be done for somebody now."""
        return self.launched_at is not None and not (self.paused_at or self.stopped_at or self.ended_at)


def parked(number: int) -> datetime:
    """When the timers of a paused or stopped campaign are looked at: never, and at a time that no other one has."""
    return _FAR + timedelta(seconds=number)


def add(connection: Connection, number: int, adder: int | None) -> None:
    """A flow that was stored is a campaign, not launched yet."""
    connection.execute(insert(campaign).values(flow_id=number, adder_id=adder))


def get(connection: Connection, number: int) -> Course:
    """How far a campaign is."""
    return Course(*connection.execute(_COURSES.where(campaign.c.flow_id == number)).one())


def hold(connection: Connection, number: int) -> Course:
    """``get``; until the transaction ends nobody else plans, edits, launches, pauses or stops it."""
    query = _COURSES.where(campaign.c.flow_id == number).with_for_update(key_share=True)
    return Course(*connection.execute(query).one())


def take(connection: Connection, number: int) -> Course | None:
    """``hold``; None if somebody else holds it just now."""
    query = _COURSES.where(campaign.c.flow_id == number).with_for_update(key_share=True, skip_locked=True)
    row = connection.execute(query).one_or_none()
    return Course(*row) if row is not None else None


def courses(connection: Connection, numbers: Iterable[int]) -> Mapping[int, Course]:
    """How far these campaigns are."""
    rows = connection.execute(_COURSES.where(campaign.c.flow_id.in_(list(numbers))))
    return {row[0]: Course(*row) for row in rows}


def namesakes(connection: Connection, name: str) -> list[StoredFlow]:
    """The campaigns of this name, the oldest first (CAMP-3)."""
    return sorted((each for each in flows.every(connection, KINDS) if each.name == name), key=lambda each: each.id)


def editable(connection: Connection, name: str) -> list[StoredFlow]:
    """The campaigns of this name not launched yet, the oldest first: of a launched one a file makes another."""
    found = namesakes(connection, name)
    known = courses(connection, [each.id for each in found])
    return [each for each in found if known[each.id].launched_at is None]


def running(connection: Connection) -> list[Course]:
    """Those that were launched and have something left to do, the first launched first."""
    query = _COURSES.where(campaign.c.launched_at.is_not(None), campaign.c.ended_at.is_(None))
    return [Course(*row) for row in connection.execute(query.order_by(campaign.c.launched_at, campaign.c.flow_id))]


def launch(connection: Connection, number: int, by: str, now: datetime) -> bool:
    """Launch it; False if it was before (CAMP-22)."""
    mine = (campaign.c.flow_id == number, campaign.c.launched_at.is_(None))
    return bool(connection.execute(update(campaign).where(*mine).values(launched_at=now, launched_by=by)).rowcount)


def plan(connection: Connection, number: int, upto: int, planned_at: datetime | None) -> None:
    """Its members are planned up to this one; all of them if ``planned_at`` says when."""
    _set(connection, number, planned_upto=upto, planned_at=planned_at)


def pause(connection: Connection, number: int, why: str, now: datetime) -> None:
    """Nothing is done for anybody until it goes on."""
    _set(connection, number, paused_at=now, why=why)


def resume(connection: Connection, number: int) -> None:
    """It goes on."""
    _set(connection, number, paused_at=None, why="")


def stop(connection: Connection, number: int, why: str, now: datetime) -> None:
    """Nothing is done for anybody any more."""
    _set(connection, number, stopped_at=now, why=why)


def end(connection: Connection, number: int, now: datetime) -> None:
    """Nothing is left to do."""
    _set(connection, number, ended_at=now)


def inside(connection: Connection, number: int, limit: int) -> list[int]:
    """Some of the runs of a campaign that are in progress."""
    return list(connection.execute(_INSIDE, {"flow": number, "most": limit}).scalars())


def wake(connection: Connection, number: int, now: datetime, limit: int) -> int:
    """Let up to so many timers and mails that were put off for good be due now. Returns how many."""
    due = (
        select(enrollment.c.id)
        .where(enrollment.c.due_at == parked(number))  # of no other flow: found by its time alone
        .limit(limit)
        .with_for_update(key_share=True)
    )
    ids = list(connection.execute(due).scalars())
    if ids:
        connection.execute(update(enrollment).where(enrollment.c.id.in_(ids)).values(due_at=now))
    mails = select(outbox.c.id).where(*_waiting(number)).limit(limit).with_for_update()
    letters = list(connection.execute(mails).scalars())
    if letters:
        connection.execute(update(outbox).where(outbox.c.id.in_(letters)).values(due_at=now, reason=None))
    return len(ids) + len(letters)


def sleeps(connection: Connection, number: int) -> bool:
    """Whether there is a timer or a mail that was put off for good."""
    timer = select(literal(1)).where(enrollment.c.due_at == parked(number))
    mail = select(literal(1)).where(*_waiting(number))
    return any(connection.execute(query.limit(1)).first() is not None for query in (timer, mail))


def returned(connection: Connection, number: int) -> int:
    """How much of a campaign's mail came back, or was refused for its address at once."""
    back = (outbox.c.flow_id == number, outbox.c.returned.is_not(None))
    return int(connection.execute(select(func.count()).where(*back)).scalar_one())


def sent_more(connection: Connection, number: int, count: int) -> bool:
    """Whether more than so many of a campaign's mails were sent, or refused so."""
    tried = outbox.c.sent_at.is_not(None) | outbox.c.returned.is_not(None)
    some = select(literal(1)).where(outbox.c.flow_id == number, tried).limit(count + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one()) > count


def _waiting(number: int) -> tuple[ColumnElement[bool], ...]:
    return outbox.c.state == "pending", outbox.c.due_at == parked(number)


_COURSES: Select[Any] = select(
    *(campaign.c[name] for name in ("flow_id", "adder_id", "launched_at", "launched_by", "planned_upto", "planned_at")),
    *(campaign.c[name] for name in ("paused_at", "stopped_at", "why", "ended_at")),
)
_INSIDE = (
    select(enrollment.c.id)
    .where(enrollment.c.flow_id == bindparam("flow"), enrollment.c.status == Status.IN_PROGRESS.value)
    .limit(bindparam("most"))
)


def _set(connection: Connection, number: int, **values: Any) -> None:
    connection.execute(update(campaign).where(campaign.c.flow_id == number).values(**values))
