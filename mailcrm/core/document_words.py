"""The words of invoices and offers, and how amounts and days are written, in Polish and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from mailcrm.core.documents import decimals

_SPACE = "\u00a0"  # does not break
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What stands in a document beside what it says. ``titles`` and ``until`` are by the document's kind."""

    titles: Mapping[str, str]
    until: Mapping[str, str]
    due: Mapping[str, str]
    issued: str
    seller: str
    buyer: str
    tax_id: str
    account: str
    contact: str
    columns: tuple[str, str, str, str, str, str, str]
    rate: str
    net: str
    tax: str
    gross: str
    sum: str
    exempt: str
    exempt_by: str
    page: str


WORDS: Mapping[str, Words] = {
    "pl": Words(
        titles={"invoice": "Faktura", "offer": "Oferta"},
        until={"invoice": "Termin płatności", "offer": "Ważna do"},
        due={"invoice": "Do zapłaty", "offer": "Razem brutto"},
        issued="Data wystawienia",
        seller="Sprzedawca",
        buyer="Nabywca",
        tax_id="NIP",
        account="Rachunek bankowy",
        contact="Kontakt",
        columns=("Lp.", "Nazwa towaru lub usługi", "Ilość", "J.m.", "Cena netto", "VAT", "Wartość netto"),
        rate="Stawka",
        net="Netto",
        tax="VAT",
        gross="Brutto",
        sum="Razem",
        exempt="zw.",
        exempt_by="Podstawa zwolnienia z podatku",
        page="strona",
    ),
    "en": Words(
        titles={"invoice": "Invoice", "offer": "Offer"},
        until={"invoice": "To be paid by", "offer": "Valid until"},
        due={"invoice": "To be paid", "offer": "Total with tax"},
        issued="Date of issue",
        seller="Seller",
        buyer="Buyer",
        tax_id="Tax ID",
        account="Bank account",
        contact="Contact",
        columns=("No.", "Description", "Quantity", "Unit", "Net price", "VAT", "Net value"),
        rate="Rate",
        net="Net",
        tax="VAT",
        gross="Gross",
        sum="Total",
        exempt="exempt",
        exempt_by="Exempt from tax by",
        page="page",
    ),
}


def amount(value: Decimal, currency: str, language: str) -> str:
    """An amount with the currency's decimals, as ``1 234,56`` or ``1,234.56``."""
    return _local(f"{value:,.{decimals(currency)}f}", language)


def price(value: Decimal, currency: str, language: str) -> str:
    """The price of one: with the currency's decimals, or as many more as it has."""
    places = max(decimals(currency), -int(value.normalize().as_tuple().exponent))
    return _local(f"{value:,.{places}f}", language)


def quantity(value: Decimal, language: str) -> str:
    """A quantity, without zeros at its end."""
    places = max(0, -int(value.normalize().as_tuple().exponent))
    return _local(f"{value:,.{places}f}", language)


def rate(value: Decimal | None, language: str) -> str:
    """A rate of tax: ``23%``, or that it is exempt."""
    return WORDS[language].exempt if value is None else f"{quantity(value, language)}%"


def day(value: date, language: str) -> str:
    """``22.11.2026``, or ``22 November 2026``."""
    if language == "pl":
        return f"{value:%d.%m.%Y}"
    return f"{value.day}{_SPACE}{_MONTHS[value.month - 1]}{_SPACE}{value.year}"


def _local(text: str, language: str) -> str:
    return text.translate({ord(","): _SPACE, ord("."): ","}) if language == "pl" else text
