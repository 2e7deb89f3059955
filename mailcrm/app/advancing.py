"""One round: everything that is pending of some subjects, taken in the order of its time (events before timers)."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TypeAlias

from msgspec import Struct
from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.failing import pause_failing
from mailcrm.app.flow_book import REPLIED
from mailcrm.app.ledger import Ledger, Seat, SeatKey
from mailcrm.app.stepping import Stepper
from mailcrm.builtin.hands import Change
from mailcrm.core.definitions import StopOnReply
from mailcrm.core.enrollment import Done, Due, Enrollment, Happened, Status, Stop, Subject, Token
from mailcrm.store import effects, enrollments, reactions
from mailcrm.store.campaigns import parked
from mailcrm.store.claims import Claim

REPLY = "replied"
"""The reason of an enrollment that a reply has ended."""

_MOST = 1_000  # stimuli of one subject in a round: nobody holds a transaction open for long
_LONGEST = 0.25  # seconds of a round, where steps take long as letters do: on SQLite everybody else waits meanwhile
_EVENT, _DONE, _TIMER = range(3)
_PUT_OFF = timedelta(hours=1)


class _Colleague(Struct):
    """Somebody of the same organization has answered."""

    event: int
    at: datetime


class _Ended(Struct):
    """An effect that an enrollment waits for has ended."""

    seat: Seat
    done: Done


class _Timer(Struct):
    """A token's timer has run out."""

    seat: Seat
    token: Token


_Whose: TypeAlias = tuple[int | None, int]
"""Whose stimuli are taken in one order: a person's (and 0); without a person, those of an enrollment."""
_Thing: TypeAlias = Happened | _Colleague | _Ended | _Timer
_Pending: TypeAlias = tuple[datetime, int, int, int, _Thing]
"""Time, rank, id and a number of its own, which are the order; then what is pending."""


class Round:
    """What is due of some subjects that this transaction holds.

    Args:
        changes, at_once: see ``Stepper``.
    """

    def __init__(
        self,
        context: Context,
        connection: Connection,
        claim: Claim,
        now: datetime,
        changes: Mapping[str, Change],
        at_once: frozenset[str],
    ) -> None:
        self.context, self.connection, self.now = context, connection, now
        self.stimuli, self.cut_short = 0, False
        """How many were taken, and whether a round was too short for what is pending."""
        self.flows = context.flows.read(connection)
        self.ledger = Ledger(connection, now)
        self._number = count()
        self._queues: defaultdict[_Whose, list[_Pending]] = defaultdict(list)
        events, persons = self._events(claim)
        found = enrollments.inside(connection, persons) + enrollments.with_ids(connection, claim.alone)
        told = effects.ended(connection, persons, claim.alone) if claim.told else []

        def since() -> datetime:
            times = (*(each.event.at for each in events), *(done.at for _, done in told), *_timers(found), now)
            return min(times)

        self.stepper = Stepper(context, self.ledger, self.flows, changes, at_once, persons, since)
        seats = {each.id: self.stepper.sit(each) for each in found}
        self._fill(seats, events, told)

    def fail(self, key: SeatKey, reason: str) -> None:
        """End as failed what this seat holds, and leave the seat out."""
        seat = self.stepper.seats.get(key)
        if seat is not None and seat.live is not None:
            self.stepper.take(seat, Stop(Status.FAILED, reason, self.now), self.now)
        self.stepper.barred.add(key)

    def run(self) -> None:
        """Take everything there is time for, and write what came of it. Raises StepFailed, Stale, Temporary."""
        self._push_emitted()
        end = time.monotonic() + _LONGEST
        for whose in list(self._queues):
            self._take_all(whose, self._queues[whose])
            if time.monotonic() > end:
                self.cut_short = True
                break
        self.stepper.close()
        pause_failing(self.context, self.connection, self.flows, self.ledger.ended)

    # -- what is pending

    def _events(self, claim: Claim) -> tuple[list[Happened], set[int]]:
        """The pending events; and the persons, with those whose runs end by an answer of a colleague's."""
        persons = set(claim.persons)
        events = reactions.pending(self.connection, persons) if claim.events else []
        ended = [flow for flow, whose in self.flows.ended_by_reply.items() if whose is StopOnReply.ORGANIZATION]
        answers = [each.event for each in events if each.event.kind == REPLIED] if ended else []
        theirs = {
            event.id: enrollments.colleagues(self.connection, event.person, ended)
            for event in answers
            if event.person is not None
        }
        more = {number for numbers in theirs.values() for number in numbers} - persons
        if more:
            enrollments.lock(self.connection, more)
            persons |= more
            events = reactions.pending(self.connection, persons)
        for event in answers:
            for number in theirs.get(event.id, ()):
                self._push((number, 0), event.at, _EVENT, event.id, _Colleague(event.id, event.at))
        return events, persons

    def _fill(self, seats: Mapping[int, Seat], events: Iterable[Happened], told: Iterable[tuple[int, Done]]) -> None:
        for happened in events:
            self._push_event(happened)
        for number, done in told:
            if number not in seats:  # its run is over
                self.ledger.told.append(done.key)
            else:
                self._push(_whose(seats[number], number), done.at, _DONE, number, _Ended(seats[number], done))
        put_off: defaultdict[datetime, list[int]] = defaultdict(list)
        for number, seat in seats.items():
            rests = self.flows.is_at_rest(seat.flow)
            if seat.compiled is not None and not rests:
                self._push_timers(_whose(seat, number), seat)
            elif seat.live is not None and _timers([seat.live]):
                put_off[parked(seat.flow) if rests else self.now + _PUT_OFF].append(number)
        for until, numbers in put_off.items():
            self.ledger.postpone(numbers, until)

    def _push_event(self, happened: Happened) -> None:
        event = happened.event
        if event.person is not None:
            self._push((event.person, 0), event.at, _EVENT, event.id, happened)

    def _push_emitted(self) -> None:
        for happened in self.stepper.emitted:
            self._push_event(happened)
        self.stepper.emitted.clear()

    def _push_timers(self, whose: _Whose, seat: Seat) -> None:
        if seat.live is None:
            return
        for token in seat.live.tokens:
            if token.due is not None and token.due <= self.now:
                self._push(whose, token.due, _TIMER, seat.live.id, _Timer(seat, token))

    def _push(self, whose: _Whose, at: datetime, rank: int, number: int, thing: _Thing) -> None:
        heappush(self._queues[whose], (at, rank, number, next(self._number), thing))

    # -- taking it

    def _take_all(self, whose: _Whose, queue: list[_Pending]) -> None:
        taken = 0
        while queue:
            if taken == _MOST:
                self.cut_short = True
                return
            at, _, _, _, thing = heappop(queue)
            match thing:
                case _Timer(seat, token):
                    if seat.live is None or token not in seat.live.tokens:
                        continue  # something else has moved it
                    self.stepper.take(seat, Due(token.id), at)
                case Happened():
                    self._happened(thing)
                case _Ended(seat, done):
                    self.ledger.told.append(done.key)
                    self.stepper.take(seat, done, at)
                case _Colleague():
                    self._answered(whose, thing)
            taken += 1
            self.stimuli += 1
            for seat in self.stepper.moved:
                if seat.subject.person == whose[0]:
                    self._push_timers(whose, seat)
            self.stepper.moved.clear()
            if self.stepper.emitted:
                self._push_emitted()

    def _happened(self, happened: Happened) -> None:
        event, stepper = happened.event, self.stepper
        assert event.person is not None, "an event without a person is not kept for flows"
        self.ledger.handled.append(event.id)
        stepper.known.took(happened)
        seats = stepper.of_person.get(event.person, [])
        if event.kind == REPLIED:
            self._stop(seats, event.id, event.at, (StopOnReply.PERSON, StopOnReply.ORGANIZATION))
        concerned = {
            seat.key: seat for seat in seats if seat.live and seat.compiled and event.kind in seat.compiled.flow.by_kind
        }
        for compiled in self.flows.let_in_by(event):
            seat = stepper.seat(compiled.stored.id, Subject(event.person))
            concerned[seat.key] = seat
        for key in sorted(concerned):
            stepper.take(concerned[key], happened, event.at, f"event:{event.id}")

    def _answered(self, whose: _Whose, colleague: _Colleague) -> None:
        seats = self.stepper.of_person.get(whose[0] or 0, [])
        self._stop(seats, colleague.event, colleague.at, (StopOnReply.ORGANIZATION,))

    def _stop(self, seats: Sequence[Seat], event: int, at: datetime, by: Sequence[StopOnReply]) -> None:
        for seat in list(seats):
            if seat.live and seat.compiled and seat.compiled.stop_on_reply in by and at >= seat.live.began:
                self.stepper.take(seat, Stop(Status.REMOVED, REPLY, at, f"event:{event}"), at)


def _whose(seat: Seat, enrollment: int) -> _Whose:
    person = seat.subject.person
    return (None, enrollment) if person is None else (person, 0)


def _timers(found: Iterable[Enrollment]) -> list[datetime]:
    return [due for each in found if (due := enrollments.due_at(each)) is not None]
