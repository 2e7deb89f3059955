"""The contact card: all that conditions may ask about a person, as of one moment (GRAPH-17)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class CardDeal:
    """A deal of the person. ``status`` is open, won or lost."""

    id: int
    title: str
    stage: str
    status: str
    value: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class CardActivity:
    """An activity of the person, planned or (``done_at``) done."""

    id: int
    type: str
    due: datetime | None = None
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of one person. Only the parts that the flow's conditions need are filled.

    Args:
        fields: custom fields, and the built-in ones (name, organization, owner, email, phone, created_by); a tuple is
            several values.
        sequences, workflows: names of the flows that he is in now.
        opened, clicked, replied: when he last did (a human; grades are judged before), None: never.
        last_received, last_sent: the last letter from him, and to him; no auto-replies, bounces and the like.
        last_contact: the last of these, or an activity done.
        permission: whether a basis for automatic mail is recorded.
        language: a tag of BCP 47, such as ``pl``.
        time_zone: his own, such as ``Europe/Warsaw``, where it is known.
    """

    person: int | None
    tags: frozenset[str] = frozenset()
    fields: Mapping[str, Any] = field(default_factory=dict)
    deals: tuple[CardDeal, ...] = ()
    activities: tuple[CardActivity, ...] = ()
    sequences: frozenset[str] = frozenset()
    workflows: frozenset[str] = frozenset()
    opened: datetime | None = None
    clicked: datetime | None = None
    replied: datetime | None = None
    last_received: datetime | None = None
    last_sent: datetime | None = None
    last_contact: datetime | None = None
    permission: bool = False
    language: str | None = None
    time_zone: str | None = None
