"""For authors of plugins: samples of what plugins get, and a host with one plugin.

from mailcrm import testing

host = testing.load("plugins/subject_tag.py")
assert host.choose("choose_deal", message=testing.message(subject="Re: [D-17]"), deals=[testing.deal(17)])
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from mailcrm.app.registry import BUILT_IN
from mailcrm.core import triggers
from mailcrm.core.card import Card
from mailcrm.core.enrollment import Verdict
from mailcrm.core.events import Event, check
from mailcrm.core.letters import fill, first_name
from mailcrm.core.model import Message
from mailcrm.core.registry import ActionType, ConditionType, TriggerType
from mailcrm.errors import MailcrmError, Permanent, Refused
from mailcrm.hookspecs import Reply
from mailcrm.plugins import PluginFailed, PluginHost
from mailcrm.plugins.find import Found, Place, from_file
from mailcrm.testing_samples import NOW as NOW
from mailcrm.testing_samples import address as address
from mailcrm.testing_samples import card as card
from mailcrm.testing_samples import consent as consent
from mailcrm.testing_samples import deal as deal
from mailcrm.testing_samples import document as document
from mailcrm.testing_samples import effect as effect
from mailcrm.testing_samples import event as event
from mailcrm.testing_samples import examples
from mailcrm.testing_samples import letter as letter
from mailcrm.testing_samples import message as message
from mailcrm.testing_samples import samples as samples


@dataclass
class App:
    """What ``on_start`` gets. What the plugin emits is kept in ``emitted``, as (kind, data, person, key)."""

    folder: Path
    at: datetime = NOW
    emitted: list[tuple[str, Mapping[str, Any], str | None, str | None]] = field(default_factory=list)

    def now(self) -> datetime:
        """The time ``at``."""
        return self.at

    def emit(self, kind: str, data: Mapping[str, Any], *, person: str | None = None, key: str | None = None) -> bool:
        """Keep an event; False if its key was there already. Raises Refused as the real one does."""
        if key is not None and any(known == key for *_, known in self.emitted):
            return False
        self.emitted.append((kind, check(kind, data), person, key))
        return True


@dataclass
class Reach:
    """What an action gets as its ``hands``. What it does is kept; ``replies`` are what servers say, one after another.

    Args:
        replies: answers, or errors to be raised; when there are no more, 200 and no text.
        requests: what was sent, as (method, url, body, headers).
        fields: what ``set_field`` set.
    """

    folder: Path
    card: Card = field(default_factory=lambda: card())
    email: str | None = "jan@klient.example"
    phone: str | None = "+48 600 100 200"
    at: datetime = NOW
    replies: list[Reply | Exception] = field(default_factory=list)
    requests: list[tuple[str, str, Any, Mapping[str, str]]] = field(default_factory=list)
    emitted: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    fields: dict[str, str | float | bool | None] = field(default_factory=dict)

    def now(self) -> datetime:
        """The time ``at``."""
        return self.at

    def render(self, template: str) -> str:
        """Filled in with the card's name, address, number and fields."""
        name = str(self.card.fields.get("name", ""))
        known = {"name": name, "first_name": first_name(name), "email": self.email, "phone": self.phone}
        given = {key: value for key, value in known.items() if value}
        return fill(template, {"person": given | {"fields": {**self.card.fields, **self.fields}}})

    async def request(
        self, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Keep the request, and answer with the next of ``replies``."""
        self.requests.append((method, url, body, dict(headers or {})))
        reply = self.replies.pop(0) if self.replies else Reply(200, "")
        if isinstance(reply, Exception):
            raise reply
        return reply

    def emit(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Keep an event; False if one of its kind was kept already."""
        if any(known == kind for known, _ in self.emitted):
            return False
        self.emitted.append((kind, dict(data)))
        return True

    def set_field(self, name: str, value: str | float | bool | None) -> None:
        """Keep a field."""
        self.fields[name] = value


def matches(tested: PluginHost, trigger: str, told: Event, **where: Any) -> bool:
    """What a plugin's trigger says of an event. Raises PluginFailed if it fails, which in a flow is no match."""
    with _strictly(tested):
        return tested.registry().triggers[trigger].matches(told, where)


def judge(tested: PluginHost, condition: str, of: Card, *, now: datetime = NOW, **args: Any) -> Verdict:
    """What a plugin's condition says of a card. Raises PluginFailed if it fails."""
    with _strictly(tested):
        return tested.registry().conditions[condition].test(of, args, now)


def act(tested: PluginHost, action: str, hands: Reach, *, key: str = "12.3.0", **args: Any) -> None:
    """Have a plugin's action carried out. Raises what it raises of ours (Permanent …), else PluginFailed."""
    run = tested.registry().actions[action].run
    if run is None:
        raise Refused(f"the action {action} is no plugin's")
    asyncio.run(_awaited(run(hands, effect(action, key=key, **args))))


def load(file: str | Path, config: Mapping[str, Any] | None = None, *, seconds: float = 5.0) -> PluginHost:
    """A host with the plugin in ``file``.

    Args:
        config: its section of the configuration.
        seconds: how long a hook may take.

    Raises:
        Refused: it can't be loaded; the text says why.
    """
    return only(from_file(Path(file)), config, seconds=seconds)


def host(
    plugin: object, config: Mapping[str, Any] | None = None, *, name: str = "plugin", seconds: float = 5.0
) -> PluginHost:
    """A host with one plugin: any object whose methods are marked with ``hookimpl``. See ``load``."""
    return only(Found(name, Place.FOLDER, "given", lambda: plugin), config, seconds=seconds)


def only(
    found: Found, config: Mapping[str, Any] | None = None, *, base: Path = Path(), seconds: float = 5.0
) -> PluginHost:
    """A host with one plugin, wherever it was found; ``base`` is that of PluginHost. See ``load``."""
    sections = {} if config is None else {found.name: config}
    made = PluginHost(config=sections, known=BUILT_IN, base=base, answer_seconds=seconds, work_seconds=seconds)
    made.add(found)
    for listed in made.listing():
        if listed.state != "on":
            raise Refused(f"the plugin {listed.name} is {listed.state}: {listed.reason}")
    return made


@dataclass(frozen=True, slots=True)
class Trial:
    """What a hook did with one sample. ``said`` is its answer as text; ``failed`` why it failed, or ""."""

    hook: str
    sample: str
    said: str = ""
    failed: str = ""


def trials(tested: PluginHost, folder: Path) -> Iterator[Trial]:
    """Call every hook of the plugin in ``tested`` with samples. ``on_`` hooks really do what they do.

    Args:
        folder: what ``app.folder`` is.
    """
    for hook, sample, call in _calls(tested, folder):
        before = sum(listed.failures for listed in tested.listing())
        said = call()
        listing = tested.listing()
        bad = sum(listed.failures for listed in listing) > before
        yield Trial(hook, sample, "" if bad else said, "; ".join(listed.error for listed in listing) if bad else "")


def _calls(tested: PluginHost, folder: Path) -> Iterator[tuple[str, str, Callable[[], str]]]:
    def start() -> str:
        tested.start(lambda _name: App(folder))
        return ""

    def choose(hook: str, **args: Any) -> str:
        answer = tested.choose(hook, **args)
        return "" if answer is None else str(answer[1])

    def veto(sample: Message) -> str:
        return "; ".join(tested.vetoes("veto_link", message=sample))

    def veto_send() -> str:
        return "; ".join(tested.vetoes("veto_send", letter=letter(), consent=consent()))

    def hand_over(kind: str) -> str:
        try:
            return tested.hand_over("hand_over_document", document=document(kind), pdf=b"%PDF-1.7\n") or ""
        except MailcrmError as error:
            return "" if isinstance(error, PluginFailed) else f"{type(error).__name__}: {error}"

    def deliver(plugin: str, told: Event) -> str:
        with suppress(PluginFailed):
            tested.deliver(plugin, told)
        return ""

    yield from _offer_calls(tested, folder)
    if tested.has("on_start"):
        yield "on_start", "", start
    if tested.has("veto_send"):
        yield "veto_send", "letter", veto_send
    for kind in ("invoice", "invoice", "offer"):  # once more for the same key, as after a crash
        if tested.has("hand_over_document"):
            yield "hand_over_document", kind, partial(hand_over, kind)
    for name, sample in samples().items():
        if tested.has("choose_person"):
            yield "choose_person", name, partial(choose, "choose_person", message=sample)
        if tested.has("choose_deal"):
            yield "choose_deal", name, partial(choose, "choose_deal", message=sample, deals=(deal(17), deal(18)))
        if tested.has("veto_link"):
            yield "veto_link", name, partial(veto, sample)
    kinds = tested.registry().kinds
    for plugin in tested.implementers("on_event"):
        for number, kind in enumerate(kinds, 1):
            yield "on_event", kind, partial(deliver, plugin, event(kind, id=number, kinds=kinds))


def _offer_calls(tested: PluginHost, folder: Path) -> Iterator[tuple[str, str, Callable[[], str]]]:
    """Triggers, conditions and actions, each with examples of what it may be given; actions get ``Reach`` of ours."""
    known, brought = BUILT_IN, tested.registry()

    def ask(one: TriggerType, told: Event, where: Mapping[str, Any]) -> str:
        return "yes" if one.matches(told, where) else "no"

    def test(one: ConditionType, of: Card, args: Mapping[str, Any]) -> str:
        try:
            said = one.test(of, args, NOW)
        except Permanent:
            return ""
        return f"{'yes' if said.holds else 'no'}: {said.expected}; {said.actual}"

    def run(one: ActionType, args: Mapping[str, Any], key: str) -> str:
        hands = Reach(folder)
        try:
            act(tested, one.name, hands, key=key, **args)
        except PluginFailed:
            return ""
        except MailcrmError as error:
            return f"{type(error).__name__}: {error}"
        return "; ".join(f"{method} {url}" for method, url, *_ in hands.requests)

    own = (one for name, one in brought.triggers.items() if name not in known.triggers)
    for trigger in (one for one in own if one.matches is not triggers.matches):
        told = event(trigger.event, kinds=brought.kinds)
        for where in ({}, {name: value for name, value in told.data.items() if value is not None}):
            yield f"trigger {trigger.name}", str(where), partial(ask, trigger, told, where)
    for condition in (one for name, one in brought.conditions.items() if name not in known.conditions):
        for of in (card(), Card(3), Card(None)):
            args = examples(condition.params)
            yield f"condition {condition.name}", f"{args} of {of.person}", partial(test, condition, of, args)
    for action in (one for name, one in brought.actions.items() if name not in known.actions):
        for key in ("12.3.0", "12.3.0", "12.4.0"):  # once more for the same key, as after a crash
            args = examples(action.params)
            yield f"action {action.name}", f"{key} {args}", partial(run, action, args, key)


@contextmanager
def _strictly(tested: PluginHost) -> Iterator[None]:
    """A failure that flows take as an answer, raised."""
    before = sum(listed.failures for listed in tested.listing())
    problem = ""
    try:
        yield
    except Permanent as error:
        problem = str(error)
    errors = [listed.error for listed in tested.listing() if listed.error]
    if problem or sum(listed.failures for listed in tested.listing()) > before:
        raise PluginFailed(problem or "; ".join(errors))


async def _awaited(work: Awaitable[None]) -> None:
    await work
