"""Reading a campaign: one action for many, of one of six types (CAMP-1 to CAMP-12)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal

from mailcrm.core.definitions.faults import Faults
from mailcrm.core.definitions.model import (
    CampaignDefinition,
    CampaignState,
    CampaignType,
    Chosen,
    Line,
    Purpose,
    SenderPolicy,
    Strategy,
)
from mailcrm.core.definitions.sequences import PRIORITIES
from mailcrm.core.definitions.table import Table, bad_name
from mailcrm.core.nearest import nearest

MAX_SUBJECTS = 10
MAX_LINES = 100
_MOST = Decimal(10) ** 12 - Decimal("0.01")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CALLS, _ACTIVITIES, _DEALS = CampaignType.CALLS, CampaignType.ACTIVITIES, CampaignType.DEALS
_DOCUMENTS = (CampaignType.INVOICES, CampaignType.OFFERS)
_OF: Mapping[str, tuple[CampaignType, ...]] = {
    "subjects": (CampaignType.MAILING,),
    "send_mails": (_DEALS, CampaignType.INVOICES),  # CAMP-11
    "activity": (_ACTIVITIES,),
    **dict.fromkeys(("due", "priority", "note"), (_CALLS, _ACTIVITIES)),
    **dict.fromkeys(("title", "stage", "value"), (_DEALS,)),
    "currency": (_DEALS, *_DOCUMENTS),
    **dict.fromkeys(("series", "line", "pay_within"), _DOCUMENTS),
}
"""The keys that not every type has, and the types that have them."""

PURPOSES: Mapping[CampaignType, tuple[Purpose, ...]] = {
    CampaignType.MAILING: (Purpose.EMAIL,),
    CampaignType.CALLS: (Purpose.CALL,),
    CampaignType.ACTIVITIES: (Purpose.CALL,),
    CampaignType.INVOICES: (Purpose.INVOICE, Purpose.EMAIL),
    CampaignType.DEALS: (Purpose.EMAIL,),
    CampaignType.OFFERS: (Purpose.OFFER, Purpose.EMAIL),
}
"""What a campaign's template may be for (CAMP-10)."""


def read_campaign(name: str, owner: str | None, description: str, table: Table, faults: Faults) -> CampaignDefinition:
    """All keys of a campaign but those that every definition has.

    What a type needs is demanded once its author says that it is ready.
    """
    kind, template = _type(table), _word(table, "template")
    foreign = [key for key, types in _OF.items() if kind is not None and kind not in types]
    for key in foreign:
        if key in table.data:
            *others, last = _OF[key]
            types = f"{', '.join(others)} and {last}" if others else last
            table.fault(key, f"is for {types} only, and this campaign is of type {kind}", "leave it out")
    table = table.without(foreign)
    campaign = CampaignDefinition(
        name=name,
        type=kind or CampaignType.MAILING,
        goal=table.text("goal") or "",
        owner=owner,
        sender=table.choice("sender", SenderPolicy, SenderPolicy.OWNER),
        strategy=table.choice("strategy", Strategy, Strategy.CONTACT),
        state=table.choice("state", CampaignState, CampaignState.PROPOSED),
        template=template if kind else None,  # for what it must be made, nobody knows
        subjects=_subjects(table),
        description=description,
        send_mails=table.flag("send_mails", default=False if kind in _OF["send_mails"] else None),
        activity=_word(table, "activity", 50),
        due=table.span("due"),
        priority=table.choice("priority", PRIORITIES, "") or None,
        note=table.text("note"),
        title=_word(table, "title"),
        stage=_word(table, "stage"),
        value=table.amount("value", 2, _MOST),
        currency=_currency(table),
        series=_word(table, "series", 50),
        lines=_lines(table, faults),
        pay_within=table.span("pay_within"),
        recipients=_recipients(table, faults),
    )
    if kind is not None and campaign.state is CampaignState.READY:
        for key, written in needed(campaign):
            if not table.data.get(key):
                mend = f'write {written}, or state = "preparing"'
                table.fault("state", f"is ready, but {key} is missing", mend)
    return campaign


def lacking(campaign: CampaignDefinition) -> list[str]:
    """The keys that it still needs before it can be launched."""
    given = {"template": campaign.template, "activity": campaign.activity, "title": campaign.title}
    given |= {"series": campaign.series, "line": "some" if campaign.lines else None}
    return [key for key, _ in needed(campaign) if given[key] is None]


def needed(campaign: CampaignDefinition) -> Iterator[tuple[str, str]]:
    """What such a campaign can't be launched without: a key, and how it is written."""
    match campaign.type:
        case CampaignType.CALLS if campaign.note is None:
            yield "template", 'template = "…" (what is said), or note = "…"'
        case CampaignType.ACTIVITIES:
            yield "activity", 'activity = "…"'
        case CampaignType.DEALS:
            yield "title", 'title = "…"'
        case CampaignType.INVOICES | CampaignType.OFFERS:
            yield "series", 'series = "…"'
            yield "line", "[[line]]"
    if campaign.mails:
        yield "template", 'template = "…"'


def _type(table: Table) -> CampaignType | None:
    value = table.take("type")
    if value in tuple(CampaignType):
        return CampaignType(value)
    near = nearest(value, CampaignType) if isinstance(value, str) else ""
    mend = near if near.startswith("write") else f"write one of {', '.join(CampaignType)}"
    if value is None:
        table.fault(None, "type is missing", f"write type = one of {', '.join(CampaignType)}")
    else:
        table.fault("type", f"there is no campaign of type {value}", mend)
    return None


def _word(table: Table, key: str, most: int = 200) -> str | None:
    """A name, a title: one line."""
    value = table.text(key)
    if value is not None and (problem := bad_name(value) or ("is too long" if len(value) > most else "")):
        table.fault(key, problem, f"write one line of at most {most} characters")
    return value


def _subjects(table: Table) -> tuple[str, ...]:
    found = table.texts("subjects")
    if len(found) > MAX_SUBJECTS:
        table.fault("subjects", f"there are {len(found)}", f"write at most {MAX_SUBJECTS}")
    if twice := next((each for each in found if found.count(each) > 1), None):
        table.fault("subjects", f'"{twice}" stands twice in the list', "leave one")
    return found


def _currency(table: Table) -> str | None:
    value = table.text("currency")
    if value is not None and not _CURRENCY.fullmatch(value):
        upper = value.strip().upper()
        like = upper if _CURRENCY.fullmatch(upper) else "PLN"
        table.fault("currency", f'"{value}" is no currency', f'write its three letters (ISO 4217), such as "{like}"')
    return value


def _lines(table: Table, faults: Faults) -> tuple[Line, ...]:
    rows = table.rows("line")
    if len(rows) > MAX_LINES:
        faults.add(("line", MAX_LINES), f"there are more than {MAX_LINES} lines", "make two documents of it")
    return tuple(_line(Table(row, ("line", index), faults)) for index, row in enumerate(rows))


def _line(table: Table) -> Line:
    price = table.amount("price", 4, _MOST)
    if "price" not in table.data:
        table.fault(None, "price is missing", 'write price = "…", of one, without tax')
    quantity = table.amount("quantity", 4, _MOST)
    if quantity == 0:
        table.fault("quantity", "is nothing", "write how many, or leave out the line")
    line = Line(
        description=table.name("description"),
        price=Decimal(0) if price is None else price,
        quantity=Decimal(1) if quantity is None else quantity,
        unit=_word(table, "unit", 20) or "",
        tax=_tax(table),
    )
    table.close()
    return line


def _tax(table: Table) -> Decimal | Literal["exempt"] | None:
    if table.take("tax") == "exempt":
        return "exempt"
    return table.amount("tax", 2, Decimal(100))


def _recipients(table: Table, faults: Faults) -> Chosen:
    inner = Table(table.table("recipients"), ("recipients",), faults)
    chosen = Chosen(inner.texts("persons"), inner.texts("organizations"), inner.texts("leads"))
    inner.close()
    return chosen
