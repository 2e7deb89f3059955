"""Campaigns as they are written: six types, what each has, what each needs; all that is wrong is told at once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.builtin import variables
from mailcrm.core.definitions import (
    CampaignDefinition,
    CampaignState,
    CampaignType,
    Chosen,
    DefinitionError,
    Line,
    SenderPolicy,
    Strategy,
    notes,
    parse,
    templates_in,
    templates_named,
    to_data,
    to_flow,
    to_toml,
)
from mailcrm.core.flow import Action, Do, End, FlowKind
from tests.campaign_example import SPRING
from tests.definition_strategies import CAMPAIGNS
from tests.flow_registry import registry

REGISTRY = registry()
HEAD = 'kind = "campaign"\nname = "C"\n'
LINE = '[[line]]\ndescription = "Fee"\nprice = "100"\n'
COMPLETE = {
    "mailing": 'template = "t"\n',
    "calls": 'note = "Ask"\n',
    "activities": 'activity = "card"\n',
    "deals": 'title = "Upgrade"\n',
    "invoices": f'series = "FV"\n{LINE}',
    "offers": f'series = "OF"\ntemplate = "t"\n{LINE}',
}
"""What each type can't be launched without."""


def read(text: str) -> CampaignDefinition:
    definition = parse(text, "c.toml", REGISTRY, check_letter=variables.check)
    assert isinstance(definition, CampaignDefinition)
    return definition


def campaign(kind: str, *lines: str) -> CampaignDefinition:
    return read(HEAD + f'type = "{kind}"\n' + "".join(f"{line}\n" for line in lines))


def faults(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        read(text)
    return [str(fault).removeprefix("c.toml:") for fault in caught.value.faults]


def fault(kind: str, *lines: str) -> str:
    (found,) = faults(HEAD + f'type = "{kind}"\n' + "".join(f"{line}\n" for line in lines))
    return found


def actions(definition: CampaignDefinition) -> list[Action]:
    flow = to_flow(definition, REGISTRY, id=7, version=2)
    node = flow.nodes["campaign"]
    assert isinstance(node, Do)
    assert (flow.id, flow.kind, flow.version, flow.start) == (7, FlowKind.CAMPAIGN, 2, ("campaign",))
    assert flow.nodes == {"campaign": Do(node.actions, ("end",)), "end": End()}
    return list(node.actions)


def test_a_campaign_is_read_with_all_its_fields() -> None:  # CAMP-3, 4, 5, 6, 8, 9, 12
    assert read(SPRING) == CampaignDefinition(
        name="Spring",
        type=CampaignType.MAILING,
        goal="20 demos",
        owner="anna@firma.example",
        sender=SenderPolicy.CONTACT_OWNER,
        strategy=Strategy.BOTH,
        state=CampaignState.PREPARING,
        template="spring",
        description="…",
        recipients=Chosen(("tag:vip", "jan@klient.example")),
    )


@pytest.mark.parametrize("kind", [*CampaignType])
def test_there_are_six_types(kind: CampaignType) -> None:  # CAMP-1
    assert set(COMPLETE) == set(CampaignType)
    assert campaign(kind, COMPLETE[kind]).type is kind


def test_a_type_that_there_is_none_of_is_refused() -> None:  # CAMP-1
    assert fault("call") == "3: type: there is no campaign of type call; write calls"
    assert fault("newsletter").startswith(
        "3: type: there is no campaign of type newsletter; write one of mailing, calls"
    )
    (missing,) = faults(HEAD)
    assert missing.startswith("1: type is missing; write type = one of mailing, ")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('state = "redy"', 'state: "redy" is not known; write ready'),
        ('sender = "contactowner"', 'sender: "contactowner" is not known; write contact-owner'),
        ('strategy = "all"', 'strategy: "all" is not known; write one of contact, company, both'),
        ('subjects = "one"', 'subjects: is text; write a list of texts: ["…", "…"]'),
        ('subjects = ["a", "b", "a"]', 'subjects: "a" stands twice in the list; leave one'),
        ('subjects = ["{{ person.nam }}"]', "subjects[1]: {{ person.nam }} is not known; write name"),
        ('subjects = ["Hello", ""]', "subjects[2]: is empty; write text in quotes"),
        ("subjects = [1]", "subjects[1]: is a whole number; write text in quotes"),
        (f"subjects = {[str(each) for each in range(11)]}", "subjects: there are 11; write at most 10"),
        ('template = ""', "template: is empty; write one line of at most 200 characters"),
        ('recipients = "all"', "recipients: is text; write a table: { … }"),
        (
            'recipients = { persons = "all" }',
            'recipients.persons: is text; write a list of texts: ["…", "…"]',
        ),
        (
            'recipients = { people = ["all"] }',
            "recipients.people: unknown key; known here: leads, organizations, persons",
        ),
        ('goall = "x"', "goall: unknown key; write goal"),
    ],
)
def test_a_wrong_value_is_told_with_its_mend(line: str, told: str) -> None:  # CAMP-6, 8, 9
    assert fault("mailing", line) == f"4: {told}"


def test_every_fault_is_told_at_once() -> None:
    text = HEAD + 'type = "invoices"\nstate = "redy"\nsender = "me"\ncurrency = "zł"\nfoo = 1\n[[line]]\nprice = -1\n'
    assert [line.split(":")[0] for line in faults(text)] == ["4", "5", "6", "7", "8", "9"]


@pytest.mark.parametrize("kind", sorted(set(CampaignType) - {CampaignType.DEALS, CampaignType.INVOICES}))
def test_mail_may_be_left_out_of_deals_and_invoices_only(kind: str) -> None:  # CAMP-11
    told = f"4: send_mails: is for deals and invoices only, and this campaign is of type {kind}; leave it out"
    assert fault(kind, "send_mails = true") == told
    assert campaign(kind).send_mails is None


@pytest.mark.parametrize("kind", ["deals", "invoices"])
def test_deals_and_invoices_send_mail_if_they_say_so(kind: str) -> None:  # CAMP-11
    assert (campaign(kind).send_mails, campaign(kind).mails) == (False, False)
    assert campaign(kind, "send_mails = true").mails
    assert not campaign(kind, "send_mails = false").mails


def test_mailings_and_offers_always_send_mail_calls_and_activities_never() -> None:  # CAMP-11
    assert {kind.value: campaign(kind).mails for kind in CampaignType if campaign(kind).send_mails is None} == {
        "mailing": True,
        "calls": False,
        "activities": False,
        "offers": True,
    }


@pytest.mark.parametrize(
    ("kind", "line", "types"),
    [
        ("calls", 'subjects = ["a"]', "mailing"),
        ("calls", 'activity = "call"', "activities"),
        ("mailing", 'note = "x"', "calls and activities"),
        ("offers", 'title = "x"', "deals"),
        ("activities", 'currency = "PLN"', "deals, invoices and offers"),
        ("deals", "line = [{ price = -1 }]", "invoices and offers"),
    ],
)
def test_a_key_of_another_type_is_refused_in_whatever_form(kind: str, line: str, types: str) -> None:
    key = line.partition(" ")[0]
    assert fault(kind, line) == f"4: {key}: is for {types} only, and this campaign is of type {kind}; leave it out"


@pytest.mark.parametrize("kind", [*CampaignType])
def test_what_a_type_needs_is_demanded_once_it_is_ready(kind: CampaignType) -> None:  # CAMP-9, CAMP-10
    assert campaign(kind, 'state = "proposed"').state is CampaignState.PROPOSED
    assert campaign(kind, 'state = "preparing"').state is CampaignState.PREPARING
    assert campaign(kind, 'state = "ready"', COMPLETE[kind]).state is CampaignState.READY
    found = faults(HEAD + f'type = "{kind}"\nstate = "ready"\n')
    missing = {
        "mailing": ["template"],
        "calls": ["template"],
        "activities": ["activity"],
        "deals": ["title"],
        "invoices": ["series", "line"],
        "offers": ["series", "line", "template"],
    }[kind]
    assert [each.split(" is missing")[0] for each in found] == [f"4: state: is ready, but {key}" for key in missing]
    assert all(each.endswith('or state = "preparing"') for each in found)


def test_where_mail_is_sent_its_template_is_needed() -> None:
    told = '4: state: is ready, but template is missing; write template = "…", or state = "preparing"'
    assert fault("deals", 'state = "ready"', "send_mails = true", COMPLETE["deals"]) == told
    assert campaign("deals", 'state = "ready"', "send_mails = true", 'template = "t"', COMPLETE["deals"]).mails


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ('"1200.50"', "1200.50"),
        ("99.99", "99.99"),
        ("0.1", "0.1"),
        ("1e3", "1000.0"),
        ("3", "3"),
        ("0", "0"),
        ('"0.0001"', "0.0001"),
        ('"999999999999.99"', "999999999999.99"),
    ],
)
def test_an_amount_is_exactly_what_is_written(written: str, price: str) -> None:
    (line,) = campaign("offers", f'[[line]]\ndescription = "Fee"\nprice = {written}\ntax = 8').lines
    assert str(line.price) == price
    assert line == Line("Fee", Decimal(price), tax=Decimal(8))


@pytest.mark.parametrize(
    "written",
    [
        *("-1", '"-0.01"', '"1,50"', '"1e3"', '"zł 5"', '""', "nan", "inf", "1e30", "12345678901234.5678", "0.00001"),
        *("1000000000000", '"١٢"', '" 1"', f"0x{'f' * 5000}"),
    ],
)
def test_what_is_no_amount_is_refused(written: str) -> None:
    told = fault("offers", f'[[line]]\ndescription = "Fee"\nprice = {written}')
    assert told.startswith("6: line[1].price: ")
    assert told.endswith(
        'is no amount; write one from 0 to 999,999,999,999.99 with at most 4 decimals, such as "1200.50"'
    )


@given(st.integers(0, 10**11), st.integers(0, 4))
def test_a_number_without_quotes_means_the_same_as_with_them(digits: int, places: int) -> None:
    written = f"{Decimal(digits).scaleb(-places):f}"
    quoted, bare = (
        campaign("offers", f'[[line]]\ndescription = "Fee"\nprice = {each}') for each in (f'"{written}"', written)
    )
    assert quoted == bare


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("price = true", "price: is true or false; write one from 0 to 999,999,999,999.99 with at most 4 decimals"),
        ('quantity = "0"', "quantity: is nothing; write how many, or leave out the line"),
        ("tax = 101", 'tax: 101 is no amount; write one from 0 to 100 with at most 2 decimals, such as "23"'),
        ('tax = "free"', "tax: free is no amount; write one from 0 to 100"),
        ('unit = "hours and some more of it"', "unit: is too long; write one line of at most 20 characters"),
        ('currency = "PLN"', "currency: unknown key; known here: description, price, quantity, tax, unit"),
    ],
)
def test_a_wrong_line_is_told(line: str, told: str) -> None:
    price = "" if line.startswith("price") else 'price = "1"\n'
    assert fault("offers", f'[[line]]\ndescription = "Fee"\n{price}{line}').split(": line[1].")[1].startswith(told)


def test_a_line_needs_a_description_and_a_price() -> None:
    assert faults(HEAD + 'type = "offers"\n[[line]]\n') == [
        '4: line[1]: price is missing; write price = "…", of one, without tax',
        '4: line[1]: description is missing; write description = "…"',
    ]


def test_a_tax_is_a_rate_exempt_or_that_of_the_configuration() -> None:
    lines = campaign("offers", *(LINE + tax for tax in ("", "tax = 8\n", "tax = 0\n", 'tax = "exempt"\n'))).lines
    assert [line.tax for line in lines] == [None, Decimal(8), Decimal(0), "exempt"]


@pytest.mark.parametrize(("written", "mend"), [("pln", "PLN"), (" eur", "EUR"), ("złoty", "PLN"), ("EURO", "PLN")])
def test_a_currency_is_three_letters(written: str, mend: str) -> None:
    told = f'4: currency: "{written}" is no currency; write its three letters (ISO 4217), such as "{mend}"'
    assert fault("deals", f'currency = "{written}"') == told


def test_a_deals_title_may_speak_of_the_contact_and_not_of_the_deal_that_is_not_there_yet() -> None:
    assert campaign("deals", 'title = "Upgrade {{ organization.name }} {{ lead.title }}"').title is not None
    assert fault("deals", 'title = "{{ deal.title }}"').startswith("4: title: {{ deal.title }} is not known; ")


def test_a_mailing_becomes_one_mail_for_each() -> None:  # CAMP-2
    assert actions(campaign("mailing", 'template = "t"', 'subjects = ["A", "B"]')) == [
        Action("mail.send", {"template": "t", "subjects": ["A", "B"], "unsubscribe": True})
    ]


def test_calls_and_activities_become_an_activity_for_each() -> None:  # CAMP-2
    calls = campaign("calls", 'template = "script"', 'due = "3d"', 'priority = "high"', 'note = "Ask"')
    assert actions(calls) == [
        Action(
            "activity.create",
            {
                "activity": "call",
                "template": "script",
                "due": "3d",
                "priority": "high",
                "note": "Ask",
                "assignee": "sender",
            },
        )
    ]
    assert actions(campaign("activities", 'activity = "card"')) == [
        Action("activity.create", {"activity": "card", "assignee": "sender"})
    ]


def test_deals_become_a_deal_for_each_and_a_mail_if_that_is_sent() -> None:  # CAMP-2, CAMP-11
    deals = campaign("deals", 'title = "Up"', 'stage = "New"', "value = 4800", 'currency = "EUR"', 'template = "t"')
    made = {"title": "Up", "stage": "New", "value": "4800", "currency": "EUR", "owner": "sender"}
    assert actions(deals) == [Action("deal.create", made)]
    assert actions(replace(deals, send_mails=True)) == [
        Action("deal.create", made),
        Action("mail.send", {"template": "t"}),
    ]


def test_invoices_and_offers_become_a_document_for_each_filed_and_sent() -> None:  # CAMP-2, CAMP-11
    line = '[[line]]\ndescription = "Fee"\nprice = 1.50\nquantity = 2\nunit = "h"\ntax = "exempt"\n'
    keys = ('series = "S"', 'currency = "PLN"', 'pay_within = "14d"', 'template = "t"', line)
    told = [{"description": "Fee", "price": "1.5", "quantity": "2", "unit": "h", "tax": "exempt"}]
    made = {"lines": told, "series": "S", "currency": "PLN", "pay_within": "14d"}
    sent = Action("mail.send", {"template": "t", "attach": True})
    filed = Action("document.file")
    offer, invoice = (
        Action("document.create", {"kind": "offer", **made}),
        Action("document.create", {"kind": "invoice", **made}),
    )
    assert actions(campaign("offers", *keys)) == [offer, filed, sent]
    assert actions(campaign("invoices", *keys)) == [invoice, filed]
    assert actions(campaign("invoices", "send_mails = true", *keys)) == [invoice, filed, sent]


@given(CAMPAIGNS)
def test_any_campaign_becomes_actions_that_can_be_stored(definition: CampaignDefinition) -> None:  # CAMP-2, CAMP-21
    found = actions(definition)
    assert found
    for action in found:
        assert _is_plain(action.args)
    assert ("mail.send" in {action.name for action in found}) is definition.mails


def _is_plain(value: object) -> bool:
    """As JSON holds it."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return all(map(_is_plain, value)) if isinstance(value, list) else type(value) in (str, bool)


def test_its_template_is_found_by_name() -> None:  # CAMP-10
    assert list(templates_named(read(SPRING))) == [(("template",), "spring")]
    assert templates_in(to_data(read(SPRING))) == {"spring"}


def test_a_campaign_prints_back_as_its_author_wrote_it() -> None:
    text = """\
kind = "campaign"
type = "invoices"
name = "Yearly fee"
sender = "owner"
strategy = "company"
state = "ready"
send_mails = false
currency = "PLN"
series = "FV"

[[line]]
description = "Fee"
price = "1200.00"

[[line]]
description = "Support"
price = "150.50"
quantity = "2.5"
unit = "h"
tax = "exempt"

[recipients]
organizations = ["all"]
"""
    assert to_toml(read(text)) == text


def test_what_a_campaign_still_lacks_is_told() -> None:  # CAMP-9
    assert notes(campaign("offers", 'series = "OF"')) == [
        'state: is proposed; it can be launched once it is "ready", which it can\'t be without line and template'
    ]
    assert notes(campaign("deals", 'state = "ready"', 'title = "T"', 'template = "t"')) == [
        "template: is not used while send_mails = false"
    ]
    assert notes(campaign("calls", 'state = "ready"', 'template = "t"')) == []
