"""Documents in the store: their numbers under concurrency, who buys and sells, flows that issue, file and hand over."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from mailcrm.app import documents as verbs
from mailcrm.app import erasing, exporting, pages, perform, retention
from mailcrm.app.acting import Actor
from mailcrm.builtin import documents as issuing
from mailcrm.builtin.documents import Wanted
from mailcrm.builtin.hands import Outcome
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.spans import exact
from mailcrm.errors import NotFound, Permanent, Refused, Temporary
from mailcrm.store import documents, fields, members, merging, organizations, recipients
from mailcrm.store.db import Database
from mailcrm.store.documents import StoredDocument
from mailcrm.store.recipients import StoredRecipient
from mailcrm.store.tables import document, document_series
from mailcrm.store.visible import Viewer
from tests import house
from tests.flow_kit import Story
from tests.hooks.test_isolation import host

SELLER: dict[str, Any] = {
    "name": "Firma sp. z o.o.",
    "address": "ul. Prosta 1\n00-001 Warszawa",
    "tax_id": "123-456-32-18",
    "bank_account": "PL61 1090 1014 0000 0712 1981 2874",
}
LINES = [{"description": "Usługa", "price": "100"}]
BILL = """
kind = "workflow"
name = "Bill"
[nodes.start]
on = "tag.added"
next = "bill"
[nodes.bill]
do = [
  { do = "document.create", with = { kind = "invoice", lines = [{ description = "Kurs", price = "100" }] } },
  { do = "document.file" },
]
next = "end"
[nodes.end]
end = "all"
"""


class Office(Story):
    """A story with a seller, and a buyer who may get invoices."""

    def __init__(self, database: Database, folder: Path, *, plugins: Any = None, **section: Any) -> None:
        super().__init__(database, folder, documents={**SELLER, **section}, **({"plugins": plugins} if plugins else {}))

    def buyer(self, name: str = "Ewa Lis", **given: Any) -> int:
        number = self.person(name, emails=[f"{name.split()[0].lower()}@klient.example"])
        self.put("person", number, **{"address": "ul. Krótka 2", "city": "Łódź"} | given)
        return number

    def company(self, name: str = "Klient S.A.", **given: Any) -> int:
        with self.db.write() as connection:
            number = organizations.add(connection, name, self.now, created_by="t", emails=["biuro@klient.example"])
        self.put(
            "organization", number, **{"address": "ul. Długa 3\n00-950 Warszawa", "tax_id": "PL7251801126"} | given
        )
        return number

    def put(self, record: Any, number: int, **given: Any) -> None:
        with self.db.write() as connection:
            for name, value in given.items():
                fields.put(connection, record, number, name, value)

    def issue(self, key: str = "k1", **wanted: Any) -> StoredDocument:
        what = Wanted(**{"kind": "invoice", "lines": LINES} | wanted)
        return verbs.stored(self.context, verbs.add(self.context, Actor(), what, key))

    def every(self) -> list[StoredDocument]:
        with self.db.read() as connection:
            return list(documents.of(connection, connection.execute(documents.ids()).scalars()).values())


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    return Office(database, tmp_path)


def test_a_document_says_who_sells_and_who_buys_and_what_it_comes_to(office: Office) -> None:
    made = office.issue(person=office.buyer(), lines=[*LINES, {"description": "B", "price": 2, "quantity": "1.5"}])
    assert (made.name, made.series, made.period, made.number) == ("FV/2026/0001", "FV", "2026", 1)
    assert (made.issued_on, made.due_on) == (date(2026, 11, 22), date(2026, 12, 6))
    assert (made.net, made.tax, made.gross) == (Decimal(103), Decimal("23.69"), Decimal("126.69"))
    assert made.seller == {**SELLER, "country": "PL"}
    assert made.buyer == {"name": "Ewa Lis", "address": "ul. Krótka 2\nŁódź", "contact": "ewa@klient.example"}
    assert (made.language, made.currency, made.created_by, made.sha256) == ("pl", "PLN", "command", None)
    whole = issuing.read(made)
    assert [str(item.net) for item in whole.items] == ["100.00", "3.00"]
    assert whole.totals.gross == made.gross


def test_the_organization_buys_where_there_is_one(office: Office) -> None:
    company = office.company(legal_name="Klient Spółka Akcyjna", country="DE", language="en-GB")
    ewa = office.buyer(language="pl")
    first = office.issue("a", person=ewa)
    assert (first.organization, first.language) == (None, "pl")
    person = office.person("Jan", organization=company)
    made = office.issue("b", person=person)
    assert (made.person, made.organization, made.language) == (person, company, "en")
    assert made.buyer == {
        "name": "Klient Spółka Akcyjna",
        "address": "ul. Długa 3\n00-950 Warszawa",
        "tax_id": "PL7251801126",
        "country": "DE",
        "contact": "biuro@klient.example",
    }
    assert office.issue("c", organization=company).person is None
    office.put("organization", company, address=None)
    assert verbs.stored(office.context, made.id) == made  # frozen as it was issued
    with pytest.raises(Refused, match="for somebody"):
        office.issue("d")


def test_what_law_wants_and_is_missing_is_named_all_at_once(database: Database, tmp_path: Path) -> None:
    office = Office(database, tmp_path, name="", tax_id="")
    company = office.company(address="", tax_id="")
    lines = [{"description": "x", "price": 1, "tax": "exempt"}]
    with pytest.raises(Refused) as refused:
        office.issue(organization=company, lines=lines)
    for what in (
        "the seller's name (documents.name in config.toml)",
        "the seller's tax number",
        f"the buyer's address (mailcrm field set address … --org {company})",
        "the buyer's tax_id",
        "exempts from tax (documents.exempt",
    ):
        assert what in str(refused.value)
    with pytest.raises(Refused, match=r"the name of person \d+"):
        office.issue(person=office.person("ewa@klient.example"))
    assert office.every() == []
    with database.read() as connection:
        assert connection.execute(select(document_series)).all() == []  # no number was taken


def test_an_offer_needs_less_and_holds_for_a_month(database: Database, tmp_path: Path) -> None:
    office = Office(database, tmp_path, tax_id="", address="", buyer_needs=[])
    made = office.issue(kind="offer", person=office.person("Jan"), language="en", note="\n\x00Bye\x1b\n", lines=LINES)
    assert (made.name, made.due_on, made.note) == ("OF/2026/0001", date(2026, 12, 22), "Bye")
    lenient = Office(database, tmp_path, buyer_needs=[])
    assert lenient.issue("x", person=lenient.person("Jan")).name == "FV/2026/0001"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"kind": "receipt"}, "no kind of document"),
        ({"series": "FW"}, "there is no series 'FW' of documents; known here: FV, OF"),
        ({"series": "OF"}, "the series OF is of offers"),
        ({"currency": "złoty"}, "no currency"),
        ({"within": "soon"}, "no span of time"),
        ({"lines": []}, "1 to 5000 lines"),
        ({"note": "x" * 2001}, "the note has 2001 characters"),
    ],
)
def test_what_is_wrong_is_refused_and_takes_no_number(sqlite: Database, tmp_path: Path, wanted: Any, why: str) -> None:
    office = Office(sqlite, tmp_path)
    ewa = office.buyer()
    with pytest.raises(Refused, match=why):
        office.issue("a", person=ewa, **wanted)
    assert office.issue("b", person=ewa).number == 1


def test_everything_that_is_wrong_is_told_at_once(sqlite: Database, tmp_path: Path) -> None:
    office = Office(sqlite, tmp_path, tax_id="")
    lines = [{"description": "a", "price": "x"}, {"price": 1}, {"description": "b", "price": 1, "quantity": 0}]
    wrong = {"series": "FW", "currency": "złoty", "within": "soon", "note": "x" * 2001, "lines": lines}
    with pytest.raises(Refused) as refused:
        office.issue("a", person=office.buyer(address="", city=""), **wrong)
    told = str(refused.value).split("; also: ")
    for what, each in zip(
        (
            "there is no series 'FW'",
            "'złoty' is no currency",
            "'a': the price 'x' is no number",
            "a line needs a description",
            "'b': the quantity 0 is not above 0",
            "the invoice lacks the seller's tax number (documents.tax_id in config.toml); the buyer's address",
            "the note has 2001 characters",
            "'soon'",
        ),
        told,
        strict=True,
    ):
        assert each.startswith(what)
    with pytest.raises(Refused, match=r"is no kind of document; .*; also: a document is for somebody"):
        office.issue("a", kind="receipt")
    assert office.every() == []


def test_the_same_key_is_the_same_document(office: Office) -> None:
    ewa = office.buyer()
    first = office.issue("a", person=ewa)
    assert office.issue("a", person=ewa, lines=[]).id == first.id
    assert office.issue("b", person=ewa).number == 2


def test_a_series_begins_anew_with_its_period_and_days_never_go_back(database: Database, tmp_path: Path) -> None:
    series = {
        "M": {"pattern": "{month}/{year}/{number}", "period": "monthly"},
        "N": {"pattern": "N{number:06}", "period": "never"},
        "Y": {"pattern": "{number}-{year}"},
    }
    office = Office(database, tmp_path, series=series)
    ewa = office.buyer()

    def names(key: str) -> list[str]:
        return [office.issue(f"{each}{key}", person=ewa, series=each).name for each in series]

    assert names("1") == ["11/2026/1", "N000001", "1-2026"]
    office.now = house.NOW + timedelta(days=20)
    assert names("2") == ["12/2026/1", "N000002", "2-2026"]
    office.now = house.NOW.replace(month=12, day=31, hour=23, minute=30)  # already the next year in Warsaw
    assert names("3") == ["01/2027/1", "N000003", "1-2027"]
    office.now = house.NOW.replace(month=12, day=20)  # a clock that was set back
    late = office.issue("late", person=ewa, series="N")
    assert (late.number, late.issued_on, late.due_on) == (4, date(2027, 1, 1), date(2027, 1, 15))
    assert office.issue("back", person=ewa, series="Y").name == "3-2026"


def test_two_series_that_could_give_one_name_are_told(sqlite: Database, tmp_path: Path) -> None:
    first = Office(sqlite, tmp_path, series={"A": {"pattern": "F{number}", "period": "never"}})
    ewa = first.buyer()
    first.issue("a", person=ewa)
    second = Office(sqlite, tmp_path, series={"B": {"pattern": "F{number}", "period": "never"}})
    with pytest.raises(Refused, match="F1 was issued in another series; give B another pattern"):
        second.issue("b", person=ewa)
    assert [each.name for each in second.every()] == ["F1"]


def test_currencies_keep_their_decimals_on_every_database(office: Office) -> None:
    ewa = office.buyer()
    dinar = office.issue("a", person=ewa, currency="kwd", lines=[{"description": "x", "price": "99999999999.999"}])
    assert (dinar.currency, dinar.net, dinar.tax) == ("KWD", Decimal("99999999999.999"), Decimal("23000000000.000"))
    yen = office.issue("b", person=ewa, currency="JPY", lines=[{"description": "x", "price": "10.5"}])
    assert (yen.net, yen.gross) == (11, 14)
    assert issuing.read(dinar).totals.gross == dinar.gross


# -- numbers under concurrency


def test_no_number_is_skipped_or_used_twice_by_many_at_once(office: Office) -> None:
    """Eight at once; a third of the transactions is rolled back, and each key is asked for by two."""
    ewa = office.buyer()
    wanted = Wanted(kind="invoice", lines=LINES, person=ewa)
    failures: list[Exception] = []

    class Undone(Exception):
        pass

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for turn in range(12):
            try:
                with office.db.write() as connection:
                    key = f"{seed % 4}.{turn}"
                    issuing.issue(connection, office.context.config, wanted, office.now, key=key, created_by="t")
                    if chance.random() < 0.33:
                        raise Undone
            except Undone:
                continue
            except Exception as error:
                failures.append(error)
                raise

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not failures
    made = office.every()
    assert [each.number for each in made] == list(range(1, len(made) + 1))
    assert len({each.key for each in made}) == len(made) > 30
    with office.db.read() as connection:
        assert connection.execute(select(document_series.c.last)).scalars().all() == [len(made)]


WORKER = """
import sys
from pathlib import Path
from mailcrm.builtin import documents as issuing
from mailcrm.builtin.documents import Wanted
from mailcrm import config
from mailcrm.store.db import Database
from tests.house import NOW
from tests.unit.test_documents import LINES, SELLER

settings = config.parse({"documents": SELLER}, base=Path("."))
wanted = Wanted(kind="invoice", lines=LINES, person=int(sys.argv[2]))
database = Database(sys.argv[1])
for turn in range(100000):
    with database.write() as connection:
        number = issuing.issue(connection, settings, wanted, NOW, key=f"other.{turn}", created_by="other")
    print(number, flush=True)
"""


def test_a_process_that_is_killed_leaves_no_gap(office: Office) -> None:
    ewa = office.buyer()
    url = office.db.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", WORKER, url, str(ewa)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as other:
        assert other.stdout is not None
        told = [other.stdout.readline() for _ in range(3)]
        for turn in range(10):
            office.issue(f"ours.{turn}", person=ewa)
        other.kill()
        told += other.stdout.readlines()
    after = office.issue("after", person=ewa)
    made = office.every()
    assert [each.number for each in made] == list(range(1, len(made) + 1))
    assert after.number == len(made) >= 14
    stored = {each.id for each in made if each.created_by == "other"}
    assert {int(line) for line in told if line.endswith("\n")} <= stored


# -- flows


def finish(office: Office, *, tries: int = 5) -> None:
    """Rounds and actions outside, until both have nothing to do."""
    for _ in range(tries):
        office.run()
        if perform.perform_due(office.context) == perform.Performed():
            return


def test_a_flow_issues_files_and_goes_on(office: Office) -> None:
    flow, ewa = office.flow(BILL), office.buyer()
    office.tagged(ewa, "buyer")
    finish(office)
    assert office.statuses(flow) == ["completed"]
    [made] = office.every()
    assert (made.person, made.flow, made.owner) == (ewa, flow, 1)
    assert made.created_by == f"enrollment:{office.runs(flow)[0].id}"
    content = office.context.blobs.read(str(made.sha256))
    assert content.startswith(b"%PDF-")
    assert hashlib.sha256(content).hexdigest() == made.sha256
    office.tagged(ewa, "again")
    finish(office)
    assert [each.name for each in office.every()] == ["FV/2026/0001", "FV/2026/0002"]


def test_a_document_is_of_the_day_when_it_is_issued_not_when_it_was_due(office: Office) -> None:
    ewa = office.buyer()
    office.flow(BILL)
    office.tagged(ewa, "buyer", at=office.now)
    office.now += exact("3d")  # nothing ran meanwhile
    finish(office)
    assert [each.issued_on for each in office.every()] == [date(2026, 11, 25)]


def test_a_refusal_fails_that_run_with_its_reason_and_leaves_no_gap(office: Office) -> None:
    flow = office.flow(BILL)
    for name, given in (("Ewa A", {}), ("Jan B", {"address": ""}), ("Ola C", {})):
        person = office.buyer(name, **({"address": None, "city": None} if given else {}))
        office.tagged(person, "buyer")
    finish(office)
    assert office.statuses(flow) == ["completed", "failed", "completed"]
    assert "the buyer's address" in office.runs(flow)[1].reason
    assert [(each.name, each.buyer["name"]) for each in office.every()] == [
        ("FV/2026/0001", "Ewa A"),
        ("FV/2026/0002", "Ola C"),
    ]


def test_filing_without_a_document_is_refused(office: Office) -> None:
    text = "\n".join(row for row in BILL.splitlines() if "document.create" not in row)
    flow = office.flow(text)
    office.tagged(office.buyer(), "buyer")
    finish(office)
    assert "put document.create before" in office.runs(flow)[0].reason


def test_a_member_of_a_campaign_gets_one_document_whoever_is_mailed(office: Office) -> None:
    flow, company = office.flow(BILL), office.company()
    ewa = office.buyer()
    with office.db.write() as connection:
        assert members.add(connection, flow, "person", [ewa], "t", office.now) == 1
        [chosen] = members.listed(connection, flow, "person")
        both = (("contact", ewa), ("company", None))
        new = [
            StoredRecipient(number, flow, chosen.id, part, who, company, None, f"{part}@klient.example", 2, None, 1, "")
            for number, (part, who) in zip(recipients.reserved(connection, 2), both, strict=True)
        ]
        recipients.add(connection, new)
        hands: Any = SimpleNamespace(connection=connection, config=office.context.config, clock=lambda: office.now)
        for each in new:
            subject = Subject(each.person, recipient=each.id)
            assert issuing.document_of(hands, subject) is None or each is new[1]
            args = {"kind": "offer", "lines": LINES, "pay_within": "1w"}
            wanted = Effect(f"{each.id}.1.0", "campaign", "document.create", args, office.now, ((flow, "campaign"),))
            assert issuing.document_create(hands, wanted, subject) is Outcome.DONE
            found = issuing.document_of(hands, subject)
            assert found is not None
            assert (found.name, found.key, found.organization) == ("OF/2026/0001", f"member:{chosen.id}", company)
            assert (found.owner, found.flow, found.due_on) == (2, flow, date(2026, 11, 29))
            assert members.made(connection, chosen.id) == f"document:{found.id}"
    assert len(office.every()) == 1


class Ledger:
    """Stands for an invoicing system; its plugin fails as often as told."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.told: list[tuple[str, str]] = []
        self.booked: dict[str, str] = {}

    def take(self, document: Any, pdf: bytes) -> str:
        assert pdf.startswith(b"%PDF-")
        self.told.append((document.key, document.name))
        if self.errors:
            raise self.errors.pop(0)
        return self.booked.setdefault(document.key, f"ledger/{len(self.booked) + 1}")


def ledger_office(database: Database, folder: Path, ledger: Ledger) -> Office:
    from mailcrm import hookimpl

    class Plugin:
        @hookimpl
        def hand_over_document(self, document: Any, pdf: bytes) -> str:
            return ledger.take(document, pdf)

    office = Office(database, folder)
    office.context = replace(office.context, plugins=host(ledger=Plugin()))
    return office


def test_a_plugin_that_fails_delays_the_run_and_is_told_the_same_key(database: Database, tmp_path: Path) -> None:
    ledger = Ledger(RuntimeError("down"), Temporary("busy"))
    office = ledger_office(database, tmp_path, ledger)
    flow, ewa = office.flow(BILL), office.buyer()
    office.tagged(ewa, "buyer")
    finish(office)
    assert office.statuses(flow) == ["in_progress"]
    assert office.every()[0].handed_as is None
    for _ in range(4):
        office.now += exact("1h")
        finish(office)
    assert office.statuses(flow) == ["completed"]
    assert ledger.told == [(office.every()[0].key, "FV/2026/0001")] * 3
    assert office.every()[0].handed_as == "ledger/1"


@pytest.mark.parametrize(
    ("errors", "waits", "reason"),
    [
        ([Permanent("the ledger is closed")], "1m", "the ledger is closed"),
        ([RuntimeError("down")] * 50, "1d", "given up after"),
    ],
)
def test_a_plugin_that_refuses_or_never_works_fails_that_run_alone(
    sqlite: Database, tmp_path: Path, errors: list[Exception], waits: str, reason: str
) -> None:
    ledger = Ledger(*errors)
    office = ledger_office(sqlite, tmp_path, ledger)
    flow, ewa = office.flow(BILL), office.buyer()
    office.tagged(ewa, "buyer")
    for _ in range(25):
        finish(office)
        office.now += exact(waits)
    assert office.statuses(flow) == ["failed"]
    assert reason in office.runs(flow)[0].reason
    ledger.errors.clear()
    office.tagged(office.buyer("Jan Kos"), "buyer")
    finish(office)
    assert office.statuses(flow) == ["failed", "completed"]
    assert [each.handed_as for each in office.every()] == [None, "ledger/1"]


def test_a_crash_between_the_pdf_and_its_note_leaves_one_document(office: Office) -> None:
    made = office.issue(person=office.buyer())
    content = verbs.made(office.context, made.id)
    with office.db.write() as connection:
        connection.execute(update(document).values(sha256=None))
    assert verbs.made(office.context, made.id) == content
    sha256 = str(office.every()[0].sha256)
    office.context.blobs.remove(sha256)  # lost
    assert verbs.made(office.context, made.id) == content == office.context.blobs.read(sha256)
    with pytest.raises(NotFound, match="no document 99"):
        verbs.made(office.context, 99)


# -- records


def test_documents_stand_in_timelines_and_exports_and_follow_merges(office: Office) -> None:
    company, ewa, jan = office.company(), office.buyer(), office.buyer("Jan Kos")
    made = office.issue("a", person=jan)
    other = office.issue("b", organization=company)
    with office.db.write() as connection:
        merging.persons(connection, ewa, jan, office.now)
        keep = organizations.add(connection, "Keep", office.now, created_by="t")
        merging.organizations(connection, keep, company, office.now)
    everybody = Viewer(mailboxes=None)
    with office.db.read() as connection:
        page = pages.person(connection, ewa, everybody)
        [moment] = [each for each in page.timeline if each.kind == "document"]
        assert (moment.id, moment.text, moment.detail) == (made.id, "FV/2026/0001", "invoice")
        assert [each.text for each in pages.organization(connection, keep, everybody).timeline] == [other.name]
        [exported] = exporting.export(connection, ewa)["documents"]
    assert (exported.name, exported.buyer["name"], exported.gross) == ("FV/2026/0001", "Jan Kos", Decimal(123))


def test_an_invoice_outlives_its_buyer_and_an_offer_forgets_him(office: Office) -> None:
    ewa = office.buyer()
    invoice, offer = office.issue("a", person=ewa), office.issue("b", kind="offer", person=ewa, note="For Ewa")
    for each in (invoice, offer):
        verbs.file(office.context, each.id)
    kept, dropped = office.every()
    erasing.erase(office.context, ewa)
    after, blank = office.every()
    assert after == replace(kept, person=None)
    assert after.buyer["name"] == "Ewa Lis"
    assert office.context.blobs.read(str(kept.sha256)).startswith(b"%PDF-")
    assert (blank.person, blank.buyer, blank.note, blank.sha256) == (None, {"name": "—"}, "", None)
    assert (blank.name, blank.gross) == (offer.name, offer.gross)
    with pytest.raises(NotFound):
        office.context.blobs.read(str(dropped.sha256))
    assert b"%PDF-" in verbs.made(office.context, blank.id)
    assert office.issue("c", person=office.buyer("Jan Kos")).number == 2


def test_a_sweep_keeps_the_pdf_that_a_quarantined_file_had_too(office: Office) -> None:
    made = office.issue(person=office.buyer())
    verbs.file(office.context, made.id)
    sha256 = str(office.every()[0].sha256)
    with office.db.read() as connection:
        from mailcrm.store import erasing as store_erasing

        assert store_erasing.unreferenced(connection, [sha256, "0" * 64]) == {"0" * 64}
    retention.sweep_due(office.context)
    assert office.context.blobs.read(sha256)
