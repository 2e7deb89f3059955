"""A flow: a graph of nodes that an enrollment walks. A sequence, a workflow, a rule and a campaign all become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, TypeAlias

from mailcrm.core.events import Event

Names: TypeAlias = tuple[str, ...]
"""Nodes that an edge leads to; several run side by side."""


class FlowKind(StrEnum):
    """What the author drew. A rule is the short form of a workflow; a campaign is a flow of one node."""

    SEQUENCE = "sequence"
    WORKFLOW = "workflow"
    RULE = "rule"
    CAMPAIGN = "campaign"


class Again(StrEnum):
    """Whether a subject may enter a flow once more."""

    AFTER_END = "after_end"
    NEVER = "never"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Condition:
    """A question about the contact: a registered condition and what is asked of it."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """Something to be done: a registered action and what it is told."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class On:
    """Waits for an event; where nothing leads to it, lets people in.

    Args:
        where: what the trigger asks of the event.
        within: a span; when it is over without the event, the token goes along ``otherwise``.
        entry: False: only for those who came this way; True: lets people in wherever it stands; None: by its place.
    """

    trigger: str
    where: Mapping[str, Any] = field(default_factory=dict)
    next: Names = ()
    within: str | None = None
    otherwise: Names = ()
    entry: bool | None = None


@dataclass(frozen=True, slots=True)
class If:
    """Any group, and in it every condition."""

    groups: tuple[tuple[Condition, ...], ...]
    yes: Names = ()
    no: Names = ()


@dataclass(frozen=True, slots=True)
class Switch:
    """The first case that holds, else ``other``; without one the token parks."""

    cases: tuple[tuple[Condition, Names], ...]
    other: Names | None = None


@dataclass(frozen=True, slots=True)
class Do:
    """Actions, in their order. ``after`` is the node's clock."""

    actions: tuple[Action, ...]
    next: Names = ()
    after: str | None = None
    on_error: Literal["fail", "continue"] = "fail"


@dataclass(frozen=True, slots=True)
class Wait:
    """A span of time."""

    delay: str
    next: Names = ()


@dataclass(frozen=True, slots=True)
class End:
    """Of the whole run, or of this branch."""

    scope: Literal["all", "branch"] = "all"


Node: TypeAlias = On | If | Switch | Do | Wait | End


@dataclass(frozen=True, slots=True)
class Trigger:
    """What an ``On`` names: a kind of event and a pure test of it.

    Args:
        matches: told the event and the node's ``where``.
    """

    name: str
    event: str
    matches: Callable[[Event, Mapping[str, Any]], bool]
    label: str = ""


def leads_to(node: Node) -> Names:
    """Every node that this one has an edge to."""
    match node:
        case On():
            return node.next + node.otherwise
        case If():
            return node.yes + node.no
        case Switch():
            return (*(name for _, names in node.cases for name in names), *(node.other or ()))
        case End():
            return ()
    return node.next


@dataclass(frozen=True)
class Flow:
    """One version of a flow, and what can be told from its shape. Validated before (``core.validation``).

    Args:
        id: of the flow; its versions share it.
        nodes: in the order of the file.
        triggers: every trigger that a node names.
        start: where enrolling by hand begins.
    """

    id: int
    kind: FlowKind
    name: str
    version: int
    nodes: Mapping[str, Node]
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    start: Names = ()
    again: Again = Again.AFTER_END

    @cached_property
    def _before(self) -> Mapping[str, Sequence[tuple[str, bool]]]:
        """For each node those that lead to it, and whether that is the ``next`` of an ``On``."""
        before: dict[str, list[tuple[str, bool]]] = {name: [] for name in self.nodes}
        for name, node in self.nodes.items():
            for to in leads_to(node):
                before[to].append((name, isinstance(node, On) and to in node.next and to not in node.otherwise))
        return before

    @cached_property
    def entries(self) -> frozenset[str]:
        """The ``On`` nodes that nothing leads to."""
        return frozenset(n for n, node in self.nodes.items() if isinstance(node, On) and not self._before[n])

    @cached_property
    def overtaking(self) -> frozenset[str]:
        """The ``On`` nodes that take subjects who have not come so far, and let new ones in (GRAPH-11, GRAPH-13)."""
        found = set()
        for name, node in self.nodes.items():
            if not isinstance(node, On):
                continue
            if name in self.entries or node.entry is not None:
                overtakes = node.entry is not False
            else:
                narrows = all(by_next for _, by_next in self._before[name])
                overtakes = not narrows and node.within is None
            if overtakes:
                found.add(name)
        return frozenset(found)

    @cached_property
    def hops(self) -> Mapping[str, Mapping[str, int]]:
        """For each node how many edges away each node is that it leads to, by at least one edge."""
        reach: dict[str, dict[str, int]] = {}
        for name in self.nodes:
            seen = reach[name] = {}
            edge, far = set(leads_to(self.nodes[name])), 1
            while edge:
                seen.update(dict.fromkeys(edge, far))
                edge, far = {to for each in edge for to in leads_to(self.nodes[each])} - seen.keys(), far + 1
        return reach

    @cached_property
    def by_kind(self) -> Mapping[str, Names]:
        """Kind of event -> the ``On`` nodes that may answer it, in the order of the file."""
        found: dict[str, list[str]] = {}
        for name, node in self.nodes.items():
            if isinstance(node, On):
                found.setdefault(self.triggers[node.trigger].event, []).append(name)
        return {kind: tuple(names) for kind, names in found.items()}

    def answers(self, name: str, event: Event) -> bool:
        """Whether the event is what the ``On`` asks for. A trigger's test that raises, raises here."""
        node = self.nodes[name]
        if not isinstance(node, On):
            return False
        trigger = self.triggers[node.trigger]
        return trigger.event == event.kind and bool(trigger.matches(event, node.where))
