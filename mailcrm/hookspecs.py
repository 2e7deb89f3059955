"""Every hook that a plugin may implement. The prefix tells what a failure means:

``register_``  once, at the start; a plugin that fails is left out and listed.
``choose_``    the first answer that is not None wins; a failure is no answer.
``veto_``      any answer refuses, and so does a failure.
``hand_over_`` something of ours to another system; may be async; a failure is retried with the same key, for days.
``on_``        after the fact; may be async; a failure is retried and disturbs no other plugin.

A plugin declares only the parameters that it wants. ``config``, wherever it is declared, is the plugin's own
settings: an instance of the dataclass that its ``register_config`` returns, or None without one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pluggy

from mailcrm.core.card import Card
from mailcrm.core.documents import Document
from mailcrm.core.events import Event, EventKind
from mailcrm.core.linking import OpenDeal
from mailcrm.core.model import Message
from mailcrm.core.outgoing import Outgoing, SenderConsent
from mailcrm.core.registry import ActionType, ConditionType, TriggerType

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


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered to an action: its status (200 to 299) and the beginning of its text."""

    status: int
    text: str


class Reach(Protocol):
    """All of the world that an action may touch: what ``run`` gets as its ``hands``."""

    @property
    def card(self) -> Card:
        """Whom it is about, every part filled, as of now."""

    @property
    def email(self) -> str | None:
        """His primary e-mail address."""

    @property
    def phone(self) -> str | None:
        """The first of his telephone numbers, as it was written."""

    @property
    def folder(self) -> Path:
        """A folder of the plugin's own, the same as ``App.folder``."""

    def now(self) -> datetime:
        """The time now, aware, UTC."""

    def render(self, template: str) -> str:
        """A text of a definition with its ``{{ person.first_name }}`` filled in.

        Raises:
            Refused: it is no template, or asks for what this person does not have.
        """

    async def request(
        self, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Make one HTTPS request to a public address, or to a network that ``[outside] allow`` names.

        It carries ``Idempotency-Key`` (the effect's key: a repeated request is known by it) and, if there is a
        body, ``X-Mailcrm-Signature: sha256=HEX`` (HMAC of the body with the text of ``web.secret``).

        Args:
            body: text is sent as it is, anything else as JSON.

        Raises:
            Permanent: the address may not be asked, or the server refused (a status of 3xx or 4xx).
            Temporary: it can't be reached, is too slow, or is overloaded (408, 425, 429, 5xx).
        """

    def emit(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Store an event of this person, once for this effect and kind; False if it was there. Raises as App.emit."""

    def set_field(self, name: str, value: str | float | bool | None) -> None:
        """Set a field of this person (as ``field.set`` does); None removes it. Raises Refused: there is no person."""


@hookspec
def register_config() -> type:
    """The plugin's settings: a dataclass, filled from ``[plugins.config.NAME]``.

    Called once, before any other hook. An unknown key or a wrong value there leaves the plugin out, and the reason is
    listed. A field of type ``str`` may be given as ``{env = "NAME"}`` or ``{file = "PATH"}``. A plugin with a field
    that has no default is idle, and costs nothing, until its section is written.
    """
    return object  # what a plugin returns instead is asked for; this is never called


@hookspec
def register_events(config: Any) -> Sequence[EventKind]:
    """The kinds of events that the plugin brings. They can be emitted, and named by ``on`` in a flow, from then on.

    A kind's name is unique: who comes second is left out. Only one that comes with us makes room for one of yours.
    """
    return ()


@hookspec
def register_triggers(config: Any) -> Sequence[TriggerType]:
    """Further names for ``on``: an event kind and a test of the event.

    A kind can be named by ``on`` without that; then ``where`` asks its fields to be equal.

    ``matches(event, where)`` is pure and quick, and answers True or False. One that fails is no match.
    """
    return ()


@hookspec
def register_conditions(config: Any) -> Sequence[ConditionType]:
    """Questions that ``if`` may ask about a contact.

    ``test(card, args, now)`` is pure and quick, and answers a ``Verdict``. One that fails ends the run it was asked
    for as failed, with the plugin's name in the reason.
    """
    return ()


@hookspec
def register_actions(config: Any) -> Sequence[ActionType]:
    """What ``do`` may do in the world outside.

    ``async run(hands, effect)`` is told ``Reach`` and ``Effect``, and reaches the world through the former alone. It
    may be called again for the same ``effect.key``, after a crash or a failure, and must then do nothing twice.
    ``Permanent`` ends the run as failed with that reason; any other exception lets it be tried again, later each time.
    """
    return ()


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
def veto_send(letter: Outgoing, consent: SenderConsent, config: Any) -> str | None:
    """May this automatic letter leave? Asked at the moment of sending, for every letter that all else lets pass.

    Args:
        letter: as it goes out.
        consent: the sender's, by which it goes out.

    Returns:
        Why not: the letter fails, and its flow's run, with that reason; None is no objection.
    """


@hookspec
def hand_over_document(document: Document, pdf: bytes, config: Any) -> Awaitable[str | None] | str | None:
    """An invoice or offer was issued, for a system of your own.

    Called again with the same ``document.key`` after a crash or a failure: then hand over nothing twice. What waits
    for the document, such as the mail that brings it, waits meanwhile. ``Permanent`` ends that run as failed, with that
    reason; any other exception lets it be tried again, later each time, for five days.

    Args:
        document: as it was issued; it never changes.
        pdf: the file, whole.

    Returns:
        What it is called there: a number or an address, kept beside ours; None: nothing is kept.
    """
    return None


@hookspec
def on_start(app: App, config: Any) -> Awaitable[None] | None:
    """The program has started and is about to work."""


@hookspec
def on_event(event: Event, config: Any) -> Awaitable[None] | None:
    """Something happened, and is committed.

    Called at least once for each event: after a crash perhaps twice. If it fails three times, this event is parked for
    this plugin; ``mailcrm plugin retry NAME`` takes it up again.
    """
