"""Pages of our site that a known person visited.

The site tells of it: `mailcrm event emit page.visited --person E-MAIL --data '{"url": "https://firma.example/prices"}'`.
A flow names it: ``on = "page.visited"``, ``where = { url = "https://firma.example/prices" }`` for exactly that address.
The trigger ``on = "page.under"`` takes that page and all that lie under it, whatever stands behind ``?`` and ``#``.

Nothing to configure.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mailcrm import Event, EventKind, TriggerType, hookimpl


@hookimpl
def register_events() -> list[EventKind]:
    return [EventKind("page.visited", {"url": str}, "Somebody visited a page")]


@hookimpl
def register_triggers() -> list[TriggerType]:
    return [TriggerType("page.under", "page.visited", under, "A page, or one under it")]


def under(event: Event, where: Mapping[str, Any]) -> bool:
    """Every page, or those under ``where``'s ``url``."""
    if "url" not in where:
        return True
    visited, wanted = _place(event.data["url"]), _place(where["url"])
    if visited is None or wanted is None:
        return False
    return visited[0] == wanted[0] and (visited[1] + "/").startswith(wanted[1] + "/")


def _place(url: str) -> tuple[str, str] | None:
    """Host and path; None for what is no address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return (parts.hostname or "").removeprefix("www."), parts.path.rstrip("/")
