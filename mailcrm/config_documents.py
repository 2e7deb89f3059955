"""The section of the configuration that is about invoices and offers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from mailcrm.config_types import Struct
from mailcrm.core import numbering, spans
from mailcrm.core.numbering import Period


class Series(Struct, frozen=True):
    """Documents that are numbered together.

    Args:
        pattern: a document's name; see ``core.numbering.check``.
        period: how often it begins anew with 1.
    """

    pattern: str
    kind: Literal["invoice", "offer"] = "invoice"
    period: Period = "yearly"


def _usual_series() -> Mapping[str, Series]:
    return {"FV": Series(pattern="FV/{year}/{number:04}"), "OF": Series(pattern="OF/{year}/{number:04}", kind="offer")}


class Documents(Struct, frozen=True):
    """Invoices and offers, and in whose name they are issued: ``name`` to ``contact`` stand in them as the seller's.

    Args:
        tax: the rate of lines that name none, in percent.
        exempt: the law by which lines are exempt; without it none can be.
        pay_within, offer_within: spans from the day of issue: until when an invoice is to be paid, an offer holds.
        buyer_needs: what a buyer's record must have before an invoice goes out; ``tax_id`` is asked of organizations.
        time_zone: whose days the dates are.
        font, font_bold: files (TrueType) in place of the one that comes with us.
        series: without any, FV for invoices and OF for offers.
    """

    name: str = ""
    address: str = ""
    tax_id: str = ""
    country: str = "PL"
    bank_account: str = ""
    contact: str = ""
    currency: str = "PLN"
    language: Literal["en", "pl"] = "pl"
    tax: Decimal = Decimal(23)
    exempt: str = ""
    note: str = ""
    pay_within: str = "2w"
    offer_within: str = "1mo"
    buyer_needs: tuple[Literal["address", "tax_id"], ...] = ("address", "tax_id")
    time_zone: str = "Europe/Warsaw"
    font: str | None = None
    font_bold: str | None = None
    series: Mapping[str, Series] = msgspec.field(default_factory=_usual_series)

    @property
    def zone(self) -> ZoneInfo:
        """Whose days the dates are."""
        return ZoneInfo(self.time_zone)


def faults(given: Documents) -> str:
    """The first fault of the section, beginning with its key; "" if there is none."""
    try:
        _ = given.zone
    except (ZoneInfoNotFoundError, ValueError):
        return f"time_zone: there is no time zone {given.time_zone!r}; write it as Europe/Warsaw"
    if not re.fullmatch(r"[A-Z]{3}", given.currency):
        return f"currency: {given.currency!r} is no currency; write its three letters, such as PLN"
    if not re.fullmatch(r"[A-Z]{2}|", given.country):
        return f"country: {given.country!r} is no country; write its two letters, such as PL"
    if not 0 <= given.tax <= 100:
        return "tax: must be a rate in percent, 0 to 100"
    if given.country == "PL" and given.tax_id and not is_nip(given.tax_id):
        return f"tax_id: {given.tax_id!r} is no NIP: its check digit does not fit"
    for key in ("pay_within", "offer_within"):
        try:
            spans.before(datetime(2026, 1, 1, tzinfo=UTC), getattr(given, key))
        except ValueError as error:
            return f"{key}: {error}"
    return _series_fault(given.series)


def is_nip(tax_id: str) -> bool:
    """Whether it is a Polish tax number, by its check digit: with or without PL, spaces and hyphens."""
    digits = re.sub(r"[\s-]", "", tax_id).upper().removeprefix("PL")
    if not re.fullmatch(r"[0-9]{10}", digits):
        return False
    weighed = sum(weight * int(digit) for weight, digit in zip((6, 5, 7, 2, 3, 4, 5, 6, 7), digits, strict=False))
    return weighed % 11 == int(digits[9])


def _series_fault(series: Mapping[str, Series]) -> str:
    known: dict[str, str] = {}
    for name, each in series.items():
        if not 0 < len(name) <= 50:
            return f"series: the name {name!r:.60} must have 1 to 50 characters"
        try:
            numbering.check(each.pattern, each.period)
        except ValueError as error:
            return f"series.{name}.pattern: {error}"
        other = known.setdefault(numbering.literal(each.pattern), name)
        if other != name:
            return f"series.{name}.pattern: it could give the numbers of {other}; begin it with something else"
    return ""
