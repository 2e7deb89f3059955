"""All statistics by name, each as rows for tables and series for charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from mailcrm.app import campaign_statistics, deal_statistics, flow_statistics, mail_statistics
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.counting import count_due
from mailcrm.core.series import Days, Series
from mailcrm.errors import Temporary

_ROUNDS = 10


class Section(Struct, frozen=True):
    """One sort of statistics.

    Args:
        tables: each a list of rows of one kind.
        waiting: changes of mail that are not counted yet.
    """

    tables: tuple[Sequence[Struct], ...]
    series: Sequence[Series]
    waiting: int = 0


def _deals(context: Context, _actor: Actor, days: Days, owner: int | None) -> Section:
    found = deal_statistics.deals(context, days, owner)
    return Section((found.standing, found.conversion, found.times, found.closed), found.series)


def _mail(context: Context, actor: Actor, days: Days, owner: int | None) -> Section:
    _catch_up(context)
    found = mail_statistics.mail(context, actor, days, owner)
    return Section((found.rows, found.by_month), found.series, found.waiting)


def _flows(context: Context, _actor: Actor, days: Days, owner: int | None) -> Section:
    found = flow_statistics.flows(context, days, owner)
    return Section((found.steps,), found.series)


def _campaigns(context: Context, _actor: Actor, days: Days, owner: int | None) -> Section:
    found = campaign_statistics.campaigns(context, days, owner)
    return Section((found.campaigns,), found.series)


def _catch_up(context: Context) -> None:
    """Count what little there may be, so that what has just come is in the figures; the worker counts much."""
    with suppress(Temporary):
        for _ in range(_ROUNDS):
            if not count_due(context):
                return


SECTIONS: Mapping[str, Callable[[Context, Actor, Days, int | None], Section]] = {
    "deals": _deals,
    "mail": _mail,
    "flows": _flows,
    "campaigns": _campaigns,
}
