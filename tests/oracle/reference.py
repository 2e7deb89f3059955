"""The meaning of flows told a second time, as plainly as it can be: what the engine is compared with.

It shares the engine's nouns and nothing else: no trace, no speed, the graph searched anew for every question.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

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
    Place,
    Status,
    Stimulus,
    Stop,
    Token,
    Waiting,
)
from mailcrm.core.flow import Again, Condition, Do, End, Flow, FlowKind, If, Names, On, Switch, Wait

Moment = tuple[datetime, int]


# -- the shape of a flow


def edges(flow: Flow, name: str) -> list[str]:
    match flow.nodes[name]:
        case If(yes=yes, no=no):
            return [*yes, *no]
        case Switch(cases=cases, other=other):
            return [to for _, targets in cases for to in targets] + list(other or ())
        case On(next=then, otherwise=otherwise):
            return [*then, *otherwise]
        case Do(next=then) | Wait(next=then):
            return list(then)
    return []


def hops(flow: Flow, start: str, goal: str) -> int | None:
    """How many edges from one node to the other, one at least."""
    far, ring, seen = 1, set(edges(flow, start)), set()
    while ring:
        if goal in ring:
            return far
        seen |= ring
        far, ring = far + 1, {to for name in ring for to in edges(flow, name)} - seen
    return None


def is_entry(flow: Flow, name: str) -> bool:
    return isinstance(flow.nodes[name], On) and not any(name in edges(flow, other) for other in flow.nodes)


def overtakes(flow: Flow, name: str) -> bool:
    node = flow.nodes[name]
    assert isinstance(node, On)
    if node.entry is not None or is_entry(flow, name):
        return node.entry is not False
    before = [flow.nodes[other] for other in flow.nodes if name in edges(flow, other)]
    narrows = all(isinstance(b, On) and name in b.next and name not in b.otherwise for b in before)
    return not narrows and node.within is None


def met(flow: Flow, name: str, stimulus: Happened) -> bool:
    node = flow.nodes[name]
    if not isinstance(node, On):
        return False
    trigger = flow.triggers[node.trigger]
    return trigger.event == stimulus.event.kind and trigger.matches(stimulus.event, node.where)


def circles(flow: Flow, chain: tuple[Place, ...]) -> bool:
    return len(chain) >= 10 or (bool(chain) and chain[-1][0] == flow.id and chain.count(chain[-1]) > 1)


# -- an enrollment in motion


@dataclass
class Run:
    flow: Flow
    facts: Facts
    old: Enrollment
    last: datetime
    tokens: list[Token] = field(default_factory=list)
    arriving: deque[tuple[int, str, Moment]] = field(default_factory=deque)
    effects: list[Effect] = field(default_factory=list)
    withdraw: set[str] = field(default_factory=set)
    everything: bool = False
    over: tuple[Status, str, str] | None = None

    def __post_init__(self) -> None:
        self.tokens = list(self.old.tokens)
        self.passed, self.chain = set(self.old.passed), self.old.chain
        self.hop, self.quiet, self.born = self.old.hop, self.old.quiet, self.old.born

    def decision(self, replaced: Enrollment | None = None) -> Decision:
        self.walk()
        status, reason, by = self.over or (Status.IN_PROGRESS, "", "")
        new = replace(
            self.old,
            version=self.flow.version,
            status=status,
            reason=reason,
            ended=self.last if self.over else None,
            ended_by=by,
            tokens=() if self.over else tuple(self.tokens),
            passed=frozenset(self.passed),
            chain=self.chain,
            seq=self.old.seq + 1,
            hop=self.hop,
            quiet=self.quiet,
            born=self.born,
        )
        everything = self.everything or replaced is not None
        return Decision(new, tuple(self.effects), frozenset(self.withdraw), everything, (), replaced)

    def walk(self) -> None:
        while self.arriving and not self.over:
            token, name, when = self.arriving.popleft()
            self.hop, self.quiet = self.hop + 1, self.quiet + 1
            if self.quiet > 1000:
                self.fail(f"{name}: goes round in a circle")
            elif len(self.tokens) + len(self.arriving) + 1 > 100:
                self.fail(f"{name}: multiplies")
            else:
                self.last = max(self.last, when[0])
                self.arrive(token, name, when)
        if self.over:
            return
        doing = [self.flow.nodes[t.node].actions[t.index].name for t in self.tokens if t.waiting is Waiting.DONE]
        ends = any(t.waiting is Waiting.END for t in self.tokens)
        if not self.tokens or (ends and not set(doing) & set(self.facts.at_once)):
            self.over = (Status.COMPLETED, "", "")

    def arrive(self, token: int, name: str, when: Moment) -> None:
        node, clock = self.flow.nodes[name], self.facts.calendar
        here = Token(token, name, Waiting.EVENT, when, hop=self.hop)
        if isinstance(node, Wait):
            due = clock.opening(clock.later(when[0], node.delay))
            self.tokens.append(replace(here, waiting=Waiting.WAIT, due=due))
        elif isinstance(node, Do) and node.after:
            due = clock.opening(clock.later(when[0], node.after))
            self.tokens.append(replace(here, waiting=Waiting.DELAY, due=due))
        elif isinstance(node, Do):
            self.act(here, 0, when)
        elif isinstance(node, End) and node.scope == "all":
            self.tokens.append(replace(here, waiting=Waiting.END))
        elif isinstance(node, If):
            found = self.ask(name, node.groups)
            if found is not None:
                self.leave(here, node.no if found == len(node.groups) else node.yes, when)
        elif isinstance(node, Switch):
            found = self.ask(name, tuple((condition,) for condition, _ in node.cases))
            if found is not None:
                self.leave(here, [*(to for _, to in node.cases), node.other or ()][found], when)
        elif isinstance(node, On):
            due = clock.later(when[0], node.within) if node.within else None
            for stored in self.facts.events:
                moment = (stored.event.at, stored.event.id)
                in_time = moment > when and (due is None or moment[0] <= due)
                if in_time and met(self.flow, name, stored) and not circles(self.flow, stored.chain):
                    self.chain = stored.chain
                    self.passed.add(name)
                    self.leave(here, node.next, moment)
                    break
            else:
                self.tokens.append(replace(here, due=due))

    def ask(self, name: str, groups: tuple[tuple[Condition, ...], ...]) -> int | None:
        """The number of the first group that holds; how many there are, if none does; None if a condition broke."""
        for number, group in enumerate(groups):
            for condition in group:
                try:
                    holds = self.facts.judge(condition).holds
                except RuntimeError:
                    return self.fail(f"{name}: the condition {condition.name} raised")
                if not holds:
                    break
            else:
                return number
        return len(groups)

    def act(self, token: Token, index: int, when: Moment) -> None:
        node = self.flow.nodes[token.node]
        self.tokens = [t for t in self.tokens if t.id != token.id]
        if index == len(node.actions):
            return self.leave(token, node.next, when)
        key, action = f"{self.old.id}.{token.hop}.{index}", node.actions[index]
        place = (self.flow.id, token.node)
        self.effects.append(Effect(key, token.node, action.name, action.args, when[0], (*self.chain, place)))
        waits = replace(token, waiting=Waiting.DONE, at=when, due=None, keys=frozenset({key}), index=index)
        return self.tokens.append(waits)

    def leave(self, token: Token, targets: Names, when: Moment) -> None:
        self.tokens = [t for t in self.tokens if t.id != token.id]
        for number, name in enumerate(targets):
            self.arriving.append((token.id if number == 0 else self.another(), name, when))
        parked = any(t.node == token.node and t.waiting is Waiting.PARKED for t in self.tokens)
        steps = self.flow.kind in (FlowKind.SEQUENCE, FlowKind.CAMPAIGN)
        if not targets and not parked and not steps:
            self.tokens.append(Token(token.id, token.node, Waiting.PARKED, when, hop=self.hop))

    def another(self) -> int:
        self.born += 1
        return self.born

    def enter(self, name: str, when: Moment) -> None:
        self.passed.add(name)
        self.leave(Token(self.another(), name, Waiting.EVENT, when), self.flow.nodes[name].next, when)

    def fail(self, reason: str) -> None:
        self.over, self.everything, self.effects = (Status.FAILED, reason, ""), True, []


# -- the stimuli


def reference(flow: Flow, live: Enrollment | None, stimulus: Stimulus, facts: Facts, now: datetime) -> Decision:
    match stimulus:
        case Happened():
            return _happened(flow, live, stimulus, facts)
        case Enrol(at=at, chain=chain):
            inside = live is not None and flow.again is not Again.RESTART
            if not flow.start or circles(flow, chain) or inside or not _may_begin(flow, live, facts, at):
                return Decision(live)
            return _begin(flow, live, facts, (at, 0), chain, list(flow.start))
        case Move(node=name, at=at, chain=chain) if live and name in flow.nodes and not circles(flow, chain):
            run = Run(flow, facts, live, at)
            run.withdraw = {key for token in run.tokens for key in token.keys}
            run.chain = chain
            run.arriving.append((run.another(), name, max([(at, 0), *(token.at for token in run.tokens)])))
            run.tokens = []
            return run.decision()
        case Stop(status=status, reason=reason, at=at, by=by) if live:
            run = Run(flow, facts, live, at, everything=True)
            run.over = (status, reason, by)
            return run.decision()
        case Due(token=number) if live:
            for token in live.tokens:
                if token.id == number and token.due and token.due <= now:
                    return _due(flow, live, facts, token, max((token.due, 0), token.at))
        case Done(key=key) if live:
            for token in live.tokens:
                if key in token.keys:
                    return _done(flow, live, facts, token, stimulus, max((stimulus.at, 0), token.at))
    return Decision(live)


def _due(flow: Flow, live: Enrollment, facts: Facts, token: Token, when: Moment) -> Decision:
    run, node = Run(flow, facts, live, when[0]), flow.nodes[token.node]
    run.chain, run.quiet = (), 0
    if isinstance(node, Do):
        run.act(token, 0, when)
    else:
        run.leave(token, node.otherwise if isinstance(node, On) else node.next, when)
    return run.decision()


def _done(flow: Flow, live: Enrollment, facts: Facts, token: Token, done: Done, when: Moment) -> Decision:
    run, node = Run(flow, facts, live, when[0]), flow.nodes[token.node]
    if done.problem and (done.refused or node.on_error != "continue"):
        run.fail(f"{token.node}: {node.actions[token.index].name}: {done.problem}")
    else:
        run.act(token, token.index + 1, when)
    return run.decision()


def _may_begin(flow: Flow, live: Enrollment | None, facts: Facts, at: datetime) -> bool:
    if facts.active_since is None or at < facts.active_since:
        return False
    never = flow.again is Again.NEVER and facts.past.counted > 0
    return live is not None or not (never or (facts.past.ended and at < facts.past.ended))


def _begin(
    flow: Flow, live: Enrollment | None, facts: Facts, when: Moment, chain: tuple[Place, ...], names: list[str]
) -> Decision:
    number = live.number + 1 if live else facts.past.runs + 1
    new = Enrollment(facts.new_id, flow.id, flow.version, facts.subject, number, when[0], chain=chain)
    run = Run(flow, facts, new, when[0])
    for name in names:
        if when[1] or is_entry(flow, name):
            run.enter(name, when)
        else:
            run.arriving.append((run.another(), name, when))
    old = live and replace(live, status=Status.REMOVED, reason="restarted", ended=when[0], tokens=(), seq=live.seq + 1)
    return run.decision(old)


def _happened(flow: Flow, live: Enrollment | None, stimulus: Happened, facts: Facts) -> Decision:
    event, names = stimulus.event, [name for name in flow.nodes if met(flow, name, stimulus)]
    moment, entries = (event.at, event.id), [name for name in names if is_entry(flow, name)]
    if not names or circles(flow, stimulus.chain) or (live and event.at < live.began):
        return Decision(live)
    lets_in = _may_begin(flow, live, facts, event.at)
    if live is None:
        midway = [name for name in names if overtakes(flow, name)]
        leading = [n for n in midway if not any(hops(flow, o, n) and not hops(flow, n, o) for o in midway)]
        starts = entries or leading[:1]
        return _begin(flow, None, facts, moment, stimulus.chain, starts) if lets_in and starts else Decision(None)
    if lets_in and flow.again is Again.RESTART and live.passed & set(entries):
        return _begin(flow, live, facts, moment, stimulus.chain, entries)

    takes: dict[str, list[tuple[int, int, int, Token]]] = {name: [] for name in names}
    for token in live.tokens:
        place = (list(flow.nodes).index(token.node), token.id, token)
        waits = token.waiting is Waiting.EVENT and (token.due is None or event.at <= token.due)
        if token.node in names and waits and (moment > token.at or overtakes(flow, token.node)):
            takes[token.node].append((0, *place))
            continue
        ahead = [(hops(flow, token.node, name), order, name) for order, name in enumerate(names)]
        ahead = [each for each in ahead if each[0] and overtakes(flow, each[2]) and each[2] not in live.passed]
        if ahead:
            far, _, name = min(ahead)
            takes[name].append((far, *place))
    fresh = [name for name in entries if lets_in and name not in live.passed]
    if not fresh and not any(takes.values()):
        return Decision(live)

    run = Run(flow, facts, live, event.at)
    run.chain, run.quiet = stimulus.chain, 0
    for name, found in takes.items():
        if found:
            tokens = [token for *_, token in sorted(found, key=lambda each: each[:3])]
            run.withdraw |= {key for token in tokens for key in token.keys}
            run.tokens = [token for token in run.tokens if token not in tokens]
            run.passed.add(name)
            when = max(moment, *(token.at for token in tokens))
            run.leave(replace(tokens[0], node=name), flow.nodes[name].next, when)
    for name in fresh:
        run.enter(name, moment)
    return run.decision()
