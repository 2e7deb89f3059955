"""The contact card: all that conditions may ask about a person, as of one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class CardDeal:
    """A deal of the person."""

    id: int
    title: str
    stage: str
    status: str
    value: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of one person. Only the parts that the flow's conditions need are filled.

    Args:
        fields: custom fields, and the built-in ones (name, organization, owner, email, phone, created_by).
        sequences, workflows: names of the flows that he is in now.
        opened, clicked, replied: when he last did (a human; grades are judged before), None: never.
        last_contact: the last mail either way or activity done.
        permission: whether a basis for automatic mail is recorded.
    """

    person: int | None
    tags: frozenset[str] = frozenset()
    fields: Mapping[str, Any] = field(default_factory=dict)
    deals: tuple[CardDeal, ...] = ()
    sequences: frozenset[str] = frozenset()
    workflows: frozenset[str] = frozenset()
    opened: datetime | None = None
    clicked: datetime | None = None
    replied: datetime | None = None
    last_contact: datetime | None = None
    permission: bool = False
    language: str | None = None
    time_zone: str | None = None
