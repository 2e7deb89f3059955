"""Judges stored threads anew: what persons, organizations and deals of today would change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from mailcrm.app.context import Context
from mailcrm.core import linking
from mailcrm.core.addresses import without_dots, without_tag
from mailcrm.core.linking import Match, OpenDeals
from mailcrm.core.model import Kind
from mailcrm.store import choices, lookup
from mailcrm.store.choices import NewChoice
from mailcrm.store.db import insert_new
from mailcrm.store.tables import link, message, participant, thread

_PAGE = 300
_NO_DEAL = frozenset({Kind.BULK, Kind.BOUNCE, Kind.COMPLAINT})


@dataclass(frozen=True, slots=True)
class Change:
    """A link that a message would get; ``record`` "choice" is a question about several deals (``to`` names them)."""

    thread: int
    message: int
    to: str
    rule: str
    evidence: str


@dataclass(frozen=True, slots=True)
class _Mail:
    id: int
    thread: int
    kind: Kind
    date: datetime
    historic: bool
    parties: dict[str, int | None]


def relink(context: Context, *, dry_run: bool) -> Iterator[Change]:
    """Walk all threads, a page a transaction, and yield what changes.

    Stored links are never taken away, persons are never created, and what was split, merged or chosen by hand stays.

    Args:
        dry_run: only tell.
    """
    last = 0
    while True:
        with context.db.write() as connection:
            page = connection.execute(
                select(thread.c.id)
                .where(thread.c.id > last, thread.c.merged_into.is_(None))
                .order_by(thread.c.id)
                .limit(_PAGE)
            )
            ids = [row.id for row in page]
            changes = _page(connection, context, ids, dry_run=dry_run) if ids else []
        yield from changes
        if not ids:
            break
        last = ids[-1]
    if not dry_run:
        context.changed()


def _page(connection: Connection, context: Context, ids: list[int], *, dry_run: bool) -> list[Change]:
    mails = _mails(connection, ids)
    states = lookup.thread_states(connection, ids)
    settings = context.config.linking
    emails = {email for each in mails for email in each.parties}
    wanted = emails | {without_tag(email) for email in emails}
    if settings.gmail_dots:
        wanted |= {f"~{without_dots(without_tag(email))}" for email in emails}
    book = lookup.cards(connection, wanted)
    offices = lookup.organizations_by_address(connection, emails)
    persons = {card.person for cards in book.values() for card in cards}
    organizations = {card.organization for cards in book.values() for card in cards if card.organization}
    deals = OpenDeals(lookup.open_deals(connection, persons, organizations | set(offices.values())))
    standing = lookup.standing_choices(connection, persons) if deals else {}
    present = _present(connection, ids)
    changes: list[Change] = []
    for mail in mails:
        state = states[mail.thread]
        found: dict[str, Match] = {}
        for email in mail.parties:
            if email in offices:
                found.setdefault(
                    f"organization:{offices[email]}", Match(offices[email], "address of the organization", email)
                )
                continue
            match = linking.match_person(email, mail.date, book, gmail_dots=settings.gmail_dots)
            if match:
                card, rule = match
                found.setdefault(f"person:{card.person}", Match(card.person, rule, email))
                if card.organization:
                    reason = Match(card.organization, "organization of the person", f"person {card.person}")
                    found.setdefault(f"organization:{card.organization}", reason)
        if (mail.id, "veto:0") in present:
            continue
        mine = [m.record for key, m in found.items() if key.startswith("person:")]
        theirs = [m.record for key, m in found.items() if key.startswith("organization:")]
        if state.deal is not None:
            found[f"deal:{state.deal}"] = Match(state.deal, "thread", f"thread {state.id} is linked to it")
        elif not state.decided and mail.kind not in _NO_DEAL:
            possible, rule = deals.candidates(
                mine,
                theirs,
                organization_deals=settings.organization_deals,
                opened_before=mail.date if mail.historic else None,
            )
            decision = linking.decide_deal(possible, rule, standing=standing, persons=mine)
            if decision.deal is not None:
                state.deal, state.link = decision.deal.record, "linked"
                found[f"deal:{state.deal}"] = decision.deal
            elif decision.ask and not state.question:
                state.question, state.link = "open", "choice"
                numbers = tuple(each.id for each in decision.ask)
                named = ", ".join(f"deal:{number}" for number in numbers)
                changes.append(
                    Change(mail.thread, mail.id, f"choice of {named}", "several open deals", mail.date.isoformat())
                )
                if not dry_run:
                    fresh = NewChoice(
                        thread_id=mail.thread, user_id=None, deals=numbers, created_at=context.clock(), historic=True
                    )
                    choices.open_choices(connection, [fresh])
        new = {key: match for key, match in found.items() if (mail.id, key) not in present}
        changes.extend(Change(mail.thread, mail.id, key, match.rule, match.evidence) for key, match in new.items())
        if new and state.link == "none":
            state.link = "person"
        if new and not dry_run:
            _write(connection, mail, new)
            state.organization = state.organization or next(iter(theirs), None)
    if not dry_run:
        _write_threads(connection, [states[number] for number in {change.thread for change in changes}])
    return changes


def _mails(connection: Connection, ids: list[int]) -> list[_Mail]:
    parties: dict[int, dict[str, int | None]] = defaultdict(dict)
    rows = connection.execute(
        select(participant.c.message_id, participant.c.address, participant.c.person_id)
        .join(message, message.c.id == participant.c.message_id)
        .where(message.c.thread_id.in_(ids))
    )
    for row in rows:
        parties[row.message_id][row.address] = row.person_id
    found = connection.execute(
        select(message.c.id, message.c.thread_id, message.c.kind, message.c.date, message.c.historic)
        .where(message.c.thread_id.in_(ids))
        .order_by(message.c.thread_id, message.c.date)
    )
    return [_Mail(row.id, row.thread_id, Kind(row.kind), row.date, row.historic, parties[row.id]) for row in found]


def _present(connection: Connection, ids: list[int]) -> set[tuple[int, str]]:
    rows = connection.execute(
        select(link.c.message_id, link.c.record, link.c.record_id)
        .join(message, message.c.id == link.c.message_id)
        .where(message.c.thread_id.in_(ids))
    )
    return {(row.message_id, f"{row.record}:{row.record_id}") for row in rows}


def _write(connection: Connection, mail: _Mail, new: dict[str, Match]) -> None:
    rows = [
        {
            "message_id": mail.id,
            "record": key.partition(":")[0],
            "record_id": match.record,
            "rule": match.rule,
            "evidence": match.evidence,
        }
        for key, match in new.items()
    ]
    connection.execute(insert_new(connection, link), rows)
    for key, match in new.items():
        if key.startswith("person:"):
            connection.execute(
                update(participant)
                .where(participant.c.message_id == mail.id, participant.c.address == match.evidence)
                .values(person_id=match.record)
            )


def _write_threads(connection: Connection, states: list[lookup.ThreadState]) -> None:
    for state in states:
        connection.execute(
            update(thread)
            .where(thread.c.id == state.id)
            .values(deal_id=state.deal, link=state.link, organization_id=state.organization)
        )
