"""Campaigns as JSON."""

from __future__ import annotations

from typing import Any

from mailcrm.app.campaigns import Shown
from mailcrm.app.launching import Preview
from mailcrm.app.results import Sums
from mailcrm.core.definitions import CampaignDefinition

_GROUPS = {"person": "persons", "organization": "organizations", "lead": "leads"}


def line(shown: Shown) -> dict[str, Any]:
    """A campaign in a listing."""
    definition, course = shown.definition, shown.course
    return {
        "id": shown.stored.id,
        "name": shown.stored.name,
        "type": definition.type.value,
        "state": definition.state.value,
        "status": course.status,
        "owner": shown.owner,
        "goal": definition.goal,
        "members": shown.total,
        **{_GROUPS[group]: count for group, count in shown.members.items()},
        "launched_at": course.launched_at,
        "ended_at": course.ended_at,
        "why": course.why,
    }


def page(shown: Shown) -> dict[str, Any]:
    """All of it but its text."""
    definition, course = shown.definition, shown.course
    return {
        **line(shown),
        "sender": definition.sender.value,
        "strategy": definition.strategy.value,
        "template": definition.template,
        **_send_mails(definition),
        "description": definition.description,
        "version": shown.stored.version,
        "added_by": shown.adder,
        "launched_by": course.launched_by,
        "planned_at": course.planned_at,
        "paused_at": course.paused_at,
        "stopped_at": course.stopped_at,
    }


def progress(found: Sums) -> dict[str, Any]:
    """How far one is that was launched: how many of its recipients are what."""
    return {name: getattr(found, name) for name in ("total", "done", "failed", "skipped", "planned", "withdrawn")}


def preview(name: str, found: Preview) -> dict[str, Any]:
    """What launching it would do."""
    return {
        "campaign": name,
        "members": found.members,
        "recipients": found.recipients,
        "left_out": dict(found.left_out),
        "senders": dict(found.senders),
        "stand_in": found.stand_in,
        "lacking": list(found.lacking),
        "refused": dict(found.refused),
    }


def _send_mails(definition: CampaignDefinition) -> dict[str, Any]:
    """Kinds that can't leave it out have no such field (CAMP-11)."""
    return {} if definition.send_mails is None else {"send_mails": definition.send_mails}
