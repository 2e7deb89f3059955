"""One loaded plugin: its settings, its threads, its record."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from mailcrm.errors import Temporary
from mailcrm.plugins.find import Place
from mailcrm.plugins.lane import Hung, Lane
from mailcrm.plugins.offers import Offer
from mailcrm.plugins.verify import Unfit, parameters

_GRACE = 1.0  # seconds that a coroutine has for its end once it is cancelled


class PluginFailed(Temporary):
    """A plugin did not do what it was told; the text names it and says why."""


class Plugin:
    """A plugin that passed every check.

    Questions (``choose_``, ``veto_``) are put to it on one thread of its own, what happens (``on_``) is told on
    another: so each sort of call comes one after another, and slow work on an event holds up no question. What it is to
    do outside (actions, ``hand_over_``) may go on several times at once.
    """

    def __init__(self, name: str, place: Place, where: str, hooks: Mapping[str, Callable[..., Any]]) -> None:
        self.name = name
        self.place = place
        self.where = where
        self.hooks = hooks
        self.config: object = None
        self.offers: tuple[Offer, ...] = ()
        self.off: str | None = None
        self.calls = self.failures = self.untold = 0
        self.seconds = 0.0
        self.error = ""
        self._wanted = {hook: parameters(function) for hook, function in hooks.items()}
        self._questions = Lane(f"plugin {name}: questions")
        self._happenings = Lane(f"plugin {name}: happenings")

    def call(self, hook: str, args: Mapping[str, Any], seconds: float) -> object:
        """Call one hook with those of ``args`` that it declares; a coroutine is run to its end.

        Raises:
            Unfit: it is switched off, or hangs and is switched off now.
            Exception: whatever the plugin raises.
        """
        given = self.given(hook, args)
        if hook.startswith("on_"):
            # A coroutine that is late is cancelled; only one that does not yield to that counts as hung.
            work = partial(_run, partial(self.hooks[hook], **given), seconds)
            return self._on(self._happenings, hook, work, seconds, _GRACE)
        return self.ask(hook, partial(self.hooks[hook], **given), seconds)

    def given(self, hook: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``args``, and its settings, that its implementation of the hook declares."""
        wanted = self._wanted[hook]
        return {name: value for name, value in (*args.items(), ("config", self.config)) if name in wanted}

    def ask(self, what: str, function: Callable[[], object], seconds: float) -> object:
        """Put a question to it; ``what`` names it, should it hang. Raises as ``call``."""
        return self._on(self._questions, what, function, seconds)

    def act(self, what: str, function: Callable[[], object], seconds: float) -> object:
        """Have it do something, beside whatever else it is doing; a late one is cancelled. Raises as ``call``."""
        return self._on(Lane(f"plugin {self.name}: {what}"), what, partial(_run, function, seconds), seconds, _GRACE)

    def _on(self, lane: Lane, what: str, function: Callable[[], object], seconds: float, grace: float = 0) -> object:
        if self.off:
            raise Unfit(f"it is switched off: {self.off}")
        self.calls += 1
        began = time.monotonic()
        try:
            return lane.call(function, seconds + grace)
        except Hung:
            self.off = f"{what} was not over after {seconds:g} s"
            raise Unfit(f"it is switched off until the next start: {self.off}") from None
        finally:
            self.seconds += time.monotonic() - began


def _run(function: Callable[[], object], seconds: float) -> object:
    said = function()
    if inspect.iscoroutine(said):
        return asyncio.run(_within(said, seconds))
    if inspect.isgenerator(said) or inspect.isasyncgen(said):
        raise Unfit("it returned a generator, so nothing of it was done")
    return said


async def _within(work: Coroutine[Any, Any, object], seconds: float) -> object:
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await work
    except TimeoutError:
        if deadline.expired():
            raise Unfit(f"it was not over after {seconds:g} s") from None
        raise
