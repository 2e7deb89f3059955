"""What flows may name, without anything that acts: for tests of definition files."""

from __future__ import annotations

from collections.abc import Mapping

from mailcrm.core.conditions import CONDITIONS
from mailcrm.core.events import KINDS, EventKind
from mailcrm.core.registry import ActionType, Params, Registry, Span
from mailcrm.core.triggers import triggers_of

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


def registry() -> Registry:
    """The built-in conditions; kinds of events and actions also of the bundled plugins."""
    kinds = dict(KINDS) | {name: EventKind(name, fields, name) for name, fields in _OUTSIDE.items()}
    return Registry(
        kinds=kinds,
        triggers=triggers_of(kinds.values()),
        conditions=CONDITIONS,
        actions={name: ActionType(name, params) for name, params in _ACTIONS.items()},
    )
