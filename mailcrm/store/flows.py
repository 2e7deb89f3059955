"""Flows and their versions: what is defined, and whether it lets anybody in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, true, update

from mailcrm.core.enrollment import Status
from mailcrm.core.flow import FlowKind
from mailcrm.errors import NotFound, Refused
from mailcrm.store.tables import enrollment, flow, flow_version


@dataclass(frozen=True, slots=True)
class StoredFlow:
    """A flow.

    Args:
        item: who walks through it: ``person``, ``deal``, ``lead`` or ``recipient``; ``locked``: it can't be changed
            any more.
        version: the current one.
        active_since: None: it lets nobody in.
        paused: why the program itself deactivated it.
    """

    id: int
    kind: FlowKind
    name: str
    item: str
    locked: bool
    owner: int | None
    version: int
    active_since: datetime | None
    paused: str | None
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class NewFlow:
    """A flow to be stored. ``definition`` is its file (TOML)."""

    kind: FlowKind
    name: str
    item: str
    owner: int | None
    definition: str


def find(connection: Connection, given: str, kinds: Sequence[FlowKind]) -> StoredFlow:
    """The flow of one of these kinds with this name or id.

    Raises:
        NotFound: there is none; the text names a near one.
        Refused: it may be several, as campaigns may be namesakes (CAMP-3).
    """
    named = search(connection, given, kinds)
    if named is not None:
        return named
    known = [each.name for each in every(connection, kinds)]
    near = get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"`mailcrm {kinds[0]} list` shows what there is"
    raise NotFound(f"no {' or '.join(kinds)} {given!r}; {hint}")


def search(connection: Connection, given: str, kinds: Sequence[FlowKind] = tuple(FlowKind)) -> StoredFlow | None:
    """As ``find``; None where there is none. Raises Refused if it may be several, as campaigns may be namesakes."""
    given = given.strip()
    found = _one(connection, flow.c.name == given, kinds)
    if found is None and given.isascii() and given.isdigit() and len(given) < 19:
        found = _one(connection, flow.c.id == int(given), kinds)
    return found


def removed(connection: Connection, given: str, kinds: Sequence[FlowKind]) -> StoredFlow | None:
    """The flow of one of these kinds with this name or id that was removed, of several the latest; None: there is none.

    Its history is kept: it may have a namesake by now.
    """
    given = given.strip()
    meant = flow.c.name == given
    if given.isascii() and given.isdigit() and len(given) < 19:
        meant |= flow.c.id == int(given)
    query = select(*_COLUMNS).where(meant, flow.c.kind.in_(kinds), flow.c.removed_at.is_not(None))
    row = connection.execute(query.order_by(flow.c.removed_at.desc(), flow.c.id.desc())).first()
    return _stored(row) if row else None


def named(connection: Connection, name: str) -> StoredFlow | None:
    """The flow with exactly this name, of whatever kind but campaigns, of which several may have one (CAMP-3)."""
    return _one(connection, flow.c.name == name, [kind for kind in FlowKind if kind is not FlowKind.CAMPAIGN])


def get(connection: Connection, number: int) -> StoredFlow:
    """The flow with this id, removed or not."""
    return _stored(connection.execute(select(*_COLUMNS).where(flow.c.id == number)).one())


def every(connection: Connection, kinds: Sequence[FlowKind]) -> list[StoredFlow]:
    """The flows of these kinds, by name."""
    query = select(*_COLUMNS).where(flow.c.kind.in_(kinds), flow.c.removed_at.is_(None)).order_by(flow.c.name)
    return [_stored(row) for row in connection.execute(query)]


def text(connection: Connection, number: int, version: int) -> str:
    """The definition of one version, as TOML."""
    query = select(flow_version.c.definition).where(flow_version.c.flow_id == number, flow_version.c.version == version)
    return str(connection.execute(query).scalar_one())


def current(connection: Connection, kinds: Sequence[FlowKind]) -> list[tuple[StoredFlow, str]]:
    """The flows of these kinds, by name, each with its current definition."""
    query = (
        select(*_COLUMNS, flow_version.c.definition)
        .join(flow_version, (flow_version.c.flow_id == flow.c.id) & (flow_version.c.version == flow.c.version))
        .where(flow.c.kind.in_(kinds), flow.c.removed_at.is_(None))
        .order_by(flow.c.name)
    )
    return [(_stored(row), row.definition) for row in connection.execute(query)]


def add(connection: Connection, new: NewFlow, by: str, now: datetime) -> int:
    """Store a flow that is not active yet; gives its id. ``by``: who (``user:anna``)."""
    values = {
        "kind": new.kind,
        "name": new.name,
        "item": new.item,
        "owner_id": new.owner,
        "version": 1,
        "created_at": now,
        "changed_at": now,
    }
    number = int(connection.execute(insert(flow).values(**values).returning(flow.c.id)).scalar_one())
    _version(connection, number, 1, new.definition, by, now)
    return number


def add_version(connection: Connection, number: int, new: NewFlow, by: str, now: datetime) -> int:
    """Store a new version of a flow, which becomes the current one; gives its number."""
    values = {"item": new.item, "owner_id": new.owner, "version": flow.c.version + 1, "changed_at": now}
    changed = update(flow).where(flow.c.id == number).values(**values).returning(flow.c.version)
    version = int(connection.execute(changed).scalar_one())
    _version(connection, number, version, new.definition, by, now)
    return version


def activate(connection: Connection, number: int, now: datetime) -> None:
    """Let people in from now on."""
    values = {"active_since": now, "paused": None, "changed_at": now}
    connection.execute(update(flow).where(flow.c.id == number).values(**values))


def deactivate(connection: Connection, number: int, now: datetime, paused: str | None = None) -> None:
    """Let nobody in any more. ``paused``: why the program itself does so."""
    values = {"active_since": None, "paused": paused, "changed_at": now}
    connection.execute(update(flow).where(flow.c.id == number).values(**values))


def lock(connection: Connection, number: int) -> None:
    """From the first enrollment on, what can be enrolled stays what it is (SEQ-5)."""
    connection.execute(update(flow).where(flow.c.id == number).values(locked=true()))


def remove(connection: Connection, number: int, now: datetime) -> None:
    """Take a flow out of every list; its name is free again."""
    values = {"active_since": None, "removed_at": now, "changed_at": now}
    connection.execute(update(flow).where(flow.c.id == number).values(**values))


def inside(connection: Connection, number: int) -> list[int]:
    """Ids of the enrollments that are in progress, the oldest first."""
    query = select(enrollment.c.id).where(enrollment.c.flow_id == number, enrollment.c.status == Status.IN_PROGRESS)
    return list(connection.execute(query.order_by(enrollment.c.id)).scalars())


def walked(connection: Connection) -> list[tuple[int, int]]:
    """The flows and versions of all enrollments that are in progress."""
    inside = (
        (enrollment.c.flow_id == flow_version.c.flow_id)
        & (enrollment.c.status == Status.IN_PROGRESS)
        & (enrollment.c.version == flow_version.c.version)
    )
    query = select(flow_version.c.flow_id, flow_version.c.version).where(select(1).where(inside).exists())
    return [(number, version) for number, version in connection.execute(query)]


def counts(connection: Connection, numbers: Iterable[int]) -> Mapping[int, Mapping[Status, int]]:
    """By flow, how many enrollments have each status; every status is there (SEQ-34)."""
    found = {number: dict.fromkeys(Status, 0) for number in numbers}
    query = (
        select(enrollment.c.flow_id, enrollment.c.status, func.count())
        .where(enrollment.c.flow_id.in_(found))
        .group_by(enrollment.c.flow_id, enrollment.c.status)
    )
    for number, status, count in connection.execute(query):
        found[number][Status(status)] = count
    return found


_COLUMNS = (
    flow.c.id,
    flow.c.kind,
    flow.c.name,
    flow.c.item,
    flow.c.locked,
    flow.c.owner_id,
    flow.c.version,
    flow.c.active_since,
    flow.c.paused,
    flow.c.changed_at,
)
_SHOWN = 8


def _one(connection: Connection, condition: ColumnElement[bool], kinds: Sequence[FlowKind]) -> StoredFlow | None:
    query = select(*_COLUMNS, flow.c.created_at).where(condition, flow.c.kind.in_(kinds), flow.c.removed_at.is_(None))
    rows = connection.execute(query.order_by(flow.c.id).limit(_SHOWN + 1)).all()
    if len(rows) > 1:
        found = ", ".join(f"{row.kind} {row.id} of {row.created_at:%Y-%m-%d}" for row in rows[:_SHOWN])
        more = ", …" if len(rows) > _SHOWN else ""
        raise Refused(f"{rows[0].name!r} may be several; say the number of one: {found}{more}")
    return _stored(rows[0]) if rows else None


def _stored(row: Any) -> StoredFlow:
    number, kind, *rest = row[: len(_COLUMNS)]
    return StoredFlow(number, FlowKind(kind), *rest)


def _version(connection: Connection, number: int, version: int, definition: str, by: str, now: datetime) -> None:
    values = {"flow_id": number, "version": version, "definition": definition, "stored_at": now, "stored_by": by}
    connection.execute(insert(flow_version).values(**values))
