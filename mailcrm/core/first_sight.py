"""What a first look into a mailbox with old mail would do: counted from headers, before anything is stored."""

from __future__ import annotations

from collections.abc import Collection, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailcrm.core import linking
from mailcrm.core.classify import classify
from mailcrm.core.model import Direction, FolderRole, Message
from mailcrm.core.ours import Ours
from mailcrm.core.threads import references_of


@dataclass(frozen=True, slots=True)
class Sight:
    """The counts that the operator is shown."""

    messages: int
    persons: int
    threads: int
    questions: int


@dataclass(slots=True)
class Tally:
    """Counts one mailbox.

    Args:
        policy: the mailbox's ``create_persons``.
        several_deals: addresses of persons with more than one open deal.
    """

    ours: Ours
    now: datetime
    history: timedelta
    policy: str
    several_deals: Set[str] = frozenset()
    messages: int = 0
    _fresh: set[str] = field(default_factory=set)
    _contacted: set[str] = field(default_factory=set)
    _waiting: set[str] = field(default_factory=set)
    _parent: dict[int, int] = field(default_factory=dict)
    _asking: set[int] = field(default_factory=set)

    def add(self, message: Message, role: FolderRole, received_at: datetime) -> None:
        """Count one message, of which only the headers were read."""
        reading = classify(message)
        direction = linking.direction_of(message, role, self.ours)
        if not linking.has_outside_party(message, reading, direction, self.ours):
            return
        self.messages += 1
        parties = linking.parties(message, reading, direction, self.ours, forwarded=False)
        emails = {party.address.email for party in parties}
        historic = self.now - received_at > self.history
        written = message.date or received_at
        if direction is Direction.OUT and written >= self.now - linking.HISTORIC_CONTACT:
            self._contacted |= emails
        recipients = linking.outside_recipients(message, self.ours)
        if linking.may_create(reading, direction, recipients, self.policy, role):
            (self._waiting if historic else self._fresh).update(emails)
        root = self._thread([hash(key) for key in references_of(message, None)] or [hash((id(message), received_at))])
        if not historic and not emails.isdisjoint(self.several_deals):
            self._asking.add(root)

    def strangers(self) -> set[str]:
        """The addresses that would become persons, unless they are persons already."""
        return self._fresh | (self._waiting & self._contacted)

    def sight(self, known: Collection[str]) -> Sight:
        """The counts.

        Args:
            known: those of ``strangers`` that are persons already.
        """
        return Sight(
            messages=self.messages,
            persons=len(self.strangers() - set(known)),
            threads=len({self._root(key) for key in self._parent}),
            questions=len({self._root(key) for key in self._asking}),
        )

    def _thread(self, keys: list[int]) -> int:
        first = self._root(keys[0])
        for key in keys[1:]:
            self._parent[self._root(key)] = first
        return first

    def _root(self, key: int) -> int:
        parent = self._parent.setdefault(key, key)
        while parent != self._parent[parent]:
            self._parent[parent] = self._parent[self._parent[parent]]
            parent = self._parent[parent]
        return parent
