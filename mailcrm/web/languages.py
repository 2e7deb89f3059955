"""In which language a page speaks."""

from __future__ import annotations

from mailcrm.core import questions
from mailcrm.core.questions import Language


def preferred(accepted: str, time_zone: str, chosen: Language | None = None) -> Language:
    """What the user chose, else what the browser asks for first (RFC 9110 section 12.5.4), else by the time zone.

    Args:
        accepted: the header Accept-Language.
        time_zone: the user's; "": none.
    """
    if chosen is None:
        for tag in accepted.lower().split(",")[:10]:
            primary = tag.strip().partition(";")[0].partition("-")[0]
            if primary in ("pl", "en"):
                return "pl" if primary == "pl" else "en"
    return questions.language(chosen, time_zone)
