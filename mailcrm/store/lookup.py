"""What linking has to know of a batch, read set-wise: a fixed number of queries however many messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, func, select

from mailcrm.core.linking import Card, OpenDeal
from mailcrm.store.db import Lookup, Utc
from mailcrm.store.tables import (
    choice,
    deal,
    message,
    organization,
    organization_address,
    organization_domain,
    participant,
    person,
    person_address,
    stage,
    standing_choice,
    thread,
    thread_apart,
    thread_reference,
)


@dataclass(slots=True)
class ThreadState:
    """A thread as the batch sees it; changed in place while messages are added, then written once.

    Args:
        question: the state of the choice about it: open, answered or withdrawn; "" if there never was one.
        silent: nobody was asked about that choice by mail, since it came from old mail.
        written_at: when one of ours first wrote in it; None: never, or it was not looked up.
        writer: the address of ours that wrote in it first, where that was looked up.
    """

    id: int
    subject: str
    first_at: datetime
    last_at: datetime
    organization: int | None = None
    deal: int | None = None
    link: str = "none"
    private: bool = False
    question: str = ""
    silent: bool = False
    written_at: datetime | None = None
    writer: str | None = None
    is_new: bool = False
    changed: bool = False

    @property
    def decided(self) -> bool:
        """True if a rep decides, or has decided, which deal it belongs to."""
        return self.question in ("open", "answered")


QUESTIONS = ("", "withdrawn", "answered", "open")
"""States of a thread's choice: of several, the last one here counts."""


_MESSAGES = Lookup(select(message.c.identity, message.c.id, message.c.thread_id), message.c.identity)
_REFERENCES = Lookup(select(thread_reference.c.reference, thread_reference.c.thread_id), thread_reference.c.reference)
_THREADS = Lookup(
    (
        select(
            thread.c.id,
            thread.c.subject,
            thread.c.first_at,
            thread.c.last_at,
            thread.c.organization_id,
            thread.c.deal_id,
            thread.c.link,
            thread.c.private,
        )
        .where(thread.c.merged_into.is_(None))
        .order_by(thread.c.id)
        .with_for_update(key_share=True)
    ),
    thread.c.id,
)
_CHOICES = Lookup(select(choice.c.thread_id, choice.c.state, choice.c.historic), choice.c.thread_id)
_APART = Lookup(select(thread_apart.c.thread_id, thread_apart.c.other_id), thread_apart.c.thread_id)
_APART_OTHER = Lookup(select(thread_apart.c.thread_id, thread_apart.c.other_id), thread_apart.c.other_id)
_CARD = (
    select(
        person_address.c.address,
        person_address.c.canonical,
        person.c.id,
        person.c.organization_id,
        person_address.c.valid_from,
        person_address.c.valid_to,
    )
    .join(person, person.c.id == person_address.c.person_id)
    .where(person.c.removed_at.is_(None))
    .order_by(person_address.c.valid_to.desc(), person_address.c.id)
)
_CARDS = Lookup(_CARD, person_address.c.address)
_CARDS_CANONICAL = Lookup(_CARD, person_address.c.canonical)
_DOMAINS = Lookup(
    (
        select(organization_domain.c.domain, organization_domain.c.organization_id)
        .join(organization, organization.c.id == organization_domain.c.organization_id)
        .where(organization.c.removed_at.is_(None))
    ),
    organization_domain.c.domain,
)
_OFFICES = Lookup(
    (
        select(organization_address.c.address, organization_address.c.organization_id)
        .join(organization, organization.c.id == organization_address.c.organization_id)
        .where(organization.c.removed_at.is_(None))
    ),
    organization_address.c.address,
)
_DEAL = (
    select(
        deal.c.id,
        deal.c.title,
        deal.c.person_id,
        deal.c.organization_id,
        deal.c.owner_id,
        stage.c.name,
        deal.c.created_at,
    )
    .join(stage, stage.c.id == deal.c.stage_id)
    .where(deal.c.status == "open", deal.c.removed_at.is_(None))
)
_DEALS_OF_PERSONS = Lookup(_DEAL, deal.c.person_id)
_DEALS_OF_ORGANIZATIONS = Lookup(_DEAL, deal.c.organization_id)
_DEALS = Lookup(_DEAL, deal.c.id)
_STANDING = Lookup(
    (
        select(standing_choice.c.person_id, standing_choice.c.deal_id)
        .join(deal, deal.c.id == standing_choice.c.deal_id)
        .where(deal.c.status == "open", deal.c.removed_at.is_(None))
    ),
    standing_choice.c.person_id,
)
_WRITTEN_TO = (
    select(participant.c.address)
    .distinct()
    .join(message, message.c.id == participant.c.message_id)
    .where(message.c.direction == "out", message.c.date >= bindparam("since"))
)
_STRANGERS_WRITTEN_TO = Lookup(_WRITTEN_TO.where(participant.c.person_id.is_(None)), participant.c.address)
_HOLDERS_WRITTEN_TO = Lookup(
    _WRITTEN_TO.join(
        person_address,
        and_(person_address.c.person_id == participant.c.person_id, person_address.c.address == participant.c.address),
    ),
    person_address.c.address,
)
_FIRST_WRITTEN = Lookup(
    (
        select(message.c.thread_id, func.min(message.c.date, type_=Utc))
        .where(message.c.direction == "out")
        .group_by(message.c.thread_id)
    ),
    message.c.thread_id,
)
_FIRST_WRITERS = Lookup(
    (
        select(message.c.thread_id, message.c.from_email)
        .where(message.c.direction == "out", message.c.from_email.is_not(None))
        .order_by(message.c.date.desc())
    ),
    message.c.thread_id,
)


def messages(connection: Connection, identities: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Identity -> (message id, thread id) of those that are stored."""
    return {row[0]: (row[1], row[2]) for row in _MESSAGES.rows(connection, identities)}


def threads_by_reference(connection: Connection, references: Iterable[str]) -> dict[str, int]:
    """Message id or server thread id -> thread, of those known or announced."""
    return {row[0]: row[1] for row in _REFERENCES.rows(connection, references)}


def thread_states(connection: Connection, ids: Iterable[int]) -> dict[int, ThreadState]:
    """The threads themselves, but for those that were joined into others.

    They are locked: until the transaction ends no other changes them.
    """
    wanted = sorted(ids)
    states = {row[0]: ThreadState(*row) for row in _THREADS.rows(connection, wanted)}
    for row in _CHOICES.rows(connection, states):
        state = states[row[0]]
        state.question = max(state.question, row[1], key=QUESTIONS.index)
        state.silent = state.silent or (row[1] == "open" and row[2])
    return states


def apart(connection: Connection, ids: Iterable[int]) -> set[tuple[int, int]]:
    """Pairs of threads that were split by hand, in both orders."""
    wanted = list(ids)
    pairs = {(row[0], row[1]) for row in _APART.rows(connection, wanted)}
    pairs |= {(row[0], row[1]) for row in _APART_OTHER.rows(connection, wanted)}
    return pairs | {(other, one) for one, other in pairs}


def cards(connection: Connection, addresses: Iterable[str]) -> dict[str, list[Card]]:
    """Address -> whose it is and was. A key that begins with ``~`` is looked up as canonical form."""
    wanted = list(addresses)
    found: dict[str, list[Card]] = defaultdict(list)
    exact = [address for address in wanted if not address.startswith("~")]
    for row in _CARDS.rows(connection, exact):
        found[row[0]].append(Card(row[2], row[3], row[4], row[5]))
    dotless = [address[1:] for address in wanted if address.startswith("~")]
    for row in _CARDS_CANONICAL.rows(connection, dotless):
        found[f"~{row[1]}"].append(Card(row[2], row[3], row[4], row[5]))
    return found


def organizations_by_domain(connection: Connection, domains: Iterable[str]) -> dict[str, int]:
    """Domain -> organization."""
    return {row[0]: row[1] for row in _DOMAINS.rows(connection, domains)}


def organizations_by_address(connection: Connection, addresses: Iterable[str]) -> dict[str, int]:
    """Address -> the organization that has it as its own (office@…)."""
    return {row[0]: row[1] for row in _OFFICES.rows(connection, addresses)}


def open_deals(
    connection: Connection, persons: Iterable[int], organizations: Iterable[int], ids: Iterable[int] = ()
) -> list[OpenDeal]:
    """The open deals of these persons and organizations, and those with these ids."""
    rows = [
        *_DEALS_OF_PERSONS.rows(connection, persons),
        *_DEALS_OF_ORGANIZATIONS.rows(connection, organizations),
        *_DEALS.rows(connection, ids),
    ]
    return list({row[0]: OpenDeal(*row) for row in rows}.values())


def addresses_with_several_deals(connection: Connection) -> set[str]:
    """Addresses of persons with more than one open deal."""
    several = (
        select(deal.c.person_id)
        .where(deal.c.status == "open", deal.c.removed_at.is_(None), deal.c.person_id.is_not(None))
        .group_by(deal.c.person_id)
        .having(func.count() > 1)
    )
    query = select(person_address.c.address).where(
        person_address.c.person_id.in_(several), person_address.c.valid_to.is_(None)
    )
    return set(connection.scalars(query))


def standing_choices(connection: Connection, persons: Iterable[int]) -> dict[int, int]:
    """Person -> the open deal that was said to be always meant."""
    return {row[0]: row[1] for row in _STANDING.rows(connection, persons)}


def written_to(connection: Connection, addresses: Iterable[str], since: datetime) -> set[str]:
    """Those of the addresses to which one of ours has written since that time."""
    wanted = list(addresses)
    ways = (_STRANGERS_WRITTEN_TO, _HOLDERS_WRITTEN_TO)
    return {row[0] for way in ways for row in way.rows(connection, wanted, since=since)}


def first_written(connection: Connection, threads: Iterable[int]) -> dict[int, datetime]:
    """Thread -> when one of ours first wrote in it; without those in which none did."""
    return {row[0]: row[1] for row in _FIRST_WRITTEN.rows(connection, threads)}


def first_writers(connection: Connection, threads: Sequence[int]) -> dict[int, str]:
    """Thread -> the address of ours that wrote in it first."""
    return {row[0]: row[1] for row in _FIRST_WRITERS.rows(connection, threads)}


def forwarded_original(connection: Connection, author: str, low: datetime, high: datetime) -> list[tuple[int, str]]:
    """(thread, subject) of mail from that address dated between the two times, newest first."""
    query = (
        select(message.c.thread_id, message.c.subject, message.c.date)
        .join(participant, participant.c.message_id == message.c.id)
        .where(participant.c.address == author, participant.c.role.in_(("from", "reply_to")))
        .where(message.c.date >= low, message.c.date <= high)
        .order_by(message.c.date.desc())
        .limit(50)
    )
    holders = select(person_address.c.person_id).where(person_address.c.address == author)
    whose = (participant.c.person_id.is_(None), participant.c.person_id.in_(holders))
    rows = [row for each in whose for row in connection.execute(query.where(each))]
    return [(row.thread_id, row.subject) for row in sorted(rows, key=lambda row: row.date, reverse=True)]
