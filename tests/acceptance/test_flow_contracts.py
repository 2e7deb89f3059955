"""Flows as the contract writes them, by the command line: what a stranger with nothing but the contract expects."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.commands import Crm, settings

SEQUENCE = """
kind = "sequence"
name = "Ciepły lead"
for = "deals"
owner = "anna@firma.example"
[[step]]
type = "email"
after = "1d"
subject = "{{ deal.title }}"
body = "Dzień dobry {{ person.first_name }},\\n\\njak minął tydzień?"
"""


@pytest.fixture
def crm(tmp_path: Path, migrated_sqlite: Path, capsys: pytest.CaptureFixture[str]) -> Crm:
    shutil.copy(migrated_sqlite, tmp_path / "test.db")
    crm = Crm(tmp_path, settings(), capsys.readouterr)
    crm("person", "add", "--name", "Łukasz Żółć", "--email", "lukasz@klient.example")
    crm("deal", "add", "--title", "Pompy 🚀", "--person", "Łukasz Żółć", "--owner", "anna")
    return crm


@pytest.mark.parametrize(
    ("old", "new", "element", "what"),
    [
        ("body = ", 'template = "follow-up"', "step[1].template", "there is no template 'follow-up'"),
        ("after = ", 'sender = "duch"', "step[1].sender", "no user 'duch'"),
        ("owner = ", 'owner = "duch@firma.example"', "owner", "no user 'duch@firma.example'"),
    ],
)
def test_a_fault_tells_file_line_element_and_mend(crm: Crm, old: str, new: str, element: str, what: str) -> None:
    lines = [new if each.startswith(old) else each for each in SEQUENCE.strip().splitlines()]
    if "template" in new:
        lines = [each for each in lines if not each.startswith("subject")]
    file = crm.file("\n".join(lines))
    at = lines.index(new) + 1
    assert crm("sequence", "apply", file, "--yes", user="anna", code=1) == ""
    fault, last = crm.errors.splitlines()
    assert fault.startswith(f"{file}:{at}: {element}: {what}; ")
    assert last == "mailcrm: nothing was changed: 1 fault in the definition"
    assert crm.rows("sequence", "list") == []


def test_a_locked_kind_is_refused_before_anything_is_promised(crm: Crm) -> None:  # SEQ-5
    crm("sequence", "apply", crm.file(SEQUENCE), "--yes", user="anna")
    crm("sequence", "enroll", "Ciepły lead", "--deal", "1", user="anna")
    other = crm.file(SEQUENCE.replace('"deals"', '"leads"').replace("deal.title", "lead.title"))
    assert crm("sequence", "apply", other, "--dry-run", user="anna", code=1) == ""
    assert "is for deals for good" in crm.errors


def test_the_name_of_the_flow_stands_in_an_enrollment_however_it_was_asked_for(crm: Crm) -> None:
    crm("sequence", "apply", crm.file(SEQUENCE), "--yes", user="anna")
    crm("sequence", "enroll", "Ciepły lead", "--deal", "Pompy 🚀", user="anna")
    (flow,) = crm.rows("sequence", "list")
    (row,) = crm.rows("sequence", "overview", str(flow["id"]))
    assert (row["flow"], row["item"], row["status"]) == ("Ciepły lead", "deal:1", "in_progress")


def test_a_preview_is_read_as_the_letter_will_be(crm: Crm) -> None:  # SEQ-35
    crm("sequence", "apply", crm.file(SEQUENCE), "--yes", user="anna")
    shown = crm("sequence", "preview", "Ciepły lead", "--deal", "1")
    assert "    Dzień dobry Łukasz,\n\n    jak minął tydzień?\n" in shown
    assert "    Anna Nowak\n    Firma\n" in shown


def test_who_applies_a_sequence_without_an_owner_is_told_of_his_own_consent(crm: Crm) -> None:  # SEQ-24
    file = crm.file(SEQUENCE.replace('owner = "anna@firma.example"\n', ""))
    crm("sequence", "apply", file, "--yes", user="jan")
    assert "jan has not consented" in crm.errors
    (flow,) = crm.rows("sequence", "list")
    assert flow["owner"] == "jan"


def test_consent_is_asked_for_by_mail(crm: Crm) -> None:  # SEQ-24
    crm("sequence", "apply", crm.file(SEQUENCE), "--yes", user="anna")
    assert crm.rows("consent", "ask", "--flow", "Ciepły lead") == [{"user": "anna"}]
    assert crm.rows("consent", "ask", "--flow", "Ciepły lead") == []
    assert "nobody is to be asked" in crm.errors
    (question,) = crm.rows("outbox", "list")
    assert (question["kind"], question["to"], question["state"]) == ("question", "anna@firma.example", "pending")
    crm("consent", "grant", "--flow", "Ciepły lead", user="anna")
    assert crm.rows("outbox", "list")[0]["state"] == "withdrawn"
    crm("consent", "ask", "--flow", "Ciepły lead", "--user", "anna", code=1)
    assert "consents to automatic mail" in crm.errors


def test_an_unknown_state_is_wrong_usage_everywhere(crm: Crm) -> None:
    crm("sequence", "apply", crm.file(SEQUENCE), "--yes", user="anna")
    crm("sequence", "overview", "Ciepły lead", "--status", "bogus", code=2)
    crm("outbox", "list", "--state", "bogus", code=2)
