"""Sums over deals: where they stand, how far they came, how long that took, what was won and lost. UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, case, cast, func, literal_column, or_, select
from sqlalchemy.sql.functions import Function

from mailcrm.store.tables import deal, pipeline, stage, stage_stay, user

Instants = tuple[datetime | None, datetime | None]
"""The first that is meant, and the first after it that is not; None: without a bound."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage, in the order of its pipeline."""

    id: int
    pipeline: str
    name: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Open deals that stand in a stage: of one owner, in one currency (None: they have no value)."""

    stage: int
    owner: str | None
    currency: str | None
    deals: int
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class Passage:
    """Deals that came to a stage. ``went_on``: to a later stage at any time, or were won."""

    stage: int
    came: int
    went_on: int
    won: int
    lost: int


@dataclass(frozen=True, slots=True)
class Closed:
    """Deals closed in one month (``2026-03``): of one owner, in one currency."""

    month: str
    owner: str | None
    status: str
    currency: str | None
    deals: int
    value: Decimal | None


def stages(connection: Connection) -> list[Stage]:
    """Every stage, those that were taken out of their pipeline last."""
    query = (
        select(stage.c.id, pipeline.c.name, stage.c.name)
        .join(pipeline, pipeline.c.id == stage.c.pipeline_id)
        .order_by(pipeline.c.id, stage.c.removed_at.is_not(None), stage.c.position)
    )
    return [Stage(*row) for row in connection.execute(query)]


def standing(connection: Connection, owner: int | None = None) -> list[Standing]:
    """Where the open deals stand now."""
    columns = (deal.c.stage_id, user.c.key, _CURRENCY)
    query = (
        select(*columns, func.count(), _CENTS)
        .join_from(deal, user, user.c.id == deal.c.owner_id, isouter=True)
        .where(*_live(owner), deal.c.status == "open")
        .group_by(*columns)
    )
    found = connection.execute(query.order_by(*columns))
    return [Standing(place, whose, code, count, _money(cents)) for place, whose, code, count, cents in found]


def passages(connection: Connection, instants: Instants, owner: int | None = None) -> list[Passage]:
    """How it went on with the deals that came to a stage, for the first time, within these instants."""
    first = (
        select(stage_stay.c.deal_id, stage_stay.c.stage_id, func.min(stage_stay.c.entered_at).label("at"))
        .group_by(stage_stay.c.deal_id, stage_stay.c.stage_id)
        .subquery()
    )
    furthest = (
        select(stage_stay.c.deal_id, func.max(stage.c.position).label("position"))
        .join(stage, stage.c.id == stage_stay.c.stage_id)
        .group_by(stage_stay.c.deal_id)
        .subquery()
    )
    went_on = or_(deal.c.status == "won", furthest.c.position > stage.c.position)
    query = (
        select(
            first.c.stage_id, func.count(), *map(_number, (went_on, deal.c.status == "won", deal.c.status == "lost"))
        )
        .select_from(first)
        .join(deal, deal.c.id == first.c.deal_id)
        .join(stage, stage.c.id == first.c.stage_id)
        .join(furthest, furthest.c.deal_id == first.c.deal_id)
        .where(*_live(owner), *within(first.c.at, instants))
        .group_by(first.c.stage_id)
    )
    return [Passage(*row) for row in connection.execute(query)]


def times(connection: Connection, instants: Instants, owner: int | None = None) -> Sequence[tuple[int, int]]:
    """Stage and seconds of every stay that ended within these instants."""
    query = (
        select(stage_stay.c.stage_id, stage_stay.c.seconds)
        .join(deal, deal.c.id == stage_stay.c.deal_id)
        .where(*_live(owner), stage_stay.c.left_at.is_not(None), *within(stage_stay.c.left_at, instants))
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def closed(connection: Connection, instants: Instants, owner: int | None = None) -> list[Closed]:
    """What was won and lost, month by month."""
    columns = (_month(connection, deal.c.closed_at), user.c.key, deal.c.status, _CURRENCY)
    query = (
        select(*columns, func.count(), _CENTS)
        .join_from(deal, user, user.c.id == deal.c.owner_id, isouter=True)
        .where(*_live(owner), deal.c.closed_at.is_not(None), *within(deal.c.closed_at, instants))
        .group_by(*columns)
    )
    found = connection.execute(query.order_by(*columns))
    return [
        Closed(month, whose, status, code, count, _money(cents)) for month, whose, status, code, count, cents in found
    ]


# In whole cents, for SQLite adds amounts up in binary fractions.
_CENTS = func.sum(cast(func.round(deal.c.value * literal_column("100")), BigInteger))
_CURRENCY = case((deal.c.value.is_not(None), deal.c.currency))


def _live(owner: int | None) -> list[ColumnElement[bool]]:
    return [deal.c.removed_at.is_(None), *([] if owner is None else [deal.c.owner_id == owner])]


def within(column: ColumnElement[Any], instants: Instants) -> list[ColumnElement[bool]]:
    """What holds for the rows whose time is meant."""
    since, until = instants
    return [*([] if since is None else [column >= since]), *([] if until is None else [column < until])]


def _number(condition: ColumnElement[bool]) -> Function[int]:
    return func.sum(case((condition, 1), else_=0))


def _month(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[str]:
    if connection.dialect.name == "sqlite":
        return func.substr(column, literal_column("1"), literal_column("7"))
    return func.to_char(func.timezone(literal_column("'UTC'"), column), literal_column("'YYYY-MM'"))


def _money(cents: Any) -> Decimal | None:
    return None if cents is None else Decimal(int(cents)).scaleb(-2)
