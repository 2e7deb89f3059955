"""What a rep is to know or do: drafts to send, mail that goes by itself, notices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, insert, select, update

from mailcrm.errors import NotFound
from mailcrm.store.db import Lookup, slices
from mailcrm.store.tables import enrollment, flow, pulse, user

Kind = Literal["draft", "auto", "notice"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of somebody's pulse.

    Args:
        due_at: of a draft: when he is reminded; of a mail that goes by itself: when it goes.
        effect: the key of the flow's action that it stands for; None: a notice.
        person, deal, lead, flow: what it is about, where it is about a flow's run.
    """

    id: int
    user: str
    kind: Kind
    text: str
    due_at: datetime
    created_at: datetime
    done_at: datetime | None
    effect: str | None
    flow: str | None
    person: int | None
    deal: int | None
    lead: int | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft that waits for its rep."""

    effect: str
    user_id: int
    person: int
    made_at: datetime


def add(
    connection: Connection,
    user_id: int,
    kind: Kind,
    text: str,
    due_at: datetime,
    now: datetime,
    *,
    effect_key: str | None = None,
    run: int | None = None,
) -> None:
    """Put a line into a user's pulse.

    Args:
        effect_key: ``enrollment.hop.index`` of the action that it stands for.
        run: of a notice: the enrollment that it is from.
    """
    values = {
        "user_id": user_id,
        "kind": kind,
        "text": text,
        "due_at": due_at,
        "enrollment_id": int(effect_key.partition(".")[0]) if effect_key else run,
        "effect_key": effect_key,
        "created_at": now,
    }
    connection.execute(insert(pulse).values(**values))


def remind(connection: Connection, user_id: int, text: str, now: datetime) -> None:
    """Put a notice into a user's pulse, unless the same one is open there."""
    same = select(pulse.c.id).where(pulse.c.user_id == user_id, pulse.c.done_at.is_(None), pulse.c.text == text)
    if connection.execute(same.limit(1)).first() is None:
        add(connection, user_id, "notice", text, now, now)


def put_off(connection: Connection, persons: Iterable[int], until: datetime) -> None:
    """Drafts to these persons are not due before that time."""
    runs = select(enrollment.c.id).where(enrollment.c.person_id.in_(list(persons)))
    waiting = (pulse.c.kind == "draft", pulse.c.done_at.is_(None), pulse.c.due_at < until)
    connection.execute(update(pulse).where(*waiting, pulse.c.enrollment_id.in_(runs)).values(due_at=until))


def close(connection: Connection, keys: Iterable[str], now: datetime) -> None:
    """What these actions asked for is done, or not wanted any more."""
    for piece in slices(keys):
        standing = update(pulse).where(_of(piece), pulse.c.done_at.is_(None))
        connection.execute(standing.values(done_at=now))


def done(connection: Connection, number: int, now: datetime) -> None:
    """Close one line."""
    connection.execute(update(pulse).where(pulse.c.id == number, pulse.c.done_at.is_(None)).values(done_at=now))


def listed(connection: Connection, user_id: int | None = None, *, everything: bool = False) -> list[Entry]:
    """Open lines by due time, of one user or of all; with ``everything`` closed ones too."""
    query = _ENTRIES.order_by(pulse.c.due_at, pulse.c.id)
    if user_id is not None:
        query = query.where(pulse.c.user_id == user_id)
    if not everything:
        query = query.where(pulse.c.done_at.is_(None))
    return [Entry(*row) for row in connection.execute(query)]


def get(connection: Connection, number: int) -> Entry:
    """One line. Raises NotFound."""
    row = connection.execute(_ENTRIES.where(pulse.c.id == number)).one_or_none()
    if row is None:
        raise NotFound(f"there is no pulse item {number}; `mailcrm pulse` shows them")
    return Entry(*row)


def drafts(connection: Connection, persons: Iterable[int]) -> list[Draft]:
    """Drafts to these persons that wait for their reps, the oldest first."""
    return [Draft(*row) for row in _WAITING.rows(connection, persons)]


def overdue(connection: Connection, before: datetime) -> list[tuple[Entry, datetime | None]]:
    """Open drafts that were due before that time, each with when its rep was last reminded of it."""
    late = [
        Entry(*row)
        for row in connection.execute(
            _ENTRIES.where(pulse.c.kind == "draft", pulse.c.done_at.is_(None), pulse.c.due_at <= before)
        )
    ]
    reminded = select(pulse.c.effect_key, pulse.c.created_at).where(pulse.c.kind == "notice")
    last: dict[str, datetime] = {}
    for piece in slices({int((each.effect or "0").partition(".")[0]) for each in late}):
        for key, at in connection.execute(reminded.where(pulse.c.enrollment_id.in_(piece))):
            last[key] = max(at, last.get(key, at))
    return [(each, last.get(each.effect or "")) for each in late]


def close_notices(connection: Connection, key: str, now: datetime) -> None:
    """What was told about this action is told anew, or of no interest any more."""
    told = update(pulse).where(_of([key]), pulse.c.kind == "notice", pulse.c.done_at.is_(None))
    connection.execute(told.values(done_at=now))


def _of(keys: Sequence[str]) -> ColumnElement[bool]:
    """The lines of these actions; by their runs, for which there is an index."""
    runs = {int(run) for key in keys if (run := key.partition(".")[0]).isdecimal()}
    return and_(pulse.c.enrollment_id.in_(runs), pulse.c.effect_key.in_(keys))


_WAITING = Lookup(
    (
        select(pulse.c.effect_key, pulse.c.user_id, enrollment.c.person_id, pulse.c.created_at)
        .select_from(pulse)
        .join(enrollment, enrollment.c.id == pulse.c.enrollment_id)
        .where(pulse.c.kind == "draft", pulse.c.done_at.is_(None))
        .order_by(pulse.c.created_at, pulse.c.id)
    ),
    enrollment.c.person_id,
)
_ENTRIES: Select[Any] = (
    select(
        pulse.c.id,
        user.c.key,
        pulse.c.kind,
        pulse.c.text,
        pulse.c.due_at,
        pulse.c.created_at,
        pulse.c.done_at,
        pulse.c.effect_key,
        flow.c.name,
        enrollment.c.person_id,
        enrollment.c.deal_id,
        enrollment.c.lead_id,
    )
    .select_from(pulse)
    .join(user, user.c.id == pulse.c.user_id)
    .join(enrollment, enrollment.c.id == pulse.c.enrollment_id, isouter=True)
    .join(flow, flow.c.id == enrollment.c.flow_id, isouter=True)
)
