"""All that the loaded plugins bring to flows: each name once, gathered into one registry."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from mailcrm.core.events import EventKind
from mailcrm.core.registry import ActionType, ConditionType, Registry, TriggerType
from mailcrm.core.triggers import triggers_of
from mailcrm.plugins import guard
from mailcrm.plugins.find import Place
from mailcrm.plugins.offers import NOUNS, Offer
from mailcrm.plugins.plugin import Plugin
from mailcrm.plugins.verify import Unfit


class Caller(Protocol):
    """Calls what a plugin brought, counts and logs it if it fails: the host."""

    def asked(self, plugin: Plugin, what: str, function: Callable[[], object], wanted: type) -> Any:
        """A trigger's or condition's answer. Raises PluginFailed."""

    def done(self, plugin: Plugin, what: str, function: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Have an action carried out. Raises PluginFailed, or what of our errors the action raises."""


class Shelf:
    """What flows may name, ours (``known``) and the plugins'."""

    def __init__(self, known: Registry) -> None:
        self._known = known
        self._plugins: list[Plugin] = []

    def put(self, plugin: Plugin) -> None:
        """From now on, what the plugin brings is there."""
        self._plugins.append(plugin)

    def take_off(self, plugin: Plugin) -> None:
        """What the plugin brought is gone."""
        self._plugins.remove(plugin)

    def owner(self, sort: type, name: str) -> Plugin | None:
        """Who brings it; None: we do, or nobody."""
        return next((plugin for plugin, one in self._offers() if type(one) is sort and one.name == name), None)

    def giving_way(self, plugin: Plugin) -> dict[Plugin, str]:
        """The bundled plugins whose names one of the operator's own takes over, each with the reason.

        Raises:
            Unfit: it brings a name that is taken otherwise.
        """
        giving: dict[Plugin, str] = {}
        for one in plugin.offers:
            noun = NOUNS[type(one)]
            if one.name in self._ours(one):
                raise Unfit(f"the {noun} {one.name} comes with mailcrm; choose another name")
            owner = self.owner(type(one), one.name)
            if owner is None and isinstance(one, TriggerType):
                owner = self.owner(EventKind, one.name)  # each kind is a trigger, too
            if owner is None:
                continue
            if owner.place is not Place.BUNDLED or plugin.place is not Place.FOLDER:
                raise Unfit(
                    f"the {noun} {one.name} is brought by the plugin {owner.name} ({owner.where}) too, which came "
                    "first; rename it, or block one of them"
                )
            giving[owner] = (
                f"the {noun} {one.name} is brought by your own plugin {plugin.name} ({plugin.where}) too; "
                f"block {owner.name} to say that this is meant"
            )
        return giving

    def orphan(self) -> tuple[Plugin, str] | None:
        """A plugin with a trigger on an event that nobody brings, and the reason why it is of no use."""
        kinds = {*self._known.kinds, *(one.name for _, one in self._offers() if isinstance(one, EventKind))}
        for plugin, one in self._offers():
            if isinstance(one, TriggerType) and one.event not in kinds:
                return plugin, f"its trigger {one.name} is on {one.event!r:.80}, an event that nobody brings"
        return None

    def registry(self, caller: Caller) -> Registry:
        """All of it, the plugins' triggers, conditions and actions fenced in."""
        kinds = dict(self._known.kinds)
        triggers: dict[str, TriggerType] = {}
        conditions = dict(self._known.conditions)
        actions = dict(self._known.actions)
        for plugin, one in self._offers():
            match one:
                case EventKind():
                    kinds[one.name] = one
                case TriggerType():
                    triggers[one.name] = guard.trigger(one, partial(caller.asked, plugin))
                case ConditionType():
                    conditions[one.name] = guard.condition(one, partial(caller.asked, plugin))
                case ActionType():
                    actions[one.name] = guard.action(one, partial(caller.done, plugin))
        return Registry(kinds, triggers_of(kinds.values()) | dict(self._known.triggers) | triggers, conditions, actions)

    def _offers(self) -> Iterator[tuple[Plugin, Offer]]:
        return ((plugin, one) for plugin in self._plugins for one in plugin.offers)

    def _ours(self, one: Offer) -> Mapping[str, object]:
        match one:
            case EventKind():
                return self._known.kinds
            case TriggerType():
                return {**self._known.triggers, **self._known.kinds}
            case ConditionType():
                return self._known.conditions
        return self._known.actions
