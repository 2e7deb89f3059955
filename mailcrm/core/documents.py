"""Invoices and offers: what their lines come to. All amounts are ``Decimal``; halves are rounded up (away from zero).

A line's net is quantity times price, rounded to the currency's decimals. Tax is counted on the sum of the nets of each
rate, and rounded once: so the sums by rate add up to the totals (Directive 2006/112/EC, article 226; in Poland article
106e of the act on VAT).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from mailcrm.errors import Refused

MOST = Decimal(10) ** 12
"""No amount is as large as that: what is stored keeps its last decimal on every database."""
MOST_LINES = 5_000
_EXACT = Context(prec=60)
_PLACES = 4  # decimals of prices and quantities
_FINEST = Decimal(1).scaleb(-_PLACES)
_LONGEST = 2_000  # characters of a description, and of a note
_DECIMALS: Mapping[str, int] = {  # ISO 4217: the currencies that have not two
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


class Kind(StrEnum):
    """What a document is."""

    INVOICE = "invoice"
    OFFER = "offer"


@dataclass(frozen=True, slots=True)
class Party:
    """Who sells or buys, as it stands in the document.

    Args:
        address: one or more lines.
        country: two letters (ISO 3166), or "".
        contact: e-mail address or telephone, for questions.
    """

    name: str
    address: str = ""
    tax_id: str = ""
    country: str = ""
    bank_account: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a document.

    Args:
        price: of one, net.
        tax: a rate in percent; None: exempt.
        net: of the whole line, rounded.
    """

    description: str
    quantity: Decimal
    unit: str
    price: Decimal
    tax: Decimal | None
    net: Decimal


@dataclass(frozen=True, slots=True)
class Rate:
    """What is charged at one rate; ``rate`` None: exempt."""

    rate: Decimal | None
    net: Decimal
    tax: Decimal
    gross: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of a document, by rate (the highest first, exempt last) and all in all."""

    rates: tuple[Rate, ...]
    net: Decimal
    tax: Decimal
    gross: Decimal


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was issued. Nothing of it changes any more.

    Args:
        key: what makes it one and the same, however often it is handed over.
        name: its number as it is printed: ``FV/2026/0001``.
        due_on: until when it is to be paid; of an offer, until when it holds.
        language: ``pl`` or ``en``.
        currency: ISO 4217.
        exempt: the law by which lines are exempt from tax, or "".
    """

    id: int
    key: str
    kind: str
    name: str
    issued_on: date
    due_on: date | None
    language: str
    currency: str
    seller: Party
    buyer: Party
    items: tuple[Item, ...]
    totals: Totals
    note: str = ""
    exempt: str = ""


def decimals(currency: str) -> int:
    """How many decimals amounts in a currency have (ISO 4217)."""
    return _DECIMALS.get(currency, 2)


def rounded(amount: Decimal, currency: str) -> Decimal:
    """An amount as it is charged: halves are rounded up."""
    return amount.quantize(Decimal(1).scaleb(-decimals(currency)), ROUND_HALF_UP, _EXACT)


def item_of(given: Mapping[str, Any], currency: str, rate: Decimal) -> Item:
    """A line as a definition or a command gives it.

    Args:
        given: ``description``, ``price`` and, if they are not one without a unit at the usual rate, ``quantity``,
            ``unit``, ``tax`` (percent, or ``exempt``). Numbers may be text.
        rate: the usual one, in percent.

    Raises:
        Refused: something is missing, unknown, no number, or too large.
    """
    if unknown := sorted(set(given) - {"description", "price", "quantity", "unit", "tax"}):
        raise Refused(f"a line has no {unknown[0]}; it has description, price, quantity, unit, tax")
    description = "\n".join(" ".join(row.split()) for row in _clean(given.get("description")).splitlines()).strip()
    if not description or len(description) > _LONGEST:
        raise Refused(f"a line needs a description of at most {_LONGEST} characters")
    quantity = _number(given.get("quantity", 1), "quantity", description)
    price = _number(given.get("price"), "price", description)
    if quantity <= 0:
        raise Refused(f"{description!r:.60}: the quantity {quantity} is not above 0")
    net = rounded(_EXACT.multiply(quantity, price), currency)
    if abs(net) >= MOST:
        raise Refused(f"{description!r:.60} comes to more than {MOST:,}")
    unit = " ".join(_clean(given.get("unit")).split())[:20]
    return Item(description, quantity, unit, price, _tax(given.get("tax"), rate, description), net)


def note_of(given: str) -> str:
    """What stands at the end of a document, without what can't be printed. Raises Refused: it is too long."""
    note = _clean(given).strip()
    if len(note) > _LONGEST:
        raise Refused(f"the note has {len(note)} characters; write at most {_LONGEST}")
    return note


def totals(items: Sequence[Item], currency: str) -> Totals:
    """The sums of these lines.

    Raises:
        Refused: there is no line, or too many; a sum is below zero, or too large.
    """
    nets: dict[Decimal | None, Decimal] = {}
    if not 0 < len(items) <= MOST_LINES:
        raise Refused(f"a document has 1 to {MOST_LINES} lines, not {len(items)}")
    for item in items:
        nets[item.tax] = nets.get(item.tax, Decimal(0)) + item.net
    order = sorted(nets, key=lambda rate: (rate is None, -(rate or 0)))
    rates = []
    for rate in order:
        net = rounded(nets[rate], currency)
        tax = rounded(_EXACT.multiply(net, rate or Decimal(0)).scaleb(-2, _EXACT), currency)
        rates.append(Rate(rate, net, tax, net + tax))
    net, tax = sum((each.net for each in rates), Decimal(0)), sum((each.tax for each in rates), Decimal(0))
    if any(each.net < 0 for each in rates):
        raise Refused("its lines come to less than nothing; such a document is a correction, which is not made here")
    if net + tax >= MOST:
        raise Refused(f"it comes to more than {MOST:,} {currency}")
    return Totals(tuple(rates), net, tax, net + tax)


def _tax(given: Any, usual: Decimal, description: str) -> Decimal | None:
    if given is None or given == "":
        return usual
    if isinstance(given, str) and given.strip().casefold() == "exempt":
        return None
    rate = _number(given, "tax", description)
    if not 0 <= rate <= 100 or rate != rate.quantize(Decimal("0.01")):
        raise Refused(f"{description!r:.60}: the tax {given} is no rate in percent; write 23, 8, 0 or exempt")
    return rate


def _number(given: Any, what: str, description: str) -> Decimal:
    shown = f"{given!r:.40}"
    try:
        if given is None or isinstance(given, bool) or not isinstance(given, (str, int, float, Decimal)):
            raise InvalidOperation
        text = str(given).strip().replace("\u00a0", "").replace(" ", "").replace(",", ".")
        number = Decimal(text) if len(text) <= 40 else Decimal("NaN")
        if not number.is_finite() or abs(number) >= MOST or number != number.quantize(_FINEST, context=_EXACT):
            raise InvalidOperation
    except InvalidOperation:
        found = f"{description!r:.60}: the {what} {'is missing' if given is None else shown + ' is no number'}"
        raise Refused(f"{found}; write it as 1200.50, with at most {_PLACES} decimals") from None
    return number


def _clean(given: Any) -> str:
    return "".join(each for each in str(given or "") if each.isprintable() or each in "\n\t")
