"""Names and amounts as somebody gives them, made fit to be stored."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from mailcrm.errors import Refused

_MOST = Decimal(10) ** 16


def money(value: str | None, currency: str | None) -> tuple[Decimal | None, str | None]:
    """An amount with two decimals at most, and its currency (ISO 4217). Raises Refused for what is none."""
    code = currency.strip().upper() if currency is not None else None
    if code is not None and not re.fullmatch(r"[A-Z]{3}", code):
        raise Refused(f"{currency!r} is no currency; write its three letters, such as PLN")
    if value is None:
        return None, code
    try:
        amount = Decimal(value.replace("\u00a0", "").replace(" ", "").replace(",", "."))
    except InvalidOperation:
        raise Refused(f"{value!r} is no amount; write it as 1200.50") from None
    if not amount.is_finite() or abs(amount) >= _MOST or amount != amount.quantize(Decimal("0.01")):
        raise Refused(f"{value!r} is no amount of money; write at most two decimals, as 1200.50")
    return amount.quantize(Decimal("0.01")), code


def text(given: str, what: str) -> str:
    """A name or title: trimmed, on one line, not empty. Raises Refused."""
    found = " ".join(given.replace("\0", "").split())
    if not found:
        raise Refused(f"{what} is empty; say one")
    return found
