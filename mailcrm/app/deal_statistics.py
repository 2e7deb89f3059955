"""Statistics of deals (DATA-13): everybody sees all of them, as in the lists of deals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from statistics import fmean, median

from msgspec import Struct

from mailcrm.app.context import Context
from mailcrm.core.series import Days, Series, Value, months, named
from mailcrm.store import deal_figures
from mailcrm.store.deal_figures import Closed, Stage


class InStage(Struct, frozen=True, tag="deals by stage", tag_field="table"):
    """Open deals that stand in a stage now; those without a value have no currency."""

    pipeline: str
    stage: str
    owner: str | None
    currency: str | None
    deals: int
    value: Decimal | None


class Conversion(Struct, frozen=True, tag="conversion", tag_field="table"):
    """What became of the deals that came to a stage.

    Args:
        went_on: to a later stage, or were won; ``to_next`` and ``to_won`` are shares of ``came``, 0 to 1.
        open: neither won nor lost yet.
    """

    pipeline: str
    stage: str
    came: int
    went_on: int
    won: int
    lost: int
    open: int
    to_next: float
    to_won: float


class TimeInStage(Struct, frozen=True, tag="time in stage", tag_field="table"):
    """How long deals stood in a stage before they moved on or were closed; seconds."""

    pipeline: str
    stage: str
    stays: int
    median: float
    mean: float


class WonAndLost(Struct, frozen=True, tag="won and lost", tag_field="table"):
    """Deals closed in a month. ``status``: won | lost. Amounts of several currencies are never added up."""

    month: str
    owner: str | None
    status: str
    currency: str | None
    deals: int
    value: Decimal | None


class Deals(Struct, frozen=True):
    """Everything that is told of deals."""

    standing: list[InStage]
    conversion: list[Conversion]
    times: list[TimeInStage]
    closed: list[WonAndLost]
    series: list[Series]


def deals(context: Context, days: Days, owner: int | None = None) -> Deals:
    """What stands where now; what came to a stage, left it, or was closed within these days.

    Args:
        owner: id of a user: only his deals.
    """
    within = days.instants
    with context.db.read() as connection:
        order = deal_figures.stages(connection)
        open_ = deal_figures.standing(connection, owner)
        passages = {each.stage: each for each in deal_figures.passages(connection, within, owner)}
        stood = deal_figures.times(connection, within, owner)
        closed = deal_figures.closed(connection, within, owner)
    by_stage = defaultdict[int, list[int]](list)
    for number, seconds in stood:
        by_stage[number].append(seconds)
    standing = [
        InStage(stage.pipeline, stage.name, each.owner, each.currency, each.deals, each.value)
        for stage in order
        for each in open_
        if each.stage == stage.id
    ]
    conversion = []
    for stage in order:
        if (one := passages.get(stage.id)) is not None:
            left = one.came - one.won - one.lost
            shares = (round(one.went_on / one.came, 4), round(one.won / one.came, 4))
            numbers = (one.came, one.went_on, one.won, one.lost, left)
            conversion.append(Conversion(stage.pipeline, stage.name, *numbers, *shares))
    times = [_time(stage, by_stage[stage.id]) for stage in order if stage.id in by_stage]
    series = [*_by_stage(order, standing, conversion, times), *_by_month(closed)]
    return Deals(
        standing,
        conversion,
        times,
        [WonAndLost(each.month, each.owner, each.status, each.currency, each.deals, each.value) for each in closed],
        series,
    )


def _time(stage: Stage, times: Sequence[int]) -> TimeInStage:
    return TimeInStage(stage.pipeline, stage.name, len(times), float(median(times)), round(fmean(times), 1))


def _by_stage(
    order: Sequence[Stage], standing: Sequence[InStage], conversion: Sequence[Conversion], times: Sequence[TimeInStage]
) -> Iterator[Series]:
    several = len({stage.pipeline for stage in order}) > 1
    found = Counter[tuple[str, str]]()
    for each in standing:
        found[each.pipeline, each.stage] += each.deals
    lines: list[tuple[str, str, Mapping[tuple[str, str], Value]]] = [
        ("open deals", "deals", found),
        ("conversion to the next stage", "share", {(each.pipeline, each.stage): each.to_next for each in conversion}),
        ("conversion to won", "share", {(each.pipeline, each.stage): each.to_won for each in conversion}),
        ("time in stage, median", "seconds", {(each.pipeline, each.stage): each.median for each in times}),
    ]
    for name, unit, values in lines:
        points = tuple(
            (f"{stage.pipeline}: {stage.name}" if several else stage.name, values[stage.pipeline, stage.name])
            for stage in order
            if (stage.pipeline, stage.name) in values
        )
        if points:
            yield Series(name, unit, points)


def _by_month(closed: Sequence[Closed]) -> Iterator[Series]:
    """Of all that were closed, then of each owner's; over the same months."""
    if not closed:
        return
    first, last = (date.fromisoformat(f"{end(each.month for each in closed)}-01") for end in (min, max))
    every = [named(month) for month in months(first, last)]
    yield from _closed(closed, every)
    for key in sorted({each.owner for each in closed if each.owner is not None}):
        yield from _closed([each for each in closed if each.owner == key], every, key)


def _closed(closed: Sequence[Closed], every: Sequence[str], owner: str | None = None) -> Iterator[Series]:
    for status in ("won", "lost"):
        mine = [each for each in closed if each.status == status]
        numbers = Counter[str]()
        amounts = defaultdict[tuple[str, str], Decimal](Decimal)
        for each in mine:
            numbers[each.month] += each.deals
            if each.currency is not None and each.value is not None:
                amounts[each.currency, each.month] += each.value
        yield Series(f"deals {status}", "deals", tuple((month, numbers[month]) for month in every), owner)
        for code in sorted({code for code, _ in amounts}):
            points = tuple((month, float(amounts[code, month])) for month in every)
            yield Series(f"value {status}", code, points, owner)
