"""Statistics of campaigns: one line each; each one's own page tells more (``campaign results``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from mailcrm.app.context import Context
from mailcrm.core.flow import FlowKind
from mailcrm.core.series import Days, Series
from mailcrm.store import campaigns as stored_campaigns
from mailcrm.store import flows, results

_COUNTED = ("sent", "bounced", "opened", "clicked", "replied", "unsubscribed")


class Campaign(Struct, frozen=True, tag="campaigns", tag_field="table"):
    """What came of a campaign, by recipients. ``opened`` and ``clicked``: by humans."""

    id: int
    campaign: str
    launched_at: datetime
    recipients: int
    done: int
    failed: int
    sent: int
    bounced: int
    opened: int
    clicked: int
    replied: int
    unsubscribed: int


class CampaignFigures(Struct, frozen=True):
    """What is told of campaigns."""

    campaigns: list[Campaign]
    series: list[Series]


def campaigns(context: Context, days: Days, owner: int | None = None) -> CampaignFigures:
    """What came, until now, of the campaigns launched on these days.

    Args:
        owner: id of a user: only the campaigns that are his.
    """
    since, until = days.instants
    found = []
    with context.db.read() as connection:
        for stored in flows.every(connection, (FlowKind.CAMPAIGN,)):
            at = stored_campaigns.get(connection, stored.id).launched_at
            if at is None or (since and at < since) or (until and at >= until) or owner not in (None, stored.owner):
                continue
            groups = results.groups(connection, stored.id)
            states = {name: sum(each.total for each in groups if each.state == name) for name in ("done", "failed")}
            numbers = {name: sum(getattr(each, name) for each in groups) for name in _COUNTED}
            found.append(Campaign(stored.id, stored.name, at, sum(each.total for each in groups), **states, **numbers))
    found.sort(key=lambda each: each.launched_at)
    return CampaignFigures(found, list(_series(found)))


def _series(found: Sequence[Campaign]) -> Iterator[Series]:
    if not found:
        return
    names = Counter(each.campaign for each in found)
    places = [f"{each.campaign} ({each.id})" if names[each.campaign] > 1 else each.campaign for each in found]
    for name in ("done", "failed"):
        yield Series(name, "recipients", _points(places, found, name))
    for name in _COUNTED:
        yield Series(f"mail {name}", "mails", _points(places, found, name))


def _points(places: Sequence[str], found: Sequence[Campaign], field: str) -> tuple[tuple[str, int], ...]:
    return tuple(zip(places, (int(getattr(each, field)) for each in found), strict=True))
