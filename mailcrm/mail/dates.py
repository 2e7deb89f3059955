"""The Date field, in UTC (RFC 5322 section 3.3, and what is really sent)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz
from functools import lru_cache

_USUAL = re.compile(
    r"\s*(?:[^\W\d]{2,12}\.?\s*,?\s*)?(\d{1,2})[ \-./]+([^\W\d]{3,10})\.?[ \-./,]+(\d{2,4})[ ,]+"
    r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:\.\d{1,6})?)?\s*([AaPp][Mm]\b)?\s*"
    r"(?:\(?(?:GMT|UTC|UT)?\s*([+\-]\s?\d{1,2}:?\d{0,2})\)?|\(?([A-Za-z]{1,5})\)?)?(?:\s|$|\()"
)
_EXACT = re.compile(  # as RFC 5322 writes it, and most programs
    r"\s*(?:[A-Z][a-z]{2}, )?(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d{4})(?: \([A-Z]{1,5}\))?\s*"
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan sty", "feb lut fév fev", "mar mär mrz", "apr kwi avr abr", "may maj mai mag", "jun cze juin giu",
         "jul lip juil lug", "aug sie aoû ago", "sep wrz set", "oct paź paz okt ott", "nov lis", "dec gru dez dic déc"),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_ZONES = {  # minutes east of Greenwich; the RFC's own names and those of Europe's and Asia's clocks
    "ut": 0, "gmt": 0, "utc": 0, "z": 0, "wet": 0, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420,
    "mdt": -360, "pst": -480, "pdt": -420, "bst": 60, "west": 60, "cet": 60, "met": 60, "mez": 60, "cest": 120,
    "mest": 120, "mesz": 120, "eet": 120, "eest": 180, "msk": 180, "trt": 180, "ist": 330, "hkt": 480, "sgt": 480,
    "jst": 540, "kst": 540, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780,
}  # fmt: skip
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


def date_of(line: str) -> datetime | None:
    """The instant that a Date field names, in UTC; None where it names none between 1970 and 2100.

    A zone that is unknown, missing or impossible counts as UTC.
    """
    return _date_of(line[:200])


@lru_cache(512)
def _date_of(line: str) -> datetime | None:
    try:
        if exact := _EXACT.fullmatch(line):
            found = _exact(exact)
        else:
            usual = _USUAL.match(line)
            found = _usual(usual) if usual else _unusual(line)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    if found is None or not 1970 <= found.year <= 2100:
        return None
    return found


def _exact(match: re.Match[str]) -> datetime | None:
    day, month_name, year, hour, minute, second, offset = match.groups()
    month = _MONTHS.get(month_name.lower())
    if month is None:
        return None
    found = datetime(int(year), month, int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC)
    return found - _offset(offset)


def _usual(match: re.Match[str]) -> datetime | None:
    day, month_name, year_text, hour_text, minute, second, half, offset, zone = match.groups()
    month = _MONTHS.get(month_name[:4].lower()) or _MONTHS.get(month_name[:3].lower())
    if month is None:
        return None
    year, hour = int(year_text), int(hour_text)
    if len(year_text) == 2:
        year += 2000 if year < 70 else 1900
    elif len(year_text) == 3:
        year += 1900
    if half:
        hour = hour % 12 + (12 if half in ("PM", "pm", "Pm", "pM") else 0)
    found = datetime(year, month, int(day), hour, int(minute), min(int(second or 0), 59), tzinfo=UTC)
    if offset:
        return found - _offset(offset)
    return found - timedelta(minutes=_ZONES.get((zone or "").lower(), 0))


@lru_cache(256)
def _offset(text: str) -> timedelta:
    return timedelta(minutes=_minutes(text))


def _minutes(offset: str) -> int:
    digits = offset[1:].strip().replace(":", "")
    hours, minutes = (int(digits), 0) if len(digits) <= 2 else (int(digits[:-2]), int(digits[-2:]))
    total = hours * 60 + minutes
    if total > 15 * 60 or minutes > 59:
        return 0
    return -total if offset[0] == "-" else total


def _unusual(line: str) -> datetime | None:
    iso = _ISO.search(line)
    if iso:
        found = datetime.fromisoformat(line[iso.start() :].split("(")[0].strip().replace(" ", "T", 1).replace(" ", ""))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    parts = parsedate_tz(line)
    if parts is None:
        return None
    offset = parts[9] or 0
    return datetime(*parts[:6], tzinfo=UTC) - timedelta(seconds=offset if abs(offset) <= 15 * 3600 else 0)
