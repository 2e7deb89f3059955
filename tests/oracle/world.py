"""A small shell round the engine, in memory: events, timers, outbox, facts, log. Every schedule is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

from mailcrm.core.engine import advance
from mailcrm.core.enrollment import (
    Decision,
    Done,
    Due,
    Effect,
    Enrol,
    Enrollment,
    Facts,
    Happened,
    Move,
    Past,
    Place,
    Status,
    Step,
    Stimulus,
    Stop,
    Subject,
    Verdict,
)
from mailcrm.core.events import Event
from mailcrm.core.flow import Action, Condition, Do, Flow, FlowKind, If, Node, On, Trigger
from mailcrm.core.spans import before, exact

T0 = datetime(2026, 1, 5, 8, tzinfo=UTC)  # a Monday
LONG_AGO = T0 - timedelta(1000)
ROWS = frozenset({"tag.add", "tag.remove"})
Engine: TypeAlias = Callable[[Flow, Enrollment | None, Stimulus, Facts, datetime], Decision]


def h(hours: float) -> timedelta:
    return timedelta(hours=hours)


def on(trigger: str, *then: str, **more: Any) -> On:
    return On(trigger, next=then, **more)


def mail(letter: str, *then: str, **more: Any) -> Do:
    return Do((Action("mail", {"letter": letter}),), then, **more)


def tag(name: str, *then: str, off: bool = False, **more: Any) -> Do:
    return Do((Action("tag.remove" if off else "tag.add", {"tag": name}),), then, **more)


def has(name: str, negated: bool = False) -> Condition:
    return Condition("tag", {"tag": name}, negated)


def ask(name: str, yes: tuple[str, ...] = (), no: tuple[str, ...] = ()) -> If:
    return If(((has(name),),), yes, no)


def alike(event: Event, where: Mapping[str, Any]) -> bool:
    return all(event.data.get(key) == value for key, value in where.items())


def flow(nodes: Mapping[str, Node], number: int = 1, **more: Any) -> Flow:
    """A workflow whose triggers are named like the events they wait for."""
    names = {node.trigger for node in nodes.values() if isinstance(node, On)}
    triggers = {name: Trigger(name, name, alike) for name in names}
    given = {"kind": FlowKind.WORKFLOW, "name": f"flow {number}", "version": 1, "triggers": triggers, **more}
    return Flow(id=number, nodes=nodes, **given)


@dataclass
class Clock:
    """Exact spans and months; opening hours of working days in UTC, if there are any."""

    hours: tuple[int, int] | None = None

    def later(self, at: datetime, span: str) -> datetime:
        if span.endswith("mo"):
            month = at.month + int(span[:-2])
            first = at.replace(year=at.year + (month - 1) // 12, month=(month - 1) % 12 + 1, day=1)
            return min(first + timedelta(at.day - 1), before(first + timedelta(32), "1d").replace(day=1) - timedelta(1))
        return at + exact(span)

    def opening(self, at: datetime) -> datetime:
        if self.hours is None:
            return at
        opens, closes = self.hours
        while at.weekday() > 4 or not opens <= at.hour < closes:
            at = (at + h(1)).replace(minute=0, second=0, microsecond=0)
        return at


@dataclass
class Row:
    """An effect as the outbox holds it: pending, sending, sent, failed or withdrawn."""

    effect: Effect
    slot: tuple[int, int]
    state: str = "pending"


@dataclass(frozen=True)
class Taken:
    """A stimulus as it was taken, with all that the engine was told and asked."""

    slot: tuple[int, int]
    flow: Flow
    live: Enrollment | None
    stimulus: Stimulus
    facts: Facts
    now: datetime
    answers: tuple[Verdict | Exception, ...]
    decision: Decision


@dataclass
class World:
    first: Flow
    others: tuple[Flow, ...] = ()
    tags: dict[int, set[str]] = field(default_factory=dict)
    hours: tuple[int, int] | None = None
    now: datetime = T0
    at_once: frozenset[str] = ROWS
    engine: Engine = advance

    def __post_init__(self) -> None:
        flows = (self.first, *self.others)
        self.current = {each.id: each for each in flows}
        self.versions = {(each.id, each.version): each for each in flows}
        self.since: dict[int, datetime | None] = dict.fromkeys(self.current, LONG_AGO)
        self.queue: list[Happened] = []
        self.stored: list[Happened] = []
        self.dones: list[tuple[tuple[int, int], Done]] = []
        self.live: dict[tuple[int, int], Enrollment] = {}
        self.past: dict[tuple[int, int], list[Enrollment]] = {}
        self.outbox: dict[str, Row] = {}
        self.carried: list[tuple[str, str]] = []
        self.steps: list[Step] = []
        self.log: list[Taken] = []
        self.keys: set[str] = set()
        self.ids = self.events = 0

    # -- what others do

    def emit(
        self, kind: str, person: int = 1, at: datetime | None = None, chain: tuple[Place, ...] = (), **data: Any
    ) -> Event:
        self.events += 1
        event = Event(self.events, kind, person, at or self.now, "test", data)
        self.queue.append(Happened(event, chain))
        return event

    def enrol(self, of: int = 1, person: int = 1, chain: tuple[Place, ...] = ()) -> None:
        self.take((of, person), Enrol(self.now, chain))

    def move(self, node: str, of: int = 1, person: int = 1, chain: tuple[Place, ...] = ()) -> None:
        self.take((of, person), Move(node, self.now, chain))

    def stop(self, status: Status, reason: str, of: int = 1, person: int = 1, by: str = "user:ann") -> None:
        self.take((of, person), Stop(status, reason, self.now, by))

    def deactivate(self, of: int = 1, cancel: bool = False) -> None:
        self.since[of] = None
        for slot in [slot for slot in self.live if cancel and slot[0] == of]:
            self.take(slot, Stop(Status.REMOVED, "deactivated", self.now))

    def edit(self, new: Flow, finish: bool = False) -> None:
        new = replace(new, version=self.current[new.id].version + 1)
        self.current[new.id] = self.versions[new.id, new.version] = new
        for slot in [slot for slot in self.live if not finish and slot[0] == new.id]:
            self.take(slot, Stop(Status.REMOVED, "edited", self.now))

    # -- one transaction

    def take(self, slot: tuple[int, int], stimulus: Stimulus) -> None:
        """Take one stimulus, and the ``Done`` of every row that it changed."""
        todo: list[Stimulus] = [stimulus]
        while todo:
            todo += [Done(effect.key, effect.at) for effect in self._step(slot, todo.pop(0)) if effect.name in ROWS]

    def _step(self, slot: tuple[int, int], stimulus: Stimulus) -> tuple[Effect, ...]:
        live = self.live.get(slot)
        graph = self.versions[slot[0], live.version] if live else self.current[slot[0]]
        answers: list[Verdict | Exception] = []
        facts = self.facts(slot, answers)
        decision = self.engine(graph, live, stimulus, facts, self.now)
        self.log.append(Taken(slot, graph, live, stimulus, facts, self.now, tuple(answers), decision))
        self.steps += decision.steps
        for ended in (decision.replaced, decision.enrollment):
            if ended and ended.status is not Status.IN_PROGRESS:
                self.past.setdefault(slot, []).append(ended)
                self.live.pop(slot, None)
        if decision.enrollment and decision.enrollment.status is Status.IN_PROGRESS:
            self.live[slot] = decision.enrollment
            self.ids = max(self.ids, decision.enrollment.id)
        elif decision.enrollment:
            self.ids = max(self.ids, decision.enrollment.id)
        for key in list(self.outbox) if decision.withdraw_all else decision.withdraw:
            row = self.outbox[key]
            if row.slot == slot and row.state == "pending":
                row.state = "withdrawn"
        for effect in decision.effects:
            assert effect.key not in self.keys, f"the key {effect.key} repeats"
            self.keys.add(effect.key)
            if effect.name in ROWS:
                self._change(effect, slot[1])
            else:
                self.outbox[effect.key] = Row(effect, slot)
        return decision.effects

    def facts(self, slot: tuple[int, int], answers: list[Verdict | Exception]) -> Facts:
        tags = self.tags.setdefault(slot[1], set())

        def judge(condition: Condition) -> Verdict:
            if condition.name == "broken":
                answers.append(RuntimeError("no such column"))
                raise RuntimeError("no such column")
            wanted = condition.args["tag"]
            holds = (wanted in tags) is not condition.negated
            verdict = Verdict(holds, f"tag {wanted}", f"tags: {', '.join(sorted(tags)) or 'none'}")
            answers.append(verdict)
            return verdict

        past = self.past.get(slot, [])
        counted = sum(run.reason != "edited" for run in past)
        earlier = Past(len(past), counted, max((run.ended for run in past if run.ended), default=None))
        events = sorted((each for each in self.stored if each.event.person == slot[1]), key=_moment)
        since = self.since[slot[0]]
        return Facts(
            Subject(slot[1]), self.ids + 1, since, earlier, Clock(self.hours), judge, tuple(events), self.at_once
        )

    def _change(self, effect: Effect, person: int) -> None:
        tags, name = self.tags.setdefault(person, set()), effect.args["tag"]
        self.carried.append((effect.key, f"{effect.name} {name}"))
        before = name in tags
        (tags.add if effect.name == "tag.add" else tags.discard)(name)
        if (name in tags) is not before:
            kind = "tag.added" if name in tags else "tag.removed"
            self.emit(kind, person, effect.at, effect.chain, tag=name)

    # -- the machine

    def pending(self, person: int) -> Iterator[tuple[tuple[datetime, int, int], Callable[[], None]]]:
        """What may be taken now, with its place in the order: by time, events before timers, then by id."""
        for happened in self.queue:
            if happened.event.person == person and happened.event.at <= self.now:
                yield (happened.event.at, 0, happened.event.id), partial(self._react, happened)
        for number, (slot, done) in enumerate(self.dones):
            if slot[1] == person:
                yield (done.at, 1, number), partial(self._tell, slot, done)
        for slot, run in self.live.items():
            for token in run.tokens:
                if slot[1] == person and token.due and token.due <= self.now:
                    yield (token.due, 2, token.id), partial(self.take, slot, Due(token.id))

    def tick(self, person: int = 1) -> None:
        """A worker claims all that is pending for the subject and takes it in its order."""
        while found := min(self.pending(person), key=lambda each: each[0], default=None):
            found[1]()

    def _react(self, happened: Happened) -> None:
        self.queue.remove(happened)
        self.stored.append(happened)
        for of in self.current:
            self.take((of, happened.event.person or 0), happened)

    def _tell(self, slot: tuple[int, int], done: Done) -> None:
        self.dones.remove((slot, done))
        self.take(slot, done)

    def claim(self) -> list[str]:
        keys = [key for key in self.outbox if self.outbox[key].state == "pending"]
        for key in keys:
            self.outbox[key].state = "sending"
        return keys

    def sent(self, key: str, problem: str = "", refused: bool = False, at: datetime | None = None) -> None:
        """The relay's answer to a claimed mail: stored, to be taken by ``tick``."""
        row = self.outbox[key]
        row.state = "failed" if problem else "sent"
        if not problem:
            self.carried.append((key, f"{row.effect.name} {row.effect.args.get('letter', '')}"))
        self.dones.append((row.slot, Done(key, at or self.now, problem, refused)))

    def dispatch(self, problem: str = "", refused: bool = False) -> None:
        for key in self.claim():
            self.sent(key, problem, refused)

    def settle(self, person: int = 1) -> None:
        """All that is pending by now, each mail accepted at the very time of its step, before anything later."""
        for _ in range(20_000):
            for key in self.claim():
                self.sent(key, at=self.outbox[key].effect.at)
            first = min(self.pending(person), key=lambda each: each[0], default=None)
            if first is None:
                return
            first[1]()
        raise AssertionError("does not come to rest")

    def until(self, hours: float, person: int = 1) -> None:
        """Run to that many hours after the beginning, on time all the way."""
        end = T0 + h(hours)
        self.settle(person)
        while True:
            times = [t.due for slot, run in self.live.items() if slot[1] == person for t in run.tokens if t.due]
            times = [at for at in (*times, *(each.event.at for each in self.queue)) if at <= end]
            if not times:
                break
            self.now = max(self.now, min(times))
            self.settle(person)
        self.now = max(self.now, end)
        self.settle(person)

    # -- what came of it

    @property
    def did(self) -> list[str]:
        return [what for _, what in self.carried]

    def run(self, of: int = 1, person: int = 1) -> Enrollment:
        """The live enrollment, else the last."""
        slot = (of, person)
        return self.live[slot] if slot in self.live else self.past[slot][-1]

    def status(self, of: int = 1, person: int = 1) -> str:
        slot = (of, person)
        return self.run(*slot).status.value if slot in self.live or self.past.get(slot) else "outside"

    def at(self, of: int = 1, person: int = 1) -> list[str]:
        run = self.live.get((of, person))
        return sorted(f"{token.node} {token.waiting.value}" for token in run.tokens) if run else []

    def said(self, node: str) -> list[str]:
        return [step.result for step in self.steps if step.node == node]


def _moment(happened: Happened) -> tuple[datetime, int]:
    return happened.event.at, happened.event.id
