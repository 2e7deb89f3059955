"""Import into the store: matched, completed, repeated, refused; on both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, insert, select, update

from mailcrm.app import importing
from mailcrm.app.context import Context
from mailcrm.app.import_file import prepare, read_mapping
from mailcrm.app.importing import Result, Summary
from mailcrm.app.ingest import ingest
from mailcrm.cli.app import main
from mailcrm.core.columns import Subject
from mailcrm.errors import Permanent
from mailcrm.store import fields, tables, tags, unwanted
from mailcrm.store.db import Database
from tests.house import NOW, batch, build, mail

PERSONS = """Person - Name,Person - Email - Work,Person - Email - Home,Person - Phone - Work,Person - Organization,\
Person - Owner,Person - Label,Person - ID,Person - Note,Region
Jan Kowalski,jan@klient.example,jan.k@wp.pl,+48 600 100 200,Klient Sp. z o.o.,Anna Nowak,"vip, hurt",7,Z targów,Mazowsze
Żaneta Źdźbło,zaneta@klient.example,,,KLIENT S.A.,jan@firma.example,,8,,
"""
DEALS = """Deal - Title,Deal - Value,Deal - Currency of Value,Deal - Stage,Deal - Status,Deal - Contact person,\
Deal - Organization,Deal - Owner,Deal - Deal created,Deal - Won time,Deal - Lost time,Deal - Lost reason,\
Deal - Expected close date
Regały,"12 500,00",PLN,Offer,Open,Jan Kowalski,Klient,Anna Nowak,2025-01-31 10:00:00,,,,2026-12-01
Wózki,900,EUR,Offer,Won,Jan Kowalski,Klient,Anna Nowak,2025-02-01 10:00:00,2025-03-01 12:00:00,,,
Palety,,,Nieznany etap,Lost,Ewa Nowa,Inna Firma,Nikt,2025-02-02,,2025-03-02,Za drogo,
"""


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


def bring(
    house: Context, folder: Path, text: str, subject: Subject, *, name: str = "rows.csv", **options: Any
) -> tuple[Summary, list[Result]]:
    """Import a text."""
    (folder / name).write_text(text)
    results: list[Result] = []
    given = options.pop("given", None)
    job = prepare(folder / name, subject, given=given)
    return importing.run(house, job, on_results=results.extend, **options), results


def counts(summary: Summary) -> tuple[int, ...]:
    return tuple(summary.counts[state] for state in ("created", "updated", "unchanged", "skipped", "failed"))


def rows(house: Context, table: Any) -> list[Any]:
    with house.db.read() as connection:
        return list(connection.execute(select(table).order_by(*table.primary_key.columns)))


def everything(house: Context) -> dict[str, list[Any]]:
    return {table.name: rows(house, table) for table in tables.metadata.sorted_tables if table.primary_key.columns}


def test_persons_of_pipedrive(house: Context, tmp_path: Path) -> None:  # DATA-1
    summary, results = bring(house, tmp_path, PERSONS, Subject.PERSONS)
    assert counts(summary) == (2, 0, 0, 0, 0)
    jan, zaneta = rows(house, tables.person)
    assert [result.record for result in results] == [f"person:{jan.id}", f"person:{zaneta.id}"]
    assert (jan.name, jan.created_by) == ("Jan Kowalski", "import:rows.csv")
    assert jan.organization_id == zaneta.organization_id
    assert [row.name for row in rows(house, tables.organization)] == ["Klient Sp. z o.o."]
    assert [row.domain for row in rows(house, tables.organization_domain)] == ["klient.example"]
    owners = {row.id: row.key for row in rows(house, tables.user)}
    assert [owners[jan.owner_id], owners[zaneta.owner_id]] == ["anna", "jan"]
    addresses = rows(house, tables.person_address)
    assert [(row.address, row.is_primary) for row in addresses if row.person_id == jan.id] == [
        ("jan@klient.example", True),
        ("jan.k@wp.pl", False),
    ]
    assert [(row.number, row.label) for row in rows(house, tables.person_phone)] == [("+48 600 100 200", "work")]
    with house.db.read() as connection:
        assert tags.of(connection, [jan.id])[jan.id] == ["hurt", "vip"]
        assert fields.of(connection, "person", [jan.id])[jan.id] == {"ID": "7", "Region": "Mazowsze"}
    assert [row.text for row in rows(house, tables.note)] == ["Z targów"]


@pytest.mark.parametrize(("text", "subject"), [(PERSONS, Subject.PERSONS), (DEALS, Subject.DEALS)])
def test_the_same_file_twice_changes_nothing(house: Context, tmp_path: Path, text: str, subject: Subject) -> None:
    bring(house, tmp_path, text, subject)
    before = everything(house)
    summary, _ = bring(house, tmp_path, text, subject)
    assert counts(summary)[:2] == (0, 0)
    assert summary.counts["unchanged"] == text.count("\n") - 1
    assert everything(house) == before


def test_a_match_is_completed_and_keeps_what_it_has(house: Context, tmp_path: Path) -> None:
    bring(house, tmp_path, "Name,Email\nJan Kowalski,jan@klient.example\n", Subject.PERSONS)
    text = "Name,Email,Email 2,Phone,Company,Owner,Region\n"
    text += "J. Kowalski,jan@klient.example,jan2@klient.example,123456,Klient,anna,Śląsk\n"
    summary, results = bring(house, tmp_path, text, Subject.PERSONS)
    assert counts(summary) == (0, 1, 0, 0, 0)
    assert set(results[0].changes) == {"organization", "owner", "Region", "jan2@klient.example", "123456"}
    (jan,) = rows(house, tables.person)
    assert jan.name == "Jan Kowalski"
    assert [(row.address, row.is_primary) for row in rows(house, tables.person_address)] == [
        ("jan@klient.example", True),
        ("jan2@klient.example", False),
    ]


def test_persons_without_address_match_by_name_and_organization(house: Context, tmp_path: Path) -> None:
    text = "Name,Company,Phone\nJan Kowalski,Alfa,111 222\nJan Kowalski,Beta,\njan kowalski,ALFA Sp. z o.o.,111222\n"
    summary, _ = bring(house, tmp_path, text, Subject.PERSONS)
    assert counts(summary) == (2, 0, 1, 0, 0)
    other = "Name,Phone\nEwa Lis,111\nEwa Lis,222\n"
    assert counts(bring(house, tmp_path, other, Subject.PERSONS)[0]) == (2, 0, 0, 0, 0)
    assert counts(bring(house, tmp_path, other, Subject.PERSONS)[0]) == (0, 0, 2, 0, 0)


def test_addresses_of_two_persons_in_one_row(house: Context, tmp_path: Path) -> None:
    bring(house, tmp_path, "Name,Email\nJan,jan@a.example\nEwa,ewa@a.example\n", Subject.PERSONS)
    summary, results = bring(house, tmp_path, 'Name,Email\nX,"jan@a.example,ewa@a.example"\n', Subject.PERSONS)
    assert counts(summary) == (0, 0, 0, 0, 1)
    assert "several persons: Jan" in (results[0].reason or "")


def test_a_bad_row_is_told_with_its_line_and_the_rest_goes_in(house: Context, tmp_path: Path) -> None:
    text = 'Name,Email\nJan,jan@a.example\nZły,nie-adres\n,\n"",""\nEwa,"ewa@a.example",x\nOla,ola@a.example\n'
    summary, results = bring(house, tmp_path, text, Subject.PERSONS)
    assert counts(summary) == (2, 0, 0, 0, 2)
    assert [(result.line, result.reason) for result in results if result.state == "failed"] == [
        (3, "Email: 'nie-adres' is no e-mail address"),
        (6, "3 cells under 2 headings; is a separator inside a text?"),
    ]


def test_all_or_nothing(house: Context, tmp_path: Path) -> None:
    before = everything(house)
    text = "Name,Email\n" + "".join(f"Jan,jan{n}@a.example\n" for n in range(600)) + "Zły,x\n"
    summary, _ = bring(house, tmp_path, text, Subject.PERSONS, all_or_nothing=True)
    assert not summary.stored
    assert summary.counts["failed"] == 1
    assert everything(house) == before
    summary, _ = bring(house, tmp_path, text.replace("Zły,x\n", ""), Subject.PERSONS, all_or_nothing=True)
    assert summary.stored
    assert len(rows(house, tables.person)) == 600


def test_a_dry_run_stores_nothing_and_says_the_same(house: Context, tmp_path: Path) -> None:
    before = everything(house)
    dry, told = bring(house, tmp_path, PERSONS, Subject.PERSONS, dry_run=True)
    assert everything(house) == before
    assert [result.record for result in told] == [None, None]
    wet, _ = bring(house, tmp_path, PERSONS, Subject.PERSONS)
    assert counts(dry) == counts(wet)


def test_deals_of_pipedrive(house: Context, tmp_path: Path) -> None:  # DATA-8, DATA-9, DATA-12
    bring(house, tmp_path, PERSONS, Subject.PERSONS)
    summary, _ = bring(house, tmp_path, DEALS, Subject.DEALS)
    assert counts(summary) == (3, 0, 0, 0, 0)
    shelves, carts, pallets = rows(house, tables.deal)
    persons = {row.id: row.name for row in rows(house, tables.person)}
    assert [persons[deal.person_id] for deal in (shelves, carts, pallets)] == [
        "Jan Kowalski",
        "Jan Kowalski",
        "Ewa Nowa",
    ]
    assert len(persons) == 3
    assert (shelves.value, shelves.currency, shelves.status) == (Decimal("12500.00"), "PLN", "open")
    assert shelves.created_at == datetime(2025, 1, 31, 10, tzinfo=UTC)
    assert (carts.status, carts.closed_at) == ("won", datetime(2025, 3, 1, 12, tzinfo=UTC))
    assert (pallets.status, pallets.lost_reason) == ("lost", "Za drogo")
    stages = {row.id: row.name for row in rows(house, tables.stage)}
    assert [stages[deal.stage_id] for deal in (shelves, carts, pallets)] == ["Offer", "Offer", "New"]
    assert set(summary.warnings) == {
        "there is no stage 'Nieznany etap'; such rows go to the first, with the name in 'Stage'",
        "the owner 'Nikt' is none of our users; such rows have no owner",
    }
    with house.db.read() as connection:
        found = fields.of(connection, "deal", [shelves.id, pallets.id])
    assert found == {shelves.id: {"Expected close date": "2026-12-01"}, pallets.id: {"Stage": "Nieznany etap"}}
    assert rows(house, tables.event) == []


def test_deals_that_are_alike_but_not_one(house: Context, tmp_path: Path) -> None:
    text = (
        "Title,Value,Contact person,Created\nOferta,100,Jan,2025-01-01\nOferta,200,Jan,2025-01-01\n"
        "Oferta,100,Jan,2025-01-02\nOferta,100,Ewa,2025-01-01\nOferta,100,Jan,2025-01-01\n"
    )
    for expected in ((4, 0, 1, 0, 0), (0, 0, 5, 0, 0)):
        assert counts(bring(house, tmp_path, text, Subject.DEALS)[0]) == expected
    numbered = "Deal - Title,Deal - ID\nUmowa,1\nUmowa,2\n"
    for expected in ((2, 0, 0, 0, 0), (0, 0, 2, 0, 0)):
        assert counts(bring(house, tmp_path, numbered, Subject.DEALS)[0]) == expected


def test_deals_that_another_system_deleted_are_skipped(house: Context, tmp_path: Path) -> None:
    summary, results = bring(house, tmp_path, "Title,Status\nA,Deleted\nB,może\n", Subject.DEALS)
    assert counts(summary) == (0, 0, 0, 1, 1)
    assert results[1].reason == "'może' is no status of a deal; write open, won or lost"


def test_a_name_that_several_persons_have(house: Context, tmp_path: Path) -> None:
    bring(house, tmp_path, "Name,Company\nJan Lis,Alfa\nJan Lis,Beta\n", Subject.PERSONS)
    text = "Title,Person,Company\nA,Jan Lis,\nB,Jan Lis,Beta\n"
    summary, results = bring(house, tmp_path, text, Subject.DEALS)
    assert counts(summary) == (1, 0, 0, 0, 1)
    assert results[0].reason == "there are 2 persons called Jan Lis; add their e-mail addresses"


def test_a_person_named_by_his_address_is_the_one_who_has_it(house: Context, tmp_path: Path) -> None:
    bring(house, tmp_path, "Name,Email\nJan,jan@acme.example\n", Subject.PERSONS)
    text = "Title,Person,Contact e-mail\nA,jan@acme.example,\nB,Jan K. <jan@acme.example>,\nC,,jan@acme.example\n"
    bring(house, tmp_path, text, Subject.DEALS)
    (person,) = rows(house, tables.person)
    assert [(deal.title, deal.person_id) for deal in rows(house, tables.deal)] == [(x, person.id) for x in "ABC"]


def test_leads(house: Context, tmp_path: Path) -> None:
    text = "Lead - Title,Lead - Owner,Contact person,Person - Email,Organization,Lead - Labels\n"
    text += "Start,anna,Ola,ola@b.example,Beta,hot\n"
    for expected in ((1, 0, 0, 0, 0), (0, 0, 1, 0, 0)):
        assert counts(bring(house, tmp_path, text, Subject.LEADS)[0]) == expected
    (lead,) = rows(house, tables.lead)
    assert (lead.title, lead.created_by) == ("Start", "import:rows.csv")
    assert lead.person_id == rows(house, tables.person)[0].id


def test_organizations_match_by_domain_then_name(house: Context, tmp_path: Path) -> None:  # DATA-3, DATA-6
    text = "Firma,Strona WWW,Branża,E-mail\nAlfa Sp. z o.o.,www.alfa.example,,biuro@alfa.example\n"
    assert counts(bring(house, tmp_path, text, Subject.ORGANIZATIONS)[0]) == (1, 0, 0, 0, 0)
    text = "Firma,Strona WWW,Branża\nAlfa Polska,https://alfa.example/kontakt,Meble\nALFA,,\n"
    summary, results = bring(house, tmp_path, text, Subject.ORGANIZATIONS)
    assert counts(summary) == (0, 1, 1, 0, 0)
    assert results[0].changes == ("industry",)
    (alfa,) = rows(house, tables.organization)
    assert (alfa.name, alfa.industry) == ("Alfa Sp. z o.o.", "Meble")
    assert [row.address for row in rows(house, tables.organization_address)] == ["biuro@alfa.example"]


def test_an_organization_that_mail_named_by_its_domain_is_not_doubled(house: Context, tmp_path: Path) -> None:
    with house.db.write() as connection:
        connection.execute(
            insert(tables.organization).values(id=1, name="klient.example", created_by="mail:x", created_at=NOW)
        )
        connection.execute(insert(tables.organization_domain).values(domain="klient.example", organization_id=1))
        if not house.db.is_sqlite:
            connection.execute(select(func.nextval("organization_id_seq")))
    bring(house, tmp_path, PERSONS, Subject.PERSONS)
    assert len(rows(house, tables.organization)) == 1


def test_erased_and_undone_addresses_do_not_come_back(house: Context, tmp_path: Path) -> None:
    with house.db.write() as connection:
        unwanted.remember(connection, house.secret, ["jan@klient.example"], "erased", NOW)
    summary, results = bring(
        house, tmp_path, "Name,Email\nJan,Jan+x@klient.example\nEwa,ewa@klient.example\n", Subject.PERSONS
    )
    assert counts(summary) == (1, 0, 0, 1, 0)
    assert results[0].reason == "its address was erased and is not to be stored again"
    summary, _ = bring(house, tmp_path, "Title,Contact,Email\nA,Jan,jan@klient.example\n", Subject.DEALS)
    assert counts(summary) == (0, 0, 0, 1, 0)
    assert [row.name for row in rows(house, tables.person)] == ["Ewa"]


def test_our_own_addresses_are_nobodys(house: Context, tmp_path: Path) -> None:
    summary, results = bring(house, tmp_path, "Name,Email\nAnna,anna@firma.example\n", Subject.PERSONS)
    assert counts(summary) == (0, 0, 0, 1, 0)
    assert results[0].reason == "anna@firma.example is one of ours"


def test_a_removed_person_stays_removed_and_his_address_is_free(house: Context, tmp_path: Path) -> None:
    bring(house, tmp_path, "Name,Email\nJan,jan@a.example\n", Subject.PERSONS)
    with house.db.write() as connection:
        connection.execute(update(tables.person).values(removed_at=NOW))
        connection.execute(update(tables.person_address).values(valid_to=NOW))
    assert counts(bring(house, tmp_path, "Name,Email\nJan,jan@a.example\n", Subject.PERSONS)[0]) == (1, 0, 0, 0, 0)
    assert len(rows(house, tables.person)) == 2


class _Killed(Exception):
    pass


def test_a_crash_between_batches_and_a_second_run_end_the_same(house: Context, tmp_path: Path) -> None:
    text = "Name,Email,Company,Label\n" + "".join(
        f"Jan{n},jan{n}@a{n % 7}.example,A{n % 7},t{n % 3}\n" for n in range(1200)
    )
    (tmp_path / "rows.csv").write_text(text)
    seen: list[Result] = []

    def crash(results: list[Result]) -> None:
        seen.extend(results)
        if len(seen) == 1000:
            raise _Killed

    with pytest.raises(_Killed):
        importing.run(house, prepare(tmp_path / "rows.csv", Subject.PERSONS), on_results=crash)
    assert len(rows(house, tables.person)) == 1000
    summary, _ = bring(house, tmp_path, text, Subject.PERSONS)
    assert counts(summary) == (200, 0, 1000, 0, 0)
    assert len(rows(house, tables.person)) == 1200
    assert len(rows(house, tables.organization)) == 7
    assert len(rows(house, tables.person_tag)) == 1200


def test_stored_mail_of_an_imported_address_becomes_his(database: Database, tmp_path: Path) -> None:  # DATA-16
    boxes = {"anna": {"user": "anna", "create_persons": "none"}}
    house = build(database, tmp_path, mailboxes=boxes)
    ingest(house, batch(mail(1, sender="Ewa <ewa@klient.example>")))
    assert rows(house, tables.person) == []
    bring(house, tmp_path, "Name,Email\nEwa,ewa@klient.example\n", Subject.PERSONS)
    (ewa,) = rows(house, tables.person)
    assert [row.person_id for row in rows(house, tables.participant)] == [ewa.id]


def test_hostile_rows(house: Context, tmp_path: Path) -> None:
    text = 'Name,Email,X\n"=HYPERLINK(""http://x"")",a@a.example,@SUM(A1)\n"Jan\0",b@a.example,\nEwa\x07,c@a.example,\u202eabc\n'
    summary, results = bring(house, tmp_path, text, Subject.PERSONS)
    assert counts(summary) == (2, 0, 0, 0, 1)
    assert "NUL" in (results[1].reason or "")
    assert [row.name for row in rows(house, tables.person)] == ['=HYPERLINK("http://x")', "Ewa"]


def test_a_title_above_the_headings(house: Context, tmp_path: Path) -> None:
    summary, results = bring(
        house, tmp_path, "Lista klientów 2025,\n\nNazwa,E-mail\nJan,jan@a.example\n", Subject.PERSONS
    )
    assert counts(summary) == (1, 0, 0, 0, 0)
    assert results[0].line == 4


def test_columns_that_do_not_suffice(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Kolumna,Inna\n1,2\n")
    with pytest.raises(Permanent, match="hold a title; the headings in line 1 are: 'Kolumna', 'Inna'"):
        prepare(tmp_path / "a.csv", Subject.DEALS)
    job = prepare(tmp_path / "a.csv", Subject.DEALS, given={"Kolumna": "title", "Inna": ""})
    assert [column.target for column in job.columns] == ["title", ""]


@pytest.mark.parametrize(("text", "told"), [("a = ", "not valid TOML"), ("a = 1", "'a' must be a text")])
def test_a_mapping_file_that_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(Permanent, match=told):
        read_mapping(tmp_path / "map.toml")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text('[users.anna]\nemail = "anna@firma.example"\n')
    Path("map.toml").write_text('"Kto" = "name"\n"Kod" = ""\n')
    book = openpyxl.Workbook()
    for row in (["Kto", "E-mail", "Kod", "Rabat"], ["Żółć", "z@a.example", 7, 0.1], ["Zły", "x", 8, None]):
        book.active.append(row)
    book.save("dane.xlsx")
    assert main(["import", "dane.xlsx", "--as", "persons", "--map", "map.toml", "--dry-run"]) == 1
    shown = capsys.readouterr()
    assert "E-mail -> email" in shown.out
    assert "Kod    -> (left out)" in shown.out
    assert "line 3: failed: E-mail: 'x' is no e-mail address" in shown.out
    assert "1 created, 0 updated, 0 unchanged, 0 skipped, 1 failed" in shown.out

    assert main(["import", "dane.xlsx", "--as", "persons", "--map", "map.toml", "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["state"] for line in lines[:2]] == ["created", "failed"]
    assert {key: lines[2][key] for key in ("rows", "created", "failed", "stored")} == {
        "rows": 2,
        "created": 1,
        "failed": 1,
        "stored": True,
    }
    assert lines[2]["columns"] == {"Kto": "name", "E-mail": "email", "Kod": "", "Rabat": "field:Rabat"}

    assert main(["import", "nie-ma.csv", "--as", "persons"]) == 1
    assert "can't read nie-ma.csv" in capsys.readouterr().err
    assert main(["import", "dane.xlsx", "--as", "activities"]) == 2
