"""What a campaign does for each of its recipients, from the launch to the mail in his server; on both databases."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import insert

from mailcrm.app import machine, persons, workflows
from mailcrm.builtin.fields import put
from mailcrm.core.flow import FlowKind
from mailcrm.errors import Temporary
from mailcrm.store import flows
from mailcrm.store.db import Database
from mailcrm.store.tables import activity, deal, document, organization_address, outbox
from tests.campaign_house import fill
from tests.campaign_kit import SELLER, Working, text_of
from tests.servers import Sink
from tests.unit.test_dkim import ED, pem, verified

SOLD = """
kind = "workflow"
name = "Sold"
owner = "anna"
[nodes.sold]
on = "tag.added"
where = { tag = "sold" }
next = "bill"
[nodes.bill]
do = [
  { do = "document.create", with = { kind = "invoice", lines = [{ description = "Pompa", price = "100.00" }] } },
  { do = "document.file" },
  { do = "mail.send", with = { subject = "Faktura", body = "{{ document.name }}: {{ document.gross }} {{ document.currency }}", attach = true } },
]
next = "end"
[nodes.end]
end = "all"
"""  # noqa: E501
MAILING = 'type = "mailing"\ntemplate = "spring"\n'


@pytest.fixture
def work(database: Database, tmp_path: Path, sink: Sink) -> Working:
    return Working(database, tmp_path, sink, documents=SELLER)


def test_a_mailing_reaches_everybody_in_his_owners_name(work: Working) -> None:
    # CAMP-2, CAMP-6, CAMP-7, CAMP-21: From is each contact's owner, and a reply goes nowhere else
    work.template(body="Dzień dobry {{ person.first_name }}, pisze {{ rep.first_name }}.")
    ewa, adam = work.person("Ewa Zielińska"), work.person("Adam Mróz", owner="jan")
    number = work.done(MAILING + 'sender = "contact-owner"\n', [ewa, adam])
    mails = work.mails()
    assert {to: (mail.mail_from, mail.message["From"]) for to, mail in mails.items()} == {
        "ewa@klient.example": ("anna@firma.example", "Anna Nowak <anna@firma.example>"),
        "adam@klient.example": ("jan@firma.example", "Jan Lis <jan@firma.example>"),
    }
    assert all(mail.message["Reply-To"] == mail.message["From"] for mail in mails.values())
    assert text_of(mails["adam@klient.example"]) == "Dzień dobry Adam, pisze Jan.\n\n-- \nJan Lis\nSerwis\n"
    assert mails["ewa@klient.example"].message["To"].addresses[0].display_name == "Ewa Zielińska"
    found = work.results(number)
    assert {to: (row["state"], row["sender"]) for to, row in found.items()} == {
        "ewa@klient.example": ("done", "anna"),
        "adam@klient.example": ("done", "jan"),
    }
    assert work.home.pulse() == []  # a hundred thousand lines would tell a rep nothing


def test_who_added_it_may_be_its_sender(work: Working) -> None:
    # CAMP-6: Jan added it; it is Anna's, and so is the contact
    work.template()
    work.done(MAILING + 'sender = "adder"\n', [work.person("Ewa Zielińska")], by=work.home.actor("jan"))
    assert [mail.mail_from for mail in work.mails().values()] == ["jan@firma.example"]


def test_the_subjects_of_a_mailing_go_to_the_same_number_each(work: Working) -> None:
    # CAMP-13: one step, so one set of results, and each subject's own
    work.template(subject="Nie ten")
    whom = [work.person(f"Osoba{each} Nowak") for each in range(4)]
    number = work.done(MAILING + 'subjects = ["Wiosna", "Lato dla {{ person.first_name }}"]\n', whom)
    sent = {to.partition("@")[0]: str(mail.message["Subject"]) for to, mail in work.mails().items()}
    assert sent == {
        "osoba0": "Wiosna",
        "osoba1": "Lato dla Osoba1",
        "osoba2": "Wiosna",
        "osoba3": "Lato dla Osoba3",
    }
    assert {(row.node, row.flow_id) for row in work.stored(outbox)} == {("campaign", number)}
    assert [(each.subject, each.sums.sent) for each in work.sums(number).variants] == [
        ("Wiosna", 2),
        ("Lato dla {{ person.first_name }}", 2),
    ]


def test_a_call_has_the_number_and_what_is_to_be_said(work: Working) -> None:
    # CAMP-10, CAMP-21: an activity for who is to call, with the script filled in
    work.template(
        "call", "Pytaj {{ person.first_name }} z {{ organization.name }} o budżet.", purpose="call", subject=""
    )
    acme = work.company("Acme")
    ewa = work.person("Ewa Zielińska", phones=["+48 600 100 200", "+48 22 100 20 30"], organization=acme)
    adam = work.person("Adam Mróz", owner="jan")  # of no company: his script can't be filled in
    number = work.done('type = "calls"\ntemplate = "call"\ndue = "1d"\nsender = "contact-owner"\n', [ewa, adam])
    [call] = work.stored(activity)
    assert (call.type, call.person_id, call.assignee_id) == ("call", ewa, work.home.actor("anna").id)
    assert call.due == work.home.now + timedelta(days=1)
    assert call.note == "tel. +48 22 100 20 30, +48 600 100 200\n\nPytaj Ewa z Acme o budżet."
    found = work.results(number)
    assert (found[f"person:{ewa}"]["state"], found[f"person:{ewa}"]["made"]) == ("done", f"activity:{call.id}")
    assert found[f"person:{adam}"]["state"] == "failed"
    assert "{{ organization.name }} has no value" in found[f"person:{adam}"]["reason"]
    assert work.mails() == {}


def test_an_activity_of_any_type_is_planned_for_companies(work: Working) -> None:
    # CAMP-8, CAMP-21
    acme = work.company("Acme", owner="jan")
    ewa = work.person("Ewa Zielińska", organization=acme)
    text = 'type = "activities"\nactivity = "visit"\nnote = "Weź próbki"\npriority = "high"\nstrategy = "company"\n'
    work.done(text + 'sender = "contact-owner"\n', [ewa])
    [visit] = work.stored(activity)
    assert (visit.type, visit.note, visit.priority) == ("visit", "Weź próbki", "high")
    assert (visit.person_id, visit.organization_id) == (None, acme)


def test_deals_are_opened_without_a_word_to_anybody(work: Working) -> None:
    # CAMP-11, CAMP-21
    ewa, adam = work.person("Ewa Zielińska"), work.person("Adam Mróz", owner="jan")
    text = (
        'type = "deals"\ntitle = "Wiosna: {{ person.name }}"\nvalue = "1200.50"\ncurrency = "PLN"\nsend_mails = false\n'
    )
    number = work.done(text + 'sender = "contact-owner"\n', [ewa, adam])
    found = [(row.title, row.person_id, str(row.value), row.currency) for row in work.stored(deal)]
    assert found == [
        ("Wiosna: Ewa Zielińska", ewa, "1200.50", "PLN"),
        ("Wiosna: Adam Mróz", adam, "1200.50", "PLN"),
    ]
    owners = {work.home.actor(key).id for key in ("anna", "jan")}
    assert {row.owner_id for row in work.stored(deal)} == owners
    assert (work.mails(), work.stored(outbox)) == ({}, [])
    assert [row["made"] for row in work.results(number).values()] == ["deal:1", "deal:2"]
    assert (work.sums(number).made, work.sums(number).sums.done, work.sums(number).sums.sent) == (2, 2, 0)


def test_one_deal_is_opened_for_a_contact_and_his_company_and_both_are_told_of_it(work: Working) -> None:
    # CAMP-8, CAMP-11: two mails, one record
    work.template(body="{{ organization.name }}: {{ deal.title }}, {{ deal.value }} {{ deal.currency }}")
    acme = work.company("Acme", "biuro@acme.example")
    ewa = work.person("Ewa Zielińska", organization=acme)
    text = 'type = "deals"\ntitle = "Pompy dla {{ organization.name }}"\nvalue = "1200"\ncurrency = "PLN"\n'
    number = work.done(text + 'send_mails = true\ntemplate = "spring"\nstrategy = "both"\n', [ewa])
    [opened] = work.stored(deal)
    assert (opened.title, opened.person_id, opened.organization_id) == ("Pompy dla Acme", ewa, acme)
    mails = work.mails()
    assert sorted(mails) == ["biuro@acme.example", "ewa@klient.example"]
    assert {text_of(mail).partition("\n")[0] for mail in mails.values()} == {"Acme: Pompy dla Acme, 1200 PLN"}
    assert mails["biuro@acme.example"].message["To"].addresses[0].display_name == "Acme"
    assert {row["made"] for row in work.results(number).values()} == {f"deal:{opened.id}"}
    assert work.sums(number).made == 1


def test_several_workers_make_one_record_for_each_member(work: Working) -> None:
    # CAMP-22: a contact and his company are taken up by different workers at one moment
    work.template(body="{{ deal.title }}")
    fill(work.db, 40, work.home.now, companies=40)
    with work.db.write() as connection:
        offices = [{"organization_id": each, "address": f"biuro{each}@firmy.example"} for each in range(1, 41)]
        connection.execute(insert(organization_address), offices)
    text = 'type = "deals"\ntitle = "{{ organization.name }}"\nsend_mails = true\ntemplate = "spring"\n'
    number = work.campaign(text + 'strategy = "both"\n')
    work.choose(number, whom=range(1, 41))
    work.launch(number)

    def worker(_number: int) -> None:
        more = True
        while more:
            with suppress(Temporary):  # PostgreSQL breaks a deadlock of two rounds, and one of them comes again
                more = machine.run_due(work.context, 8).more

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(worker, range(3)))
    work.home.run()
    assert len(work.stored(deal)) == work.sums(number).made == 40
    assert len({row.recipient_id for row in work.stored(outbox)}) == len(work.stored(outbox)) == 80


@pytest.mark.parametrize("send_mails", [False, True])
def test_invoices_are_issued_and_mailed_only_if_they_are_to_be(work: Working, send_mails: bool) -> None:
    # CAMP-11, CAMP-21
    work.template(
        "bill", "Faktura {{ document.name }} na {{ document.gross }} {{ document.currency }}.", purpose="invoice"
    )
    ewa = buyer(work, "Ewa Zielińska")
    text = f'type = "invoices"\nseries = "FV"\ntemplate = "bill"\nsend_mails = {str(send_mails).lower()}\n'
    number = work.done(text + '[[line]]\ndescription = "Pompa"\nprice = "100.00"\ntax = "23"\n', [ewa])
    [issued] = work.stored(document)
    assert (issued.name, str(issued.gross.quantize(Decimal("0.01"))), issued.person_id) == (
        "FV/2026/0001",
        "123.00",
        ewa,
    )
    found = work.results(number)
    [row] = found.values()
    assert (row["state"], row["made"]) == ("done", f"document:{issued.id}")
    assert sorted(work.mails()) == (["ewa@klient.example"] if send_mails else [])
    for mail in work.mails().values():
        assert text_of(mail).startswith("Faktura FV/2026/0001 na 123.00 PLN.")
        [file] = mail.message.iter_attachments()
        assert (file.get_filename(), file.get_content_type()) == ("FV-2026-0001.pdf", "application/pdf")
        content = file.get_content()
        assert content.startswith(b"%PDF-")
        assert content == work.context.blobs.read(issued.sha256)
        assert mail.message["List-Unsubscribe"] is None  # it is about what he bought


def test_offers_are_always_mailed(work: Working) -> None:
    # CAMP-1, CAMP-11, CAMP-21
    work.template("offer", "{{ document.name }} do {{ document.due_on }}", purpose="offer")
    ewa = buyer(work, "Ewa Zielińska")
    text = 'type = "offers"\nseries = "OF"\ntemplate = "offer"\npay_within = "2w"\n'
    work.done(text + '[[line]]\ndescription = "Pompa"\nprice = "100.00"\n', [ewa])
    [issued] = work.stored(document)
    [mail] = work.mails().values()
    assert text_of(mail).startswith("OF/2026/0001 do 2026-12-06")
    assert [file.get_filename() for file in mail.message.iter_attachments()] == ["OF-2026-0001.pdf"]
    assert issued.kind == "offer"


def test_a_workflow_brings_its_document_as_a_campaign_does(work: Working) -> None:
    ewa = buyer(work, "Ewa Zielińska")
    file = work.folder / "sold.toml"
    file.write_text(SOLD, encoding="utf-8")
    workflows.apply(work.context, work.anna, workflows.read(work.context, file))
    workflows.activate(work.context, "Sold")
    with work.db.read() as connection:
        work.consent(flows.find(connection, "Sold", (FlowKind.WORKFLOW,)).id)
    persons.add_tag(work.context, work.anna, "sold", ewa)
    work.work()
    [mail] = work.mails().values()
    assert text_of(mail).startswith("FV/2026/0001: 123.00 PLN\n")
    assert [each.get_filename() for each in mail.message.iter_attachments()] == ["FV-2026-0001.pdf"]
    assert mail.message["Reply-To"] is None


def test_one_that_fails_leaves_the_others_alone(work: Working) -> None:
    # CAMP-2: a recipient without a value for a variable fails with that reason
    work.template()
    nameless = work.person("bez.imienia@klient.example", "bez.imienia@klient.example")
    mute = work.person("Bez Adresu", "")
    ewa = work.person("Ewa Zielińska")
    number = work.done(MAILING, [nameless, mute, ewa])
    found = work.results(number)
    assert {to: row["state"] for to, row in found.items()} == {
        "bez.imienia@klient.example": "failed",
        f"person:{mute}": "skipped",
        "ewa@klient.example": "done",
    }
    assert "{{ person.first_name }} has no value" in found["bez.imienia@klient.example"]["reason"]
    assert found[f"person:{mute}"]["reason"].startswith("no address")
    sums = work.sums(number).sums
    assert (sums.total, sums.done, sums.failed, sums.skipped, sums.sent) == (3, 1, 1, 1, 1)


def test_a_mailing_says_how_to_get_no_more(database: Database, tmp_path: Path, sink: Sink) -> None:
    # RFC 2369, RFC 8058: and the signature covers both headers, and what a reply goes to
    key = {"firma.example": {"selector": "crm", "key": pem(ED)}}
    work = Working(database, tmp_path, sink, dkim=key)
    work.template()
    work.done(MAILING, [work.person("Ewa Zielińska")])
    [mail] = work.mails().values()
    [url, by_mail] = [each.strip(" <>") for each in mail.message["List-Unsubscribe"].split(",")]
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert url.startswith("https://crm.firma.example/u/")
    assert by_mail == f"mailto:anna@firma.example?subject=unsubscribe%20{url.rpartition('/')[2]}"
    assert verified(mail.content, ED)
    [signed] = re.findall(r"\bh=([^;]*);", str(mail.message["DKIM-Signature"]))
    assert {"list-unsubscribe", "list-unsubscribe-post", "from", "reply-to"} <= set(re.split(r"[:\s]+", signed.strip()))


def test_a_per_domain_limit_paces_a_mailing(database: Database, tmp_path: Path, sink: Sink) -> None:
    work = Working(database, tmp_path, sink, limits={"per_domain_hour": 2})
    work.template()
    whom = [work.person(f"Osoba{each} Nowak") for each in range(5)]
    other = work.person("Ewa Zielińska", "ewa@inna.example")
    number = work.done(MAILING, [*whom, other])
    assert len(work.mails()) == 3
    waiting = work.results(number)["osoba4@klient.example"]
    assert (waiting["state"], waiting["reason"]) == ("planned", "limits.per_domain_hour = 2")
    for sent in (5, 6):
        work.home.pass_(hours=1)
        work.work()
        assert len(work.mails()) == sent


def buyer(work: Working, name: str) -> int:
    """A contact whose record has what law wants of a buyer."""
    number = work.person(name)
    for field, value in (("address", "ul. Krótka 2"), ("city", "Kraków"), ("tax_id", "PL1234563218")):
        with work.db.write() as connection:
            put(connection, number, field, value)
    return number
