"""A plugin's triggers, conditions and actions, fenced in: none can do more harm than not to work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from mailcrm.core.card import Card
from mailcrm.core.enrollment import Effect, Verdict
from mailcrm.core.events import Event
from mailcrm.core.registry import ActionType, ConditionType, TriggerType
from mailcrm.errors import Permanent
from mailcrm.hookspecs import Reach
from mailcrm.plugins.plugin import PluginFailed
from mailcrm.plugins.verify import one_line


class Ask(Protocol):
    """How a trigger or condition is asked."""

    def __call__(self, what: str, function: Callable[[], object], wanted: type) -> Any:
        """Put one question to the plugin; raises PluginFailed for a failure or an answer of another type."""


class Act(Protocol):
    """How an action is carried out."""

    def __call__(self, what: str, function: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Have the plugin do something; raises what it raises of ours, else PluginFailed."""


def trigger(one: TriggerType, ask: Ask) -> TriggerType:
    """One whose failure is no match. It is given copies, since others are asked about the same event."""

    def matches(event: Event, where: Mapping[str, Any]) -> bool:
        own = replace(event, data=dict(event.data))
        try:
            return bool(ask(f"trigger {one.name}", partial(one.matches, own, dict(where)), bool))
        except PluginFailed:
            return False

    return replace(one, matches=matches)


def condition(one: ConditionType, ask: Ask) -> ConditionType:
    """One whose failure is Permanent: trying again would not help, and the run that asked it must not guess."""

    def test(card: Card, args: Mapping[str, Any], now: datetime) -> Verdict:
        try:
            said = ask(f"condition {one.name}", partial(one.test, card, dict(args), now), Verdict)
        except PluginFailed as error:
            raise Permanent(str(error)) from error
        return Verdict(bool(said.holds), one_line(str(said.expected)), one_line(str(said.actual)))

    return replace(one, test=test)


def action(one: ActionType, act: Act) -> ActionType:
    """One that runs in a thread and a loop of its own."""
    if (given := one.run) is None:
        return one
    function = given

    async def run(hands: Reach, effect: Effect) -> None:
        async def work() -> None:
            await function(hands, effect)

        await asyncio.to_thread(act, f"action {one.name}", work)

    return replace(one, run=run)
