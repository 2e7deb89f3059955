"""What the verbs of all records share: addresses and money as they are accepted, events as they are told."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection

from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.core.addresses import normalise
from mailcrm.errors import Refused
from mailcrm.store import events

_MOST = Decimal(10) ** 16


def addresses(given: Iterable[str]) -> tuple[str, ...]:
    """E-mail addresses, normalised, each once. Raises Refused for what is none."""
    found = {text: normalise(text) for text in given}
    for text, address in found.items():
        if not address:
            raise Refused(f"{text!r} is no e-mail address; write it as name@domain")
    return tuple(dict.fromkeys(found.values()))


def customers(context: Context, given: Iterable[str]) -> tuple[str, ...]:
    """Addresses of persons: normalised, and none of our own. Raises Refused."""
    found = addresses(given)
    for address in found:
        if context.ours.is_ours(address):
            raise Refused(f"{address} is one of our own addresses, and we are nobody's customer; see domains and users")
    return found


def domains(given: Iterable[str]) -> tuple[str, ...]:
    """Domains, as A-labels in lower case. Raises Refused for what is none."""
    found = {text: normalise(f"x@{text.strip().removeprefix('@')}")[2:] for text in given}
    for text, domain in found.items():
        if "." not in domain:
            raise Refused(f"{text!r} is no domain; write it as firma.example")
    return tuple(dict.fromkeys(found.values()))


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


def tell(
    connection: Connection,
    context: Context,
    actor: Actor,
    kind: str,
    person: int | None,
    now: datetime,
    **data: Any,
) -> None:
    """Store an event in the transaction of what it tells of."""
    happened = events.NewEvent(kind, f"{kind}:{secrets.token_hex(12)}", person, now, actor.source, data)
    events.record(connection, happened, context.plugins.implementers("on_event"), now)
