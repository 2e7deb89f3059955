"""What an import has to know of a batch, read set-wise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, Table, select

from mailcrm.core.addresses import company_domain
from mailcrm.core.book import Book, Organization, Person, Trade, name_key
from mailcrm.core.cells import digits
from mailcrm.core.companies import company_key
from mailcrm.core.filing import Stages
from mailcrm.core.records import AnyRow, OrganizationRow, PersonRow, TradeRow
from mailcrm.store import fields, tags
from mailcrm.store.db import slices
from mailcrm.store.tables import (
    deal,
    lead,
    note,
    organization,
    organization_address,
    organization_domain,
    person,
    person_address,
    person_phone,
    pipeline,
    stage,
)

AnyResult = Row[*tuple[Any, ...]]
Trading = Literal["deal", "lead"]
TRADES: dict[Trading, Table] = {"deal": deal, "lead": lead}


def companies(connection: Connection) -> dict[str, int]:
    """Every organization by the key of its name (``company_key``), the oldest of namesakes."""
    found: dict[str, int] = {}
    query = select(organization.c.id, organization.c.name).where(organization.c.removed_at.is_(None))
    for number, name in connection.execute(query.order_by(organization.c.id).execution_options(yield_per=5000)):
        found.setdefault(company_key(name), number)
    return found


def stages(connection: Connection, first: int) -> Stages:
    """The stages of every pipeline; ``first`` is where a deal starts if its row names none."""
    query = (
        select(pipeline.c.name, stage.c.name, stage.c.id)
        .join(stage, stage.c.pipeline_id == pipeline.c.id)
        .where(stage.c.removed_at.is_(None))
        .order_by(pipeline.c.id, stage.c.position)
    )
    known: dict[tuple[str, str], int] = {}
    for pipeline_name, stage_name, number in connection.execute(query):
        for key in (
            (name_key(pipeline_name), name_key(stage_name)),
            ("", name_key(stage_name)),
            (name_key(pipeline_name), ""),
        ):
            known.setdefault(key, number)
    return Stages(known, first)


def load(connection: Connection, rows: Sequence[AnyRow], companies: dict[str, int], trade: Trading | None) -> Book:
    """Every stored record that one of the rows may be or name.

    Args:
        companies: as ``companies`` found them.
        trade: "deal" or "lead" where the rows are such.
    """
    people = [row if isinstance(row, PersonRow) else row.person for row in rows if not isinstance(row, OrganizationRow)]
    emails = {email for row in people if row for email in row.emails}
    names = {spelling for row in people if row and row.name for spelling in _spellings(row.name)}
    titles = {row.title for row in rows if isinstance(row, TradeRow)}
    found = _people(connection, emails, names)
    trades = _rows(connection, *_trades(trade, titles)) if trade else []
    missing = {row.person_id for row in trades if row.person_id} - found.keys()
    found.update(_people_by_id(connection, missing))

    numbers = {row.organization_id for row in [*found.values(), *trades] if row.organization_id}
    numbers |= {companies[key] for key in map(company_key, _company_names(rows)) if key in companies}
    domains, addresses = (
        _wanted_domains(rows),
        {e for row in rows if isinstance(row, OrganizationRow) for e in row.emails},
    )
    by_domain = _owners(connection, organization_domain, "domain", domains)
    by_address = _owners(connection, organization_address, "address", addresses)
    numbers |= {*by_domain.values(), *by_address.values()}

    book = Book()
    held = _hold_organizations(connection, book, numbers, by_domain, by_address)
    persons = _hold_people(connection, book, found, held)
    for row in trades:
        _hold_trade(book, row, persons, held)
    if trade:
        _add_fields_and_notes(connection, trade, book.trades)
    return book


def _people(connection: Connection, emails: Collection[str], names: Collection[str]) -> dict[int, AnyResult]:
    query = select(person).where(person.c.removed_at.is_(None))
    addressed = query.join(person_address, person_address.c.person_id == person.c.id).where(
        person_address.c.valid_to.is_(None)
    )
    found = _rows(connection, addressed, person_address.c.address, emails)
    return {row.id: row for row in [*found, *_rows(connection, query, person.c.name, names)]}


def _people_by_id(connection: Connection, numbers: Collection[int]) -> dict[int, AnyResult]:
    return {row.id: row for row in _rows(connection, select(person), person.c.id, numbers)}


def _trades(trade: Trading, titles: Collection[str]) -> tuple[Select[Any], Any, Collection[str]]:
    table = TRADES[trade]
    return select(table).where(table.c.removed_at.is_(None)).order_by(table.c.id), table.c.title, titles


def _company_names(rows: Iterable[AnyRow]) -> set[str]:
    return {row.name if isinstance(row, OrganizationRow) else row.organization for row in rows} - {""}


def _wanted_domains(rows: Iterable[AnyRow]) -> set[str]:
    found: set[str] = set()
    for row in rows:
        if isinstance(row, OrganizationRow):
            found.update(row.domains)
        else:
            him = row.person if isinstance(row, TradeRow) else row
            found.update(domain for email in (him.emails if him else ()) if (domain := company_domain(email)))
    return found


def _owners(connection: Connection, table: Any, column: str, values: Collection[str]) -> dict[str, int]:
    query = (
        select(table.c[column], table.c.organization_id)
        .join(organization, organization.c.id == table.c.organization_id)
        .where(organization.c.removed_at.is_(None))
    )
    return {row[0]: row[1] for row in _rows(connection, query, table.c[column], values)}


def _hold_organizations(
    connection: Connection, book: Book, numbers: Collection[int], by_domain: dict[str, int], by_address: dict[str, int]
) -> dict[int, Organization]:
    held: dict[int, Organization] = {}
    domains, emails = _inverted(by_domain), _inverted(by_address)
    for row in _rows(connection, select(organization).order_by(organization.c.id), organization.c.id, numbers):
        held[row.id] = book.hold_organization(
            Organization(
                id=row.id,
                name=row.name,
                industry=row.industry,
                owner=row.owner_id,
                guessed=row.created_by.startswith("mail:"),
            ),
            domains=domains[row.id],
            emails=emails[row.id],
        )
    _add_fields_and_notes(connection, "organization", book.organizations)
    return held


def _hold_people(
    connection: Connection, book: Book, found: dict[int, AnyResult], held: dict[int, Organization]
) -> dict[int, Person]:
    emails: dict[int, set[str]] = defaultdict(set)
    query = select(person_address.c.person_id, person_address.c.address).where(person_address.c.valid_to.is_(None))
    for row in _rows(connection, query, person_address.c.person_id, found):
        emails[row[0]].add(row[1])
    phones: dict[int, set[str]] = defaultdict(set)
    query = select(person_phone.c.person_id, person_phone.c.number)
    for row in _rows(connection, query, person_phone.c.person_id, found):
        phones[row[0]].add(digits(row[1]))
    tagged = tags.of(connection, found)
    persons = {
        number: book.hold_person(
            Person(
                id=number,
                name=row.name,
                organization=held.get(row.organization_id),
                owner=row.owner_id,
                emails=emails[number],
                phones=phones[number],
                tags=set(tagged.get(number, ())),
            )
        )
        for number, row in sorted(found.items())
    }
    _add_fields_and_notes(connection, "person", book.persons)
    return persons


def _hold_trade(book: Book, row: AnyResult, persons: dict[int, Person], held: dict[int, Organization]) -> None:
    trade = Trade(
        id=row.id,
        title=row.title,
        person=persons.get(row.person_id),
        organization=held.get(row.organization_id),
        owner=row.owner_id,
        value=row.value,
        currency=row.currency,
        created=row.created_at,
    )
    if "status" in row._fields:
        trade.stage, trade.status = row.stage_id, row.status
        trade.closed, trade.lost_reason = row.closed_at, row.lost_reason
    book.hold_trade(trade)


def _add_fields_and_notes(
    connection: Connection, record: fields.Record, entries: Iterable[Organization | Person | Trade]
) -> None:
    by_id = {entry.id: entry for entry in entries if entry.id is not None}
    for number, values in fields.of(connection, record, by_id).items():
        by_id[number].fields.update(values)
    about = note.c[f"{record}_id"]
    query = select(about, note.c.text).where(note.c.removed_at.is_(None))
    for number, text in _rows(connection, query, about, by_id):
        by_id[number].notes.add(text)


def _inverted(owners: dict[str, int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for value, number in owners.items():
        found[number].append(value)
    return found


def _spellings(name: str) -> set[str]:
    """The name in the ways that an index finds it without folding."""
    return {name, name.upper(), name.title()}


def _rows(connection: Connection, query: Select[Any], column: Any, values: Iterable[object]) -> list[AnyResult]:
    return [row for piece in slices(values) for row in connection.execute(query.where(column.in_(piece)))]
