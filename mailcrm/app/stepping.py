"""Gives a seat one stimulus, and does what follows from it at once: rows are changed, other flows entered and left."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.flow_book import Compiled, Flows
from mailcrm.app.flow_hands import FlowHands
from mailcrm.app.known import Known
from mailcrm.app.ledger import Ledger, Seat, SeatKey
from mailcrm.builtin.hands import Change, Outcome
from mailcrm.core.engine import advance
from mailcrm.core.enrollment import (
    IN_PROGRESS,
    Decision,
    Done,
    Due,
    Effect,
    Enrol,
    Enrollment,
    Happened,
    Move,
    Place,
    Status,
    Step,
    Stimulus,
    Stop,
    Subject,
)
from mailcrm.core.walk import circle, in_words
from mailcrm.errors import Permanent, Temporary
from mailcrm.store import enrollments, events, reactions, traces
from mailcrm.store.db import temporary
from mailcrm.store.enrollments import EDITED, subject_key
from mailcrm.store.events import NewEvent

_TOLD = {Status.COMPLETED: "flow.completed", Status.FAILED: "flow.failed"}


class StepFailed(Exception):
    """A step raised: the round is to be made anew, without this seat."""

    def __init__(self, key: SeatKey, reason: str) -> None:
        super().__init__(reason)
        self.key, self.reason = key, reason


class Stepper:
    """The seats of some persons in one transaction.

    Args:
        persons: those that the transaction holds.
        since: the time of the earliest stimulus.
        changes: what is done in the transaction, by the action's name; ``at_once``: those that never wait.

    ``barred`` are seats that are left as they are. ``moved`` are those that were moved, and ``emitted`` the events that
    steps caused and flows wait for, since somebody last cleared them.
    """

    def __init__(
        self,
        context: Context,
        ledger: Ledger,
        flows: Flows,
        changes: Mapping[str, Change],
        at_once: frozenset[str],
        persons: Collection[int],
        since: Callable[[], datetime],
    ) -> None:
        self.context, self.ledger, self.flows, self.changes = context, ledger, flows, changes
        self.connection: Connection = ledger.connection
        self.known = Known(context, ledger, flows, persons, since, at_once)
        self.seats: dict[SeatKey, Seat] = {}
        self.of_person: dict[int, list[Seat]] = {}
        self.barred: set[SeatKey] = set()
        self.moved: list[Seat] = []
        self.emitted: list[Happened] = []

    def sit(self, found: Enrollment) -> Seat:
        """The seat of an enrollment as it is stored."""
        self.ledger.read(found)
        compiled = self.flows.version(self.connection, found.flow, found.version)
        seat = Seat((found.flow, subject_key(found.subject)), found.subject, compiled, found)
        return self._keep(seat)

    def seat(self, flow: int, subject: Subject) -> Seat:
        """A subject's seat in a flow; read if it is not held yet."""
        key = flow, subject_key(subject)
        if key in self.seats:
            return self.seats[key]
        if subject.person is None or subject.person not in self.known.persons:
            if subject.person is not None:
                enrollments.lock(self.connection, [subject.person])
            for found in enrollments.with_subjects(self.connection, flow, [subject]):
                return self.sit(found)
        return self._keep(Seat(key, subject, self.flows.current(flow)))

    def take(self, seat: Seat, stimulus: Stimulus, at: datetime, by: str = "") -> None:
        """Advance a seat.

        Args:
            at: the time of the stimulus.
            by: who enrols the subject, if it begins here.

        Raises:
            StepFailed: it can't be told what is to be done.
            Temporary: the database is away.
        """
        decision = self.decide(seat, stimulus, at)
        if decision.enrollment is None and decision.steps and isinstance(stimulus, Happened):
            self._note_circle(seat, stimulus)
        self.follow(seat, decision, by)

    def decide(self, seat: Seat, stimulus: Stimulus, at: datetime) -> Decision:
        """What the stimulus would do; nothing is changed. Raises as ``take`` does."""
        if seat.key in self.barred:
            return Decision(seat.live)
        compiled = self._walked(seat)
        if compiled is None:
            return self._without_flow(seat, stimulus, at)
        facts = self.known.facts(seat, compiled, at)
        try:
            return advance(compiled.flow, seat.live, stimulus, facts, self.ledger.now)
        except Temporary:
            raise
        except Exception as error:
            raise StepFailed(seat.key, f"the step raised {_short(error)}") from error

    def follow(self, seat: Seat, decision: Decision, by: str = "") -> None:
        """Settle a decision with all that follows from it at once. Raises as ``take`` does."""
        reports: deque[Done] = deque()
        while True:
            self._settle(seat, decision, by)
            settled = seat.live
            for effect in decision.effects:  # those of one decision are of one moment: all, then what they report
                if settled is not None and seat.live is not settled and not _awaits(seat.live, effect.key):
                    continue  # one of them took the subject out of this very flow, or moved it on in it
                if (done := self._carry_out(seat, decision, effect)) is not None:
                    reports.append(done)
            if not reports:
                return
            done = reports.popleft()
            decision = self.decide(seat, done, done.at)

    def emit(
        self,
        kind: str,
        data: Mapping[str, Any],
        person: int | None,
        at: datetime,
        source: str,
        key: str,
        chain: tuple[Place, ...],
    ) -> list[Happened]:
        """Store an event; gives it if flows wait for it and its person is held here, to be put into ``emitted``."""
        row = NewEvent(kind, key, person, at, source, data, chain)
        listening = self.context.plugins.implementers("on_event")
        kinds = self.context.registry.kinds
        new = events.record_many(self.connection, [row], listening, self.ledger.now, kinds)
        return reactions.owed(self.connection, new) if new and person in self.known.persons else []

    def close(self) -> None:
        """Write everything that is left.

        Raises:
            Stale: somebody was let into a flow that has been changed meanwhile, or was moved by somebody else.
            Temporary: flows are being changed.
        """
        if self.ledger.lets_in:
            mark = reactions.hold(self.connection)
            if mark is None:
                raise Temporary("somebody is changing flows just now; it goes on when he is done")
            if mark != self.flows.mark:
                raise enrollments.Stale("flows were changed meanwhile; try again")
        self.ledger.close()

    # -- within a step

    def _keep(self, seat: Seat) -> Seat:
        self.seats[seat.key] = seat
        if seat.subject.person is not None:
            self.of_person.setdefault(seat.subject.person, []).append(seat)
        return seat

    def _walked(self, seat: Seat) -> Compiled | None:
        """The version that is walked: of who is not inside, the newest."""
        if seat.live is None:
            seat.compiled = self.flows.current(seat.flow)
        return seat.compiled

    def _settle(self, seat: Seat, decision: Decision, by: str) -> None:
        before, new = seat.live, decision.enrollment
        if new is not None and (before is None or new.id != before.id):
            self.known.begun(new.id)
        self.ledger.settle(seat, decision, by)
        self.moved.append(seat)
        for over in (decision.replaced, new):
            if over is not None and over is not before and over.status is not IN_PROGRESS:
                self.known.ended(seat, over.ended, counted=over.reason != EDITED)
                self._announce(over)

    def _note_circle(self, seat: Seat, happened: Happened) -> None:
        """Nobody is inside who could have it in his trace: the run that caused the event has it."""
        why, event = circle(seat.flow, happened.chain), happened.event
        if not why or event.person is None or (stored := self.flows.stored.get(seat.flow)) is None:
            return
        self.ledger.write()
        flow, node = happened.chain[-1]
        if (run := traces.last_run(self.connection, flow, event.person)) is not None:
            said = f"the {stored.kind} {stored.name!r} {why}"
            self.ledger.note(run, Step(0, node, event.at, in_words(event), said))

    def _announce(self, over: Enrollment) -> None:
        stored = self.flows.stored.get(over.flow)
        kind = _TOLD.get(over.status)
        if kind is None or stored is None or over.subject.person is None or over.ended is None:
            return
        data = {"flow": stored.name, "kind": stored.kind.value}
        chain = (*over.chain, (over.flow, ""))
        person, source = over.subject.person, f"flow:{over.flow}"
        self.emitted += self.emit(kind, data, person, over.ended, source, f"run:{over.id}", chain)

    def _carry_out(self, seat: Seat, decision: Decision, effect: Effect) -> Done | None:
        """Do what changes rows; have the rest done by others. What is finished is reported."""
        assert decision.enrollment is not None
        change = self.changes.get(effect.name)
        if change is None:
            action = self.context.registry.actions.get(effect.name)
            if action is None or action.run is None:
                return Done(effect.key, effect.at, f"there is no action {effect.name}; is its plugin there?")
            self.ledger.ask(decision.enrollment.id, effect, "pending")
            return None
        self.ledger.write()  # it may read and refer to what was decided
        hands = FlowHands(self, seat, effect)
        try:
            with temporary(), self.connection.begin_nested():
                outcome = change(hands, effect, seat.subject)
        except Temporary:
            raise
        except Permanent as error:
            return Done(effect.key, effect.at, str(error))
        except Exception as error:  # noqa: BLE001 - one flow's fault must not stop the others
            return Done(effect.key, effect.at, f"{effect.name} raised {_short(error)}")
        self.known.changed(seat.subject.person)
        hands.finish()
        if outcome is Outcome.WAITS:
            self.ledger.ask(decision.enrollment.id, effect, "waiting")
            return None
        return Done(effect.key, effect.at)

    def _without_flow(self, seat: Seat, stimulus: Stimulus, at: datetime) -> Decision:
        """Its flow can't be read any more: it can be ended, and what it waited for is lost to it."""
        match stimulus:
            case Stop(status, reason, _, by) if seat.live is not None:
                pass
            case Done() if seat.live is not None:
                status, reason, by = Status.FAILED, "its flow can't be read any more; is a plugin missing?", ""
            case Done() | Due() | Happened() | Enrol() | Move() | Stop():
                return Decision(seat.live)
        return Decision(over(seat.live, status, reason, at, by), withdraw_all=True)


def over(live: Enrollment, status: Status, reason: str, at: datetime, by: str) -> Enrollment:
    """An enrollment that ends whatever its flow says."""
    return replace(live, status=status, reason=reason, ended=at, ended_by=by, tokens=(), seq=live.seq + 1)


def _awaits(live: Enrollment | None, key: str) -> bool:
    return live is not None and any(key in token.keys for token in live.tokens)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"
