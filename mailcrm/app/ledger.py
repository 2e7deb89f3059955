"""What a round of flows has decided and not yet written: kept together, written set-wise, in an order that holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from mailcrm.app.flow_book import Compiled
from mailcrm.core.enrollment import Decision, Done, Effect, Enrollment, Status, Step, Subject
from mailcrm.store import effects, enrollments, reactions, step_sums, steps
from mailcrm.store.effects import State
from mailcrm.store.enrollments import New
from mailcrm.store.step_sums import Counted

T = TypeVar("T")

SeatKey = tuple[int, str]
"""A flow and a subject: at most one enrollment is live there."""


@dataclass(slots=True)
class Seat:
    """A subject's place in a flow.

    Args:
        compiled: the version that it walks; None: its flow can't be read any more.
        live: the enrollment, as decided so far.
    """

    key: SeatKey
    subject: Subject
    compiled: Compiled | None
    live: Enrollment | None = None

    @property
    def flow(self) -> int:
        """The flow's id."""
        return self.key[0]


@dataclass(slots=True)
class _Row:
    """An enrollment with the ``seq`` that is stored; None: it is not stored yet."""

    enrollment: Enrollment
    seq: int | None
    by: str = ""


@dataclass(slots=True)
class Ledger:
    """One transaction's worth of decisions.

    Args:
        ended: the enrollments that have ended in it, in order.
        told: keys of the effects whose end was told; ``handled``: the events that were reacted to.
        stopped: the enrollments whose effects were all withdrawn: they want no more.
        lets_in: somebody has entered a flow.
    """

    connection: Connection
    now: datetime
    ended: list[Enrollment] = field(default_factory=list)
    handled: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    stopped: set[int] = field(default_factory=set)
    lets_in: bool = False
    _rows: dict[int, _Row] = field(default_factory=dict)
    _dirty: set[int] = field(default_factory=set)
    _effects: list[tuple[int, Effect, State]] = field(default_factory=list)
    _withdrawn: dict[str, str] = field(default_factory=dict)
    _withdrawn_all: dict[int, str] = field(default_factory=dict)
    _steps: list[tuple[int, Step]] = field(default_factory=list)
    _sums: Counter[Counted] = field(default_factory=Counter)

    def read(self, found: Enrollment) -> None:
        """Note an enrollment as it is stored."""
        self._rows[found.id] = _Row(found, found.seq)

    def settle(self, seat: Seat, decision: Decision, by: str) -> None:
        """Take a decision over. ``by``: who enrolled the subject, if it begins here."""
        before, new = seat.live, decision.enrollment
        if decision.replaced is not None:
            self._move(decision.replaced, by)
        if new is not None:
            if new is not before:
                self._move(new, by)
            self._steps += [(new.id, step) for step in decision.steps]
            self._count(seat, before, new, decision.steps)
        over = decision.replaced or new
        if over is not None and decision.withdraw_all:
            self._withdrawn_all[over.id] = over.reason or over.status
            self.stopped.add(over.id)
        elif over is not None and decision.withdraw:
            self._withdrawn |= dict.fromkeys(decision.withdraw, "its place was overtaken")
        seat.live = new if new is not None and new.status is Status.IN_PROGRESS else None

    def ask(self, enrollment: int, effect: Effect, state: State) -> None:
        """Have an effect carried out, or waited for."""
        self._effects.append((enrollment, effect, state))

    def tell(self, done: Done) -> None:
        """An enrollment is told of an effect's end, or is over: it is not to be told again."""
        self.told.append(done.key)

    def write(self) -> None:
        """Write enrollments and effects, so that what reads the database sees them. Raises Stale."""
        if self._dirty:
            rows = [self._rows[number] for number in sorted(self._dirty)]
            enrollments.save(self.connection, [(row.seq, row.enrollment) for row in rows if row.seq is not None])
            enrollments.add(self.connection, [New(row.enrollment, row.by) for row in rows if row.seq is None])
            for row in rows:
                row.seq = row.enrollment.seq
            self._dirty.clear()
        if self._effects:
            effects.add(self.connection, self._effects)
            self._effects.clear()
        for reason, keys in _by_value(self._withdrawn).items():
            effects.withdraw(self.connection, keys, reason, self.now)
        for reason, numbers in _by_value(self._withdrawn_all).items():
            effects.withdraw_all(self.connection, numbers, reason, self.now)
        self._withdrawn.clear()
        self._withdrawn_all.clear()

    def close(self) -> None:
        """Write everything that is left. Raises Stale."""
        self.write()
        steps.add(self.connection, self._steps)
        step_sums.add(self.connection, self._sums)
        if self.told:
            effects.told(self.connection, self.told)
        if self.handled:
            reactions.handled(self.connection, self.handled)

    def postpone(self, ids: Iterable[int], until: datetime) -> None:
        """Look at these enrollments' timers again later."""
        enrollments.postpone(self.connection, ids, until)

    def _count(self, seat: Seat, before: Enrollment | None, new: Enrollment, made: Iterable[Step]) -> None:
        """For statistics: the nodes that it came to, and where it failed; the trace is not kept for long."""
        there = {token.node for token in before.tokens} if before is not None and before.id == new.id else set()
        for node in {step.node for step in made} - there - {""}:
            self._sums[Counted(seat.flow, node, self.now.date(), "reached")] += 1
        if new.status is Status.FAILED:
            self._sums[Counted(seat.flow, new.reason.partition(":")[0], self.now.date(), "failed")] += 1

    def _move(self, new: Enrollment, by: str) -> None:
        row = self._rows.get(new.id)
        if row is None:
            self._rows[new.id] = _Row(new, None, by)
            self.lets_in = True
        else:
            row.enrollment = new
        self._dirty.add(new.id)
        if new.status is not Status.IN_PROGRESS:
            self.ended.append(new)


def _by_value(pairs: Mapping[T, str]) -> Mapping[str, list[T]]:
    """Few reasons, many that they are of: one statement for each."""
    found: defaultdict[str, list[T]] = defaultdict(list)
    for key, value in pairs.items():
        found[value].append(key)
    return found
