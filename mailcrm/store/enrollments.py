"""Who walks through which flow, and where each stands. Every write compares and sets ``seq``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, case, func, select, update

from mailcrm.core.enrollment import IN_PROGRESS, Enrollment, Past, Place, Status, Subject, Token
from mailcrm.errors import Temporary
from mailcrm.store.bulk import insert_typed_rows
from mailcrm.store.db import Lookup, Utc, slices, utc_text
from mailcrm.store.rowset import rowset
from mailcrm.store.tables import deal, enrollment, flow, lead, person

EDITED = "edited"
"""The reason of an enrollment that an edit of its flow has removed: it counts as no run (``again = "never"``)."""


class Stale(Temporary):
    """Somebody else has moved an enrollment, or changed its flow, meanwhile: the transaction is to be made anew."""


class _State(msgspec.Struct, gc=False, omit_defaults=True):
    """What only the engine reads of an enrollment."""

    tokens: tuple[Token, ...] = ()
    passed: frozenset[str] = frozenset()
    chain: tuple[Place, ...] = ()
    hop: int = 0
    quiet: int = 0
    born: int = 0


@dataclass(frozen=True, slots=True)
class New:
    """An enrollment that begins. ``by``: who enrolled it (``user:anna``, ``event:17``, ``flow:3``)."""

    enrollment: Enrollment
    by: str


def subject_key(subject: Subject) -> str:
    """As the column ``subject`` has it: ``recipient:5``, ``deal:7``, ``lead:2``, ``person:3``."""
    if subject.recipient is not None:
        return f"recipient:{subject.recipient}"
    if subject.deal is not None:
        return f"deal:{subject.deal}"
    return f"lead:{subject.lead}" if subject.lead is not None else f"person:{subject.person}"


def lock(connection: Connection, persons: Iterable[int]) -> None:
    """Keep workers off these persons until the transaction ends. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        _held.rows(connection, set(persons))


def lock_alone(connection: Connection, ids: Iterable[int]) -> None:
    """``lock`` for those of these enrollments that have no person: their own rows."""
    if connection.dialect.name == "postgresql":
        for piece in slices(sorted(set(ids))):
            alone = enrollment.c.id.in_(piece) & enrollment.c.person_id.is_(None)
            query = select(enrollment.c.id).where(alone).order_by(enrollment.c.id)
            connection.execute(query.with_for_update(key_share=True)).all()


def inside(connection: Connection, persons: Iterable[int]) -> list[Enrollment]:
    """Every enrollment in progress of these persons, their deals and leads."""
    return [_enrollment(row) for row in _of_persons.rows(connection, persons)]


def with_ids(connection: Connection, ids: Iterable[int]) -> list[Enrollment]:
    """Those of these enrollments that are in progress."""
    return [_enrollment(row) for row in _with_ids.rows(connection, ids)]


def any_goes_on(connection: Connection) -> bool:
    """Whether anybody is in any flow."""
    return connection.scalar(_goes_on) is not None


def with_subjects(connection: Connection, flow: int, subjects: Iterable[Subject]) -> list[Enrollment]:
    """Those of these subjects' enrollments in a flow that are in progress."""
    rows = _with_subjects.rows(connection, (subject_key(subject) for subject in subjects), flow=flow)
    return [_enrollment(row) for row in rows]


def past(connection: Connection, persons: Iterable[int]) -> dict[tuple[int, str], Past]:
    """Earlier runs of these persons, their deals and leads, by flow and subject."""
    return {(row.flow_id, row.subject): _past(row) for row in _past_of_persons.rows(connection, persons)}


def past_of_subjects(connection: Connection, flow: int, subjects: Iterable[Subject]) -> dict[tuple[int, str], Past]:
    """Earlier runs of these subjects in a flow."""
    rows = _past_of_subjects.rows(connection, (subject_key(subject) for subject in subjects), flow=flow)
    return {(row.flow_id, row.subject): _past(row) for row in rows}


def colleagues(connection: Connection, number: int, flows: Iterable[int]) -> list[int]:
    """Other persons of the same organization who are inside of one of these flows."""
    his = select(person.c.organization_id).where(person.c.id == number).scalar_subquery()
    query = (
        select(enrollment.c.person_id)
        .distinct()
        .join(person, person.c.id == enrollment.c.person_id)
        .where(
            person.c.organization_id == his,
            person.c.id != number,
            enrollment.c.status == IN_PROGRESS.value,
            enrollment.c.flow_id.in_(list(flows)),
        )
    )
    return list(connection.execute(query).scalars())


def of_organization(connection: Connection, persons: Iterable[int], flows: Iterable[int]) -> list[Enrollment]:
    """Enrollments without a person whose deal or lead is with the organization of one of these persons."""
    theirs = select(person.c.organization_id).where(person.c.id.in_(list(persons))).scalar_subquery()
    found = []
    for item, column in ((deal, enrollment.c.deal_id), (lead, enrollment.c.lead_id)):
        query = _live.join(item, item.c.id == column).where(
            enrollment.c.person_id.is_(None), enrollment.c.flow_id.in_(list(flows)), item.c.organization_id.in_(theirs)
        )
        found += [_enrollment(row) for row in connection.execute(query)]
    return found


def add(connection: Connection, new: Sequence[New]) -> None:
    """Store enrollments that begin; their ids were reserved."""
    rows = [
        (
            each.enrollment.id,
            each.enrollment.flow,
            subject_key(each.enrollment.subject),
            each.enrollment.subject.person,
            each.enrollment.subject.deal,
            each.enrollment.subject.lead,
            each.enrollment.subject.recipient,
            each.enrollment.number,
            each.enrollment.began,
            each.by,
            *_values(each.enrollment),
        )
        for each in new
    ]
    insert_typed_rows(connection, enrollment, _BEGIN | _ALL, rows)


def save(connection: Connection, moved: Iterable[tuple[Enrollment, Enrollment]]) -> None:
    """Store enrollments: each as it was stored, and as it is now.

    Raises:
        Stale: somebody else has moved one since.
    """
    moves: list[tuple[Enrollment, Enrollment]] = []
    others: list[tuple[Enrollment, Enrollment]] = []
    for before, now in moved:  # status and version are in an index, which is written anew whenever one of them is set
        stays = now.status is IN_PROGRESS and now.version == before.version
        (moves if stays else others).append((before, now))
    for pairs, columns, values in ((moves, _PLACE, _place), (others, _ALL, _values)):
        rows = [(*values(now), now.id, before.seq) for before, now in pairs]
        if rows and _save(connection, columns, rows) != len(rows):
            raise Stale("an enrollment was moved by somebody else meanwhile; try again")


def failures(connection: Connection, flow: int, since: datetime) -> int:
    """How many enrollments of a flow have failed since that time."""
    failed = (enrollment.c.flow_id == flow, enrollment.c.status == Status.FAILED.value, enrollment.c.ended_at >= since)
    return int(connection.execute(select(func.count()).where(*failed)).scalar_one())


def are_more(connection: Connection, flow: int, since: datetime, count: int) -> bool:
    """Whether more than ``count`` enrollments of a flow are in progress, or have ended since that time."""
    going = (enrollment.c.status == IN_PROGRESS.value) | (enrollment.c.ended_at >= since)
    query = select(enrollment.c.id).where(enrollment.c.flow_id == flow, going).limit(count + 1)
    return len(connection.execute(query).all()) > count


def items(connection: Connection, flow: int) -> set[str]:
    """The subjects of every enrollment of a flow, those that ended included."""
    query = select(enrollment.c.subject).distinct().where(enrollment.c.flow_id == flow)
    return set(connection.execute(query).scalars())


def postpone(connection: Connection, ids: Iterable[int], until: datetime) -> None:
    """Let due timers be looked at again later; the timers themselves stay as they are."""
    for piece in slices(ids):
        connection.execute(update(enrollment).where(enrollment.c.id.in_(piece)).values(due_at=until))


def put_off(
    connection: Connection, persons: Iterable[int], alone: Iterable[int], now: datetime, until: datetime
) -> None:
    """``postpone`` what is due of these persons, and of these further enrollments."""
    for column, numbers in ((enrollment.c.person_id, persons), (enrollment.c.id, alone)):
        for piece in slices(numbers):
            due = column.in_(piece) & (enrollment.c.due_at <= now)
            connection.execute(update(enrollment).where(due).values(due_at=until))


def next_due(connection: Connection) -> datetime | None:
    """When the next timer runs out; None if there is none."""
    query = select(enrollment.c.due_at).where(enrollment.c.due_at.is_not(None)).order_by(enrollment.c.due_at).limit(1)
    return connection.execute(query).scalar()


def due_at(each: Enrollment) -> datetime | None:
    """The earliest timer of its tokens."""
    found = None
    for token in each.tokens:
        if token.due is not None and (found is None or token.due < found):
            found = token.due
    return found


_COLUMNS = tuple(
    enrollment.c[name]
    for name in (
        *("id", "flow_id", "version", "person_id", "deal_id", "lead_id", "recipient_id"),
        *("number", "began_at", "seq", "state"),
    )
)
_live = select(*_COLUMNS).where(enrollment.c.status == IN_PROGRESS.value)
_goes_on = (
    select(flow.c.id)
    .where(
        select(enrollment.c.id)
        .where(enrollment.c.flow_id == flow.c.id, enrollment.c.status == IN_PROGRESS.value)
        .exists()
    )
    .limit(1)
)
_held = Lookup(select(person.c.id).order_by(person.c.id).with_for_update(key_share=True), person.c.id)
_of_persons = Lookup(_live, enrollment.c.person_id)
_with_ids = Lookup(_live, enrollment.c.id)
_in_flow = enrollment.c.flow_id == bindparam("flow")
_with_subjects = Lookup(_live.where(_in_flow), enrollment.c.subject)
_ended = (
    select(
        enrollment.c.flow_id,
        enrollment.c.subject,
        func.count().label("runs"),
        func.sum(case((enrollment.c.reason == EDITED, 0), else_=1)).label("counted"),
        func.max(enrollment.c.ended_at, type_=Utc).label("ended"),
    )
    .where(enrollment.c.status != IN_PROGRESS.value)
    .group_by(enrollment.c.flow_id, enrollment.c.subject)
)
_past_of_persons = Lookup(_ended, enrollment.c.person_id)
_past_of_subjects = Lookup(_ended.where(_in_flow), enrollment.c.subject)
_decode = msgspec.json.Decoder(_State).decode
_encode = msgspec.json.Encoder().encode

_BEGIN = {"id": "bigint", "flow_id": "bigint", "subject": "text", "person_id": "bigint", "deal_id": "bigint"}
_BEGIN |= {"lead_id": "bigint", "recipient_id": "bigint", "number": "integer", "began_at": "timestamptz"}
_BEGIN |= {"enrolled_by": "text"}
_PLACE = {"seq": "integer", "due_at": "timestamptz", "state": "text"}
_ALL = {"status": "text", "reason": "text", "ended_at": "timestamptz", "ended_by": "text", "version": "integer"}
_ALL |= _PLACE


def _save(connection: Connection, columns: Mapping[str, str], values: Sequence[tuple[Any, ...]]) -> int:
    """One statement for all: five times as fast as one for each on PostgreSQL. Gives how many rows it met.

    Args:
        values: of the columns, then the id and the ``seq`` that is stored.
    """
    if connection.dialect.name == "postgresql":
        names = ", ".join(f"{name} = v.{name}" for name in columns)
        table, given = rowset({**columns, "this": "bigint", "was": "integer"}, values)
        statement = f"UPDATE enrollment AS e SET {names} FROM {table} WHERE e.id = v.this AND e.seq = v.was"  # noqa: S608 - our own names
        return connection.exec_driver_sql(statement, (given,)).rowcount
    names = ", ".join(f"{name} = ?" for name in columns)
    statement = f"UPDATE enrollment SET {names} WHERE id = ? AND seq = ?"  # noqa: S608 - our own names
    cells: list[Iterable[Any]] = list(zip(*values, strict=True))
    for at, kind in enumerate(columns.values()):
        if kind == "timestamptz":
            cells[at] = map(utc_text, cells[at])
    return connection.exec_driver_sql(statement, list(zip(*cells, strict=True))).rowcount


def _values(each: Enrollment) -> tuple[Any, ...]:
    """Of the columns ``_ALL``."""
    return (each.status.value, each.reason, each.ended, each.ended_by, each.version, *_place(each))


def _place(each: Enrollment) -> tuple[Any, ...]:
    """Of the columns ``_PLACE``."""
    state = _State(each.tokens, each.passed, each.chain, each.hop, each.quiet, each.born)
    return each.seq, due_at(each), _encode(state).decode()


def _enrollment(row: Any) -> Enrollment:
    number, flow, version, person_id, deal_id, lead_id, recipient_id, run, began, seq, state = row
    known = _decode(state)
    return Enrollment(
        number,
        flow,
        version,
        Subject(person_id, deal_id, lead_id, recipient_id),
        run,
        began,
        IN_PROGRESS,
        "",
        None,
        "",
        known.tokens,
        known.passed,
        known.chain,
        seq,
        known.hop,
        known.quiet,
        known.born,
    )


def _past(row: Any) -> Past:
    return Past(row.runs, int(row.counted), row.ended)
