"""``mailcrm document``, run in process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Crm
from tests.house import SETTINGS
from tests.unit.test_documents import SELLER

PLUGIN = """
from mailcrm import Temporary, hookimpl

@hookimpl
def hand_over_document(document, pdf):
    from pathlib import Path
    if not Path("{flag}").exists():
        raise Temporary("the ledger is away")
    return "ledger/" + document.name
"""


@pytest.fixture
def crm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, migrated_sqlite: Path
) -> Crm:
    monkeypatch.chdir(tmp_path)
    shutil.copy(migrated_sqlite, tmp_path / "mailcrm.db")
    (tmp_path / "own").mkdir()
    settings: dict[str, Any] = {"users": SETTINGS["users"], "documents": SELLER, "plugins": {"folder": "own"}}
    made = Crm(tmp_path, settings, lambda: capsys.readouterr())
    made("person", "add", "--name", "Ewa Lis", "--email", "ewa@klient.example")
    made("field", "set", "address", "ul. Krótka 2", "--person", "Ewa Lis")
    return made


ADD = ("document", "add", "--kind", "invoice", "--person", "Ewa Lis")


def test_a_line_is_read_from_its_parts(crm: Crm) -> None:
    given = ("a | 100", "b | 1 200,50 | 7.5 h | 8", "d | 1 | 3", "e|1||0")
    with_lines = [part for each in given for part in ("--line", each)]
    [planned] = crm.rows(*ADD, *with_lines, "--dry-run")
    assert [(each["price"], each["quantity"], each["unit"], each["tax"]) for each in planned["lines"]] == [
        (100, 1, "", 23),
        (1200.50, 7.5, "h", 8),
        (1, 3, "", 23),
        (1, 1, "", 0),
    ]
    assert (planned["name"], planned["net"], planned["gross"]) == ("FV/2026/0001", 9107.75, 9851.74)
    assert crm("document", "list", "--json") == ""  # nothing was stored, no number taken


def test_a_wrong_line_is_refused(crm: Crm) -> None:
    for line in ("", "a", "a | b | c", "a | 1 | 1 | 23 | 5", "| 5", "a |", "a | 1 | -1", "a | 1 | 0"):
        crm(*ADD, "--line", "good | 1", "--line", line, code=1, user="anna")
        assert crm.errors.count("\n") == 1, line
    crm(*ADD, "--line", "a", "--line", "b | 1 | 1 | 23 | 5", "--currency", "€", code=1, user="anna")
    for told in ("'€' is no currency", "'a': the price is missing", "a line has no further part '5'"):
        assert told in crm.errors
    assert crm("document", "list", "--json") == ""


def test_it_is_issued_shown_listed_and_written(crm: Crm, tmp_path: Path) -> None:
    added = json.loads(crm(*ADD, "--line", "Kurs | 100", "--note", "Bye", "--pay-within", "1mo", "--json", user="anna"))
    assert (added["name"], added["owner"], added["due_on"], added["gross"]) == (
        "FV/2026/0001",
        "anna",
        "2026-12-02",
        123,
    )
    assert added["sha256"]
    assert crm(*ADD, "--line", "Kurs | 50", "--owner", "jan", user="anna") == "2\n"
    [shown] = crm.rows("document", "show", "FV/2026/0001")
    assert shown == {**added, **{name: shown[name] for name in ("seller", "buyer", "note", "exempt", "lines", "rates")}}
    assert (shown["seller"]["tax_id"], shown["buyer"]["name"], shown["note"]) == ("123-456-32-18", "Ewa Lis", "Bye")
    assert shown["rates"] == [{"rate": 23, "net": 100.0, "tax": 23.0, "gross": 123.0}]
    said = crm("document", "show", "1")
    assert "Kurs" in said
    assert "name=Firma sp. z o.o." in said
    assert [row["id"] for row in crm.rows("document", "list", "--owner", "jan")] == [2]
    assert [row["id"] for row in crm.rows("document", "list", "--person", "Ewa Lis", "--kind", "invoice")] == [1, 2]
    assert crm.rows("document", "list", "--kind", "offer") == crm.rows("document", "list", "--series", "X") == []
    assert crm("document", "pdf", "2") == "FV-2026-0002.pdf\n"
    assert crm("document", "pdf", "FV/2026/0002", "--out", "x.pdf") == "x.pdf\n"
    assert (tmp_path / "x.pdf").read_bytes() == (tmp_path / "FV-2026-0002.pdf").read_bytes()
    crm("document", "pdf", "2", "--out", "none/x.pdf", code=1)
    assert "can't write none/x.pdf" in crm.errors
    for given in ("3", "FV/2026/0003", "²", "9" * 30):
        crm("document", "show", given, code=1)
        assert "there is no document" in crm.errors


def test_a_plugin_that_fails_leaves_an_issued_document_to_be_handed_over(crm: Crm, tmp_path: Path) -> None:
    flag = tmp_path / "up"
    (tmp_path / "own" / "ledger.py").write_text(PLUGIN.replace("{flag}", str(flag)), encoding="utf-8")
    crm(*ADD, "--line", "Kurs | 100", "--key", "k", code=1, user="anna")
    assert "FV/2026/0001 is issued (document 1), but not handed over: the ledger is away" in crm.errors
    (tmp_path / "own" / "ledger.py").rename(tmp_path / "own" / "_ledger.py")
    assert crm("document", "hand-over", "1") == ""
    assert "no plugin takes documents" in crm.errors
    (tmp_path / "own" / "_ledger.py").rename(tmp_path / "own" / "ledger.py")
    flag.touch()
    assert crm("document", "hand-over", "1") == "ledger/FV/2026/0001\n"
    assert crm(*ADD, "--line", "Kurs | 100", "--key", "k", user="anna") == "1\n"
    [row] = crm.rows("document", "list")
    assert row["handed_as"] == "ledger/FV/2026/0001"
    assert crm.rows("document", "hand-over", "1") == [row]


def test_what_is_missing_is_said_in_one_line(crm: Crm) -> None:
    crm("org", "add", "--name", "Klient")
    crm("document", "add", "--kind", "invoice", "--org", "Klient", "--line", "a | 1", code=1, user="anna")
    assert "the invoice lacks the buyer's address (mailcrm field set address … --org 1)" in crm.errors
    crm(*ADD, "--line", "a | 1", "--key", "k" * 61, code=1, user="anna")
    assert "--key must have" in crm.errors
