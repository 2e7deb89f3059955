"""Choosing whom a campaign is for: by filter, from a list, from a file, one by one; from three groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailcrm.app import deals, leads, members, organizations, persons, recipient_file
from mailcrm.app.acting import Actor
from mailcrm.app.members import Changed
from mailcrm.core.campaigns import Group
from mailcrm.core.definitions import Chosen
from mailcrm.errors import Permanent, Refused
from mailcrm.store.db import Database
from tests.campaign_house import CampaignHouse, fill
from tests.house import NOW


class Town(CampaignHouse):
    """Some of everything: Ewa and Jan are of Acme, Ola of nobody; two leads; a deal."""

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__(database, folder)
        jan = self.home.actor("jan")
        self.acme = organizations.add(
            self.context, self.anna, "Acme", emails=["biuro@acme.example"], domain_names=["acme.example"]
        )
        self.other = organizations.add(self.context, jan, "Other")
        self.ewa = persons.add(self.context, self.anna, "Ewa", emails=["ewa@acme.example"], organization=self.acme)
        self.jan = persons.add(self.context, jan, "Jan Lis", emails=["jan@acme.example"], organization=self.acme)
        self.ola = persons.add(self.context, Actor(), "Ola", emails=["ola@klient.example"])
        persons.add_tag(self.context, self.anna, "vip", self.ewa)
        persons.add_tag(self.context, self.anna, "vip", self.ola)
        self.asked = leads.add(self.context, self.anna, "Pytanie", person=self.ewa)
        self.wish = leads.add(self.context, jan, "Wish", organization=self.other)
        self.deal = deals.add(self.context, self.anna, "Pompy", person=self.jan, organization=self.acme)
        self.number = self.campaign()

    def chosen(self, group: Group) -> list[int]:
        return [each.record for each in members.listed(self.context, str(self.number), group)]

    def put(self, group: str, *texts: str) -> Changed:
        return members.add(self.context, self.anna, str(self.number), Chosen(**{group: texts}))

    def file(self, content: str | bytes, group: Group = "person", name: str = "list.csv") -> Changed:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return members.add(self.context, self.anna, str(self.number), files={group: path})


@pytest.fixture
def town(database: Database, tmp_path: Path) -> Town:
    return Town(database, tmp_path)


@pytest.fixture
def alone(sqlite: Database, tmp_path: Path) -> Town:
    return Town(sqlite, tmp_path)


def test_persons_by_filter_and_one_by_one(town: Town) -> None:
    # CAMP-16, CAMP-17
    for text, expected in (
        ("all", [town.ewa, town.jan, town.ola]),
        ("tag:vip", [town.ewa, town.ola]),
        ("owner:jan", [town.jan]),
        ("organization:Acme", [town.ewa, town.jan]),
        ("stage:New", [town.jan]),
        ("deal:open", [town.jan]),
        ("deal:won", []),
        ("ola@klient.example", [town.ola]),
        ("OLA@klient.example", [town.ola]),
        ("Jan Lis", [town.jan]),
        ("jan lis", [town.jan]),
        (str(town.ewa), [town.ewa]),
        (f"person:{town.ewa}", [town.ewa]),
    ):
        assert (town.put("persons", text), text) == (Changed(done=len(expected)), text)
        assert (town.chosen("person"), text) == (expected, text)
        assert town.put("persons", text) == Changed(known=len(expected))
        taken = members.remove(town.context, town.anna, str(town.number), Chosen((text,)))
        assert (taken.done, town.chosen("person")) == (len(expected), [])


def test_organizations_and_leads_by_filter_and_one_by_one(town: Town) -> None:
    # CAMP-16
    cases: list[tuple[Group, str, list[int]]] = [
        ("organization", "all", [town.acme, town.other]),
        ("organization", "owner:jan", [town.other]),
        ("organization", "tag:vip", [town.acme]),
        ("organization", "deal:open", [town.acme]),
        ("organization", "stage:New", [town.acme]),
        ("organization", "organization:Acme", [town.acme]),
        ("organization", "acme.example", [town.acme]),
        ("organization", "biuro@acme.example", [town.acme]),
        ("organization", "Other", [town.other]),
        ("lead", "all", [town.asked, town.wish]),
        ("lead", "owner:jan", [town.wish]),
        ("lead", "tag:vip", [town.asked]),
        ("lead", "organization:Other", [town.wish]),
        ("lead", "ewa@acme.example", [town.asked]),
        ("lead", "Wish", [town.wish]),
    ]
    for group, text, expected in cases:
        assert (town.put(f"{group}s", text).done, text) == (len(expected), text)
        assert (town.chosen(group), text) == (expected, text)
        members.remove(town.context, town.anna, str(town.number), Chosen(**{f"{group}s": ("all",)}))
        assert town.chosen(group) == []


def test_what_names_nobody_is_told_and_the_others_are_in(alone: Town) -> None:
    persons.remove(alone.context, alone.jan)
    persons.add(alone.context, alone.anna, "Ola", emails=["ola2@klient.example"])
    changed = alone.put(
        *("persons", "nobody@klient.example", "tag:none", "owner:nobody", "deal:lots", "Nobody", "999", "Ola"),
        *(str(alone.jan), "stage:None", "ewa@acme.example"),
    )
    assert changed.done == 1
    told = {row.given: row.why for row in changed.bad}
    assert told["nobody@klient.example"].startswith("no person with the address nobody@klient.example")
    assert told["tag:none"].startswith("nobody has the tag 'none'")
    assert told["owner:nobody"].startswith("no user 'nobody'")
    assert told["deal:lots"].startswith("a deal is open, won or lost")
    assert told["Nobody"].startswith("no person 'Nobody'")
    assert told["999"] == "no person 999; `mailcrm person list` shows them"
    assert "may be several" in told["Ola"]
    assert "was removed on" in told[str(alone.jan)]
    assert told["stage:None"].startswith("no stage 'None'")
    assert alone.put("leads", "deal:won").bad[0].why == "leads have no deal; choose the persons"
    assert all(row.line is None for row in changed.bad)


def test_a_list_one_a_line(town: Town) -> None:
    changed = town.file(
        "ewa@acme.example\nnobody@klient.example\n\nJan Lis\nOla <ola@klient.example>\n", name="list.txt"
    )
    assert town.chosen("person") == [town.ewa, town.jan, town.ola]
    assert [(row.line, row.given) for row in changed.bad] == [(2, "nobody@klient.example")]


def test_a_sheet_with_headings_and_its_bad_rows(town: Town) -> None:
    rows = "Imię i nazwisko;E-mail;Uwagi\nEwa;ewa@acme.example;\nKtoś;nikt@klient.example;x\nJan Lis;;\n;;tylko uwaga\n"
    changed = town.file(rows.encode("cp1250"))
    assert town.chosen("person") == [town.ewa, town.jan]
    assert [(row.line, row.given, row.why.partition(";")[0]) for row in changed.bad] == [
        (3, "nikt@klient.example", "no person with the address nikt@klient.example"),
        (5, "", "names nobody"),
    ]


def test_a_character_that_is_none_costs_its_row_alone_however_short_the_file(alone: Town) -> None:
    changed = alone.file(b"email\newa@acme.example\nx\0y\nola@klient.example\n")
    assert alone.chosen("person") == [alone.ewa, alone.ola]
    assert [(row.line, "NUL" in row.why) for row in changed.bad] == [(3, True)]


def test_a_sheet_of_ids_and_one_without_headings(alone: Town) -> None:
    alone.file(f"id,name\n{alone.ola},whatever\n")
    assert alone.chosen("person") == [alone.ola]
    alone.file("Nowak;ewa@acme.example\nLis;jan@acme.example\n")
    assert alone.chosen("person") == [alone.ola, alone.ewa, alone.jan]
    alone.file("Domain\nacme.example\n", "organization")
    assert alone.chosen("organization") == [alone.acme]
    alone.file("Title,Person\nPytanie,Ewa\n", "lead")
    assert alone.chosen("lead") == [alone.asked]


def test_a_filter_in_a_file_is_a_name_that_there_is_none_of(alone: Town) -> None:
    assert [row.given for row in alone.file("all\ntag:vip\n").bad] == ["all", "tag:vip"]
    assert alone.chosen("person") == []


def test_a_file_that_is_none_or_too_large_is_refused(alone: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Permanent, match="is empty"):
        alone.file("")
    with pytest.raises(Permanent, match="is a PDF"):
        alone.file(b"%PDF-1.4")
    with pytest.raises(Permanent, match="can't read"):
        members.add(
            alone.context, alone.anna, str(alone.number), Chosen(("all",)), {"person": alone.folder / "none.csv"}
        )
    assert alone.chosen("person") == []  # nobody of those who were named beside it either
    monkeypatch.setattr(recipient_file, "MOST_BYTES", 10)
    with pytest.raises(Refused, match="cut it into several"):
        alone.file("ewa@acme.example\n")
    monkeypatch.undo()
    monkeypatch.setattr(recipient_file, "MOST_ROWS", 1)
    with pytest.raises(Refused, match="has more than 1 rows"):
        alone.file("ewa@acme.example\njan@acme.example\n")
    assert alone.chosen("person") == []
    monkeypatch.setattr(members, "_PIECE", 1)
    with pytest.raises(Refused, match="cut it into several; 1 row before that is done"):
        alone.file("ewa@acme.example\njan@acme.example\n")
    assert alone.chosen("person") == [alone.ewa]


def test_hostile_cells_are_told_of_and_harm_nobody(alone: Town) -> None:
    changed = alone.file("ewa@acme.example\n" + "x" * 600 + "\nO'Hara'); DROP TABLE person;--\n")
    assert [(row.line, row.why.partition(" ")[0]) for row in changed.bad] == [(2, "is"), (3, "no")]
    assert alone.chosen("person") == [alone.ewa]


def test_thousands_of_rows_take_few_statements(sqlite: Database, tmp_path: Path) -> None:
    house = CampaignHouse(sqlite, tmp_path)
    fill(sqlite, 3_000, NOW)
    number = house.campaign()
    path = tmp_path / "list.csv"
    path.write_text("".join(f"p{each}@klient.example\n" for each in range(1, 3_101)))
    seen: list[int] = []
    changed = members.add(house.context, house.anna, str(number), files={"person": path}, progress=seen.append)
    assert (changed.done, len(changed.bad), seen) == (3_000, 100, [1_000, 2_000, 3_000, 3_100])
    assert changed.bad[-1].why == "no person has the address p3100@klient.example"


def test_an_address_that_changed_hands_is_its_new_owners(town: Town) -> None:
    persons.edit(town.context, town.ewa, persons.PersonEdit(remove_emails=["ewa@acme.example"]))
    assert town.put("persons", "ewa@acme.example").done == 1
    assert town.chosen("person") == [town.ewa]
    persons.edit(town.context, town.ola, persons.PersonEdit(add_emails=["ewa@acme.example"]))
    assert town.put("persons", "ewa@acme.example").done == 1
    assert town.chosen("person") == [town.ewa, town.ola]


def test_a_merged_person_is_who_he_became(town: Town) -> None:
    persons.merge(town.context, town.ewa, town.jan)
    assert town.put("persons", str(town.jan)).done == 1
    assert town.chosen("person") == [town.ewa]


def test_what_would_be_done_is_told_and_not_done(town: Town) -> None:
    town.put("persons", str(town.jan))
    path = town.folder / "list.csv"
    path.write_text("ola@klient.example\nnobody@klient.example\n", encoding="utf-8")
    number, vip = str(town.number), Chosen(persons=("tag:vip", str(town.jan)))
    added = members.tried(town.context, town.anna, number, "add", vip, {"person": path})
    assert (added.done, added.known, [row.line for row in added.bad]) == (3, 1, [2])  # Ola is named twice
    taken = members.tried(town.context, town.anna, number, "remove", vip)
    assert (taken.done, taken.known) == (1, 2)
    assert town.chosen("person") == [town.jan]
