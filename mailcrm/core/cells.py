"""What stands in a cell: numbers, money, dates, addresses and telephone numbers as people type them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite

from mailcrm.core.addresses import company_domain, domain_of, normalise, parent_domains

Cell = str | int | float | bool | date | datetime | time | timedelta | None
"""A cell as a reader gives it: text from CSV, typed values from a workbook."""

MAX_TEXT = 100_000
_NOTHING = frozenset(
    {"", "-", "--", "–", "—", "n/a", "#n/a", "null", "none", "nan", "brak", "nie dotyczy", "b/d", "keine"}
)
_CONTROLS = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), " ")
_CURRENCIES = {"zł": "PLN", "zl": "PLN", "€": "EUR", "eur": "EUR", "$": "USD", "us$": "USD", "£": "GBP", "kč": "CZK"}
_MONEY = re.compile(r"^(?P<before>[^\d+\-−(.,]*?)\s*(?P<number>[(+\-−]?\s*[\d.,'’\s]+\)?)\s*(?P<after>[^\d]*)$")
_EXCEL_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar januari sty styczen stycznia",
            "feb february februar lut luty lutego",
            "mar march marz mrz maerz marzec marca",
            "apr april kwi kwiecien kwietnia",
            "may mai maj maja",
            "jun june juni cze czerwiec czerwca",
            "jul july juli lip lipiec lipca",
            "aug august sie sierpien sierpnia",
            "sep sept september wrz wrzesien wrzesnia",
            "oct october okt oktober paz pazdziernik pazdziernika",
            "nov november lis listopad listopada",
            "dec december dez dezember gru grudzien grudnia",
        ),
        1,
    )
    for name in names.split()
}
_PLAIN = str.maketrans("ąćęłńóśźżä", "acelnoszza")
_NUMERIC_DATE = re.compile(r"^(\d{1,4})\s*[./\-]\s*(\d{1,2})\s*[./\-]\s*(\d{1,4})\.?(?:[\sT,]+(\S.*))?$")
_NAMED_DATE = re.compile(r"^(?:(\d{1,2})\.?\s+([^\W\d]+)\.?,?|([^\W\d]+)\.?\s+(\d{1,2}),?)\s+(\d{4})(?:[\s,]+(\S.*))?$")
_CLOCK = re.compile(
    r"^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([ap]\.?m\.?)?\s*(z|utc|[+-]\d{2}:?\d{2})?$", re.IGNORECASE
)
_SHARED = frozenset(
    {"facebook.com", "linkedin.com", "instagram.com", "youtube.com", "twitter.com", "x.com", "google.com", "goo.gl"}
    | {"allegro.pl", "olx.pl", "wixsite.com", "wordpress.com", "blogspot.com", "github.io", "tiktok.com", "linktr.ee"}
)
_NO_DIGIT = re.compile(r"\D+")
_SEPARATORS = re.compile(r"[,;|\n]+|:::")  # the last is of Google Contacts


class BadCell(ValueError):
    """The cell does not hold what its column is for; the text says why."""


def text(cell: Cell) -> str:
    """The cell as text: trimmed, without control characters; "" for what people write for nothing ("-", "brak").

    Raises:
        BadCell: it holds more than ``MAX_TEXT`` characters, NUL, or bytes that are not of the file's encoding.
    """
    if not isinstance(cell, str):
        return _spelt(cell)
    if len(cell) > MAX_TEXT:
        raise BadCell(f"a cell of {len(cell):,} characters (at most {MAX_TEXT:,}); is a quotation mark left open?")
    if "\0" in cell:
        raise BadCell("a cell holds the character NUL; is the file damaged?")
    if not cell.isascii() and any("\ud800" <= c <= "\udfff" for c in cell):
        raise BadCell("a cell holds bytes that are no text in the file's encoding")
    cleaned = cell.strip()
    if not cleaned.isprintable():
        cleaned = cleaned.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS).strip()
    return "" if len(cleaned) < 12 and cleaned.casefold() in _NOTHING else cleaned


def _spelt(cell: Cell) -> str:
    """A typed cell of a workbook as people write it."""
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case datetime():
            return cell.isoformat(" ", "seconds") if cell.time() != time() else cell.date().isoformat()
        case _:
            return str(cell)


def line(cell: Cell) -> str:
    """As ``text``, on one line with single blanks: for names and titles."""
    return " ".join(text(cell).split())


def value(cell: Cell) -> str | int | float | bool | None:
    """What a custom field keeps: numbers and booleans stay, dates become ISO 8601; None for nothing."""
    if isinstance(cell, bool | int):
        return cell
    if isinstance(cell, float):
        if not isfinite(cell):
            return None  # JSON has no word for it
        return int(cell) if cell.is_integer() and abs(cell) < 1e15 else cell
    return text(cell) or None


def money(cell: Cell) -> tuple[Decimal | None, str | None]:
    """An amount and the currency that stands beside it (ISO 4217), each None where absent.

    Of "1.234,50" and "1,234.50" the last sign is the decimal one; a single sign before exactly three digits groups
    thousands ("1,234" is 1234).

    Raises:
        BadCell: it is no number, or one too large for the database (16 digits before the decimal sign).
    """
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return _amount(str(cell), str(cell)), None
    given = line(cell)
    if not given:
        return None, None
    match = _MONEY.match(given)
    beside = (match["before"].strip() or match["after"].strip()) if match else ""
    if match is None or (match["before"].strip() and match["after"].strip()):
        raise BadCell(f"{_short(given)} is no amount")
    return _amount(_plain_number(match["number"]), given), currency(beside) if beside else None


def number(cell: Cell) -> Decimal | None:
    """A number as ``money`` reads it but not rounded, alone or beside a currency or %; None for all else."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    try:
        if isinstance(cell, str):
            match = _MONEY.match(line(cell)) if len(cell) <= 100 else None
            if match is None:
                return None
            beside = f"{match['before']}{match['after']}".strip()
            if beside != "%":
                currency(beside)
            found = Decimal(_plain_number(match["number"]))
        else:
            found = Decimal(str(cell))
    except (BadCell, InvalidOperation):
        return None
    return found if found.is_finite() else None


def currency(cell: Cell) -> str | None:
    """An ISO 4217 code from "PLN", "zł", "€"…, or None for an empty cell. Raises BadCell."""
    given = line(cell).strip(". ")
    if not given:
        return None
    if given.casefold() in _CURRENCIES:
        return _CURRENCIES[given.casefold()]
    if len(given) == 3 and given.isascii() and given.isalpha():
        return given.upper()
    raise BadCell(f"{_short(given)} is no currency; write its three letters, such as PLN")


def moment(cell: Cell, *, day_first: bool = True) -> datetime | None:
    """A point in time: a real date, an Excel serial number (days since 1899-12-30), ISO 8601, or as people write it.

    Args:
        cell: one without a zone is taken as UTC, one without a time as midnight.
        day_first: how to read 03/04/2025.

    Raises:
        BadCell: it is no date between 1900 and 2200.
    """
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=UTC) if cell.tzinfo is None else cell.astimezone(UTC)
    if isinstance(cell, date):
        return datetime.combine(cell, time(), UTC)
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return _serial(float(cell))
    given = line(cell)
    if not given:
        return None
    if re.fullmatch(r"\d{5,6}(?:[.,]\d+)?", given):
        return _serial(float(given.replace(",", ".")))
    found = _written(given, day_first)
    if found is None or not 1900 <= found.year <= 2200:
        raise BadCell(f"{_short(given)} is no date; write it as 2025-01-31")
    return found


def month_first(samples: Iterable[Cell]) -> bool:
    """True if dates such as 12/31/2025 among the samples show that the month stands first."""
    first = second = False
    for cell in samples:
        match = _NUMERIC_DATE.match(cell.strip()) if isinstance(cell, str) else None
        if match and "/" in match[0] and len(match[1]) <= 2:
            first |= int(match[1]) > 12
            second |= int(match[2]) > 12
    return second and not first


def emails(cell: Cell) -> list[str]:
    """The addresses in a cell, normalised, each once; ``Jan <jan@x.pl>`` and several separated by , ; or | are read.

    Raises:
        BadCell: something in it is no address.
    """
    found: list[str] = []
    for piece in _SEPARATORS.split(text(cell)):
        given = piece.strip().removeprefix("mailto:").strip()
        if not given:
            continue
        inside = re.search(r"<([^<>]+)>", given)
        address = normalise(inside[1] if inside else given)
        if not address or len(address) > 320:
            raise BadCell(f"{_short(given)} is no e-mail address")
        if address not in found:
            found.append(address)
    return found


def phones(cell: Cell) -> list[str]:
    """The telephone numbers in a cell, as written, each once.

    Raises:
        BadCell: one is longer than 50 characters or has no digit.
    """
    found: list[str] = []
    for piece in _SEPARATORS.split(text(cell)):
        number = " ".join(piece.split()).removeprefix("tel:").lstrip("'")
        if not number:
            continue
        if len(number) > 50 or not any(c.isdigit() for c in number):
            raise BadCell(f"{_short(number)} is no telephone number")
        if digits(number) not in map(digits, found):
            found.append(number)
    return found


def digits(number: str) -> str:
    """By which two spellings of a telephone number are told to be one."""
    return _NO_DIGIT.sub("", number).removeprefix("00")


def tags(cell: Cell) -> list[str]:
    """The tags in a cell, separated by , ; or |, each at most 200 characters; not Google's mark of all contacts."""
    pieces = (" ".join(piece.split()) for piece in _SEPARATORS.split(text(cell)))
    names = (name.removeprefix("* ")[:200] for name in pieces if name != "* myContacts")
    return list(dict.fromkeys(filter(None, names)))


def domains(cell: Cell) -> list[str]:
    """The host names of web addresses, without ``www.``; those that many companies share (facebook.com) are left out.

    Raises:
        BadCell: something in it is no web address.
    """
    found: list[str] = []
    for piece in _SEPARATORS.split(text(cell)):
        given = piece.strip()
        if not given:
            continue
        host = re.sub(r"^[a-z]+://", "", given, flags=re.IGNORECASE).partition("/")[0].partition("?")[0]
        name = domain_of(normalise(f"x@{host.rpartition('@')[2].partition(':')[0]}")).removeprefix("www.")
        if "." not in name or len(name) > 255:
            raise BadCell(f"{_short(given)} is no web address")
        if company_domain(f"x@{name}") and not any(parent in _SHARED for parent in parent_domains(name)):
            found.append(name)
    return list(dict.fromkeys(found))


def _amount(number: str, given: str) -> Decimal:
    try:
        amount = Decimal(number).quantize(Decimal("0.01"))
    except InvalidOperation:
        raise BadCell(f"{_short(given)} is no amount") from None
    if not amount.is_finite():
        raise BadCell(f"{_short(given)} is no amount")
    if abs(amount) >= Decimal(10) ** 16:
        raise BadCell(f"{_short(given)} is too large an amount")
    return amount


def _plain_number(number: str) -> str:
    """The number as Python writes it."""
    negative = number[0] in "-−("
    bare = re.sub(r"[\s'’()+\-−]", "", number)
    points, commas = bare.count("."), bare.count(",")
    if points and commas:
        decimal = "." if bare.rfind(".") > bare.rfind(",") else ","
        bare = bare.replace("," if decimal == "." else ".", "")
    else:
        decimal = "." if points else ","
        if points + commas > 1 or re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", bare):
            bare = bare.replace(decimal, "")
    bare = bare.replace(decimal, ".")
    return f"-{bare}" if negative else bare


def _serial(days: float) -> datetime:
    if not 10_000 <= days < 110_000:  # from 1927, so that a bare year is none, to 2201
        raise BadCell(f"{days:g} is no date; write it as 2025-01-31")
    return _EXCEL_EPOCH + timedelta(seconds=round(days * 86_400))


def _written(given: str, day_first: bool) -> datetime | None:
    if (len(given) >= 10 and given[4] == "-") or (len(given) == 8 and given.isdigit()):
        try:
            found = datetime.fromisoformat(given)
        except ValueError:
            pass
        else:
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    if match := _NUMERIC_DATE.match(given):
        first, second, third = match[1], match[2], match[3]
        if len(first) == 4:
            year, month, day = first, second, third
        elif len(third) not in (2, 4):
            return None
        else:
            by_month = int(second) > 12 or ("/" in given and not day_first and int(first) <= 12)
            (day, month), year = ((second, first) if by_month else (first, second)), third
        return _built(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day), match[4])
    if match := _NAMED_DATE.match(given):
        number = _MONTHS.get((match[2] or match[3]).casefold().translate(_PLAIN))
        return _built(int(match[5]), number, int(match[1] or match[4]), match[6]) if number else None
    return None


def _built(year: int, month: int, day: int, clock: str | None) -> datetime | None:
    match = _CLOCK.match(clock.strip()) if clock else None
    if clock and match is None:
        return None
    hour, minute, second, zone = 0, 0, 0, "+00:00"
    if match:
        hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
        if match[4]:
            hour = hour % 12 + (12 if match[4][0] in "pP" else 0)
        zone = match[5] if match[5] and match[5][0] in "+-" else zone
    try:
        return datetime.fromisoformat(
            f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}"
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _short(given: str) -> str:
    return repr(given if len(given) <= 60 else given[:57] + "…")
