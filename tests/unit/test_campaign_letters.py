"""A campaign seen before its launch is what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailcrm.app.campaign_letters import preview
from mailcrm.errors import Refused
from mailcrm.store.db import Database
from mailcrm.store.tables import activity, outbox
from tests.campaign_kit import SELLER, Working, text_of
from tests.servers import Sink


@pytest.fixture
def work(sqlite: Database, tmp_path: Path, sink: Sink) -> Working:
    return Working(sqlite, tmp_path, sink, documents=SELLER)


def test_the_mail_that_is_shown_is_the_mail_that_is_sent(work: Working) -> None:
    work.template(body="{{ person.first_name }} z {{ organization.name }}")
    acme = work.company("Acme", "biuro@acme.example")
    ewa = work.person("Ewa Zielińska", owner="jan", organization=acme)
    number = work.campaign('type = "mailing"\ntemplate = "spring"\nstrategy = "both"\nsender = "contact-owner"\n')
    work.choose(number, whom=[ewa])
    shown = preview(work.context, str(number), f"person:{ewa}")
    assert [(each.recipient, each.sender, each.problem) for each in shown] == [
        ("ewa@klient.example", "jan", ""),
        ("biuro@acme.example", "jan", ""),
    ]
    assert work.stored(outbox) == []
    work.consent(number, "jan")
    work.launch(number)
    work.work()
    sent = work.mails()
    for each in shown:
        assert each.letter is not None
        assert (each.letter.subject, each.letter.text) == (
            sent[each.recipient].message["Subject"],
            text_of(sent[each.recipient]),
        )


def test_the_call_that_is_shown_is_the_one_that_is_planned(work: Working) -> None:
    # CAMP-10
    work.template("call", "Pytaj {{ person.first_name }}.", purpose="call", subject="")
    number = work.campaign('type = "calls"\ntemplate = "call"\n')
    work.choose(number, whom=[work.person("Ewa Zielińska", phones=["+48 600 100 200"])])
    [shown] = preview(work.context, "Spring")
    work.launch(number)
    work.work()
    [call] = work.stored(activity)
    assert shown.made == f"call\n\n{call.note}" == "call\n\ntel. +48 600 100 200\n\nPytaj Ewa."


def test_what_is_made_only_then_is_shown_by_its_name(work: Working) -> None:
    work.template(body="{{ deal.title }} za {{ deal.value }}")
    text = 'type = "deals"\ntitle = "Dla {{ person.name }}"\nvalue = "1200"\ncurrency = "PLN"\n'
    number = work.campaign(text + 'send_mails = true\ntemplate = "spring"\n')
    work.choose(number, whom=[work.person("Ewa Zielińska")])
    [shown] = preview(work.context, str(number))
    assert shown.made == "deal: Dla Ewa Zielińska 1200 PLN"
    assert shown.letter is not None
    assert shown.letter.text.startswith("[deal.title] za [deal.value]\n")


def test_why_it_would_fail_is_shown_before_it_does(work: Working) -> None:
    # A buyer without what law wants, somebody without an address, a variable without a value
    work.template("bill", "Faktura {{ document.name }}", purpose="invoice")
    work.template()
    ewa, mute = work.person("Ewa Zielińska"), work.person("Bez Adresu", "")
    nameless = work.person("x@klient.example", "x@klient.example")
    lines = '[[line]]\ndescription = "Pompa"\nprice = "100.00"\ntax = "23"\n'
    bills = work.campaign('type = "invoices"\nseries = "FV"\nsend_mails = true\ntemplate = "bill"\n' + lines, "Bills")
    mailing = work.campaign('type = "mailing"\ntemplate = "spring"\n')
    work.choose(bills, whom=[ewa])
    work.choose(mailing, whom=[mute, nameless])
    [bill] = preview(work.context, "Bills")
    assert "the buyer's address" in bill.problem
    assert preview(work.context, str(mailing), f"person:{mute}")[0].problem == "no address"
    assert "has no value" in preview(work.context, str(mailing), f"person:{nameless}")[0].problem
    with pytest.raises(Refused, match="was not chosen"):
        preview(work.context, str(mailing), f"person:{ewa}")
