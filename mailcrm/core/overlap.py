"""Two flows that do the same on the same trigger: it is done twice, which their author should know (GRAPH-35)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from mailcrm.core import triggers
from mailcrm.core.comparing import listed, same
from mailcrm.core.flow import Action, Do, Flow, On, Trigger


def overlaps(flow: Flow, others: Iterable[Flow]) -> list[str]:
    """A warning for every action that ``flow`` and another flow both do for one and the same event."""
    own, warnings = list(_doings(flow)), []
    for other in others:
        if other.id == flow.id:
            continue
        told: set[str] = set()
        for one, action in _doings(other):
            for on, own_action in own:
                if action == own_action and _may_both_match(one, on):
                    told.add(f"{action.name}{_args(action)} on {one[0].event}")
        warnings += [f"the {other.kind} {other.name!r} also does {what}: it may be done twice" for what in sorted(told)]
    return warnings


_Asked: TypeAlias = tuple[Trigger, Mapping[str, Any]]
"""A trigger, and what is asked of its event."""


def _doings(flow: Flow) -> Iterator[tuple[_Asked, Action]]:
    """What lets people in or on, and an action that it may lead to."""
    for name in flow.nodes:
        on = flow.nodes[name]
        if not isinstance(on, On) or name not in flow.overtaking:
            continue
        for reached in flow.hops[name]:
            node = flow.nodes[reached]
            if isinstance(node, Do):
                for action in node.actions:
                    yield (flow.triggers[on.trigger], on.where), action


def _may_both_match(one: _Asked, two: _Asked) -> bool:
    """Whether there may be an event that both ask for; what a trigger of another test takes, can't be told."""
    (first, asked), (second, other) = one, two
    if first.event != second.event:
        return False
    if first.matches is not triggers.matches or second.matches is not triggers.matches:
        return True
    return all(
        any(same(value, wanted) for value in listed(asked[key]) for wanted in listed(other[key]))
        for key in asked.keys() & other.keys()
    )


def _args(action: Action) -> str:
    shown = ", ".join(f"{key} = {str(value)[:40]!r}" for key, value in action.args.items())
    return f" {{{shown}}}" if shown else ""
