"""Documents as they are shown to the outside: one JSON object each. Keys may be added, never renamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from mailcrm.builtin import documents as issuing
from mailcrm.builtin import parties
from mailcrm.builtin.documents import Draft
from mailcrm.core.documents import Item, Totals, rounded
from mailcrm.store import documents, users
from mailcrm.store.documents import StoredDocument


@dataclass(frozen=True, kw_only=True)
class Document:
    """An invoice or offer. ``name`` is its number as it is printed, ``owner`` a user's key, ``flow`` the campaign."""

    id: int
    kind: str
    name: str
    series: str
    issued_on: date
    due_on: date | None
    person: int | None
    organization: int | None
    deal: int | None
    net: Decimal
    tax: Decimal
    gross: Decimal
    currency: str
    language: str
    owner: str | None
    flow: int | None
    sha256: str | None
    handed_as: str | None
    created_by: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class DocumentPage(Document):
    """A document whole; ``exempt`` is the law by which lines are. A rate or tax of None is exempt."""

    seller: dict[str, str]
    buyer: dict[str, str]
    note: str
    exempt: str
    lines: list[dict[str, Any]]
    rates: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What a document would be if it were issued now; ``name`` is likely, for another may come first."""

    kind: str
    name: str
    issued_on: date
    due_on: date
    currency: str
    language: str
    net: Decimal
    tax: Decimal
    gross: Decimal
    seller: dict[str, str]
    buyer: dict[str, str]
    lines: list[dict[str, Any]]
    rates: list[dict[str, Any]]


def listed(connection: Connection, ids: Sequence[int]) -> list[Document]:
    """Documents, in the order of ``ids``; unknown ids are left out."""
    rows, keys = documents.of(connection, ids), _keys(connection)
    return [Document(**_values(rows[number], keys)) for number in ids if number in rows]


def page(connection: Connection, row: StoredDocument) -> DocumentPage:
    """A document with all that it says."""
    whole = issuing.read(row)
    return DocumentPage(
        **_values(row, _keys(connection)),
        seller={name: value for name, value in row.seller.items() if name != "exempt"},
        buyer=dict(row.buyer),
        note=row.note,
        exempt=whole.exempt,
        lines=_lines(whole.items),
        rates=_rates(whole.totals),
    )


def planned(draft: Draft, name: str, due_on: date) -> Planned:
    """What a draft comes to."""
    return Planned(
        kind=draft.kind,
        name=name,
        issued_on=draft.issued_on,
        due_on=due_on,
        currency=draft.currency,
        language=draft.language,
        net=draft.totals.net,
        tax=draft.totals.tax,
        gross=draft.totals.gross,
        seller=parties.written(draft.seller),
        buyer=parties.written(draft.buyer.party),
        lines=_lines(draft.items),
        rates=_rates(draft.totals),
    )


def _lines(items: Sequence[Item]) -> list[dict[str, Any]]:
    return [asdict(item) for item in items]


def _rates(totals: Totals) -> list[dict[str, Any]]:
    return [asdict(rate) for rate in totals.rates]


def _values(row: StoredDocument, keys: dict[int | None, str]) -> dict[str, Any]:
    same = ("id", "kind", "name", "series", "issued_on", "due_on", "person", "organization", "deal", "currency")
    more = ("language", "flow", "sha256", "handed_as", "created_by", "created_at")
    amounts = {name: rounded(getattr(row, name), row.currency) for name in ("net", "tax", "gross")}
    return {name: getattr(row, name) for name in (*same, *more)} | amounts | {"owner": keys.get(row.owner)}


def _keys(connection: Connection) -> dict[int | None, str]:
    return {user.id: user.key for user in users.every(connection)}
