"""What plugins may import. Each name is loaded when it is first asked for, so that importing this costs nothing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailcrm.core.events import Event
    from mailcrm.core.linking import OpenDeal
    from mailcrm.core.model import Address, Attachment, Message
    from mailcrm.hookspecs import App, hookimpl

__all__ = ["Address", "App", "Attachment", "Event", "Message", "OpenDeal", "hookimpl"]

_HOMES = {
    "Address": "mailcrm.core.model",
    "App": "mailcrm.hookspecs",
    "Attachment": "mailcrm.core.model",
    "Event": "mailcrm.core.events",
    "Message": "mailcrm.core.model",
    "OpenDeal": "mailcrm.core.linking",
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
