"""What the verbs of all records share: addresses as they are accepted, events as they are told."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.core.addresses import normalise
from mailcrm.errors import Refused
from mailcrm.store import events


def addresses(given: Iterable[str]) -> tuple[str, ...]:
    """E-mail addresses, normalised, each once. Raises Refused for what is none."""
    found = {text: normalise(text) for text in given}
    for text, address in found.items():
        if not address:
            raise Refused(f"{text!r} is no e-mail address; write it as name@domain")
    return tuple(dict.fromkeys(found.values()))


def customers(context: Context, given: Iterable[str]) -> tuple[str, ...]:
    """Addresses of persons: normalised, and none of our own. Raises Refused."""
    found = addresses(given)
    for address in found:
        if context.ours.is_ours(address):
            raise Refused(f"{address} is one of our own addresses, and we are nobody's customer; see domains and users")
    return found


def domains(given: Iterable[str]) -> tuple[str, ...]:
    """Domains, as A-labels in lower case. Raises Refused for what is none."""
    found = {text: normalise(f"x@{text.strip().removeprefix('@')}")[2:] for text in given}
    for text, domain in found.items():
        if "." not in domain:
            raise Refused(f"{text!r} is no domain; write it as firma.example")
    return tuple(dict.fromkeys(found.values()))


@dataclass(frozen=True, slots=True)
class Writing:
    """``builtin.hands.Writer`` for what a user does."""

    connection: Connection
    context: Context
    actor: Actor
    now: datetime

    @property
    def source(self) -> str:
        """The actor, as events name him."""
        return self.actor.source

    def emit(self, kind: str, data: dict[str, Any], person: int | None) -> None:
        """Store an event."""
        happened = events.NewEvent(kind, f"{kind}:{secrets.token_hex(12)}", person, self.now, self.source, data)
        events.record(self.connection, happened, self.context.plugins.implementers("on_event"), self.now)


def writing(connection: Connection, context: Context, actor: Actor) -> Writing:
    """What ``actor`` does in this transaction, now."""
    return Writing(connection, context, actor, context.clock())
