"""The items of a sequence as its list shows them: deals or leads, inside or through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, update

from mailcrm.core.enrollment import Status
from mailcrm.store.db import slices
from mailcrm.store.tables import deal, enrollment, lead, user


@dataclass(frozen=True, slots=True)
class Listed:
    """An item's latest run through a sequence.

    Args:
        item: ``deal:7``, ``lead:2``. owner: key of the deal's or lead's owner.
        node: where it stands: ``step-2``; "" once it has ended.
        ended_by: who ended it by hand.
    """

    id: int
    item: str
    title: str
    owner: str | None
    status: Status
    reason: str
    node: str
    began_at: datetime
    enrolled_by: str
    ended_at: datetime | None
    ended_by: str


def counted(connection: Connection, flow: int) -> set[str]:
    """The items that take a place in a sequence (SEQ-9): ``deal:7`` …; those that are through, too."""
    query = select(enrollment.c.subject).distinct().where(enrollment.c.flow_id == flow, _takes_a_place)
    return set(connection.execute(query).scalars())


def ended(connection: Connection, flow: int, items: Iterable[str]) -> Mapping[str, Status]:
    """How the last run of each of these items has ended, of those that are not inside and take a place."""
    found: dict[str, Status] = {}
    query = select(enrollment.c.subject, enrollment.c.status).where(enrollment.c.flow_id == flow, _takes_a_place)
    for piece in slices(items):
        for item, status in connection.execute(
            query.where(enrollment.c.subject.in_(piece)).order_by(enrollment.c.number)
        ):
            found[item] = Status(status)
    return {item: status for item, status in found.items() if status is not Status.IN_PROGRESS}


def clear(connection: Connection, flow: int, items: Iterable[str], now: datetime) -> None:
    """Take items that are through off the list. What became of them stays as it was (SEQ-40)."""
    for piece in slices(items):
        over = (enrollment.c.flow_id == flow, enrollment.c.subject.in_(piece), _takes_a_place)
        connection.execute(
            update(enrollment).where(*over, enrollment.c.status != Status.IN_PROGRESS.value).values(cleared_at=now)
        )


def listed(
    connection: Connection, flow: int, *, status: Status | None = None, owner: int | None = None
) -> list[Listed]:
    """The items of a sequence by their latest runs, the oldest first; those taken out only if ``status`` asks."""
    last = (
        select(enrollment.c.subject, func.max(enrollment.c.number).label("number"))
        .where(enrollment.c.flow_id == flow, enrollment.c.cleared_at.is_(None))
        .group_by(enrollment.c.subject)
        .subquery()
    )
    is_last = and_(last.c.subject == enrollment.c.subject, last.c.number == enrollment.c.number)
    query = _LISTED.join(last, is_last).where(enrollment.c.flow_id == flow).order_by(enrollment.c.id)
    query = query.where(enrollment.c.status == status.value if status else enrollment.c.status != Status.REMOVED.value)
    if owner is not None:
        query = query.where(or_(deal.c.owner_id == owner, lead.c.owner_id == owner))
    return [
        Listed(row.id, row.subject, row.title or "", row.key, Status(row.status), row.reason, _node(row.state),
               row.began_at, row.enrolled_by, row.ended_at, row.ended_by)
        for row in connection.execute(query)
    ]  # fmt: skip


class _Place(msgspec.Struct):
    node: str


class _State(msgspec.Struct):
    tokens: tuple[_Place, ...] = ()


_takes_a_place: ColumnElement[bool] = (enrollment.c.status != Status.REMOVED.value) & enrollment.c.cleared_at.is_(None)
_LISTED: Select[Any] = (
    select(
        enrollment.c.id,
        enrollment.c.subject,
        func.coalesce(deal.c.title, lead.c.title).label("title"),
        user.c.key,
        enrollment.c.status,
        enrollment.c.reason,
        enrollment.c.state,
        enrollment.c.began_at,
        enrollment.c.enrolled_by,
        enrollment.c.ended_at,
        enrollment.c.ended_by,
    )
    .select_from(enrollment)
    .join(deal, deal.c.id == enrollment.c.deal_id, isouter=True)
    .join(lead, lead.c.id == enrollment.c.lead_id, isouter=True)
    .join(user, user.c.id == func.coalesce(deal.c.owner_id, lead.c.owner_id), isouter=True)
)
_decode = msgspec.json.Decoder(_State).decode


def _node(state: str) -> str:
    tokens = _decode(state).tokens
    return tokens[0].node if tokens else ""
