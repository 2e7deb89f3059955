"""Samples of what plugins get, for their authors; ``mailcrm.testing`` has them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import parseaddr
from types import UnionType
from typing import Any, get_args

from mailcrm.core.addresses import normalise
from mailcrm.core.card import Card
from mailcrm.core.documents import Document, Party, item_of, totals
from mailcrm.core.enrollment import Effect
from mailcrm.core.events import KINDS, Event, EventKind, check
from mailcrm.core.linking import OpenDeal
from mailcrm.core.model import Address, Attachment, Message
from mailcrm.core.outgoing import Outgoing, SenderConsent
from mailcrm.core.registry import Params, Span

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_EXAMPLES: Mapping[str, Any] = {  # of fields and parameters, by name; others go by their type
    "message": "offer-1@klient.example",
    "thread": 5,
    "deal": 17,
    "reason": None,
    "until": None,
    "tag": "vip",
    "stage": "Negotiation",
    "activity": 8,
    "type": "call",
    "flow": "Campaign 1",
    "kind": "workflow",
    "node": "welcome",
    "url": "https://firma.example/offer",
    "grade": "human",
}


def message(
    subject: str = "Offer",
    sender: str = "Jan Kowalski <jan@klient.example>",
    to: Sequence[str] = ("Anna Nowak <anna@firma.example>",),
    text: str = "Could you send us the price list?",
    **more: Any,
) -> Message:
    """A message. Addresses are given as in a header; ``more`` are other fields of ``Message``."""
    fields: dict[str, Any] = {"message_id": "offer-1@klient.example", "date": NOW} | more
    recipients = tuple(address(one) for one in to)
    return Message(from_=address(sender), to=recipients, subject=subject, text=text, **fields)


def address(given: str) -> Address:
    """``Jan Kowalski <jan@klient.example>`` as an Address."""
    name, email = parseaddr(given)
    return Address(name, normalise(email))


def deal(id: int = 17, title: str = "Machine tools", **more: Any) -> OpenDeal:  # noqa: A002 - its name in OpenDeal
    """An open deal; ``more`` are other fields of ``OpenDeal``."""
    fields: dict[str, Any] = {"person": 3, "organization": None, "owner": 1, "stage": "Contact", "created_at": NOW}
    return OpenDeal(id=id, title=title, **fields | more)


def letter(recipient: str = "jan@klient.example", subject: str = "Offer", **more: Any) -> Outgoing:
    """Automatic mail that is about to leave; ``more`` are other fields of ``Outgoing``."""
    sender = "anna@firma.example"
    head = f"From: {sender}\r\nTo: {recipient}\r\nSubject: {subject}\r\nMessage-ID: <offer-2@firma.example>\r\n"
    fields: dict[str, Any] = {"content": f"{head}\r\nHere it is.\r\n".encode(), "flow": "Offers", "node": "step-1"}
    return Outgoing("offer-2@firma.example", sender, recipient, subject, **{"person": 3} | fields | more)


def consent(user: str = "anna", flow: str = "Offers") -> SenderConsent:
    """The consent by which such mail leaves."""
    return SenderConsent(user, flow, NOW, f"user:{user}", "command")


def event(
    kind: str = "mail.received",
    *,
    id: int = 1,  # noqa: A002 - its name in Event
    person: int | None = 3,
    kinds: Mapping[str, EventKind] = KINDS,
    **data: Any,
) -> Event:
    """An event of that kind. Fields that ``data`` leaves out get an example.

    Args:
        kinds: those that there are; with a plugin's own: ``host.registry().kinds``.

    Raises:
        Refused: no such kind or field, or a value of the wrong type.
    """
    known = kinds.get(kind, EventKind(kind, {}))
    given = examples(known.fields) | {name: values[0] for name, values in known.among.items()}
    return Event(id, kind, person, NOW, "mail", check(kind, given | data, kinds))


def card(person: int | None = 3, **parts: Any) -> Card:
    """A contact card; ``parts`` are other fields of ``Card``."""
    own = {"name": "Jan Kowalski", "email": ("jan@klient.example",), "phone": ("600 100 200",)}
    return Card(person, **{"fields": own} | parts)


def effect(name: str = "action", *, key: str = "12.3.0", **args: Any) -> Effect:
    """An action that is to be done, as ``run`` is told it."""
    return Effect(key, "node", name, args, NOW, ((1, "node"),))


def document(kind: str = "invoice", name: str = "FV/2026/0007", **more: Any) -> Document:
    """An invoice or offer of one line; ``more`` are other fields of ``Document``."""
    items = (
        item_of({"description": "Consulting", "price": "1200.50", "quantity": 2, "unit": "h"}, "PLN", Decimal(23)),
    )
    fields: dict[str, Any] = {
        "id": 7,
        "key": "member:31",
        "issued_on": date(2026, 3, 2),
        "due_on": date(2026, 3, 16),
        "language": "en",
        "currency": "PLN",
        "seller": Party("Firma sp. z o.o.", "ul. Prosta 1\n00-001 Warszawa", "123-456-32-18", "PL"),
        "buyer": Party("Klient S.A.", "ul. Krótka 2\n90-001 Łódź", "PL7251801126"),
        "items": items,
        "totals": totals(items, "PLN"),
    }
    return Document(kind=kind, name=name, **fields | more)


def samples() -> Mapping[str, Message]:
    """Messages that a plugin must stand: an ordinary one, and some of the odd ones that real mailboxes hold."""
    plain = message()
    return {
        "ordinary": plain,
        "deal number": message(subject="Re: [D-17] Offer"),
        "no sender": replace(plain, from_=None),
        "no address": replace(plain, from_=Address("MAILER-DAEMON", "")),
        "no id, no date": replace(plain, message_id=None, date=None),
        "empty": Message(None, None, None),
        "no text": replace(plain, text=""),
        "Polish": message(subject="Zażółć gęślą jaźń", sender="Łukasz Żak <l.zak@klient.example>"),
        "attachment": replace(plain, attachments=(Attachment("offer.pdf", "application/pdf", 12, "0" * 64),)),
        "long": replace(plain, text="word " * 100_000),
        "many recipients": message(to=[f"p{number}@klient.example" for number in range(1000)]),
        "outgoing": message(sender="anna@firma.example", to=["jan@klient.example"]),
    }


def examples(params: Params) -> dict[str, Any]:
    """An example of each parameter."""
    return {name: example(name, kind) for name, kind in params.items()}


def example(name: str, kind: type | UnionType) -> Any:
    """An example of one parameter, by its name or else its type."""
    kinds = get_args(kind) or (kind,)
    if name in _EXAMPLES and isinstance(_EXAMPLES[name], kinds):
        return _EXAMPLES[name]
    by_type: Mapping[type, Any] = {str: f"some {name}", Span: "2d", bool: True, int: 7, float: 99.5, list: [], dict: {}}
    return next((by_type[each] for each in kinds if each in by_type), None)
