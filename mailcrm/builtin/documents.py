"""Invoices and offers issued: ``document.create``, ``document.file``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Connection

from mailcrm.builtin import parties, who
from mailcrm.builtin.hands import Hands, Outcome
from mailcrm.config import Config
from mailcrm.config_documents import Series
from mailcrm.core import numbering, spans
from mailcrm.core.documents import Document, Item, Kind, Party, Totals, item_of, note_of, totals
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.nearest import nearest
from mailcrm.core.refusals import Refusals
from mailcrm.errors import Refused, Temporary
from mailcrm.store import documents, flows, members, recipients
from mailcrm.store.documents import NewDocument, StoredDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A document that somebody wants.

    Args:
        series: by its name in the configuration; None: the first of the kind.
        lines: see ``core.documents.item_of``.
        within: span: until when it is to be paid, or holds; None: the configuration's.
        language: None: the buyer's, where his record says so, else the configuration's.
        person, organization, deal: whom it is for; without an organization it is the deal's, then the person's.
    """

    kind: str
    lines: Sequence[Mapping[str, Any]]
    series: str | None = None
    currency: str | None = None
    within: str | None = None
    note: str | None = None
    language: str | None = None
    person: int | None = None
    organization: int | None = None
    deal: int | None = None
    lead: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A document but for its number, which is not taken yet.

    Args:
        issued_on: today; a document before it in the series may push it on.
        within: span from the day of issue.
    """

    kind: Kind
    series: str
    pattern: str
    period: numbering.Period
    issued_on: date
    within: str
    language: str
    currency: str
    seller: Party
    buyer: parties.Buyer
    items: tuple[Item, ...]
    totals: Totals
    note: str
    exempt: str


def draft(connection: Connection, config: Config, wanted: Wanted, now: datetime) -> Draft:
    """What a document would say if it were issued now.

    Raises:
        Refused: something is wrong, or missing that law wants; the text names all of it.
    """
    given, faults = config.documents, Refusals()
    kind = faults.of(lambda: _kind(wanted.kind))
    found = faults.of(lambda: _series(given.series, wanted.series, kind)) if kind else None
    currency = faults.of(lambda: parties.currency(wanted.currency or given.currency)) or given.currency
    read = [faults.of(partial(item_of, line, currency, given.tax)) for line in wanted.lines]
    items = tuple(item for item in read if item is not None)
    sums = faults.of(lambda: totals(items, currency)) if len(items) == len(read) else None
    subject = faults.of(lambda: parties.buyer(connection, wanted.person, wanted.organization, wanted.deal, wanted.lead))
    seller = parties.seller(given)
    exempt = any(item.tax is None for item in items)
    if kind and subject:
        faults.of(lambda: parties.check(given, kind, seller, subject, exempt=exempt))
    note = faults.of(lambda: note_of(given.note if wanted.note is None else wanted.note))
    issued_on = now.astimezone(given.zone).date()
    within = wanted.within or (given.offer_within if kind is Kind.OFFER else given.pay_within)
    faults.of(lambda: due_on(config, issued_on, within))
    if faults or kind is None or found is None or sums is None or subject is None or note is None:
        raise faults.together()
    name, series = found
    return Draft(
        kind=kind,
        series=name,
        pattern=series.pattern,
        period=series.period,
        issued_on=issued_on,
        within=within,
        language=parties.language(wanted.language or subject.language or given.language),
        currency=currency,
        seller=seller,
        buyer=subject,
        items=items,
        totals=sums,
        note=note,
        exempt=given.exempt if exempt else "",
    )


def issue(
    connection: Connection,
    config: Config,
    wanted: Wanted,
    now: datetime,
    *,
    key: str,
    created_by: str,
    owner: int | None = None,
    flow: int | None = None,
) -> int:
    """Store a document under the next number of its series; gives its id, the old one's if the key is known.

    The number is taken in this transaction: it is given out again should the transaction be rolled back, and whoever
    wants the next one waits for its end. A document never bears an earlier day than the one before it.

    Raises:
        Refused: as ``draft``.
        Temporary: another one with this key came in between.
    """
    if (known := documents.find(connection, key)) is not None:
        return known
    new = draft(connection, config, wanted, now)
    period = numbering.period_of(new.period, new.issued_on)
    last, day = documents.lock(connection, new.series, period)
    if (known := documents.find(connection, key)) is not None:
        return known  # made by whoever had the series before us
    issued_on = max(new.issued_on, day or new.issued_on)
    name = numbering.name_of(new.pattern, last + 1, issued_on)
    row = NewDocument(
        key=key,
        kind=new.kind,
        series=new.series,
        due_on=due_on(config, issued_on, new.within),
        language=new.language,
        currency=new.currency,
        seller=parties.written(new.seller) | ({"exempt": new.exempt} if new.exempt else {}),
        buyer=parties.written(new.buyer.party),
        lines=[_written(item) for item in new.items],
        note=new.note,
        net=new.totals.net,
        tax=new.totals.tax,
        gross=new.totals.gross,
        created_by=created_by,
        person=new.buyer.person,
        organization=new.buyer.organization,
        deal=wanted.deal,
        owner=owner,
        flow=flow,
    )
    made = documents.add(connection, row, name, last + 1, period, issued_on, now)
    if made is not None:
        return made
    if documents.named(connection, name) is not None:
        raise Refused(f"{name} was issued in another series; give {new.series} another pattern (documents.series)")
    raise Temporary(f"the document {key} is being made by somebody else")


def due_on(config: Config, issued_on: date, within: str) -> date:
    """The day that lies a span after the day of issue. Raises Refused for what is no span."""
    zone = config.documents.zone
    try:
        return spans.after(datetime.combine(issued_on, time(12), zone), within, zone).astimezone(zone).date()
    except ValueError as error:
        raise Refused(str(error)) from None


def read(row: StoredDocument) -> Document:
    """A stored document, with its sums by rate."""
    items = tuple(
        Item(
            line["description"] or "",
            Decimal(line["quantity"] or 0),
            line["unit"] or "",
            Decimal(line["price"] or 0),
            None if line["tax"] is None else Decimal(line["tax"]),
            Decimal(line["net"] or 0),
        )
        for line in row.lines
    )
    seller = dict(row.seller)
    exempt = seller.pop("exempt", "")
    return Document(
        id=row.id,
        key=row.key,
        kind=row.kind,
        name=row.name,
        issued_on=row.issued_on,
        due_on=row.due_on,
        language=row.language,
        currency=row.currency,
        seller=Party(**seller),
        buyer=Party(**row.buyer),
        items=items,
        totals=totals(items, row.currency),
        note=row.note,
        exempt=exempt,
    )


def document_of(hands: Hands, subject: Subject, run: str | None = None) -> StoredDocument | None:
    """The document that a mail to this subject brings; see ``of_subject``."""
    return of_subject(hands.connection, subject, run)


def of_subject(connection: Connection, subject: Subject, run: str | None = None) -> StoredDocument | None:
    """The document of a campaign's member; elsewhere the last one of this run for this person or deal.

    Args:
        run: ``enrollment:12`` (``who.run``); not asked for a campaign's recipient.
    """
    if subject.recipient is not None:
        member = recipients.of(connection, [subject.recipient])[subject.recipient].member
        number = documents.find(connection, f"member:{member}")
        return documents.of(connection, [number])[number] if number is not None else None
    if run is None:
        return None
    return documents.last_made(connection, run, person=subject.person, deal=subject.deal)


def document_create(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``document.create {kind, series, lines, currency, pay_within, note}``: one for a member of a campaign, however
    many of its recipients he is; elsewhere one for each time that it is done. It is issued today.
    """
    flow = effect.chain[-1][0] if effect.chain else None
    owner = flows.get(hands.connection, flow).owner if flow is not None else None
    key, member = f"effect:{effect.key}", None
    wanted = Wanted(
        kind=effect.args["kind"],
        lines=effect.args["lines"],
        series=who.optional(effect, "series"),
        currency=who.optional(effect, "currency"),
        within=who.optional(effect, "pay_within"),
        note=who.optional(effect, "note"),
        person=subject.person,
        deal=subject.deal,
        lead=subject.lead,
    )
    if subject.recipient is not None:
        recipient = recipients.of(hands.connection, [subject.recipient])[subject.recipient]
        member, key, owner = recipient.member, f"member:{recipient.member}", recipient.user or owner
        wanted = replace(
            wanted, person=recipient.person, organization=recipient.organization, lead=recipient.lead, deal=None
        )
    number = issue(
        hands.connection,
        hands.config,
        wanted,
        hands.clock(),
        key=key,
        created_by=who.run(effect),
        owner=owner,
        flow=flow,
    )
    if member is not None:
        members.note_made(hands.connection, member, f"document:{number}")
    return Outcome.DONE


class Filing(Protocol):
    """What ``document.file`` may use beyond ``hookspecs.Reach``."""

    def file_document(self) -> None:
        """Make the PDF of the subject's document, keep it, and hand it to the plugins that ask for documents.

        Raises:
            Refused: there is no document.
            Temporary: a plugin, the disk or the database can't now.
        """


async def document_file(hands: Filing, effect: Effect) -> None:  # noqa: ARG001
    """``document.file``: see ``Filing``. Done again it leaves one PDF, and plugins are told the document's key."""
    await asyncio.to_thread(hands.file_document)


def _kind(given: str) -> Kind:
    try:
        return Kind(given)
    except ValueError:
        raise Refused(f"{given!r} is no kind of document; {nearest(given, list(Kind))}") from None


def _series(known: Mapping[str, Series], given: str | None, kind: Kind) -> tuple[str, Series]:
    if given is None:
        found = next((name for name, each in known.items() if each.kind == kind), None)
        if found is None:
            raise Refused(f"there is no series for {kind}s; write [documents.series.…] with kind = {kind.value!r}")
        return found, known[found]
    if given not in known:
        raise Refused(f"there is no series {given!r} of documents; {nearest(given, known)}")
    if known[given].kind != kind:
        raise Refused(f"the series {given} is of {known[given].kind}s, and this is an {kind}; name another")
    return given, known[given]


def _written(item: Item) -> dict[str, str | None]:
    numbers = {name: f"{getattr(item, name):f}" for name in ("quantity", "price", "net")}
    tax = None if item.tax is None else f"{item.tax:f}"
    return {"description": item.description, "unit": item.unit, "tax": tax, **numbers}
