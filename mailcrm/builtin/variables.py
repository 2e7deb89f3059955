"""What a letter may speak of: the person, the deal or lead, the organization, the rep who writes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from mailcrm.config import User
from mailcrm.core.enrollment import Subject
from mailcrm.core.letters import BadTemplate, first_name, is_address, variables_of
from mailcrm.core.nearest import nearest
from mailcrm.store import deals, fields, leads, organizations, people, tags
from mailcrm.store.deals import AnyRow
from mailcrm.store.fields import Record

_MONEY = ("value", "currency")
KNOWN: Mapping[str, Collection[str]] = {
    "person": ("name", "first_name", "last_name", "email", "phone", "tags", "fields"),
    "deal": ("id", "title", "stage", "pipeline", "status", *_MONEY, "fields"),
    "lead": ("id", "title", *_MONEY, "fields"),
    "organization": ("name", "industry", "domain", "fields"),
    "rep": ("name", "first_name", "last_name", "email", "signature"),
}
"""Everything that a template may name; ``fields`` are the custom ones, each by its own name."""


def check(template: str, item: str) -> None:
    """See that a template names only what a letter to such a subject can have.

    Args:
        item: ``person``, ``deal`` or ``lead``: who the flow is about.

    Raises:
        BadTemplate: it names something else, or is no template at all.
    """
    roots = [root for root in KNOWN if root not in ("deal", "lead") or root == item]
    for path in sorted(variables_of(template)):
        shown = ".".join(path)
        if path[0] not in roots:
            raise BadTemplate(f"{{{{ {shown} }}}} is not known; {nearest(path[0], roots)}")
        if len(path) < 2:
            raise BadTemplate(f"{{{{ {shown} }}}} is several things; write one of them, such as {shown}.name")
        if path[1] not in KNOWN[path[0]]:
            raise BadTemplate(f"{{{{ {shown} }}}} is not known; {nearest(path[1], KNOWN[path[0]])}")


def of(connection: Connection, subject: Subject, rep: User, signature: str) -> dict[str, Any]:
    """The values of a letter's variables; what has none is left out.

    Args:
        rep: in whose name the letter goes.
        signature: that of the flow's owner (SEQ-15).
    """
    found = {"rep": {"email": rep.email, "signature": signature, **_names(rep.name)}}
    organization: int | None = None
    if subject.person is not None:
        row = people.rows(connection, [subject.person])[subject.person]
        organization = row.organization_id
        found["person"] = _person(connection, row)
    if subject.deal is not None:
        row = deals.rows(connection, [subject.deal])[subject.deal]
        organization = row.organization_id or organization
        found["deal"] = _item(connection, "deal", row, ("id", "title", "stage", "pipeline", "status", "currency"))
    if subject.lead is not None:
        row = leads.rows(connection, [subject.lead])[subject.lead]
        organization = row.organization_id or organization
        found["lead"] = _item(connection, "lead", row, ("id", "title", "currency"))
    if organization is not None:
        found["organization"] = _organization(connection, organization)
    return {root: _given(values) for root, values in found.items()}


def _person(connection: Connection, row: AnyRow) -> dict[str, Any]:
    emails = people.emails(connection, [row.id]).get(row.id, [])
    phones = people.phones(connection, [row.id]).get(row.id, [])
    return {
        **_names(row.name),
        "email": next(iter(emails), None),
        "phone": next(iter(phones), None),
        "tags": tags.of(connection, [row.id]).get(row.id, []),
        "fields": _fields(connection, "person", row.id),
    }


def _names(name: str) -> dict[str, str | None]:
    first = first_name(name)
    last = " ".join(word for word in name.replace(",", " ").split() if word != first) if first else None
    return {"name": None if is_address(name) else name, "first_name": first, "last_name": last}


def _item(connection: Connection, record: Record, row: AnyRow, columns: Iterable[str]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in columns}
    return {**values, "value": _amount(row.value), "fields": _fields(connection, record, row.id)}


def _organization(connection: Connection, number: int) -> dict[str, Any]:
    row = organizations.rows(connection, [number])[number]
    domains = organizations.domains(connection, [number]).get(number, [])
    return {
        "name": row.name,
        "industry": row.industry,
        "domain": next(iter(domains), None),
        "fields": _fields(connection, "organization", number),
    }


def _fields(connection: Connection, record: Record, number: int) -> dict[str, Any]:
    return _given(fields.of(connection, record, [number]).get(number, {}))


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _amount(value: Decimal | None) -> str | None:
    """As people write it: ``1200``, ``1200.50``."""
    return None if value is None else f"{value:.0f}" if value == value.to_integral_value() else f"{value:.2f}"
