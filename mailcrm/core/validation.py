"""The shape of a workflow: what is refused, and what its author should know."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from mailcrm.core.flow import Condition, Do, End, Flow, FlowKind, If, Names, Node, On, Switch, Wait
from mailcrm.core.nearest import nearest

MAX_NODES = 500

Path: TypeAlias = tuple[str | int, ...]
"""Where something stands in a definition: ``("nodes", "clicked", "within")``, ``("step", 0)``."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the shape, where, and the mend."""

    path: Path
    what: str
    mend: str


def edges(name: str, node: Node) -> Iterator[tuple[Path, Names]]:
    """The edges of a node, each with the path of the key that draws it."""
    here: Path = ("nodes", name)
    match node:
        case On():
            yield (*here, "next"), node.next
            yield (*here, "otherwise"), node.otherwise
        case If():
            yield (*here, "yes"), node.yes
            yield (*here, "no"), node.no
        case Switch():
            for condition, names in node.cases:
                yield (*here, "cases", case_key(condition)), names
            yield (*here, "other"), node.other or ()
        case Do() | Wait():
            yield (*here, "next"), node.next


def case_key(condition: Condition) -> str:
    """The key of a switch's case: ``north``, ``!south`` for has-not."""
    value = condition.args["is"] if condition.name == "field" else condition.args["tag"]
    return f"!{value}" if condition.negated else str(value)


def edge_problems(nodes: Mapping[str, Node], known: Collection[str]) -> list[Problem]:
    """Edges to nodes that are not there.

    Args:
        known: the names of all nodes.
    """
    return [
        Problem(path, f"there is no node {to}", nearest(to, known, "nodes"))
        for name, node in nodes.items()
        for path, names in edges(name, node)
        for to in names
        if to not in known
    ]


def shape_problems(nodes: Mapping[str, Node], *, whole: bool = True) -> list[Problem]:
    """All that is wrong with the shape.

    Args:
        whole: every edge leads to a node; else what follows from the edges is not asked.
    """
    found = []
    if not any(isinstance(node, On) for node in nodes.values()):
        found.append(Problem((), "there is no trigger: nobody would ever come in", 'write a node with on = "…"'))
    if not any(isinstance(node, End) for node in nodes.values()):
        found.append(Problem((), "there is no End", 'write a node with end = "all" or end = "branch"'))
    for name, node in nodes.items():
        if isinstance(node, On) and node.otherwise and node.within is None:
            path: Path = ("nodes", name, "otherwise")
            found.append(Problem(path, "there is an otherwise, but no time", 'write within = "3d", or leave it out'))
    if whole and nodes:
        flow = graph(nodes)
        found += [*_first_events(flow), *_circles(flow)]
        if any(isinstance(node, On) for node in nodes.values()):
            found += _unreachable(flow)
    return found


def graph(nodes: Mapping[str, Node]) -> Flow:
    """The nodes as a flow, for questions about their shape alone."""
    return Flow(id=0, kind=FlowKind.WORKFLOW, name="", version=0, nodes=nodes)


def _first_events(flow: Flow) -> Iterator[Problem]:
    for name in flow.nodes:
        node = flow.nodes[name]
        if name in flow.entries and isinstance(node, On) and node.within is not None:
            what = "a first event can't have a time limit: nobody is waiting for it yet"
            yield Problem(("nodes", name, "within"), what, "leave out within and otherwise")


def _unreachable(flow: Flow) -> Iterator[Problem]:
    inside = set(flow.overtaking)
    for name in flow.overtaking:
        inside |= flow.hops[name].keys()
    for name in flow.nodes:
        if name in inside:
            continue
        if name in flow.entries:
            what, mend = "nothing leads here, and entry = false lets nobody in", "leave out entry, or lead here by next"
        else:
            what, mend = "nobody can come here", "lead to it from another node, or remove it"
        yield Problem(("nodes", name), what, mend)


def _circles(flow: Flow) -> Iterator[Problem]:
    """Circles without a node that waits; of those that share a node, one."""
    quick = {name: node for name, node in flow.nodes.items() if not waits(node)}
    while True:
        sorter = TopologicalSorter(
            {
                name: [to for _, names in edges(name, node) for to in names if to in quick]
                for name, node in quick.items()
            }
        )
        try:
            sorter.prepare()
        except CycleError as error:
            circle: Sequence[str] = error.args[1][::-1]
            yield Problem(
                ("nodes", circle[0]),
                f"goes round in a circle without a wait: {' -> '.join(circle)}",
                "put a wait between two of them",
            )
            for name in circle:
                quick.pop(name, None)
        else:
            return


def waits(node: Node) -> bool:
    """Whether a token stays on the node for a while, or for an event."""
    match node:
        case On():
            return True
        case Wait():
            return any(digit in "123456789" for digit in node.delay)
        case Do():
            return node.after is not None and any(digit in "123456789" for digit in node.after)
    return False


def shape_notes(nodes: Mapping[str, Node]) -> list[str]:
    """What the author of a valid workflow should know: who gets in, who stays in, what runs twice."""
    flow = graph(nodes)
    return [*_letting_in(flow), *_parking(flow), *_twice(flow)]


def _letting_in(flow: Flow) -> Iterator[str]:
    for name, node in flow.nodes.items():
        if isinstance(node, On) and name in flow.overtaking:
            if name in flow.entries:
                yield f"nodes.{name}: lets people in ({node.trigger})"
            else:
                yield (
                    f"nodes.{name}: lets people in ({node.trigger}), also those who have not come so far; "
                    "entry = false would make it wait only for those who have"
                )


def _parking(flow: Flow) -> Iterator[str]:
    for name, node in flow.nodes.items():
        for path, names in edges(name, node):
            if names or (path[-1] == "otherwise" and isinstance(node, On) and node.within is None):
                continue
            yield f"nodes.{name}: there is no {path[-1]}: who comes so far stays in the workflow"


def _twice(flow: Flow) -> Iterator[str]:
    """Nodes other than an End that two tokens of one person may come to."""
    before: dict[str, set[str]] = {name: set() for name in flow.nodes}
    for name, node in flow.nodes.items():
        for _, names in edges(name, node):
            for to in names:
                before[to].add(name)
    told: set[str] = set()
    for starts, why in _side_by_side(flow):
        ways: dict[str, list[str]] = {name: [] for name in flow.nodes}
        for start in starts:
            for name in {start, *flow.hops[start]}:
                ways[name].append(start)
        for name, node in flow.nodes.items():
            # Where two ways meet; what lies behind runs twice, too, but that follows.
            meets = name in starts or any(ways[each] and ways[each] != ways[name] for each in before[name])
            if len(ways[name]) > 1 and meets and name not in told and not isinstance(node, End):
                told.add(name)
                yield f"nodes.{name}: may run twice for one person: {' and '.join(ways[name][:2])} {why}"


def _side_by_side(flow: Flow) -> Iterator[tuple[Names, str]]:
    """Nodes that tokens of one person may stand on together, and why."""
    for name, node in flow.nodes.items():
        for path, names in edges(name, node):
            if len(names) > 1:
                yield names, f"run side by side after nodes.{name} ({path[-1]})"
    yield tuple(name for name in flow.nodes if name in flow.entries), "may both happen while the person is inside"
