"""One record with all that belongs to it: what its ``show`` prints (DATA-2, DATA-4, DATA-10, DATA-11, DATA-20)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from mailcrm.app import record_shapes as shapes
from mailcrm.errors import NotFound
from mailcrm.store import activities, deals, leads, organizations, people, timeline
from mailcrm.store.scope import Scope
from mailcrm.store.visible import Viewer

RECENT = 200
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A line of a timeline. ``id``: of the note or activity, or the Message-ID of a message that has one."""

    at: datetime
    kind: str
    id: int | str
    detail: str
    text: str


@dataclass(frozen=True, kw_only=True)
class File:
    """An attachment of linked mail; ``size`` in bytes, ``message_id`` the message that brought it."""

    name: str
    type: str
    size: int
    sha256: str
    message_id: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Relation:
    """How an organization is related: ``of`` is true where it is this one that is the other's ``kind``."""

    organization: int
    name: str
    kind: str
    of: bool


@dataclass(frozen=True, kw_only=True)
class _Belongings:
    timeline: list[Moment]
    files: list[File]
    activities: list[shapes.Activity]


@dataclass(frozen=True, kw_only=True)
class PersonPage(_Belongings, shapes.Person):
    """A person with his deals, leads, activities, files and timeline; the organization by name."""

    organization_name: str | None
    deals: list[shapes.Deal]
    leads: list[shapes.Lead]


@dataclass(frozen=True, kw_only=True)
class OrganizationPage(_Belongings, shapes.Organization):
    """An organization with its persons and all that is theirs."""

    persons: list[shapes.Person]
    deals: list[shapes.Deal]
    leads: list[shapes.Lead]
    relations: list[Relation]


@dataclass(frozen=True, kw_only=True)
class DealPage(_Belongings, shapes.Deal):
    """A deal with the data of its person and organization."""

    person_record: shapes.Person | None
    organization_record: shapes.Organization | None


@dataclass(frozen=True, kw_only=True)
class LeadPage(_Belongings, shapes.Lead):
    """A lead with the data of its person and organization."""

    person_record: shapes.Person | None
    organization_record: shapes.Organization | None


def person(connection: Connection, number: int, viewer: Viewer) -> PersonPage:
    """A person. Raises NotFound."""
    record = _only(shapes.persons(connection, [number]), "person", number)
    company = organizations.rows(connection, [record.organization] if record.organization else [])
    return PersonPage(
        **_values(record),
        **_belongings(connection, Scope("person", number), viewer),
        organization_name=next((row.name for row in company.values()), None),
        deals=shapes.deals_(connection, _ids(connection, Scope("person", number), "deal")),
        leads=shapes.leads_(connection, _ids(connection, Scope("person", number), "lead")),
    )


def organization(connection: Connection, number: int, viewer: Viewer) -> OrganizationPage:
    """An organization. Raises NotFound."""
    record = _only(shapes.organizations_(connection, [number]), "organization", number)
    scope = Scope("organization", number)
    return OrganizationPage(
        **_values(record),
        **_belongings(connection, scope, viewer),
        persons=shapes.persons(connection, list(connection.execute(people.ids(organization=number)).scalars())),
        deals=shapes.deals_(connection, _ids(connection, scope, "deal")),
        leads=shapes.leads_(connection, _ids(connection, scope, "lead")),
        relations=_relations(connection, number),
    )


def deal(connection: Connection, number: int, viewer: Viewer) -> DealPage:
    """A deal. Raises NotFound."""
    record = _only(shapes.deals_(connection, [number]), "deal", number)
    return DealPage(
        **_values(record),
        **_belongings(connection, Scope("deal", number), viewer),
        person_record=_one(shapes.persons(connection, [record.person] if record.person else [])),
        organization_record=_one(
            shapes.organizations_(connection, [record.organization] if record.organization else [])
        ),
    )


def lead(connection: Connection, number: int, viewer: Viewer) -> LeadPage:
    """A lead. Raises NotFound."""
    record = _only(shapes.leads_(connection, [number]), "lead", number)
    return LeadPage(
        **_values(record),
        **_belongings(connection, Scope("lead", number), viewer),
        person_record=_one(shapes.persons(connection, [record.person] if record.person else [])),
        organization_record=_one(
            shapes.organizations_(connection, [record.organization] if record.organization else [])
        ),
    )


def files(connection: Connection, scope: Scope, viewer: Viewer) -> list[File]:
    """The files of a record's mail, newest first."""
    return [
        File(
            name=file.name,
            type=file.type,
            size=file.size,
            sha256=file.sha256,
            message_id=file.message_id,
            at=file.at,
        )
        for file in timeline.files(connection, scope, viewer)
    ]


def _belongings(connection: Connection, scope: Scope, viewer: Viewer) -> dict[str, Any]:
    moments = [
        Moment(
            at=moment.at, kind=moment.kind, id=moment.message_id or moment.id, detail=moment.detail, text=moment.text
        )
        for moment in timeline.moments(connection, scope, viewer, RECENT)
    ]
    planned = connection.execute(activities.ids(scope=scope)).scalars()
    return {
        "timeline": [*moments],
        "files": [*files(connection, scope, viewer)],
        "activities": [*shapes.activities_(connection, list(planned))],
    }


def _ids(connection: Connection, scope: Scope, noun: str) -> list[int]:
    """Ids of the deals or leads that are listed with the record."""
    known = deals.ids() if noun == "deal" else leads.ids()
    under = scope.deals() if noun == "deal" else scope.leads()
    column = known.selected_columns[0]
    return list(connection.execute(known.where(column.in_(under))).scalars())


def _relations(connection: Connection, number: int) -> list[Relation]:
    rows = organizations.relations(connection, number)
    others = [row.other_id if row.organization_id == number else row.organization_id for row in rows]
    names = {key: row.name for key, row in organizations.rows(connection, others).items()}
    return [
        Relation(organization=other, name=names[other], kind=row.kind, of=row.other_id == number)
        for row, other in zip(rows, others, strict=True)
    ]


def _values(record: shapes.Person | shapes.Organization | shapes.Deal | shapes.Lead) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _one(found: Sequence[T]) -> T | None:
    return found[0] if found else None


def _only(found: Sequence[T], noun: str, number: int) -> T:
    if not found:
        raise NotFound(f"no {noun} {number}")
    return found[0]
