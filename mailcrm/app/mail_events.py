"""What is told to flows and plugins about a message that was just linked."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from mailcrm.app.linker import Linked
from mailcrm.core.model import REPLIES, Direction, Kind
from mailcrm.core.text import clean
from mailcrm.store.events import NewEvent

_EVENTS = {
    Kind.BOUNCE: "mail.bounced",
    Kind.AUTO_REPLY: "mail.autoreplied",
    Kind.UNSUBSCRIBE: "mail.unsubscribed",
}


def events_of(linked: Linked, thread: int, returned: Collection[int], now: datetime) -> list[NewEvent]:
    """The events of a message; nothing about old mail.

    A stranger's mail happens when it is received: its Date is his to choose, and flows would go by it.

    Args:
        thread: where it is, after joins.
        returned: of a bounce or complaint: whose letter it is about, for sure; they count as its persons.
    """
    item = linked.item
    if not linked.counts:
        return []
    data = {"message": clean(item.message.message_id or item.identity), "thread": thread, "deal": linked.deal}
    kinds: list[tuple[str, dict[str, object]]] = []
    if item.direction is Direction.OUT:
        kinds.append(("mail.sent", data))
    elif item.reading.kind in REPLIES:
        kinds.append(("mail.received", data))
        if linked.answers:
            kinds.append(("mail.replied", data))
    if item.direction is Direction.IN and (told := _told(linked, returned)) is not None:
        until = item.reading.returns_on
        reason = item.reading.bounce.reason if item.reading.bounce else item.reading.rule
        details = {"message": data["message"], "reason": clean(reason), "until": until.isoformat() if until else None}
        kinds.append((told, details))
    persons = tuple(dict.fromkeys((*linked.persons, *sorted(returned))))
    return [
        NewEvent(
            kind=kind,
            key=f"{kind}:{linked.id}:{person or ''}",  # in order: so the index grows at its end
            person=person,
            at=item.at if item.direction is Direction.OUT else min(item.arrival.received_at, now),
            source="mail",
            data=fields,
        )
        for kind, fields in kinds
        for person in (persons or (None,))
    ]


def _told(linked: Linked, returned: Collection[int]) -> str | None:
    """The event of its kind. A complaint about a letter of ours is a wish for no more of them."""
    kind = linked.item.reading.kind
    if kind is Kind.COMPLAINT and returned:
        return _EVENTS[Kind.UNSUBSCRIBE]
    if kind is Kind.UNSUBSCRIBE and linked.forged:
        return None
    return _EVENTS.get(kind)
