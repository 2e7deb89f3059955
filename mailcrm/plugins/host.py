"""The plugin host: made once in main.py and handed to whoever asks plugins something."""

from __future__ import annotations

import difflib
import inspect
import logging
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pluggy

from mailcrm import hookspecs
from mailcrm.core.conditions import CONDITIONS
from mailcrm.core.events import KINDS, Event
from mailcrm.core.registry import ActionType, Registry
from mailcrm.core.triggers import TRIGGERS
from mailcrm.errors import ConfigError, MailcrmError, Refused
from mailcrm.hookspecs import App
from mailcrm.plugins.find import Found, find
from mailcrm.plugins.lane import Ended, Hung, Lane
from mailcrm.plugins.offers import HOOKS as OFFER_HOOKS
from mailcrm.plugins.offers import read
from mailcrm.plugins.plugin import Plugin, PluginFailed
from mailcrm.plugins.settings import Unconfigured, fill
from mailcrm.plugins.shelf import Shelf
from mailcrm.plugins.verify import HOOKS, Unfit, answer, implementations, one_line

log = logging.getLogger(__name__)

_PURE_SECONDS = 1.0  # a trigger or condition; a transaction is open meanwhile
_ANSWER_SECONDS = 5.0
_KNOWN = Registry(KINDS, TRIGGERS, CONDITIONS)
_WORK_SECONDS = 30.0
_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,99}")


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of ``plugin list``.

    Args:
        state: on | off (it hung) | idle (not configured) | refused | blocked.
        reason: why it is not on.
        error: its last failure.
        where: the file, or the package with its version.
        brings: the names that flows may use because of it.
        seconds: time spent in its hooks since the start.
    """

    name: str
    state: str
    place: str
    where: str
    hooks: tuple[str, ...] = ()
    brings: tuple[str, ...] = ()
    reason: str = ""
    calls: int = 0
    failures: int = 0
    error: str = ""
    seconds: float = 0.0


class PluginHost:
    """One set of plugins.

    Args:
        blocked: names of plugins that are not to be loaded.
        known: what flows may name without any plugin.
        config: the sections ``[plugins.config.NAME]`` by name.
        base: the folder that files in the configuration are relative to.
        answer_seconds: how long a ``choose_`` or ``veto_`` hook may take.
        work_seconds: how long an ``on_`` hook, or loading the plugin, may take.
    """

    def __init__(
        self,
        blocked: Iterable[str] = (),
        config: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        known: Registry = _KNOWN,
        base: Path = Path(),
        answer_seconds: float = _ANSWER_SECONDS,
        work_seconds: float = _WORK_SECONDS,
    ) -> None:
        self._blocked = frozenset(blocked)
        self._config = config or {}
        self._shelf = Shelf(known)
        self._base = base
        self._answer_seconds = answer_seconds
        self._work_seconds = work_seconds
        self._plugins: dict[str, Plugin] = {}
        self._kept_out: list[Listed] = []
        self._asked: Mapping[str, tuple[Plugin, ...]] = {}
        self._pluggy = pluggy.PluginManager("mailcrm")
        self._pluggy.add_hookspecs(hookspecs)

    def load(self, folder: Path | None = None) -> None:
        """Load what is installed, bundled and in ``folder``. One that fails is listed with its reason, no more."""
        for found in find(folder):
            try:
                self._take(found)
            except Refused as error:
                log.warning("%s", error)
        for kept_out in self._without_events():
            log.warning("the plugin %s (%s) is left out: %s", kept_out.name, kept_out.where, kept_out.reason)

    def add(self, found: Found) -> None:
        """Load one plugin.

        Raises:
            Refused: it can't be loaded or is none; it is listed with the reason, too.
        """
        self._take(found)
        for kept_out in self._without_events():
            raise Refused(f"the plugin {kept_out.name} ({kept_out.where}) is left out: {kept_out.reason}")

    def _take(self, found: Found) -> None:
        if found.name in self._blocked:
            self._keep_out(found, "blocked", "named in plugins.block")
            return
        try:
            self._admit(found)
        except Unconfigured as error:
            self._keep_out(found, "idle", str(error))
        except Exception as error:
            self._keep_out(found, "refused", reason := _reason(error))
            raise Refused(f"the plugin {found.name} ({found.where}) is left out: {reason}") from error

    def has(self, hook: str) -> bool:
        """True if some plugin implements ``hook``: without one, nothing need be prepared to ask."""
        return bool(self._asked.get(hook))

    def implementers(self, hook: str) -> list[str]:
        """The names of the plugins that implement ``hook``, in the order in which they are asked."""
        return [plugin.name for plugin in self._asked.get(hook, ())]

    def registry(self) -> Registry:
        """All that flows may name, what the plugins bring included; to be asked for once, when they are loaded.

        A plugin's trigger that fails is no match; its condition that fails raises Permanent; its action raises
        PluginFailed, or what of our errors it raises itself. All of that is counted.
        """
        idle = {each.name: f"{each.reason}, if its plugin is meant" for each in self._kept_out if each.state == "idle"}
        return replace(self._shelf.registry(self), idle=idle)

    def owner_of(self, action: str) -> str | None:
        """The plugin that brings this action; None: it is ours, or unknown."""
        owner = self._shelf.owner(ActionType, action)
        return owner.name if owner else None

    def asked(self, plugin: Plugin, what: str, function: Callable[[], object], wanted: type) -> Any:
        """What ``shelf.Caller`` says."""
        try:
            said = plugin.ask(what, function, min(_PURE_SECONDS, self._answer_seconds))
            if isinstance(said, wanted):
                return said
            if inspect.iscoroutine(said):
                said.close()
            raise Unfit(f"it answered {type(said).__name__}, not {wanted.__name__}")
        except Exception as error:
            raise self._failure(plugin, what, error) from error

    def done(self, plugin: Plugin, what: str, function: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """What ``shelf.Caller`` says."""
        try:
            plugin.act(what, function, self._work_seconds)
        except MailcrmError:
            raise
        except Exception as error:
            raise self._failure(plugin, what, error) from error

    def choose(self, hook: str, **args: Any) -> tuple[str, Any] | None:
        """Ask a ``choose_`` hook.

        Returns:
            The first plugin that answers, and its answer; None if none does.
        """
        args = {name: tuple(value) if isinstance(value, list) else value for name, value in args.items()}
        for plugin in self._asked.get(hook, ()):
            if plugin.off:
                continue
            try:
                said = self._ask(plugin, hook, args)
            except PluginFailed:
                continue
            if said is not None:
                return plugin.name, said
        return None

    def vetoes(self, hook: str, **args: Any) -> list[str]:
        """Every refusal, with the plugin's name before it. A plugin that fails, or has been switched off, refuses."""
        refusals = []
        for plugin in self._asked.get(hook, ()):
            try:
                said = self._ask(plugin, hook, args)
            except PluginFailed as error:
                refusals.append(str(error))
            else:
                if said is not None:
                    refusals.append(f"{plugin.name}: {said}")
        return refusals

    def hand_over(self, hook: str, **args: Any) -> str | None:
        """Give something to every plugin that implements a ``hand_over_`` hook, one after another.

        Returns:
            The first answer that is one.

        Raises:
            PluginFailed: one raised, hung, is switched off, or answered what can't be an answer.
            MailcrmError: what it raised itself of our errors.
        """
        answers = []
        for plugin in self._asked.get(hook, ()):
            try:
                work = partial(plugin.hooks[hook], **plugin.given(hook, args))
                answers.append(answer(hook, plugin.act(hook, work, self._work_seconds), args))
            except MailcrmError:
                raise
            except Exception as error:
                raise self._failure(plugin, hook, error) from error
        return next((str(each) for each in answers if each is not None), None)

    def start(self, app_of: Callable[[str], App]) -> None:
        """Tell every plugin that the program starts; a failure is logged and counted.

        Args:
            app_of: gives each plugin, by name, what it may use of the program.
        """
        for plugin in self._asked.get("on_start", ()):
            try:
                self._call(plugin, "on_start", {"app": app_of(plugin.name)}, self._work_seconds)
            except PluginFailed:
                continue

    def deliver(self, plugin_name: str, event: Event) -> None:
        """Tell one plugin of one event.

        Raises:
            PluginFailed: it raised, hung, or is switched off.
        """
        self._call(self._plugins[plugin_name], "on_event", {"event": event}, self._work_seconds)

    def is_off(self, plugin_name: str) -> bool:
        """True for a loaded plugin that was switched off because it hung."""
        return self._plugins[plugin_name].off is not None

    def new_failures(self) -> dict[str, tuple[int, str]]:
        """By plugin, how often it failed since this was last asked, and how the last time."""
        found = {}
        for plugin in self._plugins.values():
            if count := plugin.untold:
                plugin.untold -= count
                found[plugin.name] = count, plugin.error
        return found

    def listing(self) -> list[Listed]:
        """Every plugin that was found, by name, those kept out too."""
        loaded = [
            Listed(
                name=plugin.name,
                state="off" if plugin.off else "on",
                place=plugin.place,
                where=plugin.where,
                hooks=tuple(sorted(plugin.hooks)),
                brings=tuple(one.name for one in plugin.offers),
                reason=plugin.off or "",
                calls=plugin.calls,
                failures=plugin.failures,
                error=plugin.error,
                seconds=round(plugin.seconds, 3),
            )
            for plugin in self._plugins.values()
        ]
        return sorted([*loaded, *self._kept_out], key=lambda listed: (listed.name, listed.where))

    def problems(self) -> list[str]:
        """What the operator should mend: plugins that are refused or off, names in the configuration that fit none."""
        listing = self.listing()
        known = [listed.name for listed in listing]
        faults = [
            f"plugin {listed.name}: {listed.reason} ({listed.where})"
            for listed in listing
            if listed.state in ("refused", "off")
        ]
        names = [(f"plugins.config.{name}", name) for name in self._config]
        names += [(f"plugins.block: {name}", name) for name in sorted(self._blocked)]
        for where, name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                faults.append(f"{where}: there is no plugin {name}" + (f"; did you mean {near[0]}?" if near else ""))
            elif name in self._plugins and name in self._config and "register_config" not in self._plugins[name].hooks:
                faults.append(f"{where}: the plugin {name} takes no settings; remove the section")
        return faults

    def _admit(self, found: Found) -> None:
        if not _NAME.fullmatch(found.name):
            raise Unfit("its name must be letters, digits, _ and - (at most 100)")
        if (other := self._plugins.get(found.name)) is not None:
            raise Unfit(f"{other.where} is called {found.name} too and came first; rename or block one of them")
        loader = Lane(f"plugin {found.name}: loading")
        module = loader.call(found.load, self._work_seconds)
        plugin = Plugin(found.name, found.place, found.where, implementations(module))
        if make := plugin.hooks.get("register_config"):
            kind = loader.call(make, self._work_seconds)
            section = f"plugins.config.{found.name}"
            plugin.config = loader.call(
                lambda: fill(kind, self._config.get(found.name), section, self._base), self._work_seconds
            )
        plugin.offers = tuple(
            one
            for sort, hook in OFFER_HOOKS.items()
            if (make := plugin.hooks.get(hook))
            for one in read(sort, loader.call(partial(make, **plugin.given(hook, {})), self._work_seconds))
        )
        for other, reason in self._shelf.giving_way(plugin).items():
            self._evict(other, reason)
        self._pluggy.register(module, name=found.name)
        self._plugins[found.name] = plugin
        self._shelf.put(plugin)
        self._order()

    def _without_events(self) -> list[Listed]:
        """Keep out the plugins with a trigger on an event that nobody brings, now that all are loaded; names them."""
        kept_out = []
        while orphan := self._shelf.orphan():
            kept_out.append(self._evict(*orphan))
        return kept_out

    def _evict(self, plugin: Plugin, reason: str) -> Listed:
        self._pluggy.unregister(name=plugin.name)
        self._shelf.take_off(plugin)
        del self._plugins[plugin.name]
        self._order()
        self._kept_out.append(Listed(plugin.name, "refused", plugin.place, plugin.where, reason=reason))
        return self._kept_out[-1]

    def _order(self) -> None:
        self._asked = {
            hook: tuple(
                self._plugins[one.plugin_name] for one in reversed(getattr(self._pluggy.hook, hook).get_hookimpls())
            )
            for hook in HOOKS
        }

    def _keep_out(self, found: Found, state: str, reason: str) -> None:
        self._kept_out.append(Listed(found.name, state, found.place, found.where, reason=reason))

    def _ask(self, plugin: Plugin, hook: str, args: Mapping[str, Any]) -> str | int | None:
        said = self._call(plugin, hook, args, self._answer_seconds)
        try:
            return answer(hook, said, args)
        except Unfit as error:
            raise self._failure(plugin, hook, error) from error

    def _call(self, plugin: Plugin, hook: str, args: Mapping[str, Any], seconds: float) -> object:
        try:
            return plugin.call(hook, args, seconds)
        except Exception as error:
            raise self._failure(plugin, hook, error) from error

    def _failure(self, plugin: Plugin, hook: str, error: Exception) -> PluginFailed:
        """Count and log it: with a traceback the first time, not for each of a thousand mails."""
        plugin.failures += 1
        plugin.untold += 1
        plugin.error = f"{hook}: {_reason(error)}"
        failure = PluginFailed(f"{plugin.name} failed in {plugin.error}")
        log.warning("%s", failure, exc_info=error if plugin.failures == 1 else None)
        return failure


def _reason(error: Exception) -> str:
    if isinstance(error, (Unfit, ConfigError)):
        return one_line(str(error))
    if isinstance(error, Hung):
        return "it was not loaded in time"
    if isinstance(error, Ended):
        return f"it tried to end the program ({error})"
    return one_line(f"{type(error).__name__}: {error}")
