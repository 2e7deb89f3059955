"""Two flows that do the same on the same trigger: it is done twice, which their author should know (GRAPH-35)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mailcrm.core.flow import Action, Do, Flow, On


def overlaps(flow: Flow, others: Iterable[Flow]) -> list[str]:
    """A warning for every action that ``flow`` and another flow both do for one and the same event."""
    own, warnings = list(_doings(flow)), []
    for other in others:
        if other.id == flow.id:
            continue
        told: set[str] = set()
        for kind, where, action in _doings(other):
            for own_kind, own_where, own_action in own:
                if kind == own_kind and action == own_action and _may_both_match(where, own_where):
                    told.add(f"{action.name}{_args(action)} on {kind}")
        warnings += [f"the {other.kind} {other.name!r} also does {what}: it may be done twice" for what in sorted(told)]
    return warnings


def _doings(flow: Flow) -> Iterator[tuple[str, Mapping[str, Any], Action]]:
    """Kind of event, what is asked of it, and an action that it may lead to."""
    for name in flow.nodes:
        on = flow.nodes[name]
        if not isinstance(on, On) or name not in flow.overtaking:
            continue
        for reached in flow.hops[name]:
            node = flow.nodes[reached]
            if isinstance(node, Do):
                for action in node.actions:
                    yield flow.triggers[on.trigger].event, on.where, action


def _may_both_match(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    return all(one[key] == two[key] for key in one.keys() & two.keys())


def _args(action: Action) -> str:
    shown = ", ".join(f"{key} = {str(value)[:40]!r}" for key, value in action.args.items())
    return f" {{{shown}}}" if shown else ""
