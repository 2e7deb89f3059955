"""One loaded plugin: its settings, its threads, its record."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from mailcrm.plugins.find import Place
from mailcrm.plugins.lane import Hung, Lane
from mailcrm.plugins.verify import Unfit, parameters


class Plugin:
    """A plugin that passed every check.

    Questions (``choose_``, ``veto_``) are put to it on one thread of its own, what happens (``on_``) is told on
    another: so each sort of call comes one after another, and slow work on an event holds up no question.
    """

    def __init__(self, name: str, place: Place, where: str, hooks: Mapping[str, Callable[..., Any]]) -> None:
        self.name = name
        self.place = place
        self.where = where
        self.hooks = hooks
        self.config: object = None
        self.off: str | None = None
        self.calls = self.failures = 0
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
        if self.off:
            raise Unfit(f"it is switched off: {self.off}")
        function, wanted = self.hooks[hook], self._wanted[hook]
        given = {name: value for name, value in (*args.items(), ("config", self.config)) if name in wanted}
        self.calls += 1
        began = time.monotonic()
        try:
            if hook.startswith("on_"):
                # A coroutine that is late is cancelled; only one that does not yield to that counts as hung.
                return self._happenings.call(lambda: _run(function(**given), seconds), seconds + 1)
            return self._questions.call(lambda: function(**given), seconds)
        except Hung:
            self.off = f"{hook} was not over after {seconds:g} s"
            raise Unfit(f"it is switched off until the next start: {self.off}") from None
        finally:
            self.seconds += time.monotonic() - began


def _run(said: object, seconds: float) -> None:
    if inspect.iscoroutine(said):
        asyncio.run(_within(said, seconds))
    elif inspect.isgenerator(said) or inspect.isasyncgen(said):
        raise Unfit("it returned a generator, so nothing of it was done")


async def _within(work: Coroutine[Any, Any, object], seconds: float) -> None:
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            await work
    except TimeoutError:
        if deadline.expired():
            raise Unfit(f"it was not over after {seconds:g} s") from None
        raise
