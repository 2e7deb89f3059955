"""What a flow would have done with a person: his stored events, his card as it was, and what the flow would change."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailcrm.core.conditions import holds, needs
from mailcrm.core.enrollment import (
    Calendar,
    Effect,
    Enrollment,
    Happened,
    Place,
    Status,
    Step,
    Subject,
    Verdict,
)
from mailcrm.core.events import Event
from mailcrm.core.flow import Condition, Flow
from mailcrm.core.past_card import TODAYS, PastCard
from mailcrm.core.registry import Registry
from mailcrm.core.what_if import what_if


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


class Rehearsal:
    """One person before a flow, from one moment to another.

    Args:
        card: the person's card at ``since``; it is moved on.
        events: everything stored of the person from ``since`` on.
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
        self._flow, self._registry, self._card, self._calendar = flow, registry, card, calendar
        self._subject, self._since, self._until = Subject(person), since, until
        # What this flow caused itself when it ran is left out: it is done anew.
        self._events = sorted((e for e in events if not _caused_by(flow.id, e.chain)), key=_by_time)
        self._ahead = deque(each.event for each in self._events)  # what the card does not know of yet
        self._next_id = max((each.event.id for each in events), default=0) + 1
        self._todays: frozenset[str] = frozenset()
        self.waiting: Enrollment | None = None
        """The run that is still going on at the end of ``play``."""

    def play(self) -> Iterator[Would]:
        """What would have happened, in order."""
        happened = [each for each in self._events if each.event.kind in self._flow.by_kind]
        steps = what_if(
            self._flow,
            self._subject,
            happened,
            self._calendar,
            self._judge,
            frozenset(self._registry.actions),
            self._since,
            self._until,
            self._follows,
        )
        run = 0
        for imagined in steps:
            new = imagined.decision.enrollment
            if new is not None and new.number != run:
                run, self._todays = new.number, frozenset()
            effects = list(imagined.decision.effects)
            for step in imagined.decision.steps:
                does = next((e for e in effects if e.node == step.node and step.result == f"does {e.name}"), None)
                if does is not None:
                    effects.remove(does)
                yield Would(run, step, does, self._todays)
            self.waiting = new if new is not None and new.status is Status.IN_PROGRESS else None

    def _judge(self, condition: Condition, at: datetime) -> Verdict:
        self._todays |= needs([condition], self._registry) & TODAYS
        self._move_to(at)
        return holds(condition, self._card.at(at), at, self._registry)

    def _move_to(self, at: datetime) -> None:
        """Tell the card what had happened by then."""
        while self._ahead and self._ahead[0].at <= at:
            self._card.happens(self._ahead.popleft())

    def _follows(self, effect: Effect) -> list[Happened]:
        """What an action changes of the card, and the event that it makes. All others change nothing here."""
        self._move_to(effect.at)
        args, card = effect.args, self._card
        match effect.name:
            case "tag.add" if not card.has_tag(args["tag"]):
                return self._event("tag.added", {"tag": args["tag"]}, effect)
            case "tag.remove" if card.has_tag(args["tag"]):
                return self._event("tag.removed", {"tag": args["tag"]}, effect)
            case "field.set":
                card.set_field(args["field"], args.get("value"))
            case "workflow.join":
                card.join(args["workflow"])
            case "workflow.leave":
                card.leave(args["workflow"])
        return []

    def _event(self, kind: str, data: Mapping[str, Any], effect: Effect) -> list[Happened]:
        event = Event(self._next_id, kind, self._subject.person, effect.at, "rehearsal", data)
        self._next_id += 1
        self._card.happens(event)  # later nodes of the step see it
        return [Happened(event, effect.chain)]


def _by_time(each: Happened) -> tuple[datetime, int]:
    return each.event.at, each.event.id


def _caused_by(flow: int, chain: Sequence[Place]) -> bool:
    return any(place[0] == flow for place in chain)
