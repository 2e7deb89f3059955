"""The built-in triggers: one for each kind of event, by the same name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mailcrm.core.comparing import listed, same
from mailcrm.core.events import KINDS, Event, EventKind
from mailcrm.core.flow import Trigger


def matches(event: Event, where: Mapping[str, Any]) -> bool:
    """Whether every field that ``where`` names has that value, or one of those in a list.

    Text is compared without case and outer blanks. A field that the event has not, or has no value in, never matches.

    An opening or click that was graded as a machine's or is doubtful counts only where ``where`` asks for a ``grade``:
    scanners and mail proxies open and follow everything.
    """
    if event.data.get("grade") not in (None, "human") and "grade" not in where:
        return False
    return all(
        any(same(value, wanted) for value in listed(event.data.get(name)) for wanted in listed(asked))
        for name, asked in where.items()
    )


def triggers_of(kinds: Iterable[EventKind]) -> dict[str, Trigger]:
    """A trigger for each kind of event."""
    return {kind.name: Trigger(kind.name, kind.name, matches, kind.label) for kind in kinds}


TRIGGERS: Mapping[str, Trigger] = triggers_of(KINDS.values())
