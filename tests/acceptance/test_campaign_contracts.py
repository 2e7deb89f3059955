"""Campaigns as the contract writes them, by the command line: defined, filled, launched once, and what came of them."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mailcrm.app import planning
from mailcrm.plugins.find import find
from tests.called import called
from tests.campaign_example import SPRING
from tests.commands import EWA, MONDAY, Crm, settings
from tests.servers import Sink

JAN, BIURO = "jan@klient.example", "biuro@drewmar.example"
READY = SPRING.replace('"preparing"', '"ready"')
TEMPLATES = {
    "spring": ("email", "Wiosna, {{ person.first_name | default: 'dzień dobry' }}", "Co słychać?"),
    "script": ("call", "", "Zapytaj o budżet."),
    "faktura": ("invoice", "Faktura {{ document.name }}", "W załączeniu faktura."),
    "oferta": ("offer", "Oferta {{ document.name }}", "W załączeniu oferta."),
}
DOCUMENTS = {
    "name": "Firma sp. z o.o.",
    "address": "ul. Prosta 1\n00-001 Warszawa",
    "tax_id": "5260250995",
    "bank_account": "61 1090 1014 0000 0712 1981 2874",
}
NO_PLUGINS = {"block": [each.name for each in find(None)]}  # to load them takes a while
LINE = '\n[[line]]\ndescription = "Serwis"\nprice = "100.00"\n'
KINDS = {
    "mailing": 'template = "spring"',
    "calls": 'template = "script"\ndue = "3d"',
    "activities": 'activity = "visit"\nnote = "Weź próbki"',
    "deals": 'title = "Odnowienie {{ organization.name }}"\nvalue = "4800.00"\ncurrency = "PLN"',
    "invoices": 'series = "FV"\nsend_mails = true\ntemplate = "faktura"' + LINE,
    "offers": 'series = "OF"\ntemplate = "oferta"' + LINE,
}
MADE = {"calls": "activity", "activities": "activity", "deals": "deal", "invoices": "document", "offers": "document"}
STILL_NONE = ("done", "failed", "skipped", "withdrawn")
MAILED = ("mailing", "invoices", "offers")


class House(Crm):
    """The program, with shorthands for campaigns."""

    def apply(self, text: str, *more: str, code: int = 0, user: str = "anna") -> str:
        return self("campaign", "apply", self.file(text), *(more or ("--yes",)), code=code, user=user)

    def launch(self, name: str = "Spring", *more: str, code: int = 0) -> str:
        return self("campaign", "launch", name, *(more or ("--yes",)), code=code, user="anna")

    def consent(self, *users: str, flow: str = "Spring") -> None:
        for user in users:
            self("consent", "grant", "--flow", flow, "--user", user, user=user)

    def results(self, name: str = "Spring") -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        *rows, sums = self.rows("campaign", "results", name)
        return {row["recipient"]: row for row in rows}, sums

    def chosen(self, *more: str) -> list[tuple[str, str]]:
        return [(row["group"], row["name"]) for row in self.rows("campaign", "recipients", "Spring", *more)]

    def page(self, name: str = "Spring") -> dict[str, Any]:
        (row,) = self.rows("campaign", "show", name)
        return row


def fill(crm: Callable[..., object], folder: Path) -> None:
    """Two persons, one company, four templates."""
    for name, (purpose, subject, body) in TEMPLATES.items():
        head = f'kind = "template"\nname = "{name}"\nfor = "{purpose}"\n'
        title = f'subject = "{subject}"\n' if subject else ""
        file = folder / f"{name}.toml"
        file.write_text(f'{head}{title}body = "{body}"\n', encoding="utf-8")
        crm("template", "apply", str(file), "--yes")
    crm("org", "add", "--name", "Drewmar", "--email", BIURO)
    for name, value in (("address", "ul. Leśna 2"), ("postcode", "30-001"), ("city", "Kraków")):
        crm("field", "set", name, value, "--org", "Drewmar")
    crm("field", "set", "tax_id", "6762433401", "--org", "Drewmar")
    crm("person", "add", "--name", "Ewa Zielińska", "--email", EWA, "--owner", "anna", "--org", "Drewmar")
    crm("person", "add", "--name", "Jan Kowal", "--email", JAN, "--owner", "jan")
    crm("tag", "add", "vip", "--person", EWA)


@pytest.fixture(scope="module")
def filled(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database to be copied, filled once."""
    folder = tmp_path_factory.mktemp("campaigns")
    shutil.copy(migrated_sqlite, folder / "test.db")
    (folder / "config.toml").write_bytes(msgspec.toml.encode(settings(documents=DOCUMENTS, plugins=NO_PLUGINS)))

    def crm(*arguments: str) -> None:
        done = called("--config", str(folder / "config.toml"), "--now", MONDAY.isoformat(), *arguments)
        assert done.code == 0, done.err

    fill(crm, folder)
    with contextlib.closing(sqlite3.connect(folder / "test.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "test.db"


@pytest.fixture
def crm(tmp_path: Path, filled: Path, sink: Sink, capsys: pytest.CaptureFixture[str]) -> House:
    shutil.copy(filled, tmp_path / "test.db")
    smarthost = {"host": sink.host, "port": sink.port, "tls": "none"}
    return House(tmp_path, settings(smarthost=smarthost, documents=DOCUMENTS, plugins=NO_PLUGINS), capsys.readouterr)


def test_the_contracts_example_word_for_word(crm: House, sink: Sink) -> None:  # CAMP-2 to 7, 9, 12, 13, 15, 20 to 22
    told = crm.apply(SPRING)
    assert told == "new campaign 'Spring': mailing, preparing\nnothing happens until it is launched\n"
    page = crm.page()
    assert (page["goal"], page["owner"], page["description"]) == ("20 demos", "anna", "…")
    assert (page["state"], page["status"], page["members"]) == ("preparing", "not launched", 2)
    crm.launch(code=1)  # CAMP-20
    assert "'Spring' is preparing, and only what is ready is launched" in crm.errors
    assert crm.apply(READY).splitlines()[0] == '~ state: "preparing" -> "ready"'

    preview = json.loads(crm.launch("Spring", "--dry-run", "--json"))
    assert (preview["members"], preview["recipients"], preview["left_out"]) == (2, 3, {})
    assert preview["senders"] == {"anna": 2, "jan": 1}
    assert preview["lacking"] == ["anna", "jan"]
    assert "`mailcrm --as jan consent grant --flow 1`" in crm.errors
    assert crm.page()["launched_at"] is None
    crm.launch("Spring", "--dry-run", "--yes")
    assert crm.page()["launched_at"] is None

    crm.consent("anna", "jan")
    told = crm.launch()
    assert "recipients: 3" in told
    assert sink.mails == []
    crm("tick")
    rows, sums = crm.results()
    assert {who: row["state"] for who, row in rows.items()} == {EWA: "done", BIURO: "done", JAN: "done"}
    assert {"recipient", "state", "reason"} <= rows[EWA].keys()
    assert {name: sums[name] for name in ("total", "done", "failed", "skipped")} == {
        "total": 3,
        "done": 3,
        "failed": 0,
        "skipped": 0,
    }
    mails = {mail.rcpt_tos[0]: mail.message for mail in sink.mails}
    assert {to: mail["From"] for to, mail in mails.items()} == {  # CAMP-6, CAMP-7
        EWA: "Anna Nowak <anna@firma.example>",
        BIURO: "Anna Nowak <anna@firma.example>",
        JAN: "Jan Lis <jan@firma.example>",
    }
    assert mails[EWA]["Subject"] == "Wiosna, Ewa"
    assert all(mail["List-Unsubscribe-Post"] for mail in mails.values())

    crm.launch()  # CAMP-22
    assert "Spring was launched 2026-11-02 09:00Z by user:anna; nothing is done twice" in crm.errors
    crm.later("1d")
    assert len(sink.mails) == 3
    assert crm.page()["status"] == "ended"


def test_its_file_comes_back_as_it_was(crm: House) -> None:
    crm.apply(SPRING)
    printed = crm("campaign", "show", "Spring", "--toml")
    told = json.loads(crm.apply(printed, "--yes", "--json"))
    assert (told["kind"], told["applied"], told["changes"]) == ("campaign", False, [])
    (page,) = crm.rows("campaign", "show", "Spring")
    assert page["definition"] == printed


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind(crm: House, sink: Sink, kind: str) -> None:  # CAMP-1, CAMP-10, CAMP-21
    own, _, lines = KINDS[kind].partition("\n[[line]]")
    tables = (f"\n[[line]]{lines}" if lines else "") + f'\n[recipients]\npersons = ["{EWA}"]\n'
    head = f'kind = "campaign"\ntype = "{kind}"\nname = "K"\nowner = "anna"\nstate = "ready"\n'
    crm.apply(head + own + tables)
    crm.consent("anna", flow="K")
    crm.launch("K")
    crm("tick")
    rows, sums = crm.results("K")
    (row,) = rows.values()
    assert (row["state"], row["reason"], row["sender"]) == ("done", "", "anna")
    assert (sums["total"], sums["done"], sums["sent"]) == (1, 1, int(kind in MAILED))
    assert [mail.rcpt_tos for mail in sink.mails] == [(EWA,)] * (kind in MAILED)
    noun = MADE.get(kind)
    assert (row["made"] or "").partition(":")[0] == (noun or "")
    if noun == "activity":
        (made,) = crm.rows("activity", "list")
        assert (made["type"], made["assignee"]) == ("call" if kind == "calls" else "visit", "anna")
        assert ("budżet" if kind == "calls" else "próbki") in made["note"]
    elif noun == "deal":
        (made,) = crm.rows("deal", "list")
        assert (made["title"], made["value"], made["owner"]) == ("Odnowienie Drewmar", 4800.0, "anna")
    elif noun == "document":
        (mail,) = sink.mails
        (pdf,) = mail.message.iter_attachments()
        assert pdf.get_content().startswith(b"%PDF")
        assert mail.message["Subject"].split()[-1] == ("FV/2026/0001" if kind == "invoices" else "OF/2026/0001")


def test_records_may_be_made_without_mail(crm: House, sink: Sink) -> None:  # CAMP-11
    quiet = READY.replace('"mailing"', '"deals"').replace('template = "spring"', 'title = "Wiosna"\nsend_mails = false')
    crm.apply(quiet)
    assert crm.page()["send_mails"] is False
    crm.launch()
    crm("tick")
    assert [row["title"] for row in crm.rows("deal", "list")] == ["Wiosna", "Wiosna"]
    assert sink.mails == []
    crm.apply(SPRING.replace('"Spring"', '"Mailing"'))
    assert "send_mails" not in crm.page("Mailing")  # a kind that can't leave it out has no such field


def test_whoever_can_t_get_it_is_listed_with_the_reason_and_the_rest_goes_on(  # CAMP-13
    crm: House, sink: Sink
) -> None:
    crm.apply(READY.replace('"both"', '"contact"'))
    crm("person", "add", "--name", "Bez Adresu", "--owner", "anna")
    crm("suppression", "add", EWA)
    crm("campaign", "recipients", "Spring", "--add", "Bez Adresu", user="anna")
    crm.consent("jan")
    preview = json.loads(crm.launch("Spring", "--dry-run", "--json"))
    assert (preview["recipients"], preview["left_out"]) == (2, {"no address": 1})
    assert (preview["refused"], preview["lacking"]) == ({"suppressed": 1}, ["anna"])
    assert "1 mail would be refused as things are: suppressed 1" in crm.errors
    crm.launch()
    crm("tick")
    rows, sums = crm.results()
    assert [mail.rcpt_tos for mail in sink.mails] == [(JAN,)]
    assert (rows[JAN]["state"], rows[EWA]["state"]) == ("done", "failed")
    assert rows[EWA]["reason"]
    (nobody,) = [row for row in rows.values() if row["name"] == "Bez Adresu"]
    assert (nobody["state"], nobody["reason"].partition(":")[0]) == ("skipped", "no address")
    assert (sums["total"], sums["done"], sums["failed"], sums["skipped"]) == (3, 1, 1, 1)
    *failed, sums = crm.rows("campaign", "results", "Spring", "--state", "failed")
    assert [row["recipient"] for row in failed] == [EWA]
    assert sums["total"] == 3
    shown = crm("campaign", "results", "Spring")
    assert "no address" in shown
    assert "skipped: 1" in shown


def test_what_one_recipient_would_get_is_shown_before(crm: House) -> None:
    crm.apply(SPRING)
    shown = crm("campaign", "preview", "Spring")
    assert shown.count("subject:   Wiosna, Ewa") == 2  # hers and her company's
    assert "    Co słychać?\n" in shown
    (row,) = crm.rows("campaign", "preview", "Spring", "--person", JAN)
    assert (row["recipient"], row["sender"], row["subject"]) == (JAN, "jan", "Wiosna, Jan")
    crm("campaign", "preview", "Spring", "--org", "Drewmar", code=1)
    assert "was not chosen for 'Spring'" in crm.errors


# --- what is wrong ---


def test_every_wrong_field_is_named_at_once_and_nothing_is_half_saved(crm: House) -> None:  # CAMP-14
    wrong = SPRING
    for old, new in (
        ('"contact-owner"', '"contactowner"'),
        ('"both"', '"bth"'),
        ('"20 demos"', "20"),
        ("description", "descriptn"),
    ):
        wrong = wrong.replace(old, new, 1)
    assert crm.apply(wrong, code=1) == ""
    *faults, last = crm.errors.splitlines()
    assert last == "mailcrm: nothing was changed: 4 faults in the definition"
    file = crm.folder / "definition-0.toml"
    named = {line.removeprefix(f"{file}:").split(": ")[1] for line in faults}
    assert named == {"goal", "sender", "strategy", "descriptn"}
    assert any("write contact-owner" in line for line in faults)

    wrong = SPRING.replace('"spring"', '"sprnig"').replace("tag:vip", "tag:vop").replace(JAN, "jon@klient.example")
    assert crm.apply(wrong, code=1) == ""
    *faults, last = crm.errors.splitlines()
    assert len(faults) == 3
    for what in ("template: there is no template 'sprnig'", "persons[1]: nobody has the tag 'vop'", "jon@klient"):
        assert what in crm.errors
    assert crm.rows("campaign", "list") == []  # no campaign without its recipients either


def test_a_kind_asks_for_what_it_needs_once_it_is_ready(crm: House) -> None:  # CAMP-9, CAMP-10
    for kind, missing in (
        ("calls", "template"),
        ("activities", "activity"),
        ("deals", "title"),
        ("invoices", "series"),
    ):
        bare = f'kind = "campaign"\ntype = "{kind}"\nname = "B {kind}"\nstate = "ready"\n'
        crm.apply(bare, code=1)
        assert f"is ready, but {missing} is missing" in crm.errors
        crm.apply(bare.replace('"ready"', '"preparing"'))
    crm.apply(SPRING.replace('"spring"', '"script"'), code=1)
    assert "script" in crm.errors


def test_a_file_with_bad_rows_puts_the_good_ones_in_and_lists_the_bad(crm: House) -> None:  # CAMP-17
    crm.apply(SPRING[: SPRING.index("[recipients]")])
    sheet = crm.folder / "who.csv"
    sheet.write_text(f"Name;E-mail\nEwa;{EWA}\nX;nobody@x.example\n\nJan;{JAN}\nJan;{JAN}\n", encoding="utf-8")
    told = crm("campaign", "recipients", "Spring", "--from", str(sheet), user="anna")
    assert told == "2 added, 1 names nobody\n"
    assert "line 3: 'nobody@x.example': no person with the address nobody@x.example" in crm.errors
    assert crm.chosen() == [("person", "Ewa Zielińska"), ("person", "Jan Kowal")]
    told = crm("campaign", "recipients", "Spring", "--from", str(sheet), "--json", user="anna")
    row = json.loads(told)
    assert (row["added"], row["known"], [bad["line"] for bad in row["bad"]]) == (0, 2, [3])
    sheet.write_text("E-mail\nx@x.example\n", encoding="utf-8")
    crm("campaign", "recipients", "Spring", "--from", str(sheet), user="anna", code=1)
    assert "nobody was added" in crm.errors
    crm("campaign", "recipients", "Spring", "--from", str(crm.folder / "none.csv"), user="anna", code=1)
    assert "can't read" in crm.errors


def test_recipients_by_group_one_by_one_and_by_filter(crm: House) -> None:  # CAMP-16, CAMP-17, CAMP-18
    crm.apply(SPRING[: SPRING.index("[recipients]")])
    crm("lead", "add", "--title", "Zapytanie", "--person", JAN)
    crm("campaign", "recipients", "Spring", "--add", EWA, "Jan Kowal", user="anna")
    crm("campaign", "recipients", "Spring", "--group", "organizations", "--add", "all", user="anna")
    crm("campaign", "recipients", "Spring", "--group", "leads", "--add", "Zapytanie", user="anna")
    assert crm.chosen() == [
        ("person", "Ewa Zielińska"),
        ("person", "Jan Kowal"),
        ("organization", "Drewmar"),
        ("lead", "Zapytanie"),
    ]
    assert crm.chosen("--group", "organizations") == [("organization", "Drewmar")]
    crm("person", "add", "--name", "Nowa Osoba", "--email", "nowa@klient.example")  # CAMP-18: in the base alone
    assert ("person", "Nowa Osoba") not in crm.chosen()
    page = crm.page()
    assert (page["members"], page["persons"], page["organizations"], page["leads"]) == (4, 2, 1, 1)
    for verb, told in (
        ("--add", "1 would be added, 2 were in already\n"),
        ("--remove", "2 would be removed, 1 was not in\n"),
    ):
        assert crm("campaign", "recipients", "Spring", verb, "all", "--dry-run", user="anna") == told
    assert crm.page()["members"] == 4
    told = crm("campaign", "recipients", "Spring", "--remove", "owner:anna", JAN, "Nowa Osoba", user="anna")
    assert told == "2 removed, 1 was not in\n"
    assert crm.chosen("--group", "persons") == []


def test_a_file_that_is_applied_again_puts_in_whom_it_means_now(crm: House) -> None:
    crm.apply(SPRING)
    crm("person", "add", "--name", "Ola Nowa", "--email", "ola@klient.example")
    crm("tag", "add", "vip", "--person", "Ola Nowa")
    crm.apply(SPRING)
    assert crm.errors == "'Spring' is like that already\n1 recipient was added\n"
    assert ("person", "Ola Nowa") in crm.chosen()


# --- launching ---


def test_nobody_launches_an_empty_one(crm: House) -> None:  # CAMP-15
    crm.apply(READY[: READY.index("[recipients]")])
    for more in ("--yes", "--dry-run"):
        crm.launch("Spring", more, code=1)
        assert "'Spring' has no recipients; `mailcrm campaign recipients 1 --add …` adds some" in crm.errors


def test_only_the_owner_and_admins_change_and_launch_it(crm: House) -> None:  # CAMP-5
    crm.apply(READY)
    for arguments in (
        ("launch", "Spring", "--yes"),
        ("recipients", "Spring", "--add", "all"),
        ("recipients", "Spring", "--remove", "all"),
        ("apply", crm.file(READY.replace("20", "30")), "--yes"),
        ("remove", "Spring", "--yes"),
    ):
        crm("campaign", *arguments, user="jan", code=1)
        assert "'Spring' is anna's" in crm.errors
    assert (crm.page()["goal"], crm.page()["members"]) == ("20 demos", 2)


def test_namesakes_are_told_and_called_by_number(crm: House) -> None:  # CAMP-3
    crm.apply(READY)
    crm.launch()
    crm.apply(READY.replace("20", "30"), "--yes", user="anna")
    assert "note: there is another campaign 'Spring': 1 (running)" in crm.errors
    crm("campaign", "show", "Spring", code=1)
    assert "may be several; say the number of one" in crm.errors
    assert [crm.page(number)["goal"] for number in ("1", "2")] == ["20 demos", "30 demos"]


def test_paused_resumed_stopped(crm: House, sink: Sink) -> None:
    crm.apply(READY.replace('"both"', '"contact"'))
    crm.consent("anna", "jan")
    crm("campaign", "pause", "Spring", user="anna", code=1)
    assert "'Spring' is not under way" in crm.errors
    crm.launch()
    crm("campaign", "pause", "Spring", "--reason", "wrong price", user="anna")
    crm("tick")
    assert (crm.page()["status"], crm.page()["why"], sink.mails) == ("paused", "wrong price", [])
    crm("campaign", "resume", "Spring", user="anna")
    crm("campaign", "pause", "Spring", user="anna")
    crm.launch()  # so does a second launch
    assert "it goes on" in crm.errors
    sink.refuse("451 4.3.0 later", matching=lambda address: address == JAN)
    crm("tick")
    assert [mail.rcpt_tos for mail in sink.mails] == [(EWA,)]
    crm("campaign", "stop", "Spring", user="anna", code=1)
    assert "so add --yes" in crm.errors
    crm("campaign", "stop", "Spring", "--reason", "enough", "--yes", user="anna")
    sink.accept()
    crm.now += timedelta(hours=2)
    crm("tick")
    rows, sums = crm.results()
    assert len(sink.mails) == 1
    assert (rows[JAN]["state"], rows[JAN]["reason"]) == ("withdrawn", "enough")
    assert (sums["done"], sums["withdrawn"]) == (1, 1)
    assert (crm.page()["status"], crm.page()["why"]) == ("stopped", "enough")


def test_a_launch_that_died_half_way_goes_on(crm: House, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    # CAMP-22
    crm.apply(READY)
    crm.consent("anna", "jan")
    with monkeypatch.context() as died:
        died.setattr(planning, "plan", lambda *_: None)
        crm.launch()
    assert crm.page()["status"] == "planning"
    rows, sums = crm.results()
    assert {row["state"] for row in rows.values()} == {"planned"}
    assert (sums["total"], sums["planned"]) == (2, 2)
    assert crm.page()["progress"] == {"total": 2, "planned": 2, **dict.fromkeys(STILL_NONE, 0)}
    crm.launch()
    assert "planned: 2 of 2 recipients" in crm.errors
    assert crm.page()["status"] == "running"
    crm("tick")
    assert len(sink.mails) == crm.results()[1]["done"] == crm.page()["progress"]["done"] == 3


def test_removed_when_it_is_over(crm: House) -> None:
    crm.apply(READY)
    crm("campaign", "remove", "Spring", user="anna", code=1)
    assert "with 2 recipients: not without being asked for; there is no terminal to ask at, so add --yes" in crm.errors
    crm.launch()
    crm("campaign", "remove", "Spring", "--yes", user="anna", code=1)
    assert "`mailcrm campaign stop 1` ends it first" in crm.errors
    crm("campaign", "stop", "Spring", "--yes", user="anna")
    crm("campaign", "remove", "Spring", "--yes", user="anna")
    assert crm.rows("campaign", "list") == []
    for name in ("Spring", "1"):  # CAMP-13: what it did stays
        rows, sums = crm.results(name)
        assert ({row["state"] for row in rows.values()}, sums["total"]) == ({"withdrawn"}, 3)
    crm.apply(READY)
    assert crm.results()[1]["planned"] == 2  # of its namesake
    assert crm.results("1")[1]["withdrawn"] == 3


WRONG: list[tuple[tuple[str, ...], int, str]] = [
    (("show", "Sprin"), 1, "no campaign 'Sprin'; did you mean 'Spring'?"),
    (("launch", "Sprin"), 1, "did you mean 'Spring'?"),
    (("results", "7"), 1, "no campaign '7'"),
    (("launch",), 2, "Missing argument"),
    (("launch", "Spring"), 1, "so add --yes"),
    (("recipients", "Spring", "jan"), 2, "say --add or --remove before them"),
    (("recipients", "Spring", "--add", "a", "--remove", "b"), 2, "add or remove, one at a time"),
    (("recipients", "Spring", "--group", "lead"), 2, "'persons', 'organizations', 'leads'"),
    (("recipients", "Spring", "--add", "tag:none"), 1, "nobody has the tag 'none'"),
    (("recipients", "Spring", "--group", "leads", "--add", "stage:Offer"), 1, "leads have no stage"),
    (("results", "Spring", "--state", "lost"), 2, "'planned'"),
    (("apply", "none.toml"), 1, "can't read none.toml"),
    (("start", "Spring"), 2, "No such command 'start'"),
    (("templates", "x"), 1, "there is no template 'x'; there are call-round"),
]


def test_a_newcomers_wrong_usages(crm: House) -> None:
    crm.apply(READY)
    for arguments, code, words in WRONG:
        assert crm("campaign", *arguments, user="anna", code=code) in ("", "0 added, 1 names nobody\n")
        assert words in " ".join(crm.errors.replace("│", " ").split()), arguments


def test_another_kind_of_file_says_which_command_takes_it(crm: House) -> None:
    crm(
        "campaign",
        "apply",
        crm.file('kind = "rule"\nname = "x"\non = "tag.added"\ndo = "tag.add"\nwith = { tag = "y" }'),
        code=1,
    )
    assert "defines no campaign" in crm.errors
    for noun in ("sequence", "workflow"):
        crm(noun, "apply", crm.file(SPRING), "--yes", code=1)
        assert "campaign" in crm.errors


def test_help_and_templates(crm: House) -> None:
    shown = crm("campaign", "--help")
    for word in ["list", "show", "apply", "remove", "recipients", "launch", "pause", "resume", "stop", "results"]:
        assert word in shown
        assert "Usage: mailcrm campaign" in crm("campaign", word, "--help")
    slugs = {row["slug"] for row in crm.rows("campaign", "templates", "--language", "pl")}
    assert {"call-round", "news-by-mail"} <= slugs
    assert crm("campaign", "templates", "call-round.pl").startswith('kind = "campaign"')
