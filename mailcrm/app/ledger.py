"""What a round of flows has decided and not yet written: kept together, written set-wise, in an order that holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from msgspec import Struct
from sqlalchemy import Connection

from mailcrm.app.flow_book import Compiled
from mailcrm.core.enrollment import IN_PROGRESS, Decision, Done, Effect, Enrollment, Status, Step, Subject
from mailcrm.store import effects, enrollments, reactions, step_sums, steps
from mailcrm.store.effects import State
from mailcrm.store.enrollments import New
from mailcrm.store.step_sums import Counted, Counts

T = TypeVar("T")

SeatKey = tuple[int, str]
"""A flow and a subject: at most one enrollment is live there."""


class Seat(Struct):
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
class Ledger:
    """One transaction's worth of decisions.

    Args:
        ended: the enrollments that have ended in it, in order.
        told: keys of the effects whose end was told; ``handled``: the events that were reacted to.
        lets_in: somebody has entered a flow.
    """

    connection: Connection
    now: datetime
    ended: list[Enrollment] = field(default_factory=list)
    handled: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    lets_in: bool = False
    _stored: dict[int, Enrollment] = field(default_factory=dict)
    _moved: dict[int, Enrollment] = field(default_factory=dict)
    _by: dict[int, str] = field(default_factory=dict)
    _effects: list[tuple[int, Effect, State]] = field(default_factory=list)
    _withdrawn: dict[str, str] = field(default_factory=dict)
    _withdrawn_all: dict[int, str] = field(default_factory=dict)
    _steps: list[tuple[int, Step]] = field(default_factory=list)
    _sums: Counter[tuple[int, str, Counts]] = field(default_factory=Counter)

    def read(self, found: Enrollment) -> None:
        """Note an enrollment as it is stored."""
        self._stored[found.id] = found

    def settle(self, seat: Seat, decision: Decision, by: str) -> None:
        """Take a decision over. ``by``: who enrolled the subject, if it begins here."""
        before, new = seat.live, decision.enrollment
        if decision.replaced is not None:
            self._move(decision.replaced, by)
        if new is not None:
            if new is not before:
                self._move(new, by)
            for step in decision.steps:
                self._steps.append((new.id, step))
            self._count(seat, before, new, decision.steps)
        over = decision.replaced or new
        if over is not None and decision.withdraw_all:
            self._withdrawn_all[over.id] = over.reason or over.status
        elif over is not None and decision.withdraw:
            self._withdrawn |= dict.fromkeys(decision.withdraw, "its place was overtaken")
        seat.live = new if new is not None and new.status is IN_PROGRESS else None

    def ask(self, enrollment: int, effect: Effect, state: State) -> None:
        """Have an effect carried out, or waited for."""
        self._effects.append((enrollment, effect, state))

    def tell(self, done: Done) -> None:
        """An enrollment is told of an effect's end, or is over: it is not to be told again."""
        self.told.append(done.key)

    def note(self, enrollment: int, step: Step) -> None:
        """Add a line to an enrollment's trace beside those of decisions."""
        self._steps.append((enrollment, step))

    def write(self) -> None:
        """Write enrollments and effects, so that what reads the database sees them. Raises Stale."""
        if self._moved:
            stored, moved, order = self._stored, self._moved, sorted(self._moved)
            enrollments.save(self.connection, [(stored[each], moved[each]) for each in order if each in stored])
            begun = [New(moved[each], self._by[each]) for each in order if each not in stored]
            enrollments.add(self.connection, begun)
            stored |= moved
            moved.clear()
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
        today = self.now.date()
        sums = {Counted(flow, node, today, what): number for (flow, node, what), number in self._sums.items()}
        step_sums.add(self.connection, sums)
        if self.told:
            effects.told(self.connection, self.told)
        if self.handled:
            reactions.handled(self.connection, self.handled)

    def postpone(self, ids: Iterable[int], until: datetime) -> None:
        """Look at these enrollments' timers again later."""
        enrollments.postpone(self.connection, ids, until)

    def _count(self, seat: Seat, before: Enrollment | None, new: Enrollment, made: Iterable[Step]) -> None:
        """For statistics: the nodes that it came to, and where it failed; the trace is not kept for long."""
        there = [token.node for token in before.tokens] if before is not None and before.id == new.id else ()
        for node in {step.node for step in made}:
            if node and node not in there:
                self._sums[seat.flow, node, "reached"] += 1
        if new.status is Status.FAILED:
            self._sums[seat.flow, new.reason.partition(":")[0], "failed"] += 1

    def _move(self, new: Enrollment, by: str) -> None:
        number = new.id
        if number not in self._stored and number not in self._moved:
            self._by[number] = by
            self.lets_in = True
        self._moved[number] = new
        if new.status is not IN_PROGRESS:
            self.ended.append(new)


def _by_value(pairs: Mapping[T, str]) -> Mapping[str, list[T]]:
    """Few reasons, many that they are of: one statement for each."""
    found: defaultdict[str, list[T]] = defaultdict(list)
    for key, value in pairs.items():
        found[value].append(key)
    return found
