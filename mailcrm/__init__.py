"""What plugins may import. Each name is loaded when it is first asked for, so that importing this costs nothing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailcrm.core.card import Card, CardDeal
    from mailcrm.core.documents import Document, Item, Party, Rate, Totals
    from mailcrm.core.enrollment import Effect, Verdict
    from mailcrm.core.events import Event, EventKind
    from mailcrm.core.linking import OpenDeal
    from mailcrm.core.model import Address, Attachment, Message
    from mailcrm.core.outgoing import Outgoing, SenderConsent
    from mailcrm.core.registry import ActionType, ConditionType, Span, TriggerType
    from mailcrm.errors import Permanent, Temporary
    from mailcrm.hookspecs import App, Reach, Reply, hookimpl

__all__ = [
    "ActionType",
    "Address",
    "App",
    "Attachment",
    "Card",
    "CardDeal",
    "ConditionType",
    "Document",
    "Effect",
    "Event",
    "EventKind",
    "Item",
    "Message",
    "OpenDeal",
    "Outgoing",
    "Party",
    "Permanent",
    "Rate",
    "Reach",
    "Reply",
    "SenderConsent",
    "Span",
    "Temporary",
    "Totals",
    "TriggerType",
    "Verdict",
    "hookimpl",
]

_HOMES = {
    "ActionType": "mailcrm.core.registry",
    "Address": "mailcrm.core.model",
    "App": "mailcrm.hookspecs",
    "Attachment": "mailcrm.core.model",
    "Card": "mailcrm.core.card",
    "CardDeal": "mailcrm.core.card",
    "ConditionType": "mailcrm.core.registry",
    "Document": "mailcrm.core.documents",
    "Effect": "mailcrm.core.enrollment",
    "Event": "mailcrm.core.events",
    "EventKind": "mailcrm.core.events",
    "Item": "mailcrm.core.documents",
    "Message": "mailcrm.core.model",
    "OpenDeal": "mailcrm.core.linking",
    "Outgoing": "mailcrm.core.outgoing",
    "Party": "mailcrm.core.documents",
    "Permanent": "mailcrm.errors",
    "Rate": "mailcrm.core.documents",
    "Reach": "mailcrm.hookspecs",
    "Reply": "mailcrm.hookspecs",
    "SenderConsent": "mailcrm.core.outgoing",
    "Span": "mailcrm.core.registry",
    "Temporary": "mailcrm.errors",
    "Totals": "mailcrm.core.documents",
    "TriggerType": "mailcrm.core.registry",
    "Verdict": "mailcrm.core.enrollment",
    "hookimpl": "mailcrm.hookspecs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mailcrm' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
