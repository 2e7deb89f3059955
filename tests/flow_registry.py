"""What flows may name, as the contracts list it, without anything that acts: for tests of definition files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mailcrm.core.card import Card
from mailcrm.core.enrollment import Verdict
from mailcrm.core.events import KINDS, Event, EventKind
from mailcrm.core.flow import Trigger
from mailcrm.core.registry import ActionType, ConditionType, Params, Registry, Span

TEXT, NUMBER = str | None, int | float | None

_OUTSIDE: Mapping[str, Params] = {
    "mail.opened": {"message": str, "flow": TEXT, "node": TEXT, "url": TEXT, "grade": TEXT},
    "link.clicked": {"message": str, "flow": TEXT, "node": TEXT, "url": TEXT, "grade": TEXT},
    "flow.completed": {"flow": str, "kind": str},
    "flow.failed": {"flow": str, "kind": str},
    "sale.made": {"product": str, "amount": NUMBER, "currency": TEXT},
    "sale.cancelled": {"product": str, "amount": NUMBER, "currency": TEXT},
    "payment.failed": {"product": str},
    "form.submitted": {"form": str, "place": TEXT},
    "page.visited": {"url": str},
    "webinar.registered": {"webinar": str},
    "course.enrolled": {"course": str, "module": TEXT, "lesson": TEXT},
}
_CONDITIONS: Mapping[str, Params] = {
    "tag": {"tag": str},
    "field": {
        "field": str,
        "is": str | int | float | bool | None,
        "not": str | int | float | bool | None,
        "contains": TEXT,
        "above": NUMBER,
        "below": NUMBER,
        "empty": bool | None,
    },
    "deal_open": {},
    "deal_stage": {"deal_stage": str},
    "in_sequence": {"in_sequence": str},
    "in_workflow": {"in_workflow": str},
    "opened": {"within": Span | None},
    "clicked": {"within": Span | None},
    "replied": {"within": Span | None},
    "last_contact": {"older": Span | None, "newer": Span | None},
    "permission": {},
    "language": {"language": str},
    "time_zone": {"time_zone": str},
}
_MAIL: Params = {"template": TEXT, "subject": TEXT, "body": TEXT, "sender": TEXT}
_STEP_MAIL: Params = {**_MAIL, "recipient": TEXT, "in_thread": bool | None}
_ACTIONS: Mapping[str, Params] = {
    "tag.add": {"tag": str},
    "tag.remove": {"tag": str},
    "field.set": {"field": str, "value": str | int | float | bool},
    "activity.create": {
        "activity": str,
        "due": Span | None,
        "assignee": TEXT,
        "priority": TEXT,
        "note": TEXT,
    },
    "activity.complete": {"activity": TEXT},
    "deal.create": {"title": str, "stage": TEXT, "value": TEXT},
    "deal.move": {"stage": str},
    "sequence.enroll": {"sequence": str},
    "sequence.leave": {"sequence": str},
    "workflow.join": {"workflow": str},
    "workflow.leave": {"workflow": str},
    "mail.send": _STEP_MAIL,
    "draft.create": {**_STEP_MAIL, "remind": Span | None},
    "notify": {"user": TEXT, "text": str},
    "webhook.call": {"url": str, "body": TEXT},
    "coupon.issue": {"series": str},
    "sms.send": {"text": str},
}


def _same(event: Event, where: Mapping[str, Any]) -> bool:
    return all(event.data[name] == value for name, value in where.items())


def _unasked(_card: Card, _args: Mapping[str, Any], _now: datetime) -> Verdict:
    raise AssertionError("a definition is read without asking anybody")


def registry() -> Registry:
    """All kinds, triggers, conditions and actions of the contracts."""
    kinds = dict(KINDS) | {name: EventKind(name, fields, name) for name, fields in _OUTSIDE.items()}
    return Registry(
        kinds=kinds,
        triggers={name: Trigger(name, name, _same) for name in kinds},
        conditions={name: ConditionType(name, params, _unasked) for name, params in _CONDITIONS.items()},
        actions={name: ActionType(name, params) for name, params in _ACTIONS.items()},
    )
