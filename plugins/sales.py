"""Sales in a shop: made, cancelled (or refunded), and payments of a subscription that fail.

The shop tells of them: `mailcrm event emit sale.made --person E-MAIL --data '{"product": "offer-1", "amount": 99}'`. A
flow names them: ``on = "sale.made"``, ``where = { product = "offer-1" }``. The trigger ``on = "sale.above"`` with
``where = { amount = 500 }`` takes sales for at least that much.

[plugins.config.sales]
currency = "PLN"          # what is meant where a sale, or a flow, names none
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mailcrm import Event, EventKind, TriggerType, hookimpl


@dataclass(frozen=True)
class Settings:
    """The currency of a sale that names none."""

    currency: str = "PLN"

    def __post_init__(self) -> None:
        if len(self.currency) != 3 or not self.currency.isupper():
            raise ValueError(f"{self.currency!r} is no currency; write its three letters, such as PLN")


@hookimpl
def register_config() -> type:
    return Settings


@hookimpl
def register_events() -> list[EventKind]:
    sale = {"product": str, "amount": float | None, "currency": str | None}
    return [
        EventKind("sale.made", sale, "Somebody bought"),
        EventKind("sale.cancelled", sale, "A sale was cancelled or refunded"),
        EventKind("payment.failed", {"product": str}, "A payment of a subscription failed"),
    ]


@hookimpl
def register_triggers(config: Settings) -> list[TriggerType]:
    return [TriggerType("sale.above", "sale.made", partial(above, currency=config.currency), "A sale of some size")]


def above(event: Event, where: Mapping[str, Any], *, currency: str) -> bool:
    """``where = { amount = 500 }``: for at least that much, in ``where``'s currency or the configured one."""
    amount, product = event.data["amount"], where.get("product")
    return (
        amount is not None
        and amount >= where.get("amount", 0)
        and (event.data["currency"] or currency) == where.get("currency", currency)
        and product in (None, event.data["product"])
    )
