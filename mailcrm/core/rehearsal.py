"""What a flow would have done: a person's stored events run through it by a virtual clock, with ``advance`` itself."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mailcrm.core.conditions import holds, needs
from mailcrm.core.engine import advance
from mailcrm.core.enrollment import (
    Calendar,
    Decision,
    Done,
    Due,
    Effect,
    Enrollment,
    Facts,
    Happened,
    Past,
    Place,
    Status,
    Step,
    Stimulus,
    Subject,
    Verdict,
)
from mailcrm.core.events import Event
from mailcrm.core.flow import Condition, Flow
from mailcrm.core.past_card import TODAYS, PastCard
from mailcrm.core.registry import Registry

_SOURCE = "rehearsal"


@dataclass(frozen=True, slots=True)
class Would:
    """One line of what would have happened.

    Args:
        run: the person's first, second … run.
        step: as the trace of a live run has it.
        effect: the action, where the line is one.
        todays: parts of the card that were judged as they are today, in this run so far.
    """

    run: int
    step: Step
    effect: Effect | None
    todays: frozenset[str]


@dataclass(slots=True)
class _Run:
    """Where the rehearsal stands."""

    live: Enrollment | None = None
    past: Past = field(default_factory=Past)
    todays: frozenset[str] = frozenset()
    number: int = 0


class Rehearsal:
    """One person before a flow, from one moment to another.

    Args:
        card: the person's card at ``since``; it is moved on.
        events: everything stored of the person from ``since`` on, by time and id.
        calendar: the person's.
        since, until: aware; only events at or after ``since`` count, and timers that run out by ``until``.
    """

    def __init__(
        self,
        flow: Flow,
        registry: Registry,
        person: int,
        card: PastCard,
        events: Sequence[Happened],
        calendar: Calendar,
        since: datetime,
        until: datetime,
    ) -> None:
        self.flow, self.registry, self.card, self.calendar = flow, registry, card, calendar
        self.subject, self.since, self.until = Subject(person), since, until
        # What this flow caused itself when it ran is left out: it is done anew.
        self.events = sorted((e for e in events if not _caused_by(flow.id, e.chain)), key=_by_time)
        self.taken: list[Happened] = []
        self.run = _Run()
        self.told: list[Would] = []
        self.next_id = max((each.event.id for each in events), default=0) + 1
        self.at_once = frozenset(registry.actions)

    def play(self) -> list[Would]:
        """What would have happened, in order."""
        while (stimulus := self._next()) is not None:
            if isinstance(stimulus, Happened):
                if stimulus.event.source != _SOURCE:  # the card knows of its own already
                    self.card.happens(stimulus.event)
                if stimulus.event.kind in self.flow.by_kind:
                    self._take(stimulus, stimulus.event.at)
                self.taken.append(stimulus)
            else:
                due, token = stimulus
                self._take(Due(token), due)
        return self.told

    @property
    def waiting(self) -> Enrollment | None:
        """The run that is still going on at the end, if one is."""
        return self.run.live

    def _next(self) -> Happened | tuple[datetime, int] | None:
        """The earliest event or timer; the event on a tie."""
        live = self.run.live
        timers = [(token.due, token.id) for token in live.tokens if token.due] if live else []
        timer = min((each for each in timers if each[0] <= self.until), default=None)
        if self.events and self.events[0].event.at <= self.until and not (timer and timer[0] < self.events[0].event.at):
            return self.events.pop(0)
        return timer

    def _take(self, stimulus: Stimulus, at: datetime) -> None:
        """One stimulus, and the ``Done`` of every action that follows from it."""
        queue: deque[tuple[Stimulus, datetime]] = deque([(stimulus, at)])
        while queue:
            stimulus, at = queue.popleft()
            decision = advance(self.flow, self.run.live, stimulus, self._facts(at), at)
            self._settle(decision)
            for effect in decision.effects:
                self._carry_out(effect)
                queue.append((Done(effect.key, effect.at), effect.at))

    def _facts(self, at: datetime) -> Facts:
        def judge(condition: Condition) -> Verdict:
            self.run.todays |= needs([condition], self.registry) & TODAYS
            return holds(condition, self.card.at(at), at, self.registry)

        run = self.run
        return Facts(
            subject=self.subject,
            new_id=run.past.runs + 1,
            active_since=self.since,
            past=run.past,
            calendar=self.calendar,
            judge=judge,
            events=self.taken,
            at_once=self.at_once,
        )

    def _settle(self, decision: Decision) -> None:
        run, new = self.run, decision.enrollment
        if decision.replaced is not None:
            run.past = Past(run.past.runs + 1, run.past.counted + 1, decision.replaced.ended)
        if new is not None and new.number != run.number:
            run.number, run.todays = new.number, frozenset()
        effects = list(decision.effects)
        for step in decision.steps:
            does = next(
                (each for each in effects if each.node == step.node and step.result == f"does {each.name}"), None
            )
            if does is not None:
                effects.remove(does)
            self.told.append(Would(run.number, step, does, run.todays))
        run.live = new
        if new is not None and new.status is not Status.IN_PROGRESS:
            run.past, run.live = Past(run.past.runs + 1, run.past.counted + 1, new.ended), None

    def _carry_out(self, effect: Effect) -> None:
        """What an action changes of the card, and the event that it makes. All others change nothing here."""
        args, card = effect.args, self.card
        match effect.name:
            case "tag.add" if not card.has_tag(args["tag"]):
                self._emit("tag.added", {"tag": args["tag"]}, effect)
            case "tag.remove" if card.has_tag(args["tag"]):
                self._emit("tag.removed", {"tag": args["tag"]}, effect)
            case "field.set":
                card.set_field(args["field"], args.get("value"))
            case "workflow.join":
                card.join(args["workflow"])
            case "workflow.leave":
                card.leave(args["workflow"])

    def _emit(self, kind: str, data: Mapping[str, Any], effect: Effect) -> None:
        event = Event(self.next_id, kind, self.subject.person, effect.at, _SOURCE, data)
        self.next_id += 1
        self.card.happens(event)  # later nodes of the step see it
        insort(self.events, Happened(event, effect.chain), key=_by_time)


def _by_time(each: Happened) -> tuple[datetime, int]:
    return each.event.at, each.event.id


def _caused_by(flow: int, chain: Sequence[Place]) -> bool:
    return any(place[0] == flow for place in chain)
