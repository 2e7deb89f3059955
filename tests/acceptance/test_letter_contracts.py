"""Templates by the command line, and the contract's first example, which names one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.commands import EWA, Crm, settings
from tests.servers import Sink

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
TEMPLATE = """
kind = "template"
name = "follow-up"
for = "email"
language = "pl"
subject = "Oferta {{ deal.title }}"
body = "Dzień dobry {{ person.first_name }},\\n\\nczy są pytania?"
html = "<p>Dzień dobry {{ person.first_name }}, <img src='logo.png'> czy są pytania?</p><script>1</script>"
"""
SEQUENCE = """
kind = "sequence"
name = "Warm lead"
for = "deals"
owner = "anna@firma.example"
stop_on_reply = true
[[step]]
type = "activity"
after = "1d"
activity = "call"
assignee = "owner"
priority = "high"
note = "Ask about the budget"
[[step]]
type = "draft"
after = "1d"
subject = "{{ deal.title }}"
body = "Dzień dobry {{ person.first_name }}, …"
remind = "4h"
[[step]]
type = "email"
after = "2d"
template = "follow-up"
in_thread = true
"""


@pytest.fixture
def crm(tmp_path: Path, migrated_sqlite: Path, sink: Sink, capsys: pytest.CaptureFixture[str]) -> Crm:
    shutil.copy(migrated_sqlite, tmp_path / "test.db")
    (tmp_path / "logo.png").write_bytes(PNG)
    smarthost = {"host": sink.host, "port": sink.port, "tls": "none"}
    crm = Crm(tmp_path, settings(smarthost=smarthost), capsys.readouterr)
    crm("person", "add", "--name", "Ewa Zielińska", "--email", EWA)
    crm("deal", "add", "--title", "Pompy", "--person", EWA, "--owner", "anna")
    return crm


def apply(crm: Crm, text: str = TEMPLATE, *more: str, code: int = 0) -> str:
    return crm("template", "apply", crm.file(text), *more, code=code, user="anna")


def test_a_template_is_applied_shown_and_removed(crm: Crm) -> None:
    apply(crm, code=1)
    assert "add --yes" in crm.errors
    assert apply(crm, TEMPLATE, "--dry-run").startswith("new template 'follow-up': for email, with HTML")
    assert crm.rows("template", "list") == []
    assert "no flow uses it" in apply(crm, TEMPLATE, "--yes")
    assert crm.errors == "note: html: <script> is left out when it is sent\n"
    printed = crm("template", "show", "follow-up", "--toml")
    told = json.loads(apply(crm, printed, "--yes", "--json"))
    assert (told["applied"], told["changes"]) == (False, [])
    told = json.loads(apply(crm, printed.replace("pytania", "uwagi"), "--yes", "--json"))
    assert told["applied"]
    assert [line[:7] for line in told["changes"]] == ["~ body:", "~ html:"]
    (row,) = crm.rows("template", "list")
    assert (row["name"], row["for"], row["language"], row["changed_by"]) == ("follow-up", "email", "pl", "user:anna")
    assert row["images"] == [{"name": "logo.png", "type": "image/png", "size": len(PNG)}]
    assert crm("template", "show", "follow-up", "--save", str(crm.folder / "saved")).splitlines() == [
        str(crm.folder / "saved" / "follow-up.toml"),
        str(crm.folder / "saved" / "logo.png"),
    ]
    crm("template", "show", "folow-up", code=1)
    assert crm.errors == "mailcrm: there is no template 'folow-up'; write follow-up\n"
    crm("template", "remove", "follow-up", "--yes", user="anna")
    assert crm.rows("template", "list") == []


def test_a_fault_tells_file_line_element_and_mend(crm: Crm) -> None:
    file = crm.file(TEMPLATE.replace("first_name", "firstname"))
    crm("template", "apply", file, "--yes", user="anna", code=1)
    assert crm.errors.splitlines() == [
        f"{file}:7: body: {{{{ person.firstname }}}} is not known; write first_name",
        f"{file}:8: html: {{{{ person.firstname }}}} is not known; write first_name",
        "mailcrm: nothing was changed: 2 faults in the definition",
    ]
    crm("sequence", "apply", crm.file(TEMPLATE), "--yes", user="anna", code=1)
    assert "this defines a template; apply it with `mailcrm template apply`" in crm.errors


def test_a_template_is_previewed_and_sent_to_oneself(crm: Crm, sink: Sink) -> None:
    apply(crm, TEMPLATE, "--yes")
    shown = crm("template", "preview", "follow-up", "--person", EWA, "--deal", "Pompy", user="anna")
    assert shown == "Oferta Pompy\n\nDzień dobry Ewa,\n\nczy są pytania?\n\n-- \nAnna Nowak\nFirma\n"
    assert "cid:" in crm("template", "preview", "follow-up", "--deal", "Pompy", "--html", user="anna")
    crm("template", "preview", "follow-up", "--person", EWA, user="anna", code=1)
    assert "{{ deal.title }} has no value" in crm.errors
    assert "Oferta [deal.title]" in crm("template", "preview", "follow-up", user="anna")
    crm("template", "send-to-me", "follow-up", "--deal", "Pompy", user="anna")
    (row,) = crm.rows("outbox", "list")
    assert (row["kind"], row["to"]) == ("test", "anna@firma.example")
    crm("tick")
    (sent,) = sink.mails
    assert (sent.rcpt_tos, sent.message["Subject"]) == (("anna@firma.example",), "Oferta Pompy")


def test_the_contracts_sequence_runs_with_its_template(crm: Crm, sink: Sink) -> None:  # SEQ-14
    crm("sequence", "apply", crm.file(SEQUENCE), "--yes", user="anna", code=1)
    assert "step[3].template: there is no template 'follow-up'" in crm.errors
    apply(crm, TEMPLATE, "--yes")
    crm("sequence", "apply", crm.file(SEQUENCE), "--yes", user="anna")
    crm("template", "remove", "follow-up", "--yes", user="anna", code=1)
    assert "used by the sequence 'Warm lead'" in crm.errors
    crm("consent", "grant", "--flow", "Warm lead", user="anna")
    crm("sequence", "enroll", "Warm lead", "--deal", "Pompy", user="anna")
    crm.later("1d")
    crm.later("1d")
    entry = json.loads(crm("pulse", "--json", user="anna"))
    assert entry["kind"] == "draft"
    crm("pulse", "done", str(entry["id"]), user="anna")
    assert sink.mails == []
    crm.later("2d")
    crm.later("1m")
    (sent,) = sink.mails
    assert (sent.mail_from, sent.rcpt_tos) == ("anna@firma.example", (EWA,))
    assert "czy są pytania?" in sent.message.get_body(("plain",)).get_content()
    assert "cid:" in sent.message.get_body(("html",)).get_content()
    (row,) = crm.rows("sequence", "overview", "Warm lead")
    assert row["status"] == "completed"
