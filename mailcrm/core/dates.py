"""Dates as people and mail programs write them, in a dozen languages: read, never guessed beyond a missing year."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from mailcrm.core.phrases import compiled

_NAMES = """
1 january januar janvier enero gennaio januari janeiro leden ledna stycz январ січ sty jan janv ene gen led ян
1 січня genn janu
2 february februar février fevrier febrero febbraio februari fevereiro únor února lut феврал лют feb févr fév
2 fev febr фев
3 march märz maerz mars marzo maart março marco březen března marzec marca marc mar март берез mär mrz mrt бер
4 april avril abril aprile duben dubna kwietnia kwiecień kwiec apr kwi avr abr апрел квіт dub апр кві
5 may mai mayo maggio mei maio květen května maja maj мая май трав mag kvě
6 june juni juin junio giugno junho červen června czerwca czerwiec czerw июн черв jun giu cze
7 july juli juillet julio luglio julho červenec července lipca lipiec lip июл лип jul juil lug
8 august août aout agosto augustus augusti srpen srpna sierpnia sierpień sierp sie август серп aug ago srp авг
8 сер
9 september septembre septiembre settembre setembro září wrzesień września wrzes wrz сентябр верес sep sept set
9 сен вер zář
10 october oktober octobre octubre ottobre outubro říjen října październik października październ paź paz октябр
10 жовт oct okt ott out окт жов říj
11 november novembre noviembre novembro listopad listopadu listopada lis ноябр листопад лист nov нояб ноя лис
12 december dezember décembre decembre diciembre dicembre dezembro prosinec prosince grudzień grudnia grudz gru
12 декабр груд dec dez déc dic дек гру pro
"""
_MONTHS = {name: int(row.split()[0]) for row in _NAMES.strip().split("\n") for name in row.split()[1:]}
# A stem of four letters or more is inflected ("stycznia"); a shorter one stands alone ("nov", "mai").
_MONTH = (
    r"(?:(?:"
    + "|".join(sorted((name for name in _MONTHS if len(name) > 3), key=len, reverse=True))
    + r")[^\W\d_]{0,5}|(?:"
    + "|".join(name for name in _MONTHS if len(name) <= 3)
    + r"))\b"
)
_YEAR = r"(?:\s{0,2}[,.]?\s{0,2}(?:de |r\. ?|roku )?(\d{4})\b)?"
_DATE = (
    r"(?P<iso>\b(\d{4})[-./](\d{1,2})[-./](\d{1,2})\b)"
    r"|(?P<num>\b(\d{1,2})\s?(?P<sep>[./-])\s?(\d{1,2})"
    r"(?:\s?(?:(?P=sep)|[./-](?=\s?\d{4}\b))\s?(\d{4}|\d{2})\b|(?<!-\d)(?<!-\d\d)\.?(?![\d:])))"  # 2.11-12.11.: a span
    rf"|(?P<dmy>\b(\d{{1,2}})(?:\.|st|nd|rd|th|er|º|°|-?го|:e)?\s{{0,3}}(?:de |of )?({_MONTH})\.?{_YEAR})"
    rf"|(?P<mdy>\b(?=[^\W\d_]{{3,12}}\.?\s{{1,2}}\d)({_MONTH})\.?\s{{1,2}}(\d{{1,2}})(?:st|nd|rd|th)?\b"
    rf"(?!:|\.?\s{{0,2}}(?:de |of )?{_MONTH}){_YEAR})"  # "mar 3 nov": Tuesday in French, Spanish and Italian
)
_TIME = re.compile(
    r"\b(\d{1,2})[:.h](\d{2})(?:[:.](\d{2}))?(?![\d.])(?:[\s\u202f]{0,2}([ap])\.?\s?m\b)?", re.IGNORECASE
)
_ZONE = re.compile(
    r"(?:\b(?:GMT|UTC)\s?)?([+-])(\d{1,2}):?(\d{2})?\b|\b(UTC|GMT|Z|CES?T|MES?Z|EES?T|MSK|BST|WES?T|[ECMP][SD]T)\b"
)
_ZONES = {
    "UTC": 0, "GMT": 0, "Z": 0, "CET": 60, "CEST": 120, "MEZ": 60, "MESZ": 120, "EET": 120, "EEST": 180, "MSK": 180,
    "BST": 60, "WET": 0, "WEST": 60,
    "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420,
}  # fmt: skip


def _month(word: str) -> int:
    """1 to 12 for a month's name, inflected or shortened, in any of the known languages; 0 for another word."""
    word = word.casefold()
    return next((_MONTHS[word[:cut]] for cut in range(len(word), 2, -1) if word[:cut] in _MONTHS), 0)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _dates(text: str, near: date | None, month_first: bool) -> Iterator[tuple[int, int, date]]:
    """Every date in ``text`` with its start and end; one without a year is the next such day on or after ``near``."""
    for found in compiled(_DATE).finditer(text):
        group = found.groups()
        year: str | None
        if group[0]:
            year, month, day = group[1], int(group[2]), int(group[3])
        elif group[4]:
            day, month, year = int(group[5]), int(group[7]), group[8]
            if month > 12 or (month_first and group[6] == "/" and day <= 12):
                day, month = month, day
        elif group[9]:
            day, month, year = int(group[10]), _month(group[11]), group[12]
        else:
            month, day, year = _month(group[14]), int(group[15]), group[16]
        result: date | None = None
        if year is not None:
            result = _day(int(year) + (2000 if len(year) == 2 else 0), month, day)
        elif near is not None:
            result = _day(near.year, month, day)
            if result is None or result < near:
                result = _day(near.year + 1, month, day)
        if result is not None:
            yield found.start(), found.end(), result


# The word before the date. A day of return tells more than the last day of absence.
_BACK = re.compile(
    r"(?:\bback(?: in (?:the )?office)?|\breturn\w{0,3}(?: to (?:the )?(?:office|work))?|\bavailable again"
    r"|\bwracam(?: do (?:pracy|biura))?|\bwrócę|\bpowr(?:ót|acam)\w{0,2}(?: do (?:pracy|biura))?"
    r"|\b(?:będę|ponownie|znów) (?:(?:ponownie|znów|już) )?(?:dostępn|osiągaln|obecn)[yae](?: (?:ponownie|znów))?"
    r"|\bbędę (?:(?:ponownie|znów|już|z powrotem) )?w (?:biurze|pracy)|\b(?:odpowiem|odpiszę)"
    r"|\bpo powrocie|\bwieder(?: im büro| da| erreichbar)?|\bzurück|\bretour|\breviens|\bregres\w{1,4}|\bvuelv\w{1,3}"
    r"|\bvuelta"
    r"|\brientr\w{1,4}|\btorn\w{1,4}|\bterug|\bvolt\w{1,4}|\bzpět|\bvrac\w{1,4}|\bвернусь|\bповернусь|\btillbaka"
    r"|\båter)"
    r"[^\n\d]{0,30}$",
    re.IGNORECASE,
)
_BACK_AFTER = re.compile(
    r"[^\n\d.!?]{0,30}?\b(?:wieder (?:im|da|erreich|für|zur)|wracam|wrócę|będę (?:już )?(?:ponownie|znów|dostępn|z"
    r" powrotem)"
    r"|(?:i )?(?:am|will be|i'll be) (?:back|available)|(?:je )?(?:serai de retour|reviens)|ben ik (?:weer|terug))",
    re.IGNORECASE,
)
_UNTIL = re.compile(
    r"(?:\b(?:until|till|til|thru|through|to|do|bis|jusqu['’ ]?(?:au|à)|au|hasta|al|fino|tot|até|до|по|t\.?o\.?m|à"
    r"|a)\b\.?|[-–—])"
    r"(?:\s(?:the end of|incl\w{0,6}|einschließlich|zum|den|dnia|dn\.|el|le|il|al|en met|o dia|dne|und mit|and"
    r" including|włącznie"
    r"|końca|and incl\w{0,7})){0,2}[\s,]{1,3}(?:[^\W\d_]{2,13}[,.]?\s{1,2}(?:the\s|den\s|dem\s|dnia\s|il\s|le\s|el\s"
    r"|o\s)?)?$|[-–—]\s?$|\d{1,2}\.?\s?[-–—]\s?$",
    re.IGNORECASE,
)
_FARTHEST = timedelta(days=300)


def returns_on(text: str, sent: date | None) -> date | None:
    """The day of return that an absence notice states ("until Nov 27", "do 27.11.2026", "zurück am 1. Dezember").

    Args:
        text: subject and own words of the notice; the first 3,000 characters are read.
        sent: the day it was sent (UTC): gives a missing year, and nothing before it is returned.

    Returns the stated date, None where there is none, or where it lies before ``sent`` or beyond 300 days.
    """
    text = text[:3000]
    until: date | None = None
    for start, end, day in _dates(text, sent, month_first=_english(text)):
        if sent is not None and not sent <= day <= sent + _FARTHEST:
            continue
        before = text[max(0, start - 60) : start]
        if _BACK.search(before):
            return day
        if _UNTIL.search(before):
            until = until or day
        elif _BACK_AFTER.match(text, end):
            return day
    return until


def _english(text: str) -> bool:
    """Americans write the month first; elsewhere a date with slashes begins with the day."""
    return re.search(r"\b(?:until|back|return|through|out of|office)\b", text, re.IGNORECASE) is not None


def quoted_date(text: str, zone: tzinfo = UTC) -> datetime | None:
    """The time in the Date or Sent line of a quoted header, aware and in UTC.

    Args:
        text: the line's value in whatever format and language the mail program used.
        zone: the zone meant where the line names none: that of the forwarder, if known.
    """
    text = text[:200].replace("\u202f", " ").replace("\xa0", " ")
    clock = _TIME.search(text)
    half = (clock[4] or "").lower() if clock else ""
    found = next(iter(_dates(text[: clock.start()] if clock and clock.start() > 5 else text, None, bool(half))), None)
    if found is None and (year := re.search(r"\b(?:19|20)\d\d\b", text)):  # "Tue Nov 3 12:00:01 2026"
        found = next(iter(_dates(text, date(int(year[0]), 1, 1), bool(half))), None)
    if found is None:
        return None
    if clock is None:
        hour = minute = second = 0
    else:
        hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
        if half:
            hour = hour % 12 + (12 if half == "p" else 0)
    named = _ZONE.search(text, clock.end() if clock else found[1])
    if named and named[4]:
        zone = timezone(timedelta(minutes=_ZONES[named[4].upper()]))
    elif named and int(named[2]) <= 14:
        minutes = int(named[2]) * 60 + int(named[3] or 0)
        zone = timezone(timedelta(minutes=-minutes if named[1] == "-" else minutes))
    try:
        moment = datetime(found[2].year, found[2].month, found[2].day, hour, minute, second, tzinfo=zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
