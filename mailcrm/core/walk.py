"""An enrollment's walk from node to node, from one stimulus until every token waits."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import TypeAlias

import msgspec

from mailcrm.core.enrollment import (
    IN_PROGRESS,
    Decision,
    Effect,
    Enrollment,
    Facts,
    Place,
    Status,
    Step,
    Token,
    Verdict,
    Waiting,
)
from mailcrm.core.events import Event
from mailcrm.core.flow import Condition, Do, End, Flow, FlowKind, If, Names, On, Switch, Wait
from mailcrm.errors import Temporary

MOST_HOPS = 1_000
MOST_TOKENS = 100
DEPTH = 10

Moment: TypeAlias = tuple[datetime, int]
"""When something arrived, and the id of the event that moved it (0: something else did)."""

_json = msgspec.json.Encoder().encode
_STEPPED = (FlowKind.SEQUENCE, FlowKind.CAMPAIGN)


def in_words(event: Event) -> str:
    """An event as the trace names it."""
    return f"event {event.id} ({event.kind})"


def circle(flow: int, chain: tuple[Place, ...]) -> str:
    """Why a flow does not react to what these places caused; "" if it does."""
    if len(chain) >= DEPTH:
        why = f"{DEPTH} actions caused one another"
    elif chain and chain[-1][0] == flow and chain[-1] in chain[:-1]:
        why = "goes in a circle"
    else:
        return ""
    return f"reacts not: {why}: {' → '.join(f'flow {flow} {node}' for flow, node in chain)}"


class Broken(Exception):
    """What a condition raised when it was recorded, in the words of ``in_short``."""


def in_short(problem: Exception) -> str:
    """An unexpected error as the trace names it."""
    text = str(problem)
    if isinstance(problem, Broken):
        return text
    return f"{type(problem).__name__}: {text[:200]}" if text else type(problem).__name__


class Walk:
    """A live enrollment in motion. ``run`` and then ``decision``; nothing is changed in what it was given.

    Args:
        told: the stimulus in words.
        at: the time of the stimulus, UTC.
    """

    __slots__ = (
        "at",
        "born",
        "by",
        "chain",
        "effects",
        "enrollment",
        "facts",
        "flow",
        "hop",
        "passed",
        "queue",
        "quiet",
        "reason",
        "status",
        "steps",
        "tokens",
        "told",
        "withdraw",
        "withdraw_all",
    )

    def __init__(self, flow: Flow, facts: Facts, enrollment: Enrollment, told: str, at: datetime) -> None:
        self.flow, self.facts, self.enrollment, self.told, self.at = flow, facts, enrollment, told, at
        self.tokens: dict[int, Token] = {}
        for token in enrollment.tokens:
            self.tokens[token.id] = token
        self.passed, self.chain = enrollment.passed, enrollment.chain
        self.hop, self.quiet, self.born = enrollment.hop, enrollment.quiet, enrollment.born
        self.status, self.reason, self.by = enrollment.status, "", ""
        self.queue: deque[tuple[int, str, Moment, str]] = deque()
        self.effects: list[Effect] = []
        self.steps: list[Step] = []
        self.withdraw: set[str] = set()
        self.withdraw_all = False

    def moved_by(self, chain: tuple[Place, ...]) -> None:
        """A timer or an event moves it: the count of hops for the loop guard begins again."""
        self.chain, self.quiet = chain, 0

    def run(self) -> None:
        """Let every token go as far as it can, breadth first; then take an End, if one was reached."""
        queue = self.queue
        while queue:
            token, name, when, self.told = queue.popleft()
            self.hop += 1
            self.quiet += 1
            if self.quiet > MOST_HOPS:
                self.fail(name, f"goes round in a circle: {MOST_HOPS} hops without a timer or an outside event")
            elif len(self.tokens) + len(queue) >= MOST_TOKENS:
                self.fail(name, f"multiplies: more than {MOST_TOKENS} positions at once")
            else:
                if when[0] > self.at:
                    self.at = when[0]
                self._arrive(token, name, when)
        if self.status is IN_PROGRESS and self._is_over():
            self.finish(Status.COMPLETED)

    def decision(self, replaced: Enrollment | None = None) -> Decision:
        """What is to be stored and done."""
        old = self.enrollment
        new = Enrollment(
            old.id,
            old.flow,
            self.flow.version,
            old.subject,
            old.number,
            old.began,
            self.status,
            self.reason,
            None if self.status is IN_PROGRESS else self.at,
            self.by,
            tuple(self.tokens.values()),
            self.passed,
            self.chain,
            old.seq + 1,
            self.hop,
            self.quiet,
            self.born,
        )
        everything = self.withdraw_all or replaced is not None
        return Decision(new, tuple(self.effects), frozenset(self.withdraw), everything, tuple(self.steps), replaced)

    # -- what a token does

    def new_token(self) -> int:
        """An id for one more token."""
        self.born += 1
        return self.born

    def along(self, token: int, name: str, targets: Names, when: Moment) -> None:
        """Leave the node, one token along each edge; without an edge stay there for good."""
        self.tokens.pop(token, None)
        if targets:
            self.queue.append((token, targets[0], when, self.told))
            for name in targets[1:]:
                self.queue.append((self.new_token(), name, when, self.told))
        elif self.flow.kind in _STEPPED:
            self.note(name, "was the last step")
        else:
            if not any(t.node == name and t.waiting is Waiting.PARKED for t in self.tokens.values()):
                self.tokens[token] = Token(token, name, Waiting.PARKED, when, hop=self.hop)
            self.note(name, "parks: nothing leads on from here")

    def perform(self, token: int, name: str, node: Do, hop: int, index: int, when: Moment) -> None:
        """Decide on the node's action at ``index``, or leave the node after its last."""
        if index >= len(node.actions):
            return self.along(token, name, node.next, when)
        action, key = node.actions[index], f"{self.enrollment.id}.{hop}.{index}"
        chain = (*self.chain, (self.flow.id, name))
        self.effects.append(Effect(key, name, action.name, action.args, when[0], chain))
        self.tokens[token] = Token(token, name, Waiting.DONE, when, None, frozenset((key,)), index, hop)
        return self.note(name, f"does {action.name}", hop=hop)

    def pass_on(self, token: int, name: str, targets: Names, when: Moment, result: str = "passed") -> None:
        """An event takes a token through an ``On``."""
        self.passed |= {name}
        self.note(name, result)
        self.along(token, name, targets, when)

    def answers(self, name: str, event: Event) -> bool:
        """Whether the event is what the ``On`` asks for; one whose test raises is not met, and a step says so."""
        try:
            return self.flow.answers(name, event)
        except Exception as problem:  # noqa: BLE001 — a plugin's test may raise anything
            self.note(name, f"ignored: the trigger's test raised {in_short(problem)}")
            return False

    # -- arriving

    def _arrive(self, token: int, name: str, when: Moment) -> None:
        node = self.flow.nodes[name]
        match node:
            case Wait():
                self._wait(token, name, Waiting.WAIT, node.delay, when)
            case Do():
                if node.after is None:
                    self.perform(token, name, node, self.hop, 0, when)
                else:
                    self._wait(token, name, Waiting.DELAY, node.after, when)
            case If():
                self._decide(token, name, node, when)
            case Switch():
                self._switch(token, name, node, when)
            case On():
                self._listen(token, name, node, when)
            case End(scope="all"):
                self.tokens[token] = Token(token, name, Waiting.END, when, hop=self.hop)
                self.note(name, "end of the whole run")
            case End():
                self.note(name, "end of this branch")

    def _wait(self, token: int, name: str, waiting: Waiting, span: str, when: Moment) -> None:
        calendar = self.facts.calendar
        due = calendar.opening(calendar.later(when[0], span))
        self.tokens[token] = Token(token, name, waiting, when, due, hop=self.hop)
        self.note(name, f"waits until {_minute(due)}")

    def _listen(self, token: int, name: str, node: On, when: Moment) -> None:
        """Wait for the event, unless it happened since the arrival already. Working hours do not move ``due``."""
        due = self.facts.calendar.later(when[0], node.within) if node.within else None
        for stored in self.facts.events:
            event = stored.event
            since = (event.at, event.id)
            if since > when and (due is None or event.at <= due) and self.answers(name, event):
                if why := circle(self.flow.id, stored.chain):
                    self.note(name, why, in_words(event))
                    continue
                self.chain, self.told = stored.chain, in_words(event)
                return self.pass_on(token, name, node.next, since)
        self.tokens[token] = Token(token, name, Waiting.EVENT, when, due, hop=self.hop)
        event_kind = self.flow.triggers[node.trigger].event
        return self.note(name, f"waits for {event_kind}" + (f", at most until {_minute(due)}" if due else ""))

    def _decide(self, token: int, name: str, node: If, when: Moment) -> None:
        asked: list[list[Verdict]] = []
        holds = False
        for group in node.groups:
            asked.append([])
            for condition in group:
                verdict = self._judge(name, condition)
                if verdict is None:
                    return
                asked[-1].append(verdict)
                if not verdict.holds:
                    break
            else:
                holds = True
                break
        expected = ", or ".join(" and ".join(verdict.expected for verdict in group) for group in asked)
        self._note_asked(name, "yes" if holds else "no", expected, [verdict for group in asked for verdict in group])
        self.along(token, name, node.yes if holds else node.no, when)

    def _switch(self, token: int, name: str, node: Switch, when: Moment) -> None:
        asked: list[Verdict] = []
        for number, (condition, targets) in enumerate(node.cases, 1):
            verdict = self._judge(name, condition)
            if verdict is None:
                return None
            asked.append(verdict)
            if verdict.holds:
                self._note_asked(name, f"case {number}", verdict.expected, asked)
                return self.along(token, name, targets, when)
        result = "no case holds" if node.other is None else "other"
        self._note_asked(name, result, ", or ".join(verdict.expected for verdict in asked), asked)
        return self.along(token, name, node.other or (), when)

    def _judge(self, name: str, condition: Condition) -> Verdict | None:
        try:
            return self.facts.judge(condition)
        except Temporary:
            raise  # the step as a whole is tried again
        except Exception as problem:  # noqa: BLE001 — a plugin's condition may raise anything
            self.fail(name, f"the condition {condition.name} raised {in_short(problem)}")
            return None

    # -- the end

    def _is_over(self) -> bool:
        """Whether no token is left, or an End of all is reached and nothing more can run at this instant."""
        tokens = self.tokens.values()
        for token in tokens:
            if token.waiting is Waiting.END:
                break
        else:
            return not tokens
        return not any(token.waiting is Waiting.DONE and self._is_at_once(token) for token in tokens)

    def _is_at_once(self, token: Token) -> bool:
        node = self.flow.nodes.get(token.node)
        return (
            isinstance(node, Do)
            and token.index < len(node.actions)
            and node.actions[token.index].name in self.facts.at_once
        )

    def finish(self, status: Status, reason: str = "", by: str = "") -> None:
        """The run is over, whatever still waited."""
        self.status, self.reason, self.by = status, reason, by
        self.tokens.clear()
        self.queue.clear()
        self.note("", f"{status.value.replace('_', ' ')}: {reason}" if reason else status.value)

    def fail(self, name: str, problem: str) -> None:
        """It failed at that node: nothing that is pending, or was decided just now, is done any more."""
        self.withdraw_all = True
        self.effects.clear()
        self.finish(Status.FAILED, f"{name}: {problem}")

    # -- the trace

    def note(self, name: str, result: str, told: str = "", hop: int | None = None) -> None:
        """A line of the trace; of the hop that is being made, if no other is named."""
        self.steps.append(Step(self.hop if hop is None else hop, name, self.at, told or self.told, result))

    def _note_asked(self, name: str, result: str, expected: str, asked: list[Verdict]) -> None:
        actual = "; ".join(dict.fromkeys(verdict.actual for verdict in asked))
        self.steps.append(Step(self.hop, name, self.at, self.told, result, expected, actual))


def _minute(at: datetime) -> str:
    return f"{_json(at)[1:17].decode().replace('T', ' ')} UTC"  # a fifth of the time of isoformat
