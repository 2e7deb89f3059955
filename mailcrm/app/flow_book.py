"""Compiled flows, and which of them an event concerns. Read anew when a flow was applied, activated or removed."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from mailcrm.config import Config
from mailcrm.core import triggers
from mailcrm.core.calendar import SubjectCalendar
from mailcrm.core.comparing import listed, text_key
from mailcrm.core.definitions import SequenceDefinition, StopOnReply, parse, to_flow
from mailcrm.core.events import Event
from mailcrm.core.flow import Flow, FlowKind, If, On, Switch
from mailcrm.core.registry import Registry
from mailcrm.errors import Refused
from mailcrm.store import flows, reactions, users
from mailcrm.store.flows import StoredFlow

REPLIED = "mail.replied"
_EVERY = tuple(FlowKind)
_UTC = SubjectCalendar(ZoneInfo("UTC"))
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Compiled:
    """One version of a flow, ready to be walked.

    Args:
        stored: the flow as it is now, whatever its version is.
        needs: the parts of the contact card that its conditions read.
        stop_on_reply: whose reply ends a run.
    """

    stored: StoredFlow
    flow: Flow
    needs: frozenset[str] = frozenset()
    stop_on_reply: StopOnReply = StopOnReply.NO


@dataclass(slots=True)
class _Index:
    """The flows that a kind of event lets people into: by one field's text where they ask for one, else all."""

    asked: dict[str, dict[str, list[Compiled]]] = field(default_factory=dict)
    others: list[Compiled] = field(default_factory=list)


class Flows:
    """Every flow that is not removed, as of the moment that ``mark`` names; safe to be shared between threads."""

    def __init__(
        self,
        registry: Registry,
        calendars: Mapping[int, SubjectCalendar],
        current: Iterable[tuple[StoredFlow, str]],
        mark: str = "",
    ) -> None:
        self.mark = mark
        self._registry = registry
        self._calendars = calendars
        self._versions: dict[tuple[int, int], Compiled | None] = {}
        self._campaigns: dict[int, str] = {}  # compiled when asked for: they let nobody in, and there may be many
        self.stored: dict[int, StoredFlow] = {}
        self._by_kind: defaultdict[str, _Index] = defaultdict(_Index)
        self.ended_by_reply: dict[int, StopOnReply] = {}
        for stored, text in current:
            self.stored[stored.id] = stored
            if stored.kind is FlowKind.CAMPAIGN:
                self._campaigns[stored.id] = text
                continue
            compiled = self._compile(stored, stored.version, text)
            if compiled is not None and compiled.stop_on_reply is not StopOnReply.NO:
                self.ended_by_reply[stored.id] = compiled.stop_on_reply
            if compiled is not None and stored.active_since is not None and stored.item == "person":
                self._enter(compiled)

    def current(self, number: int) -> Compiled | None:
        """The flow's current version; None if it is removed, or can't be compiled any more."""
        stored = self.stored.get(number)
        if stored is None:
            return None
        if (number, stored.version) not in self._versions:
            return self._compile(stored, stored.version, self._campaigns[number])
        return self._versions[number, stored.version]

    def version(self, connection: Connection, number: int, version: int) -> Compiled | None:
        """The version that an enrollment walks. A sequence's positions always go on in the current one."""
        key = number, version
        if key not in self._versions:
            stored = self.stored.get(number)
            if stored is not None and stored.kind is FlowKind.SEQUENCE:
                return self.current(number)
            stored = stored or flows.get(connection, number)
            self._compile(stored, version, flows.text(connection, number, version))
        return self._versions[key]

    def let_in_by(self, event: Event) -> Iterable[Compiled]:
        """The active flows that this event may let its person into; a flow's own test has the last word."""
        index = self._by_kind.get(event.kind)
        if index is None:
            return ()
        found = {each.stored.id: each for each in index.others}
        for name, by_text in index.asked.items():
            given = listed(event.data.get(name))
            if all(isinstance(value, str) for value in given):
                met = [each for value in given for each in by_text.get(text_key(value) or "", ())]
                if any(text_key(value) is None for value in given):  # a date: only the test can tell
                    met = [each for flows_of in by_text.values() for each in flows_of]
            else:
                met = [each for flows_of in by_text.values() for each in flows_of]
            found |= {each.stored.id: each for each in met}
        return [found[number] for number in sorted(found)]

    def named(self, name: str) -> StoredFlow | None:
        """The flow of exactly this name; no campaign, for several may have one name, and nobody joins one."""
        flows = (stored for stored in self.stored.values() if stored.kind is not FlowKind.CAMPAIGN)
        return next((stored for stored in flows if stored.name == name), None)

    def is_at_rest(self, number: int) -> bool:
        """Whether it is a campaign that is paused or stopped: what is due there waits until it goes on."""
        stored = self.stored.get(number)
        return stored is not None and stored.active_since is None and stored.kind is FlowKind.CAMPAIGN

    def rep(self, owner: int | None) -> SubjectCalendar:
        """The calendar of a flow's owner."""
        return self._calendars.get(owner or 0, _UTC)

    def awaited(self) -> frozenset[str]:
        """The kinds of events that any version read so far waits for."""
        return frozenset(kind for compiled in self._versions.values() if compiled for kind in compiled.flow.by_kind)

    @property
    def stands_still(self) -> bool:
        """Whether there is a flow, of the versions read so far, that can't be compiled any more."""
        return None in self._versions.values()

    def kinds(self, connection: Connection) -> frozenset[str]:
        """The kinds of events that some flow waits for, whether it lets people in or has some inside."""
        found = {REPLIED} if self.ended_by_reply else set()
        walked = [each for each in flows.walked(connection) if each[0] not in self._campaigns]  # those wait for none
        for number, version in walked:
            if (compiled := self.version(connection, number, version)) is not None:
                found |= compiled.flow.by_kind.keys()
        for number in self.stored.keys() - self._campaigns:
            stored = self.stored[number]
            if stored.active_since is not None and (compiled := self.current(number)) is not None:
                found |= compiled.flow.by_kind.keys()
        return frozenset(found)

    def _compile(self, stored: StoredFlow, version: int, text: str) -> Compiled | None:
        try:
            # Steps were counted when it was applied; the limit may have been lowered since.
            definition = parse(text, f"{stored.name}.toml", self._registry, max_steps=len(text))
            flow = to_flow(definition, self._registry, id=stored.id, version=version)
        except Refused as error:  # what it names was a plugin's that has gone: it waits for its return
            log.warning("the %s %r stands still: %s", stored.kind, stored.name, error)
            compiled = None
        else:
            stop = definition.stop_on_reply if isinstance(definition, SequenceDefinition) else StopOnReply.NO
            compiled = Compiled(stored, flow, _needs(flow, self._registry), stop)
        self._versions[stored.id, version] = compiled
        return compiled

    def _enter(self, compiled: Compiled) -> None:
        flow = compiled.flow
        for kind, names in flow.by_kind.items():
            index = self._by_kind[kind]
            for name in names:
                if name not in flow.entries and name not in flow.overtaking:
                    continue
                node = flow.nodes[name]
                asked = _text_asked(flow, node) if isinstance(node, On) else None
                if asked is None:
                    index.others.append(compiled)
                    continue
                field_name, keys = asked
                for key in keys:
                    index.asked.setdefault(field_name, {}).setdefault(key, []).append(compiled)


class FlowBook:
    """The flows of a database, compiled when first asked for and whenever one has changed."""

    def __init__(self, registry: Registry, config: Config) -> None:
        self._registry, self._config = registry, config
        self._read: Flows | None = None
        self._lock = threading.Lock()

    def read(self, connection: Connection) -> Flows:
        """The flows as of now."""
        mark = reactions.mark(connection)
        with self._lock:
            if self._read is None or self._read.mark != mark or not mark:
                self._read = self._compiled(connection, mark)
            return self._read

    def publish(self, connection: Connection, now: datetime) -> None:
        """Make a change of flows known to every process, and keep from now on the events that they wait for.

        To be called in the transaction of each change: applied, activated, deactivated, removed.
        """
        reactions.change(connection, now)
        compiled = self._compiled(connection)
        kinds = compiled.kinds(connection)
        if compiled.stands_still:  # what it waits for can't be told; its plugin may come back
            kinds |= reactions.wanted(connection)
        reactions.want(connection, kinds, now)

    def expect(self, connection: Connection, flow: Flow, now: datetime) -> None:
        """Keep from now on the events that a flow waits for, which is about to let people in.

        To be called in a transaction of its own before that: whoever is storing an event at the same moment may not see
        what another transaction publishes, and the event would be missed though it is as young as the activation.
        """
        reactions.change(connection, now)
        kept = reactions.wanted(connection)
        if not flow.by_kind.keys() <= kept:
            reactions.want(connection, kept | flow.by_kind.keys(), now)

    def change(self, connection: Connection, now: datetime) -> None:
        """From now on nobody enters a flow, and nobody else changes one, until the transaction ends."""
        reactions.change(connection, now)

    def _compiled(self, connection: Connection, mark: str = "") -> Flows:
        calendars = {
            user.id: SubjectCalendar(entry.zone, entry.hours())
            for user in users.every(connection)
            if (entry := self._config.users.get(user.key)) is not None
        }
        return Flows(self._registry, calendars, flows.current(connection, _EVERY), mark)


def _needs(flow: Flow, registry: Registry) -> frozenset[str]:
    found: set[str] = set()
    for node in flow.nodes.values():
        if isinstance(node, If):
            asked = [condition for group in node.groups for condition in group]
        elif isinstance(node, Switch):
            asked = [condition for condition, _ in node.cases]
        else:
            continue
        found.update(*(registry.conditions[c.name].needs for c in asked if c.name in registry.conditions))
    return frozenset(found)


def _text_asked(flow: Flow, node: On) -> tuple[str, list[str]] | None:
    """A field of which the node asks for given texts, and their keys; None if only its test can tell what it asks."""
    if flow.triggers[node.trigger].matches is not triggers.matches:
        return None
    for name, asked in node.where.items():
        keys = [text_key(value) for value in listed(asked)]
        if keys and None not in keys:
            return name, [key for key in keys if key is not None]
    return None
