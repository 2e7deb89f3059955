"""The contact card as it was: today's, rolled back by what the stored events tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from mailcrm.core.card import Card, CardDeal
from mailcrm.core.events import Event

TODAYS = frozenset({"fields", "activities", "permission", "language", "time_zone"})
"""Parts of the card whose history nothing tells, or (when an activity was planned) not all: they are as today."""

_TIMES = {
    "mail.opened": ("opened",),
    "link.clicked": ("clicked",),
    "mail.replied": ("replied",),
    "mail.received": ("last_received", "last_contact"),
    "mail.sent": ("last_sent", "last_contact"),
    "activity.done": ("last_contact",),
}
_ENDS = {"deal.won": "won", "deal.lost": "lost"}


@dataclass(frozen=True, slots=True)
class Stay:
    """How long a person was in a flow. ``ended``: None: he still is."""

    kind: Literal["sequence", "workflow"]
    flow: str
    began: datetime
    ended: datetime | None = None


class PastCard:
    """A person's card, moved on from one moment by telling it, in order, what happened.

    Args:
        card: as it is now, but for its times (last contact and the like): those as of ``since``.
        events: what is stored of the person from ``since`` on, and of his deals all.
        since: the moment at which it begins, aware.
    """

    def __init__(self, card: Card, events: Iterable[Event], stays: Sequence[Stay], since: datetime) -> None:
        told = sorted(events, key=lambda event: (event.at, event.id))
        earlier, later = [e for e in told if e.at < since], [e for e in told if e.at >= since]
        self._card, self._stays = card, stays
        self._tags = set(card.tags)
        for event in reversed(later):
            self._undo_tag(event)
        self._deals = _deals_before(card.deals, earlier, later)
        self._fields: dict[str, Any] = dict(card.fields)
        self._joined: set[str] = set()
        self._left: set[str] = set()
        self._last: dict[str, datetime] = {}

    def happens(self, event: Event) -> None:
        """Something happened, no earlier than what was told before."""
        self._note_time(event)
        tag = event.data.get("tag")
        if event.kind == "tag.added":
            self._tags.add(str(tag))
        elif event.kind == "tag.removed":
            self._tags.discard(str(tag))
        elif event.kind.startswith("deal."):
            self._move_deal(event)

    def set_field(self, name: str, value: object) -> None:
        """What a flow does to a field."""
        self._fields[name] = value

    def join(self, flow: str) -> None:
        """A flow puts the person into another one."""
        self._joined.add(flow)
        self._left.discard(flow)

    def leave(self, flow: str) -> None:
        """A flow takes the person out of another one."""
        self._left.add(flow)
        self._joined.discard(flow)

    def has_tag(self, tag: str) -> bool:
        """Whether the person has it now."""
        return tag in self._tags

    def at(self, moment: datetime) -> Card:
        """The card as it was at that moment, no earlier than the last that was told."""
        activities = (
            each if each.done_at is None or each.done_at <= moment else replace(each, done_at=None)
            for each in self._card.activities
        )
        return replace(
            self._card,
            activities=tuple(activities),
            tags=frozenset(self._tags),
            fields=self._fields,
            deals=tuple(self._deals.values()),
            sequences=self._inside("sequence", moment),
            workflows=self._inside("workflow", moment),
            **self._last,  # type: ignore[arg-type]
        )

    def _inside(self, kind: str, moment: datetime) -> frozenset[str]:
        found = {
            stay.flow
            for stay in self._stays
            if stay.kind == kind and stay.began <= moment and (stay.ended is None or stay.ended > moment)
        }
        return frozenset((found | (self._joined if kind == "workflow" else set())) - self._left)

    def _undo_tag(self, event: Event) -> None:
        if event.kind == "tag.added":
            self._tags.discard(str(event.data.get("tag")))
        elif event.kind == "tag.removed":
            self._tags.add(str(event.data.get("tag")))

    def _note_time(self, event: Event) -> None:
        if event.data.get("grade") not in (None, "human"):
            return
        for part in _TIMES.get(event.kind, ()):
            self._last[part] = event.at

    def _move_deal(self, event: Event) -> None:
        number = event.data.get("deal")
        if event.kind == "deal.created":
            known = next((deal for deal in self._card.deals if deal.id == number), None)
            if known is not None:
                self._deals[known.id] = replace(known, stage=str(event.data.get("stage")), status="open")
        elif isinstance(number, int) and number in self._deals:
            deal = self._deals[number]
            status = _ENDS.get(event.kind, deal.status)
            self._deals[number] = replace(deal, stage=str(event.data.get("stage") or deal.stage), status=status)


def _deals_before(deals: Sequence[CardDeal], earlier: Sequence[Event], later: Sequence[Event]) -> dict[int, CardDeal]:
    """The deals as they were between those events."""
    found = {}
    for deal in deals:
        then = [event for event in later if event.data.get("deal") == deal.id and event.kind.startswith("deal.")]
        if any(event.kind == "deal.created" for event in then):
            continue
        before = [event for event in earlier if event.data.get("deal") == deal.id and event.kind.startswith("deal.")]
        stage = str(before[-1].data.get("stage") or deal.stage) if before else deal.stage
        closed_later = any(event.kind in _ENDS for event in then)
        found[deal.id] = replace(deal, stage=stage, status="open" if closed_later else deal.status)
    return found
