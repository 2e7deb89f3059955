"""Every hook that a plugin may implement. The prefix tells what a failure means:

``register_``  once, at the start; a plugin that fails is left out and listed.
``choose_``    the first answer that is not None wins; a failure is no answer.
``veto_``      any answer refuses, and so does a failure.
``on_``        after the fact; may be async; a failure is retried and disturbs no other plugin.

A plugin declares only the parameters that it wants. ``config``, wherever it is declared, is the plugin's own
settings: an instance of the dataclass that its ``register_config`` returns, or None without one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pluggy

from mailcrm.core.events import Event
from mailcrm.core.linking import OpenDeal
from mailcrm.core.model import Message

hookspec = pluggy.HookspecMarker("mailcrm")
hookimpl = pluggy.HookimplMarker("mailcrm")


class App(Protocol):
    """What a plugin may use of the running program."""

    @property
    def folder(self) -> Path:
        """A folder of the plugin's own, for whatever it wants to keep."""

    def now(self) -> datetime:
        """The time now, aware, UTC."""

    def emit(self, kind: str, data: Mapping[str, Any], *, person: str | None = None, key: str | None = None) -> bool:
        """Store an event, from ``on_start`` or ``on_event`` (not from ``choose_`` and ``veto_``: they only answer).

        Args:
            kind: one of ``mailcrm event kinds``.
            data: the fields of that kind.
            person: his name, e-mail address or id.
            key: what makes the event one and the same however often it is emitted; give one wherever you can,
                because ``on_event`` may be called twice for one event.

        Returns:
            False if an event with this key was there already.

        Raises:
            Refused: no such kind, or data that don't fit it.
            NotFound: no such person, or several of that name.
            Temporary: the database is locked or away.
        """


@hookspec
def register_config() -> type:
    """The plugin's settings: a dataclass, filled from ``[plugins.config.NAME]``.

    Called once, before any other hook. An unknown key or a wrong value there leaves the plugin out, and the reason is
    listed. A field of type ``str`` may be given as ``{env = "NAME"}`` or ``{file = "PATH"}``. A plugin with a field
    that has no default is idle, and costs nothing, until its section is written.
    """
    return object  # what a plugin returns instead is asked for; this is never called


@hookspec
def choose_person(message: Message, config: Any) -> str | None:
    """Whose message is this? Asked once for each new message.

    Returns:
        The e-mail address of the outside person it comes from (or, outgoing, goes to), instead of what its header
        says; None leaves it to the rules.
    """


@hookspec
def choose_deal(message: Message, deals: Sequence[OpenDeal], config: Any) -> int | None:
    """Which of these open deals does the message belong to? Asked before the rules, and before the rep is.

    Args:
        deals: the open deals of its persons and, if so configured, of their organization; at least one.

    Returns:
        The id of one of ``deals``, or None.
    """


@hookspec
def veto_link(message: Message, config: Any) -> str | None:
    """May this message be linked to persons and deals?

    Returns:
        Why not, in words for the rep; None is no objection.
    """


@hookspec
def on_start(app: App, config: Any) -> Awaitable[None] | None:
    """The program has started and is about to work."""


@hookspec
def on_event(event: Event, config: Any) -> Awaitable[None] | None:
    """Something happened, and is committed.

    Called at least once for each event: after a crash perhaps twice. If it fails three times, this event is parked for
    this plugin; ``mailcrm plugin retry NAME`` takes it up again.
    """
