"""Statistics of campaigns: one line each; each one's own page tells more (``campaign results``)."""

from __future__ import annotations

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
            found.append(Campaign(stored.name, at, sum(each.total for each in groups), **states, **numbers))
    found.sort(key=lambda each: each.launched_at)
    sent = tuple((each.campaign, each.sent) for each in found)
    return CampaignFigures(found, [Series("mail sent", "mails", sent)] if sent else [])
