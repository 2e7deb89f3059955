"""What flows may name, without plugins to load: what is built in, and by name what the bundled plugins bring."""

from __future__ import annotations

from collections.abc import Mapping

from mailcrm.builtin.actions import ACTIONS
from mailcrm.core.conditions import CONDITIONS
from mailcrm.core.events import KINDS, EventKind
from mailcrm.core.registry import ActionType, Params, Registry
from mailcrm.core.triggers import triggers_of

_TEXT, _NUMBER = str | None, int | float | None
_SALE: Params = {"product": str, "amount": _NUMBER, "currency": _TEXT}
_BUNDLED_KINDS: Mapping[str, Params] = {
    "sale.made": _SALE,
    "sale.cancelled": _SALE,
    "payment.failed": {"product": str},
    "form.submitted": {"form": str, "place": _TEXT},
    "page.visited": {"url": str},
    "webinar.registered": {"webinar": str},
}
_PLACES = {"form.submitted": {"place": ("funnel", "blog", "store")}}
_BUNDLED_ACTIONS: Mapping[str, Params] = {"coupon.issue": {"series": str}, "sms.send": {"text": str}}


def registry() -> Registry:
    """Kinds of events with a trigger each, conditions and actions."""
    kinds = {
        name: EventKind(name, fields, name, _PLACES.get(name, {})) for name, fields in _BUNDLED_KINDS.items()
    } | dict(KINDS)
    bundled = {name: ActionType(name, params) for name, params in _BUNDLED_ACTIONS.items()}
    return Registry(
        kinds=kinds,
        triggers=triggers_of(kinds.values()),
        conditions=CONDITIONS,
        actions={**ACTIONS, **bundled},
    )
