"""For authors of plugins: samples of what plugins get, and a host with one plugin.

from mailcrm import testing

host = testing.load("plugins/subject_tag.py")
assert host.choose("choose_deal", message=testing.message(subject="Re: [D-17]"), deals=[testing.deal(17)])
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parseaddr
from functools import partial
from pathlib import Path
from typing import Any

from mailcrm.core.addresses import normalise
from mailcrm.core.events import KINDS, Event, check
from mailcrm.core.linking import OpenDeal
from mailcrm.core.model import Address, Attachment, Message
from mailcrm.errors import Refused
from mailcrm.plugins import PluginFailed, PluginHost
from mailcrm.plugins.find import Found, Place, from_file

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_EXAMPLES: Mapping[str, Any] = {
    "message": "offer-1@klient.example",
    "thread": 5,
    "deal": 17,
    "reason": None,
    "until": None,
    "tag": "vip",
    "stage": "Negotiation",
    "activity": 8,
    "type": "call",
    "flow": "Campaign 1",
    "kind": "workflow",
    "node": "welcome",
    "url": "https://firma.example/offer",
    "grade": "human",
}


def message(
    subject: str = "Offer",
    sender: str = "Jan Kowalski <jan@klient.example>",
    to: Sequence[str] = ("Anna Nowak <anna@firma.example>",),
    text: str = "Could you send us the price list?",
    **more: Any,
) -> Message:
    """A message. Addresses are given as in a header; ``more`` are other fields of ``Message``."""
    fields: dict[str, Any] = {"message_id": "offer-1@klient.example", "date": NOW} | more
    recipients = tuple(address(one) for one in to)
    return Message(from_=address(sender), to=recipients, subject=subject, text=text, **fields)


def address(given: str) -> Address:
    """``Jan Kowalski <jan@klient.example>`` as an Address."""
    name, email = parseaddr(given)
    return Address(name, normalise(email))


def deal(id: int = 17, title: str = "Machine tools", **more: Any) -> OpenDeal:  # noqa: A002 - its name in OpenDeal
    """An open deal; ``more`` are other fields of ``OpenDeal``."""
    fields: dict[str, Any] = {"person": 3, "organization": None, "owner": 1, "stage": "Contact", "created_at": NOW}
    return OpenDeal(id=id, title=title, **fields | more)


def event(kind: str = "mail.received", *, id: int = 1, person: int | None = 3, **data: Any) -> Event:  # noqa: A002
    """An event of that kind. Fields that ``data`` leaves out get an example.

    Raises:
        Refused: no such kind or field, or a value of the wrong type.
    """
    examples = {name: _EXAMPLES[name] for name in KINDS[kind].fields} if kind in KINDS else {}
    return Event(id, kind, person, NOW, "mail", check(kind, examples | data))


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
    made = PluginHost(config=sections, base=base, answer_seconds=seconds, work_seconds=seconds)
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


def samples() -> Mapping[str, Message]:
    """Messages that a plugin must stand: an ordinary one, and some of the odd ones that real mailboxes hold."""
    plain = message()
    return {
        "ordinary": plain,
        "deal number": message(subject="Re: [D-17] Offer"),
        "no sender": replace(plain, from_=None),
        "no address": replace(plain, from_=Address("MAILER-DAEMON", "")),
        "no id, no date": replace(plain, message_id=None, date=None),
        "empty": Message(None, None, None),
        "no text": replace(plain, text=""),
        "Polish": message(subject="Zażółć gęślą jaźń", sender="Łukasz Żak <l.zak@klient.example>"),
        "attachment": replace(plain, attachments=(Attachment("offer.pdf", "application/pdf", 12, "0" * 64),)),
        "long": replace(plain, text="word " * 100_000),
        "many recipients": message(to=[f"p{number}@klient.example" for number in range(1000)]),
        "outgoing": message(sender="anna@firma.example", to=["jan@klient.example"]),
    }


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

    def deliver(plugin: str, told: Event) -> str:
        with suppress(PluginFailed):
            tested.deliver(plugin, told)
        return ""

    if tested.has("on_start"):
        yield "on_start", "", start
    for name, sample in samples().items():
        if tested.has("choose_person"):
            yield "choose_person", name, partial(choose, "choose_person", message=sample)
        if tested.has("choose_deal"):
            yield "choose_deal", name, partial(choose, "choose_deal", message=sample, deals=(deal(17), deal(18)))
        if tested.has("veto_link"):
            yield "veto_link", name, partial(veto, sample)
    for plugin in tested.implementers("on_event"):
        for number, kind in enumerate(KINDS, 1):
            yield "on_event", kind, partial(deliver, plugin, event(kind, id=number))
