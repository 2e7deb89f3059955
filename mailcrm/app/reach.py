"""What an action that reaches outside may use of the program, for one effect: ``hookspecs.Reach``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from mailcrm.app import documents
from mailcrm.app.context import Context
from mailcrm.app.start import plugin_folder
from mailcrm.builtin import who, words
from mailcrm.builtin.documents import of_subject
from mailcrm.builtin.fields import put
from mailcrm.builtin.outside import outside
from mailcrm.core.card import Card
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.errors import Refused
from mailcrm.hookspecs import Reply
from mailcrm.store import events, flows, people
from mailcrm.store.cards import cards

_EVERYTHING = frozenset(each.name for each in fields(Card)) - {"person"}


@dataclass(frozen=True, slots=True)
class FlowReach:
    """The reach of one effect. Everything that it does may be done again for the same key, and is then one.

    Args:
        plugin: whose action it is; None: ours.
    """

    _context: Context
    _effect: Effect
    _subject: Subject
    _plugin: str | None

    @property
    def card(self) -> Card:
        """The person, read now."""
        person = self._subject.person
        if person is None:
            return Card(None)
        with self._context.db.read() as connection:
            return cards(connection, [person], _EVERYTHING, self.now())[person]

    @property
    def email(self) -> str | None:
        """His primary address."""
        return self._first(people.emails)

    @property
    def phone(self) -> str | None:
        """His first number."""
        return self._first(people.phones)

    @property
    def folder(self) -> Path:
        """The plugin's own folder."""
        return plugin_folder(self._context, self._plugin or "mailcrm")

    def now(self) -> datetime:
        """The time now."""
        return self._context.clock()

    def render(self, template: str) -> str:
        """A text of a definition, filled in; the flow's owner is its ``rep``."""
        with self._context.db.read() as connection:
            owner = flows.get(connection, self._effect.chain[-1][0]).owner if self._effect.chain else None
            return words.filled(connection, self._context.config, template, self._subject, owner)

    async def request(
        self, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request to somebody else's server."""
        way = outside(self._context.config, self._context.secret)
        return await way.request(method, url, body=body, headers=headers, effect=self._effect.key)

    def emit(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Store an event that this effect caused."""
        source = f"plugin:{self._plugin}" if self._plugin else "flow"
        now = self.now()
        event = events.NewEvent(
            kind=kind,
            key=f"effect:{self._effect.key}:{kind}",
            person=self._subject.person,
            at=now,
            source=source,
            data=data,
            chain=self._effect.chain,
        )
        plugins = [name for name in self._context.plugins.implementers("on_event") if name != self._plugin]
        with self._context.db.write() as connection:
            new = events.record(connection, event, plugins, now, self._context.registry.kinds)
        if new:
            self._context.changed()
        return new

    def set_field(self, name: str, value: str | float | bool | None) -> None:
        """Set a field of the person."""
        if self._subject.person is None:
            raise Refused(f"there is no person whose field {name} could be set")
        with self._context.db.write() as connection:
            put(connection, self._subject.person, name, value)
        self._context.changed()

    def file_document(self) -> None:
        """See ``builtin.documents.Filing``."""
        with self._context.db.read() as connection:
            found = of_subject(connection, self._subject, who.run(self._effect))
        if found is None:
            raise Refused("there is no document; put document.create before")
        documents.file(self._context, found.id)

    def _first(self, of: Callable[[Connection, list[int]], dict[int, list[str]]]) -> str | None:
        person = self._subject.person
        if person is None:
            return None
        with self._context.db.read() as connection:
            return next(iter(of(connection, [person]).get(person, [])), None)
