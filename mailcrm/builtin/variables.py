"""What a letter may speak of: the person, the deal or lead, the organization, a document, the rep who writes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from sqlalchemy import Connection

from mailcrm.builtin.whom import Records
from mailcrm.config import User
from mailcrm.core.documents import rounded
from mailcrm.core.letters import BadTemplate, first_name, is_address, variables_of
from mailcrm.core.nearest import nearest
from mailcrm.store import deals, fields, leads, organizations, people, tags
from mailcrm.store.deals import AnyRow
from mailcrm.store.documents import StoredDocument
from mailcrm.store.fields import Record

_Named: TypeAlias = frozenset[tuple[str, ...]]
_MONEY = ("value", "currency")
KNOWN: Mapping[str, Collection[str]] = {
    "person": ("name", "first_name", "last_name", "email", "phone", "tags", "fields"),
    "deal": ("id", "title", "stage", "pipeline", "status", *_MONEY, "fields"),
    "lead": ("id", "title", *_MONEY, "fields"),
    "organization": ("name", "industry", "domain", "fields"),
    "document": ("name", "issued_on", "due_on", "net", "tax", "gross", "currency"),
    "rep": ("name", "first_name", "last_name", "email", "signature"),
    "unsubscribe": ("url",),
}
"""Everything that a template may name; ``fields`` are the custom ones, each by its own name."""
_ALWAYS = ("person", "organization", "rep", "unsubscribe")
_BESIDE: Mapping[str, Collection[str]] = {
    "any": KNOWN,
    "deal": ("deal", "document"),
    "lead": ("lead", "document"),
    "person": ("document",),
    # A campaign's recipient may be a lead, and what was made for him is told.
    **dict.fromkeys(("mailing", "calls", "activities"), ("lead",)),
    "deals": ("lead", "deal"),
    **dict.fromkeys(("invoices", "offers"), ("lead", "document")),
}


def check(template: str, item: str) -> None:
    """See that a template names only what a letter to such a subject can have.

    Args:
        item: ``person``, ``deal`` or ``lead``: who the flow is about; the type of a campaign; ``any``: it is not known
            yet.

    Raises:
        BadTemplate: it names something else, or is no template at all.
    """
    roots = [root for root in KNOWN if root in _ALWAYS or root in _BESIDE[item]]
    for path in sorted(variables_of(template)):
        shown = ".".join(path)
        if path[0] not in roots:
            raise BadTemplate(f"{{{{ {shown} }}}} is not known; {nearest(path[0], roots)}")
        if len(path) < 2:
            raise BadTemplate(f"{{{{ {shown} }}}} is several things; write one of them, such as {shown}.name")
        if path[1] not in KNOWN[path[0]]:
            raise BadTemplate(f"{{{{ {shown} }}}} is not known; {nearest(path[1], KNOWN[path[0]])}")


def of(connection: Connection, about: Records, rep: User, signature: str, *templates: str) -> dict[str, Any]:
    """The values of the variables that these templates name; what has none is left out of its root.

    Args:
        rep: in whose name the letter goes.
        signature: that of the flow's owner (SEQ-15).

    Raises:
        BadTemplate: one is no template.
    """
    named = frozenset(path[:2] for template in templates for path in variables_of(template))
    roots = {path[0] for path in named}
    found = {"rep": {"email": rep.email, "signature": signature, **_names(rep.name)}}
    organization: int | None = None
    if about.person is not None and not roots.isdisjoint(("person", "organization")):
        row = people.rows(connection, [about.person])[about.person]
        organization = row.organization_id
        found["person"] = _person(connection, row, named)
    if about.deal is not None and not roots.isdisjoint(("deal", "organization")):
        row = deals.rows(connection, [about.deal])[about.deal]
        organization = row.organization_id or organization
        columns = ("id", "title", "stage", "pipeline", "status", "currency")
        found["deal"] = _item(connection, "deal", row, columns, named)
    if about.lead is not None and not roots.isdisjoint(("lead", "organization")):
        row = leads.rows(connection, [about.lead])[about.lead]
        organization = row.organization_id or organization
        found["lead"] = _item(connection, "lead", row, ("id", "title", "currency"), named)
    organization = about.organization or organization
    if organization is not None and "organization" in roots:
        found["organization"] = _organization(connection, organization, named)
    if about.document is not None:
        found["document"] = _document(about.document)
    return {root: _given(found.get(root, {})) for root in (*roots, "rep")}


def samples(*templates: str) -> dict[str, Any]:
    """The variables that these templates name, each with its own name as its value: ``[person.first_name]``.

    Raises:
        BadTemplate: one is no template.
    """
    found: dict[str, Any] = {}
    for path in sorted({path for template in templates for path in variables_of(template)}):
        *above, last = path
        within = found
        for part in above:
            within = within.setdefault(part, {})
        shown = f"[{'.'.join(path)}]"
        within.setdefault(last, [shown] if path == ("person", "tags") else shown)
    return found


def _person(connection: Connection, row: AnyRow, named: _Named) -> dict[str, Any]:
    found: dict[str, Any] = _names(row.name)
    if ("person", "email") in named:
        found["email"] = next(iter(people.emails(connection, [row.id]).get(row.id, ())), None)
    if ("person", "phone") in named:
        found["phone"] = next(iter(people.phones(connection, [row.id]).get(row.id, ())), None)
    if ("person", "tags") in named:
        found["tags"] = tags.of(connection, [row.id]).get(row.id, [])
    return found | _fields(connection, "person", row.id, named)


def _names(name: str) -> dict[str, Any]:
    first = first_name(name)
    last = " ".join(word for word in name.replace(",", " ").split() if word != first) if first else None
    return {"name": None if is_address(name) else name, "first_name": first, "last_name": last}


def _item(connection: Connection, record: Record, row: AnyRow, columns: Iterable[str], named: _Named) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in columns}
    return {**values, "value": _amount(row.value)} | _fields(connection, record, row.id, named)


def _organization(connection: Connection, number: int, named: _Named) -> dict[str, Any]:
    row = organizations.rows(connection, [number])[number]
    domains = organizations.domains(connection, [number]).get(number, [])
    return {
        "name": row.name,
        "industry": row.industry,
        "domain": next(iter(domains), None),
    } | _fields(connection, "organization", number, named)


def _document(issued: StoredDocument) -> dict[str, Any]:
    amounts = {name: f"{rounded(getattr(issued, name), issued.currency):f}" for name in ("net", "tax", "gross")}
    days = {name: day.isoformat() for name in ("issued_on", "due_on") if (day := getattr(issued, name)) is not None}
    return {"name": issued.name, "currency": issued.currency, **amounts, **days}


def _fields(connection: Connection, record: Record, number: int, named: _Named) -> dict[str, Any]:
    """The custom fields, where the templates name any."""
    if (record, "fields") not in named:
        return {}
    return {"fields": _given(fields.of(connection, record, [number]).get(number, {}))}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _amount(value: Decimal | None) -> str | None:
    """As people write it: ``1200``, ``1200.50``."""
    return None if value is None else f"{value:.0f}" if value == value.to_integral_value() else f"{value:.2f}"
