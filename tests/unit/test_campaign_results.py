"""What came of a campaign, for each recipient and in sum; on both databases."""

from __future__ import annotations

import re
from dataclasses import asdict
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from litestar.testing import TestClient
from sqlalchemy import delete

from mailcrm.app import members, results
from mailcrm.app.campaign_statistics import campaigns
from mailcrm.app.erasing import erase
from mailcrm.app.tracking import Request, judge_due, opened
from mailcrm.core.definitions import Chosen
from mailcrm.core.hits import SETTLES
from mailcrm.core.series import Days
from mailcrm.store import permissions, suppressions
from mailcrm.store.db import Database
from mailcrm.store.tables import event, hit, message, outbox, track
from mailcrm.web.app import create
from tests.campaign_house import fill
from tests.campaign_kit import Working, bounce, reply
from tests.house import NOW
from tests.plans import SMALL, statements, too_much
from tests.servers import Sink

MAILING = 'type = "mailing"\ntemplate = "spring"\nsender = "contact-owner"\n'
HTML = "html = '<p>Dzień dobry, <a href=\"https://firma.example/a\">oferta</a></p>'\n"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HOME = "198.51.100.7"


@pytest.fixture
def work(database: Database, tmp_path: Path, sink: Sink) -> Working:
    made = Working(database, tmp_path, sink, tracking={"when": "always"})
    made.template(more=HTML)
    return made


def test_a_reply_reaches_the_recipients_sender_and_is_counted(work: Working) -> None:
    # CAMP-7, CAMP-13: the reply as a mail program addresses it, parsed from its bytes, in his sender's own mailbox
    ewa, adam = work.person("Ewa Zielińska"), work.person("Adam Mróz", owner="jan")
    number = work.done(MAILING, [ewa, adam])
    raw = reply(work.mails()["adam@klient.example"])
    assert b"To: Jan Lis <jan@firma.example>\r\n" in raw
    work.home.pass_(hours=1)
    work.receive(raw, "jan")
    found = work.results(number)
    assert (found["adam@klient.example"]["replied"], found["ewa@klient.example"]["replied"]) == (work.home.now, None)
    assert (work.sums(number).sums.replied, [(who, sums.replied) for who, sums in work.sums(number).senders]) == (
        1,
        [("anna", 0), ("jan", 1)],
    )
    [told] = [row for row in work.stored(event) if row.kind == "mail.replied"]
    assert told.person_id == adam
    [stored] = work.stored(message)
    assert stored.from_email == "adam@klient.example"


def test_a_machines_answer_is_no_reply(work: Working) -> None:
    number = work.done(MAILING, [work.person("Ewa Zielińska")])
    [mail] = work.mails().values()
    work.receive(reply(mail).replace(b"From:", b"Auto-Submitted: auto-replied\r\nFrom:", 1))
    assert work.sums(number).sums.replied == 0


def test_who_writes_that_he_wants_no_more_is_counted(work: Working) -> None:
    number = work.done(MAILING, [work.person("Ewa Zielińska")])
    [mail] = work.mails().values()
    work.receive(reply(mail, "unsubscribe"))
    row = work.results(number)["ewa@klient.example"]
    assert row["replied"] == row["unsubscribed"] == work.home.now


def test_who_follows_the_mail_address_of_the_header_gets_no_more(work: Working) -> None:
    # RFC 2369: mail programs that know no one-click send such a mail
    number = work.done(MAILING, [work.person("Ewa Zielińska", owner="jan")])
    [mail] = work.mails().values()
    [address, subject] = re.findall(r"mailto:([^?>]*)\?subject=([^>]+)", mail.message["List-Unsubscribe"])[0]
    raw = (  # she reads it elsewhere, with a program that writes something below
        f"From: Ewa <ewa@praca.example>\r\nTo: {address}\r\nSubject: {unquote(subject)}\r\n"
        f"Date: {format_datetime(NOW)}\r\nMessage-ID: <no.more@praca.example>\r\n\r\nSent from my phone\r\n"
    )
    work.home.pass_(hours=1)
    work.receive(raw.encode(), "jan")
    with work.db.read() as connection:
        kept = {each.address: each.reason for each in suppressions.every(connection, work.home.now)}
    assert address == "jan@firma.example"
    assert kept == dict.fromkeys(("ewa@klient.example", "ewa@praca.example"), "unsubscribe")
    assert work.results(number)["ewa@klient.example"]["unsubscribed"] == work.home.now
    assert work.sums(number).sums.unsubscribed == 1
    work.receive(re.sub(rb"[0-9a-f]{32}", b"0" * 32, raw.encode()).replace(b"no.more", b"other"), "jan")  # no token
    assert work.sums(number).sums.unsubscribed == 1


def test_one_click_unsubscribes_is_counted_and_keeps_later_campaigns_away(work: Working) -> None:
    # CAMP-13; RFC 8058
    ewa = work.person("Ewa Zielińska")
    number = work.done(MAILING, [ewa])
    [mail] = work.mails().values()
    url = mail.message["List-Unsubscribe"].partition(",")[0].strip("<> ")
    with TestClient(create(work.context, lambda key: False, dict), base_url="https://crm.firma.example") as client:
        answer = client.post(url, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert work.results(number)["ewa@klient.example"]["unsubscribed"] == work.home.now
    assert work.sums(number).sums.unsubscribed == 1
    with work.db.read() as connection:
        [kept] = suppressions.every(connection, work.home.now)
    assert (kept.address, kept.reason) == ("ewa@klient.example", "unsubscribe")
    adam = work.person("Adam Mróz")
    again = work.done(MAILING, [ewa, adam], "Summer")
    found = work.results(again)
    assert (found["ewa@klient.example"]["state"], found["adam@klient.example"]["state"]) == ("failed", "done")
    assert "unsubscribe" in found["ewa@klient.example"]["reason"]
    assert len(work.sink.mails) == 2


def test_without_the_senders_consent_his_recipients_fail_and_the_others_get_it(work: Working) -> None:
    # A20, CAMP-6
    ewa, adam = work.person("Ewa Zielińska"), work.person("Adam Mróz", owner="jan")
    number = work.campaign(MAILING)
    work.choose(number, whom=[ewa, adam])
    work.consent(number, "anna")
    work.launch(number)
    work.work()
    found = work.results(number)
    assert (found["ewa@klient.example"]["state"], found["adam@klient.example"]["state"]) == ("done", "failed")
    assert found["adam@klient.example"]["reason"] == "no consent of jan for Spring"
    assert list(work.mails()) == ["ewa@klient.example"]


def test_where_permission_is_required_who_gave_none_is_not_written_to(
    database: Database, tmp_path: Path, sink: Sink
) -> None:
    # A21: of a company that of the person who was chosen
    work = Working(database, tmp_path, sink, require_permission=True)
    work.template(body="Dzień dobry!")
    acme, sowa = work.company("Acme", "biuro@acme.example"), work.company("Sowa", "biuro@sowa.example")
    bor = work.company("Bor", "biuro@bor.example")
    ewa, adam = work.person("Ewa Zielińska", organization=acme), work.person("Adam Mróz", organization=sowa)
    with database.write() as connection:
        permissions.grant(connection, ewa, "consent", "form", "", False, "user:anna", NOW)
    number = work.campaign('type = "mailing"\ntemplate = "spring"\nstrategy = "both"\n')
    work.choose(number, whom=[ewa, adam])
    work.choose(number, whom=[bor], group="organizations")
    work.consent(number)
    work.launch(number)
    work.work()
    states = {to: row["state"] for to, row in work.results(number).items()}
    assert states == {
        **dict.fromkeys(("ewa@klient.example", "biuro@acme.example"), "done"),
        **dict.fromkeys(("adam@klient.example", "biuro@sowa.example", "biuro@bor.example"), "failed"),
    }
    assert "no permission is recorded" in work.results(number)["biuro@bor.example"]["reason"]


def test_what_came_back_is_told_beside_what_was_sent(work: Working) -> None:
    number = work.done(MAILING, [work.person("Ewa Zielińska"), work.person("Adam Mróz")])
    work.receive(bounce(work.mails()["ewa@klient.example"]))
    found = work.results(number)
    ewa, adam = found["ewa@klient.example"], found["adam@klient.example"]
    assert (ewa["state"], ewa["bounced"], adam["bounced"]) == ("done", True, False)
    assert ewa["sent"] is not None
    assert "no such user" in ewa["reason"]
    assert (work.sums(number).sums.sent, work.sums(number).sums.bounced) == (2, 1)


def test_what_humans_opened_and_clicked_is_counted_for_as_long_as_the_campaign_is_there(work: Working) -> None:
    # CAMP-13: a machine's look is none, and hits that are deleted stay counted
    number = work.done(MAILING, [work.person(f"Osoba{each} Nowak") for each in range(3)])
    work.home.pass_(hours=1)
    tokens = {(row.outbox_id, row.kind): row.token for row in work.stored(track) if not row.hidden}
    first, second, _ = [row.id for row in work.stored(outbox) if row.kind == "flow"]
    with TestClient(create(work.context, lambda key: False, dict), base_url="https://crm.firma.example") as client:
        client.get(f"/c/{tokens[first, 'click']}", headers={"user-agent": FIREFOX}, follow_redirects=False)
    opened(work.context, [Request(tokens[first, "open"], work.home.now, FIREFOX, HOME)])
    opened(work.context, [Request(tokens[second, "open"], work.home.now, "Googlebot/2.1", "66.249.64.1")])
    at = work.home.now
    work.home.now += SETTLES
    while judge_due(work.context):
        pass
    assert {row.grade for row in work.stored(hit)} == {"human", "machine"}
    with work.db.write() as connection:
        connection.execute(delete(hit))
    found = work.results(number)
    assert [(row["opened"], row["clicked"]) for row in found.values()] == [(at, at), (None, None), (None, None)]
    assert (work.sums(number).sums.opened, work.sums(number).sums.clicked) == (1, 1)


def test_who_is_erased_is_counted_and_not_named(work: Working) -> None:
    ewa = work.person("Ewa Zielińska")
    number = work.done(MAILING, [ewa, work.person("Adam Mróz")])
    erase(work.context, ewa)
    sums = work.sums(number).sums
    assert (sums.total, sums.sent, sums.done, sums.skipped) == (2, 2, 1, 1)
    rows = str(list(results.of(work.context, str(number))))
    assert "Adam Mróz" in rows
    assert not re.search("ewa|zieli", rows, re.IGNORECASE)


def test_statistics_have_a_line_for_each_campaign(work: Working) -> None:
    # DATA-13, CAMP-3: namesakes are told apart
    ewa, adam = work.person("Ewa Zielińska"), work.person("Adam Mróz")
    first = work.done(MAILING, [ewa, adam])
    work.receive(reply(work.mails()["adam@klient.example"]))
    work.home.pass_(days=2)
    work.campaign(MAILING, "Never launched")
    again = work.campaign('type = "calls"\nnote = "Zadzwoń"\n')
    work.choose(again, whom=[ewa])
    work.launch(again)
    work.work()
    found = campaigns(work.context, Days())
    assert [(each.id, each.recipients, each.done, each.sent, each.replied) for each in found.campaigns] == [
        (first, 2, 2, 2, 1),
        (again, 1, 1, 0, 0),
    ]
    lines = {each.series: (each.unit, each.points) for each in found.series}
    assert lines["done"] == ("recipients", ((f"Spring ({first})", 2), (f"Spring ({again})", 1)))
    assert lines["mail replied"] == ("mails", ((f"Spring ({first})", 1), (f"Spring ({again})", 0)))
    assert {f"mail {each}" for each in asdict(work.sums(first).sums)} >= {each for each in lines if "mail" in each}
    since = campaigns(work.context, Days(work.home.now.date()))
    assert [(each.id, each.campaign) for each in since.campaigns] == [(again, "Spring")]
    assert since.series[0].points == (("Spring", 1),)
    assert campaigns(work.context, Days(), work.home.actor("jan").id).series == []


def test_before_and_while_it_is_planned_everybody_is_listed(work: Working) -> None:
    number = work.campaign(MAILING)
    ewa, acme = work.person("Ewa Zielińska"), work.company("Acme", "biuro@acme.example")
    work.choose(number, whom=[ewa])
    work.choose(number, whom=[acme], group="organizations")
    rows = list(results.of(work.context, str(number)))
    assert [(row["recipient"], row["name"], row["state"]) for row in rows] == [
        (f"person:{ewa}", "Ewa Zielińska", "planned"),
        (f"organization:{acme}", "Acme", "planned"),
    ]
    last = results.shape(work.sums(number))
    assert {"total": 2, "planned": 2, "done": 0, "failed": 0, "skipped": 0}.items() <= last.items()


def test_the_results_of_many_are_read_in_pages(work: Working) -> None:
    # CAMP-13: each once, in the order in which they were planned
    fill(work.db, 2_100, NOW)
    number = work.campaign('type = "calls"\nnote = "Zadzwoń"\n')
    assert members.add(work.context, work.anna, str(number), Chosen(persons=("all",))).done == 2_100
    work.launch(number)
    rows = list(results.of(work.context, str(number)))
    assert [row["recipient"] for row in rows] == [f"person:{each}" for each in range(1, 2_101)]
    assert asdict(work.sums(number).sums) == {**dict.fromkeys(asdict(work.sums(number).sums), 0)} | {
        "total": 2_100,
        "planned": 2_100,
    }


def test_no_query_reads_a_whole_table(sqlite: Database, tmp_path: Path, sink: Sink) -> None:
    work = Working(sqlite, tmp_path, sink)
    work.template()
    with statements(work.db) as found:
        number = work.done(MAILING, [work.person("Ewa Zielińska"), work.person("Adam Mróz")])
        work.receive(reply(work.mails()["ewa@klient.example"], "unsubscribe"))
        work.results(number)
        work.sums(number)
    asked: list[Any] = [each for each in found.values() if "recipient" in each[0] or "campaign_member" in each[0]]
    assert len(asked) > 10
    assert too_much(work.db, asked, small={*SMALL, "campaign"}) == []
