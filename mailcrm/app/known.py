"""What the engine may know of the subjects of a round: read when first asked for, then for all of them at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import overload
from zoneinfo import ZoneInfo

from msgspec import Struct
from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.flow_book import Compiled, Flows
from mailcrm.app.ledger import Ledger, Seat
from mailcrm.core.calendar import SubjectCalendar, zone_of
from mailcrm.core.card import Card
from mailcrm.core.conditions import holds
from mailcrm.core.enrollment import Facts, Happened, Past, Verdict
from mailcrm.core.flow import Again, Condition
from mailcrm.core.walk import Broken, in_short
from mailcrm.errors import Temporary
from mailcrm.store import enrollments, reactions
from mailcrm.store.cards import cards
from mailcrm.store.db import reserve, temporary
from mailcrm.store.reactions import by_time
from mailcrm.store.tables import enrollment

_AT_A_TIME = 50  # ids of enrollments that are reserved together
_BY_THE_CALENDAR = ("mo", "y")
_NOBODY = Card(None)


class Known:
    """The facts of one round.

    Args:
        persons: those that the round holds.
        since: the time of the earliest stimulus: nobody looks farther back.
        at_once: names of the actions that are carried out in the round's transaction.
    """

    def __init__(
        self,
        context: Context,
        ledger: Ledger,
        flows: Flows,
        persons: Collection[int],
        since: Callable[[], datetime],
        at_once: frozenset[str],
    ) -> None:
        self.context, self.ledger, self.flows, self.since, self.at_once = context, ledger, flows, since, at_once
        self.connection: Connection = ledger.connection
        self.persons = set(persons)
        self._cards: dict[frozenset[str], dict[int, Card]] = {}
        self._zones: dict[int, ZoneInfo | None] = {}
        self._past: dict[tuple[int, str], Past] | None = None
        self._stored: defaultdict[int, list[Happened]] | None = None
        self._taken: defaultdict[int, list[Happened]] = defaultdict(list)
        self._ids: list[int] = []

    def facts(self, seat: Seat, compiled: Compiled, at: datetime) -> Facts:
        """What may be known when ``compiled`` is advanced for this seat by a stimulus of that time."""
        stored = self.flows.stored.get(seat.flow, compiled.stored)
        return Facts(
            seat.subject,
            0 if seat.live and compiled.flow.again is not Again.RESTART else self._next_id(),
            stored.active_since,
            _NO_PAST if seat.live else self._past_of(seat),
            _Calendar(self, seat.subject.person, self.flows.rep(stored.owner)),
            _Judge(self, seat, compiled, at),
            _LookBack(self, seat.subject.person),
            self.at_once,
        )

    def begun(self, number: int) -> None:
        """An enrollment has taken the id that ``facts`` gave."""
        if self._ids and self._ids[-1] == number:
            self._ids.pop()

    def ended(self, seat: Seat, at: datetime | None, *, counted: bool) -> None:
        """The run of a seat is over."""
        if self._past is not None:
            old = self._past.get(seat.key, _NO_PAST)
            self._past[seat.key] = Past(old.runs + 1, old.counted + counted, at)

    def took(self, happened: Happened) -> None:
        """An event has been taken as a stimulus: from now on nodes may look back to it."""
        if happened.event.person is not None:
            self._taken[happened.event.person].append(happened)

    def changed(self, person: int | None) -> None:
        """Records of a person were changed: what was read of him is forgotten."""
        for read in self._cards.values():
            read.pop(person or 0, None)
        self._zones.pop(person or 0, None)

    def card(self, person: int | None, needs: frozenset[str]) -> Card:
        """The parts of a person's card."""
        if person is None:
            return _NOBODY
        read = self._cards.setdefault(needs, {})
        if person not in read:
            self.ledger.write()  # who is inside of what is among the facts
            wanted = self.persons - read.keys() if not read else {person}
            read |= cards(self.connection, wanted | {person}, needs, self.ledger.now)
        return read.get(person, _NOBODY)

    def zone(self, person: int | None) -> ZoneInfo | None:
        """A person's own time zone, where it is known."""
        if person is None:
            return None
        if person not in self._zones:
            with temporary():
                read = cards(self.connection, self.persons | {person}, {"time_zone"}, self.ledger.now)
            self._zones |= {number: zone_of(card.time_zone) for number, card in read.items()}
        return self._zones.get(person)

    def events(self, person: int | None) -> Sequence[Happened]:
        """A person's events that have been taken already, by time."""
        if person is None:
            return ()
        if self._stored is None:
            self._stored = defaultdict(list)
            kinds = self.flows.awaited()
            with temporary():
                read = reactions.looked_back(self.connection, self.persons, kinds, self.since())
            for each in read:
                self._stored[each.event.person or 0].append(each)
        taken = self._taken.get(person, [])
        return sorted([*self._stored.get(person, ()), *taken], key=by_time) if taken else self._stored.get(person, ())

    def _past_of(self, seat: Seat) -> Past:
        if self._past is None:
            self.ledger.write()  # what ended in this round is past as well
            self._past = enrollments.past(self.connection, self.persons)
        if seat.subject.person not in self.persons and seat.key not in self._past:
            self._past |= enrollments.past_of_subjects(self.connection, seat.flow, [seat.subject])
        return self._past.get(seat.key, _NO_PAST)

    def _next_id(self) -> int:
        if not self._ids:
            self._ids = sorted(reserve(self.connection, enrollment, _AT_A_TIME), reverse=True)
        return self._ids[-1]


class _Judge(Struct):
    """Asks a condition about a seat's person, as of one moment."""

    known: Known
    seat: Seat
    compiled: Compiled
    at: datetime

    def __call__(self, condition: Condition) -> Verdict:
        with temporary():
            card = self.known.card(self.seat.subject.person, self.compiled.needs)
        try:
            return holds(condition, card, self.at, self.known.context.registry)
        except Temporary as error:  # a question to the card alone: asking it again would hold up everybody's flows
            raise Broken(in_short(error)) from error


class _LookBack(Sequence[Happened]):
    """A person's events, read when a node looks back to them."""

    __slots__ = ("known", "person")

    def __init__(self, known: Known, person: int | None) -> None:
        self.known, self.person = known, person

    def __iter__(self) -> Iterator[Happened]:
        return iter(self.known.events(self.person))

    def __len__(self) -> int:
        return len(self.known.events(self.person))

    @overload
    def __getitem__(self, at: int) -> Happened: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Happened]: ...

    def __getitem__(self, at: int | slice) -> Happened | Sequence[Happened]:
        return self.known.events(self.person)[at]


class _Calendar(Struct):
    """The calendar of a subject, whose zone is read only where months are counted."""

    known: Known
    person: int | None
    rep: SubjectCalendar

    def later(self, at: datetime, span: str) -> datetime:
        """See ``core.enrollment.Calendar``."""
        if span.endswith(_BY_THE_CALENDAR) and (zone := self.known.zone(self.person)) is not None:
            return SubjectCalendar(zone).later(at, span)
        return self.rep.later(at, span)

    def opening(self, at: datetime) -> datetime:
        """See ``core.enrollment.Calendar``."""
        return self.rep.opening(at)


_NO_PAST = Past()
