"""Whose mail a batch is: persons and organizations by their addresses, those that it creates too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.items import Item, Setting
from mailcrm.core import linking
from mailcrm.core.addresses import company_domain, parent_domains, without_dots, without_tag
from mailcrm.core.linking import Card, Match, Party
from mailcrm.core.model import Address, Direction
from mailcrm.store import lookup, messages, tables, unwanted
from mailcrm.store.db import reserve
from mailcrm.store.messages import Rows


@dataclass(slots=True)
class PersonBook:
    """``read``, then ``persons`` of each message; ``adopt`` when the rows are written."""

    context: Context
    connection: Connection
    setting: Setting
    rows: Rows
    created: dict[str, int] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    _cards: dict[str, list[Card]] = field(default_factory=dict)
    _free: set[str] = field(default_factory=set)
    _unwanted: set[str] = field(default_factory=set)
    _contacted: set[str] = field(default_factory=set)
    _by_domain: dict[str, int] = field(default_factory=dict)
    _by_address: dict[str, int] = field(default_factory=dict)
    _fresh_ids: Iterator[int] = field(default_factory=lambda: iter(()))

    def read(self, items: Sequence[Item]) -> None:
        """Read everything about the parties of these messages, in a fixed number of queries."""
        emails = {party.address.email for item in items for party in item.parties}
        wanted = emails | {without_tag(email) for email in emails}
        if self.context.config.linking.gmail_dots:
            wanted |= {f"~{without_dots(without_tag(email))}" for email in emails}
        self._cards = lookup.cards(self.connection, wanted)
        held = {email for email, cards in self._cards.items() if any(card.until is None for card in cards)}
        self._free = emails - held
        found = unwanted.among(self.connection, self.context.secret, self._free)
        self._unwanted = set(found)
        self.erased = {email for email, why in found.items() if why.reason == "erased"}
        self._by_address = lookup.organizations_by_address(self.connection, self._free)
        domains = {parent for email in self._free if (d := company_domain(email)) for parent in parent_domains(d)}
        self._by_domain = lookup.organizations_by_domain(self.connection, domains)
        if any(item.historic for item in items):
            since = self.context.clock() - linking.HISTORIC_CONTACT
            self._contacted = lookup.written_to(self.connection, self._free, since) | {
                party.address.email
                for item in items
                if item.direction is Direction.OUT and item.at >= since
                for party in item.parties
            }
        self._fresh_ids = iter(reserve(self.connection, tables.person, len(self._free)))

    def known(self) -> tuple[set[int], set[int]]:
        """Ids of the persons and organizations that may come up."""
        cards = [card for cards in self._cards.values() for card in cards]
        organizations = {card.organization for card in cards if card.organization is not None}
        return {card.person for card in cards}, organizations | {*self._by_domain.values(), *self._by_address.values()}

    def parties(self, item: Item) -> list[Party]:
        """The message's parties, but for those who were erased."""
        return [party for party in item.parties if party.address.email not in self.erased]

    def persons(self, message_id: int, item: Item) -> tuple[tuple[int, ...], list[Match]]:
        """Link the message to its persons, created where they may be.

        Returns:
            Their ids, and the organizations that it concerns.
        """
        dots = self.context.config.linking.gmail_dots
        found: dict[int, None] = {}
        organizations: dict[int, Match] = {}
        creates = linking.may_create(
            item.reading, item.direction, item.recipients, self.setting.policy, self.setting.role
        )
        for party in self.parties(item):
            email = party.address.email
            office = self._by_address.get(email)
            if office is not None:
                organizations.setdefault(office, Match(office, "address of the organization", email))
                self.rows.participant(message_id, party, None)
                continue
            match = linking.match_person(email, item.at, self._cards, gmail_dots=dots)
            if match is None and creates and self._may_create(item, email):
                match = self._create(party.address, item), "created from this mail"
            self.rows.participant(message_id, party, match[0].person if match else None)
            if match is None:
                continue
            card, rule = match
            if card.person not in found:
                found[card.person] = None
                evidence = email
                if item.plugin:
                    rule, evidence = "choose_person", f"{email}, by plugin {item.plugin}"
                self.rows.link(message_id, "person", Match(card.person, rule, evidence))
            if card.organization is not None:
                reason = Match(card.organization, "organization of the person", f"person {card.person}")
                organizations.setdefault(card.organization, reason)
        return tuple(found), list(organizations.values())

    def adopt(self) -> None:
        """Mail that was stored before belongs to the persons that were created now."""
        if self.created:
            messages.adopt(self.connection, self.created)

    def _may_create(self, item: Item, email: str) -> bool:
        if email not in self._free or email in self._unwanted:
            return False  # of an address that somebody has now, older mail was somebody else's
        return not item.historic or email in self._contacted

    def _create(self, address: Address, item: Item) -> Card:
        person_id = next(self._fresh_ids)
        domain = company_domain(address.email)
        company = (
            next((self._by_domain[d] for d in parent_domains(domain) if d in self._by_domain), None) if domain else None
        )
        source = f"mail:{item.message.message_id or item.identity}"
        self.rows.person(person_id, address, linking.name_of(address), company, item.owner, source)
        card = Card(person_id, company)
        self._cards.setdefault(address.email, []).append(card)
        self.created[address.email] = person_id
        return card
