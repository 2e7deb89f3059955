"""What flows may name: kinds of events, triggers, conditions, actions. Built-in ones and those of plugins alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import UnionType
from typing import Any, TypeAlias

from mailcrm.core.card import Card
from mailcrm.core.enrollment import Verdict
from mailcrm.core.events import EventKind
from mailcrm.core.flow import Trigger
from mailcrm.core.nearest import nearest

Params: TypeAlias = Mapping[str, type | UnionType]
"""Names and types of what is given in a definition; one whose type admits None may be left out."""

TriggerType: TypeAlias = Trigger
"""What plugins call it."""


class Span(str):
    """The type of a parameter that is a span of time, such as ``3d`` (``core.spans``); its value is a plain ``str``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ConditionType:
    """A question that an ``if`` or ``switch`` may ask.

    Args:
        params: what is given with it.
        test: pure; told the card, what is given, and the time now.
        needs: the parts of the card that it reads (names of ``Card``'s fields): no others are loaded.
    """

    name: str
    params: Params
    test: Callable[[Card, Mapping[str, Any], datetime], Verdict]
    needs: frozenset[str] = frozenset()
    label: str = ""


@dataclass(frozen=True, slots=True)
class ActionType:
    """Something that a ``do`` may do.

    Args:
        params: what is given with it.
        run: for what reaches outside: ``async run(hands, effect)``, safe to repeat for one key. None: it changes rows,
            in the transaction of the step (``builtin``).
    """

    name: str
    params: Params
    run: Callable[..., Awaitable[None]] | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that is known, by name.

    Args:
        idle: plugins that bring nothing since they are not configured: by name, what is to be written.
    """

    kinds: Mapping[str, EventKind] = field(default_factory=dict)
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    conditions: Mapping[str, ConditionType] = field(default_factory=dict)
    actions: Mapping[str, ActionType] = field(default_factory=dict)
    idle: Mapping[str, str] = field(default_factory=dict)

    def mend(self, name: str, known: Iterable[str], what: str) -> str:
        """The mend of a name that nobody brings: the nearest one, or a plugin that waits to be configured."""
        word = name.partition(".")[0]
        waiting = [mend for plugin, mend in self.idle.items() if plugin.startswith(word)]  # coupon.issue, of coupons
        return waiting[0] if waiting else nearest(name, known, what)
