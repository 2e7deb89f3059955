"""Records as they are shown to the outside: one JSON object each. Keys may be added, never renamed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from mailcrm.store import activities, deals, fields, leads, organizations, people, tags, users


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person; the first of ``emails`` is the primary one, ``owner`` a user's key."""

    id: int
    name: str
    emails: list[str]
    phones: list[str]
    organization: int | None
    owner: str | None
    tags: list[str]
    fields: dict[str, Any]
    created_by: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Organization:
    """An organization; ``emails`` are its own, not its persons'."""

    id: int
    name: str
    domains: list[str]
    emails: list[str]
    industry: str | None
    owner: str | None
    fields: dict[str, Any]
    created_by: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Deal:
    """A deal. ``status``: open, won or lost; ``value`` with two decimals, ``currency`` ISO 4217."""

    id: int
    title: str
    person: int | None
    organization: int | None
    stage: str
    status: str
    value: Decimal | None
    currency: str | None
    owner: str | None
    pipeline: str
    created_by: str
    created_at: datetime
    closed_at: datetime | None
    lost_reason: str | None
    fields: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Lead:
    """A lead."""

    id: int
    title: str
    person: int | None
    organization: int | None
    value: Decimal | None
    currency: str | None
    owner: str | None
    created_by: str
    created_at: datetime
    fields: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Activity:
    """An activity; ``assignee`` is a user's key."""

    id: int
    type: str
    due: datetime | None
    assignee: str | None
    priority: str | None
    note: str | None
    done_at: datetime | None
    person: int | None
    organization: int | None
    deal: int | None
    lead: int | None


@dataclass(frozen=True, kw_only=True)
class Note:
    """A note; ``author`` is a user's key."""

    id: int
    text: str
    author: str | None
    at: datetime
    person: int | None
    organization: int | None
    deal: int | None
    lead: int | None


def persons(connection: Connection, ids: Sequence[int]) -> list[Person]:
    """Persons, in the order of ``ids``; unknown ids are left out."""
    rows, owners = people.rows(connection, ids), _keys(connection)
    emails, phones = people.emails(connection, ids), people.phones(connection, ids)
    tagged, custom = tags.of(connection, ids), fields.of(connection, "person", ids)
    return [
        Person(
            id=row.id,
            name=row.name,
            emails=emails.get(row.id, []),
            phones=phones.get(row.id, []),
            organization=row.organization_id,
            owner=owners.get(row.owner_id),
            tags=tagged.get(row.id, []),
            fields=custom.get(row.id, {}),
            created_by=row.created_by,
            created_at=row.created_at,
        )
        for row in _in_order(rows, ids)
    ]


def organizations_(connection: Connection, ids: Sequence[int]) -> list[Organization]:
    """Organizations, in the order of ``ids``; unknown ids are left out."""
    rows, owners = organizations.rows(connection, ids), _keys(connection)
    domains, emails = organizations.domains(connection, ids), organizations.emails(connection, ids)
    custom = fields.of(connection, "organization", ids)
    return [
        Organization(
            id=row.id,
            name=row.name,
            domains=domains.get(row.id, []),
            emails=emails.get(row.id, []),
            industry=row.industry,
            owner=owners.get(row.owner_id),
            fields=custom.get(row.id, {}),
            created_by=row.created_by,
            created_at=row.created_at,
        )
        for row in _in_order(rows, ids)
    ]


def deals_(connection: Connection, ids: Sequence[int]) -> list[Deal]:
    """Deals, in the order of ``ids``; unknown ids are left out."""
    rows, owners, custom = deals.rows(connection, ids), _keys(connection), fields.of(connection, "deal", ids)
    return [
        Deal(
            id=row.id,
            title=row.title,
            person=row.person_id,
            organization=row.organization_id,
            stage=row.stage,
            status=row.status,
            value=row.value,
            currency=row.currency,
            owner=owners.get(row.owner_id),
            pipeline=row.pipeline,
            created_by=row.created_by,
            created_at=row.created_at,
            closed_at=row.closed_at,
            lost_reason=row.lost_reason,
            fields=custom.get(row.id, {}),
        )
        for row in _in_order(rows, ids)
    ]


def leads_(connection: Connection, ids: Sequence[int]) -> list[Lead]:
    """Leads, in the order of ``ids``; unknown ids are left out."""
    rows, owners, custom = leads.rows(connection, ids), _keys(connection), fields.of(connection, "lead", ids)
    return [
        Lead(
            id=row.id,
            title=row.title,
            person=row.person_id,
            organization=row.organization_id,
            value=row.value,
            currency=row.currency,
            owner=owners.get(row.owner_id),
            created_by=row.created_by,
            created_at=row.created_at,
            fields=custom.get(row.id, {}),
        )
        for row in _in_order(rows, ids)
    ]


def activities_(connection: Connection, ids: Sequence[int]) -> list[Activity]:
    """Activities, in the order of ``ids``; unknown ids are left out."""
    rows, keys = activities.rows(connection, ids), _keys(connection)
    return [
        Activity(
            id=row.id,
            type=row.type,
            due=row.due,
            assignee=keys.get(row.assignee_id),
            priority=row.priority,
            note=row.note,
            done_at=row.done_at,
            person=row.person_id,
            organization=row.organization_id,
            deal=row.deal_id,
            lead=row.lead_id,
        )
        for row in _in_order(rows, ids)
    ]


def notes(connection: Connection, ids: Sequence[int]) -> list[Note]:
    """Notes, in the order of ``ids``; unknown ids are left out."""
    rows, keys = activities.note_rows(connection, ids), _keys(connection)
    return [
        Note(
            id=row.id,
            text=row.text,
            author=keys.get(row.author_id),
            at=row.at,
            person=row.person_id,
            organization=row.organization_id,
            deal=row.deal_id,
            lead=row.lead_id,
        )
        for row in _in_order(rows, ids)
    ]


def _in_order(rows: Mapping[int, Any], ids: Iterable[int]) -> list[Any]:
    return [rows[number] for number in ids if number in rows]


def _keys(connection: Connection) -> dict[int | None, str]:
    """User's id -> key."""
    return {user.id: user.key for user in users.every(connection)}
