"""Links the messages of one batch: asks the core, with everything it has to know read beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.core import linking
from mailcrm.core.addresses import company_domain, parent_domains, without_dots, without_tag
from mailcrm.core.linking import Card, Match, OpenDeal, Party
from mailcrm.core.model import Address, Arrival, Direction, FolderRole, Kind, Message, Reading
from mailcrm.core.reply import trim
from mailcrm.core.threads import normal_subject, place, references_of
from mailcrm.store import choices, lookup, messages, tables, unwanted, users
from mailcrm.store.choices import NewChoice
from mailcrm.store.db import reserve
from mailcrm.store.lookup import ThreadState
from mailcrm.store.messages import Rows

_QUOTED_DATE_SLACK = timedelta(hours=26)  # a quoted date seldom names its zone


@dataclass(frozen=True, slots=True)
class Setting:
    """Whose mailbox it is and how it is to be treated.

    Args:
        members: ids of the users whose mailbox it is.
        owner: the user who owns the persons that this mailbox creates.
        policy: ``create_persons`` of the mailbox.
    """

    mailbox_id: int
    folder_id: int
    role: FolderRole
    members: tuple[int, ...]
    owner: int | None
    policy: str


@dataclass(frozen=True, slots=True)
class Item:
    """A readable message of the batch that is not stored yet."""

    arrival: Arrival
    message: Message
    reading: Reading
    identity: str
    direction: Direction
    historic: bool
    forwarded: bool
    parties: Sequence[Party]
    keys: tuple[str, ...]
    plugin: str | None = None  # the plugin that named the party

    @property
    def at(self) -> datetime:
        """When it was written, or at least received."""
        return self.message.date or self.arrival.received_at


@dataclass(frozen=True, slots=True)
class Linked:
    """What became of one message."""

    id: int
    item: Item
    thread: int
    persons: tuple[int, ...]
    deal: int | None
    answers: bool
    author: Address | None


@dataclass(slots=True)
class Linker:
    """One batch being linked. ``prepare`` reads, ``add`` decides and collects rows, ``finish`` writes."""

    context: Context
    connection: Connection
    setting: Setting
    now: datetime
    rows: Rows = field(init=False)
    known: dict[str, int] = field(default_factory=dict)
    references: dict[str, int] = field(default_factory=dict)
    threads: dict[int, ThreadState] = field(default_factory=dict)
    book: dict[str, list[Card]] = field(default_factory=dict)
    choices: list[NewChoice] = field(default_factory=list)
    created: dict[str, int] = field(default_factory=dict)
    linked: list[Linked] = field(default_factory=list)
    skipped: int = 0
    _joins: list[tuple[int, int]] = field(default_factory=list)
    _apart: set[tuple[int, int]] = field(default_factory=set)
    _deals: list[OpenDeal] = field(default_factory=list)
    _standing: dict[int, int] = field(default_factory=dict)
    _by_domain: dict[str, int] = field(default_factory=dict)
    _by_address: dict[str, int] = field(default_factory=dict)
    _unwanted: set[str] = field(default_factory=set)
    _erased: set[str] = field(default_factory=set)
    _contacted: set[str] = field(default_factory=set)
    _outgoing: set[int] = field(default_factory=set)
    _first_writers: dict[int, str] = field(default_factory=dict)
    _message_ids: Iterable[int] = ()
    _person_ids: Iterable[int] = ()
    _thread_ids: Iterable[int] = ()

    def __post_init__(self) -> None:
        self.rows = Rows(self.now)

    def prepare(self, items: Sequence[Item]) -> None:
        """Read everything that linking these messages may need, in a fixed number of queries."""
        settings = self.context.config.linking
        self.known = lookup.threads_by_reference(self.connection, {key for item in items for key in item.keys})
        self.threads = lookup.thread_states(self.connection, set(self.known.values()))
        if len(self.threads) > 1:
            self._apart = lookup.apart(self.connection, self.threads)
        emails = {party.address.email for item in items for party in item.parties}
        wanted = emails | {plain for email in emails if (plain := without_tag(email)) != email}
        if settings.gmail_dots:
            wanted |= {f"~{without_dots(without_tag(email))}" for email in emails}
        self.book = lookup.cards(self.connection, wanted)
        strangers = [email for email in emails if email not in self.book]
        found = unwanted.among(self.connection, self.context.secret, strangers)
        self._unwanted = set(found)
        self._erased = {email for email, why in found.items() if why.reason == "erased"}
        self._by_address = lookup.organizations_by_address(self.connection, strangers)
        domains = {parent for email in strangers if (d := company_domain(email)) for parent in parent_domains(d)}
        self._by_domain = lookup.organizations_by_domain(self.connection, domains)
        if any(item.historic for item in items):
            since = self.now - linking.HISTORIC_CONTACT
            self._contacted = lookup.written_to(self.connection, strangers, since)
            self._contacted |= {
                party.address.email
                for item in items
                if item.direction is Direction.OUT and item.at >= since
                for party in item.parties
            }
        persons = {card.person for cards in self.book.values() for card in cards}
        organizations = {c.organization for cards in self.book.values() for c in cards if c.organization is not None}
        organizations |= set(self._by_domain.values()) | set(self._by_address.values())
        self._deals = lookup.open_deals(self.connection, persons, organizations)
        self._standing = lookup.standing_choices(self.connection, persons) if self._deals else {}
        if self.threads and any(not item.historic for item in items):
            self._outgoing = lookup.with_outgoing(self.connection, self.threads)
        if len(self.setting.members) > 1:
            self._first_writers = lookup.first_writers(self.connection, list(self.threads))
        self._message_ids = iter(reserve(self.connection, tables.message, len(items)))
        self._thread_ids = iter(reserve(self.connection, tables.thread, len(items)))
        self._person_ids = iter(reserve(self.connection, tables.person, len(strangers)))

    def add(self, item: Item) -> None:
        """Link one message."""
        if item.parties and all(party.address.email in self._erased for party in item.parties):
            self.skipped += 1
            return
        placement = place(self._thread_keys(item), self.known, self._apart)
        if placement.thread is not None and self.threads[placement.thread].private:
            self.skipped += 1
            return
        state = self._thread(item, placement.thread)
        for gone in placement.joins:
            self._join(gone, state)
        message_id = next(iter(self._message_ids))
        link = self.rows.link
        link(message_id, "thread", Match(state.id, placement.rule, placement.evidence))
        persons: tuple[int, ...] = ()
        deal: int | None = None
        vetoes = self._vetoes(item)
        if vetoes:
            for party in item.parties:
                self.rows.participant(message_id, party, None)
            link(message_id, "veto", Match(0, "veto_link", "; ".join(vetoes)))
        else:
            persons, organizations = self._persons(message_id, item)
            for match in organizations:
                link(message_id, "organization", match)
                if state.organization is None:
                    state.organization, state.changed = match.record, True
            deal = self._deal(message_id, item, state, persons, [match.record for match in organizations])
            if persons and state.link == "none":
                state.link, state.changed = "person", True
        answers = state.id in self._outgoing and item.direction is Direction.IN
        if item.direction is Direction.OUT:
            self._outgoing.add(state.id)
            if item.message.from_:
                self._first_writers.setdefault(state.id, item.message.from_.email)
        author = self._write(message_id, item, state)
        for key in item.keys:
            if key not in self.known:
                self.known[key] = self.references[key] = state.id
        self.linked.append(Linked(message_id, item, state.id, persons, deal, answers, author))

    def finish(self) -> None:
        """Write the rows; the caller commits."""
        messages.write_threads(self.connection, self.threads.values())
        self.rows.write(self.connection)
        for gone, into in self._joins:
            messages.join_threads(self.connection, gone, into, self.now)
        messages.write_references(self.connection, {key: self._live(thread) for key, thread in self.references.items()})
        if self.created:
            messages.adopt(self.connection, self.created)
        if self.choices:
            live = [replace(choice, thread_id=self._live(choice.thread_id)) for choice in self.choices]
            choices.open_choices(self.connection, live)

    # --- the thread ---

    def _thread_keys(self, item: Item) -> tuple[str, ...]:
        if item.forwarded and not any(key in self.known for key in item.keys):
            forward = item.reading.forward
            if forward and forward.author and forward.date:
                found = lookup.forwarded_original(
                    self.connection,
                    forward.author.email,
                    forward.date - _QUOTED_DATE_SLACK,
                    forward.date + _QUOTED_DATE_SLACK,
                )
                wanted = normal_subject(forward.subject or item.message.subject)
                for thread, subject in found:
                    if normal_subject(subject) == wanted:
                        key = f"forward:{item.identity}"
                        self.known[key] = thread
                        self.threads |= lookup.thread_states(self.connection, {thread} - self.threads.keys())
                        return (*item.keys, key)
        return item.keys

    def _thread(self, item: Item, thread: int | None) -> ThreadState:
        if thread is None:
            fresh = next(iter(self._thread_ids))
            state = ThreadState(fresh, item.message.subject, item.at, item.at, is_new=True)
            self.threads[fresh] = state
            return state
        state = self.threads[thread]
        if item.at > state.last_at:
            state.last_at, state.changed = item.at, True
        if item.at < state.first_at:
            state.first_at, state.subject, state.changed = item.at, item.message.subject, True
        return state

    def _join(self, gone: int, into: ThreadState) -> None:
        lost = self.threads.pop(gone)
        into.first_at, into.last_at = min(into.first_at, lost.first_at), max(into.last_at, lost.last_at)
        into.deal = into.deal or lost.deal
        into.organization = into.organization or lost.organization
        into.asked = into.asked or lost.asked
        strength = ("none", "person", "choice", "linked")
        into.link = max(into.link, lost.link, key=strength.index)
        into.changed = True
        for key, thread in self.known.items():
            if thread == gone:
                self.known[key] = into.id
        if gone in self._outgoing:
            self._outgoing.add(into.id)
        if lost.is_new:
            lost.link, lost.deal = "none", None
            self.threads[gone] = lost  # its rows name it; it is written, then joined
        self._joins.append((gone, into.id))

    def _live(self, thread: int) -> int:
        for gone, into in self._joins:
            if thread == gone:
                thread = into
        return thread

    # --- persons and organizations ---

    def _persons(self, message_id: int, item: Item) -> tuple[tuple[int, ...], list[Match]]:
        settings = self.context.config.linking
        found: dict[int, None] = {}
        organizations: dict[int, Match] = {}
        creates = linking.may_create(
            item.reading, item.direction, len(item.parties), self.setting.policy, self.setting.role
        )
        for party in item.parties:
            email = party.address.email
            office = self._by_address.get(email)
            if office is not None:
                organizations.setdefault(office, Match(office, "address of the organization", email))
                self.rows.participant(message_id, party, None)
                continue
            match = linking.match_person(email, item.at, self.book, gmail_dots=settings.gmail_dots)
            if match is None and creates and self._may_create(item, email):
                match = self._create(party.address, item), "created from this mail"
            self.rows.participant(message_id, party, match[0].person if match else None)
            if match is None:
                continue
            card, rule = match
            if card.person not in found:
                found[card.person] = None
                if item.plugin:
                    rule = f"choose_person by plugin {item.plugin}"
                self.rows.link(message_id, "person", Match(card.person, rule, email))
            if card.organization is not None:
                organizations.setdefault(
                    card.organization, Match(card.organization, "organization of the person", f"person {card.person}")
                )
        return tuple(found), list(organizations.values())

    def _may_create(self, item: Item, email: str) -> bool:
        if email in self._unwanted:
            return False
        return not item.historic or email in self._contacted

    def _create(self, address: Address, item: Item) -> Card:
        person_id = next(iter(self._person_ids))
        domain = company_domain(address.email)
        company = (
            next((self._by_domain[d] for d in parent_domains(domain) if d in self._by_domain), None) if domain else None
        )
        source = f"mail:{item.message.message_id or item.identity}"
        name = linking.name_of(address)
        self.rows.person(person_id, address, name, company, self.setting.owner, source)
        card = Card(person_id, company)
        self.book.setdefault(address.email, []).append(card)
        self.created[address.email] = person_id
        return card

    def _vetoes(self, item: Item) -> Sequence[str]:
        if not self.context.plugins.has("veto_link"):
            return ()
        return self.context.plugins.vetoes("veto_link", message=item.message)

    # --- the deal ---

    def _deal(
        self, message_id: int, item: Item, state: ThreadState, persons: Sequence[int], organizations: Sequence[int]
    ) -> int | None:
        if state.deal is not None:
            self.rows.link(message_id, "deal", Match(state.deal, "thread", f"thread {state.id} is linked to it"))
            return state.deal
        if not self._deals or state.asked or item.reading.kind in (Kind.BULK, Kind.BOUNCE, Kind.COMPLAINT):
            return None
        found, rule = linking.candidates(
            persons,
            organizations,
            self._deals,
            organization_deals=self.context.config.linking.organization_deals,
            opened_before=item.at if item.historic else None,
        )
        decision = linking.decide_deal(
            found,
            rule,
            standing=self._standing,
            persons=persons,
            plugin=(lambda deals: self.context.plugins.choose("choose_deal", message=item.message, deals=deals))
            if found and self.context.plugins.has("choose_deal")
            else None,
        )
        if decision.deal is not None:
            state.deal, state.link, state.changed = decision.deal.record, "linked", True
            self.rows.link(message_id, "deal", decision.deal)
            return state.deal
        if decision.ask:
            self._ask(item, state, decision.ask)
        return None

    def _ask(self, item: Item, state: ThreadState, deals: Sequence[OpenDeal]) -> None:
        writer = self._first_writers.get(state.id)
        first = None
        if writer and len(self.setting.members) > 1:
            key = self.context.ours.user(writer)
            first = next((user.id for user in self._users() if user.key == key), None)
        whom = None if item.historic else linking.whom_to_ask(self.setting.members, first, deals)
        state.asked, state.link, state.changed = True, "choice", True
        self.choices.append(
            NewChoice(
                thread_id=state.id,
                user_id=whom,
                deals=tuple(deal.id for deal in deals),
                created_at=self.now,
                historic=item.historic,
            )
        )

    def _users(self) -> Sequence[Any]:
        return users.every(self.connection)

    # --- the message ---

    def _write(self, message_id: int, item: Item, state: ThreadState) -> Address | None:
        message, reading = item.message, item.reading
        author, text, reply = message.from_, message.text, reading.reply_text
        if item.forwarded and reading.forward and reading.forward.author:
            author, text = reading.forward.author, reading.forward.text or message.text
            reply = trim(text)
        self.rows.message(
            message_id,
            item.identity,
            state.id,
            message,
            reading,
            item.direction,
            author,
            item.arrival.received_at,
            historic=item.historic,
            text=text,
            reply_text=reply,
            details=_details(item),
        )
        self.rows.location(message_id, self.setting.folder_id, item.arrival.uid, item.arrival.flags)
        return author


def keys_of(arrival: Arrival, message: Message, reading: Reading) -> tuple[str, ...]:
    """Every id that may tell the thread: the message's own, and those that a bounce or a forward quotes."""
    keys = references_of(message, arrival.thread_hint)
    quoted = [
        quote
        for quote in (
            reading.bounce.original_id if reading.bounce else None,
            reading.forward.message_id if reading.forward else None,
        )
        if quote and quote not in keys
    ]
    return (*keys, *quoted)


def _details(item: Item) -> Mapping[str, Any] | None:
    found: dict[str, Any] = {}
    bounce, forward = item.reading.bounce, item.reading.forward
    if bounce:
        found["bounce"] = {
            "recipient": bounce.recipient,
            "status": bounce.status,
            "permanent": bounce.permanent,
            "reason": bounce.reason,
        }
    if item.reading.returns_on:
        found["returns_on"] = item.reading.returns_on.isoformat()
    if forward and forward.author:
        found["forwarded_from"] = {"name": forward.author.name, "email": forward.author.email}
    if item.forwarded and item.message.from_:
        found["forwarded_by"] = {"name": item.message.from_.name, "email": item.message.from_.email}
    return found or None
