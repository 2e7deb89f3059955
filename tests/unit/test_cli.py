"""The command line: its root, its manners, and the commands of records from end to end."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer

from mailcrm.app import organizations
from mailcrm.app.acting import Actor
from mailcrm.app.ingest import ingest
from mailcrm.cli.app import COMMANDS, main
from mailcrm.cli.filing import safe_name
from mailcrm.cli.output import clean
from mailcrm.core.model import Attachment
from mailcrm.main import build
from tests.house import batch, mail

Run = Callable[..., tuple[int, str, str]]
CONFIG = """
domains = ["firma.example"]
[users.anna]
email = "anna@firma.example"
name = "Anna Nowak"
[users.jan]
email = "jan@firma.example"
time_zone = "America/New_York"
[mailboxes.anna]
user = "anna"
[mailboxes.jan]
user = "jan"
[mailboxes.office]
members = ["anna", "jan"]
[web]
secret = "not so secret"
"""


@pytest.fixture
def config(tmp_path: Path, migrated_sqlite: Path) -> Path:
    shutil.copy(migrated_sqlite, tmp_path)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line as Anna; gives exit code, output and errors."""

    def call(*arguments: str, who: str | None = "anna") -> tuple[int, str, str]:
        given = ["--config", str(config), "--now", "2026-11-22T09:00:00Z", *(["--as", who] if who else [])]
        code = main([*given, *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


class Terminal(StringIO):
    """Standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


def rows(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def bring_mail(config: Path) -> None:
    """One thread in Anna's mailbox with a file, one in Jan's, one in the shared one."""
    house = build(config)
    organizations.add(house, Actor(), "Klient", domain_names=["klient.example"])
    sha256, size = house.blobs.put(b"plan of the roof")
    file = Attachment(name="../plan\x1b[2J.pdf", type="application/pdf", size=size, sha256=sha256)
    ingest(house, batch(mail(1, subject="To Anna", attachments=(file,))))
    ingest(house, batch(mail(2, subject="To Jan", to="jan@firma.example"), mailbox="jan"))
    ingest(house, batch(mail(3, subject="To us"), mailbox="office"))
    house.db.close()


def test_every_command_has_its_module() -> None:
    for name, (module, text) in COMMANDS.items():
        app = importlib.import_module(f"mailcrm.cli.{module}").app
        command = typer.main.get_command(app)
        assert command.get_short_help_str(200), name
        assert text.endswith("."), name


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from mailcrm.cli.app import main; code = main(['--help']);"
        "print([name for name in ('sqlalchemy', 'litestar', 'msgspec', 'imapclient') if name in sys.modules],"
        " file=sys.stderr); sys.exit(code)"
    )
    before = os.times()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    after = os.times()  # the processor's time: what else the machine does must not count
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.4
    assert done.stderr.strip() == "[]"
    assert set(COMMANDS) <= set(re.findall(r"[a-z]+", done.stdout))


def test_help_is_plain_and_nothing_of_it_is_cut_short(run: Run) -> None:
    for name in COMMANDS:
        code, output, _ = run(name, "--help")
        assert code == 0
        assert not re.search(r"<bool>|╭|\w\.\.\.$", output, re.MULTILINE), name
    output = run("erase", "--help")[1]
    assert "Backups made before" in " ".join(output.split())
    assert max(map(len, output.splitlines())) <= 80


def test_wrong_usage_is_told_apart_from_a_refusal(run: Run, tmp_path: Path) -> None:
    assert run("person", "add")[0] == 2
    assert run("persn", "list")[0] == 2
    assert run("deal", "list", "--status", "maybe")[0] == 2
    code, output, errors = run("person", "show", "nobody@klient.example")
    assert (code, output) == (1, "")
    assert errors.count("\n") == 1
    assert "no person with the address nobody@klient.example" in errors
    assert main(["--config", str(tmp_path / "none.toml"), "person", "list"]) == 1
    assert main(["--now", "yesterday", "person", "list"]) == 2


def test_records_from_end_to_end(run: Run) -> None:
    assert run("org", "add", "--name", "Klient", "--domain", "klient.example")[:2] == (0, "1\n")
    added = run("person", "add", "--name", "Ewa", "--email", "ewa@klient.example", "--org", "klient.example", "--json")
    (person,) = rows(added[1])
    assert (
        person.items()
        >= {
            "id": 1,
            "name": "Ewa",
            "emails": ["ewa@klient.example"],
            "phones": [],
            "organization": 1,
            "owner": "anna",
            "tags": [],
            "fields": {},
            "created_by": "user:anna",
        }.items()
    )
    new_deal = ("deal", "add", "--title", "Dach", "--person", "ewa@klient.example")
    assert run(*new_deal, "--stage", "Offer", "--owner", "jan", "--value", "100.00", "--currency", "PLN")[1] == "1\n"
    assert rows(run("deal", "list", "--json")[1]) == [
        {
            "id": 1,
            "title": "Dach",
            "person": 1,
            "organization": 1,
            "stage": "Offer",
            "status": "open",
            "value": 100.0,
            "currency": "PLN",
            "owner": "jan",
            "pipeline": "Sales",
            "created_by": "user:anna",
            "created_at": "2026-11-22T09:00:00Z",
            "closed_at": None,
            "lost_reason": None,
            "fields": {},
        }
    ]
    code, _, errors = run("deal", "add", "--title", "X", "--person", "new@klient.example")
    assert (code, "`mailcrm person add --name N --email new@klient.example`" in errors) == (1, True)

    assert run("tag", "add", "vip", "--person", "Ewa")[0] == 0
    assert run("field", "set", "region", "north", "--person", "1")[0] == 0
    (person,) = rows(run("person", "list", "--tag", "vip", "--json")[1])
    assert person["fields"] == {"region": "north"}
    assert run("activity", "add", "--type", "call", "--deal", "Dach", "--due", "2026-11-23T09:00", who="jan")[0] == 0
    (activity,) = rows(run("activity", "list", "--person", "Ewa", "--open", "--json")[1])
    assert (activity["due"], activity["assignee"]) == ("2026-11-23T14:00:00Z", "jan")  # nine in New York
    assert run("activity", "done", "1")[0] == 0
    assert rows(run("activity", "list", "--open", "--json")[1]) == []
    assert run("lead", "add", "--title", "Okno", "--org", "Klient")[1] == "1\n"
    assert run("lead", "convert", "1")[1] == "2\n"
    assert run("note", "add", "--text", "Likes red", "--deal", "2")[0] == 0
    assert [each["text"] for each in rows(run("note", "list", "--org", "1", "--json")[1])] == ["Likes red"]
    assert rows(run("deal", "won", "1", "--json")[1])[0]["status"] == "won"
    assert rows(run("deal", "lost", "2", "--reason", "price", "--json")[1])[0]["lost_reason"] == "price"
    page = json.loads(run("org", "show", "Klient", "--json")[1])
    assert [each["id"] for each in page["deals"]] == [1, 2]
    assert [each["name"] for each in page["persons"]] == ["Ewa"]
    table = run("deal", "list")[1].splitlines()
    assert table[0].split() == [
        "id",
        "title",
        "person",
        "organization",
        "stage",
        "status",
        "value",
        "currency",
        "owner",
    ]
    assert table[1].split() == ["1", "Dach", "Ewa", "Klient", "Offer", "won", "100.00", "PLN", "jan"]


def test_without_a_terminal_nothing_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Ewa", "Olaf", "Ida"):
        run("person", "add", "--name", name)
    code, _, errors = run("erase", "1")
    assert (code, "there is no terminal to ask at, so add --yes" in errors) == (1, True)
    assert run("erase", "1", "--yes")[0] == 0
    assert run("person", "remove", "2")[0] == 0  # can be mended, so a script is taken at its word
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for said, code in (("n\n", 1), ("y\n", 0)):
        monkeypatch.setattr(sys, "stdin", Terminal(said))
        assert run("person", "remove", "3")[0] == code
    assert rows(run("person", "list", "--json")[1]) == []


def test_at_a_terminal_a_table_shows_what_is_stored_to_the_letter(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("person", "add", "--name", "[red]Ewa[/red]")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "[red]Ewa[/red]" in run("person", "list")[1]


def test_a_table_is_as_wide_as_the_terminal_and_loses_nothing(
    run: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_mail(config)
    emails = [f"ewa.zielinska.wisniewska.{number}@klient.example" for number in range(3)]
    run("person", "add", "--name", "Ewa", *(part for email in emails for part in ("--email", email)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    table = re.sub(r"\x1b\[\d+m", "", run("person", "list")[1]).splitlines()
    assert max(map(len, table)) <= 60
    column = slice(table[0].index("emails"), table[0].index("organization"))
    assert ",".join(emails) in "".join(line[column].replace(" ", "") for line in table)
    assert run("message", "list")[1].count("2026-11-22 08:55Z") == 2
    monkeypatch.setenv("COLUMNS", "40")  # too narrow for columns: one record under the other
    assert re.search(f"^emails: +{', '.join(emails)}$", run("person", "list")[1], re.MULTILINE)


def test_lists_tell_times_amounts_and_states_alike(run: Run, config: Path) -> None:
    bring_mail(config)
    for noun in ("message", "thread"):
        assert run(noun, "list")[1].count("2026-11-22 08:55Z") == 2
    assert {each["date"] for each in rows(run("message", "list", "--json")[1])} == {"2026-11-22T08:55:00Z"}
    for value in ("90", "1234567.5"):
        run("deal", "add", "--title", "Dach", "--person", "1", "--value", value, "--currency", "PLN")
    ends = {line.index(" PLN") for line in run("deal", "list")[1].splitlines()[1:]}
    assert len(ends) == 1
    assert run("deal", "list")[1].count(" 90.00  PLN") == 1
    assert run("user", "list")[1].splitlines()[1].split()[-3:] == ["no", "yes", "no"]


def test_mailbox_test_says_where_nothing_is_to_be_tested(run: Run, config: Path) -> None:
    for more in ([], ["--json"]):
        code, output, errors = run("mailbox", "test", *more)
        assert (code, output) == (0, "")
        assert "not tested: anna, jan, office" in errors
        assert "set host, login and password in [mailboxes.NAME]" in errors
    config.write_text('domains = ["firma.example"]', encoding="utf-8")
    code, output, errors = run("mailbox", "test", who=None)
    assert (code, output) == (0, "")
    assert errors.startswith("no mailbox is read from a server")


def test_a_time_without_zone_is_the_acting_users(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for who, hour in (("anna", "09"), ("jan", "15")):
        line = [
            "--config",
            str(config),
            "--as",
            who,
            "--now",
            "2026-11-22T10:00",
            "person",
            "add",
            "--name",
            "E",
            "--json",
        ]
        assert main(line) == 0
        assert rows(capsys.readouterr().out)[0]["created_at"] == f"2026-11-22T{hour}:00:00Z"


def test_who_acts(run: Run) -> None:
    code, _, errors = run("person", "add", "--name", "Ewa", who="nobody")
    assert (code, "configured are: anna, jan" in errors) == (1, True)
    assert rows(run("person", "add", "--name", "Ewa", "--json", who=None)[1])[0]["created_by"] == "command"
    assert run("user", "disable", "jan")[0] == 0
    code, _, errors = run("person", "add", "--name", "Olaf", who="jan@firma.example")
    assert (code, "disabled" in errors) == (1, True)
    assert [(each["key"], each["disabled"]) for each in rows(run("user", "list", "--json")[1])] == [
        ("anna", False),
        ("jan", True),
    ]


def test_a_password_is_read_from_standard_input(run: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailcrm.app import passwords

    monkeypatch.setattr(sys, "stdin", StringIO("a rather long one\n"))
    assert run("user", "password", "anna")[0] == 0
    house = build(config)
    assert passwords.verify(house, 1, "a rather long one")
    assert not passwords.verify(house, 1, "another")
    assert not passwords.verify(house, 2, "")
    house.db.close()
    monkeypatch.setattr(sys, "stdin", StringIO(""))
    assert run("user", "password", "anna")[0] == 1


def test_mail_is_seen_by_its_owner_and_members_until_it_is_shared(run: Run, config: Path) -> None:
    bring_mail(config)

    def subjects(who: str | None) -> set[str]:
        threads = {each["subject"] for each in rows(run("thread", "list", "--json", who=who)[1])}
        assert threads == {each["subject"] for each in rows(run("message", "list", "--json", who=who)[1])}
        page = json.loads(run("person", "show", "ewa@klient.example", "--json", who=who)[1])
        assert threads == {moment["text"] for moment in page["timeline"]}
        return threads

    assert subjects("anna") == {"To Anna", "To us"}
    assert subjects("jan") == {"To Jan", "To us"}
    assert subjects(None) == {"To Anna", "To Jan", "To us"}
    hidden = run("message", "show", "1@test.example", who="jan")
    assert hidden[:2] == (1, "")
    assert run("thread", "show", "1", who="jan")[0] == 1
    for refused in (("why", "1@test.example"), ("thread", "split", "1"), ("thread", "merge", "2", "1")):
        code, out, problem = run(*refused, who="jan")
        assert (code, out) == (1, ""), refused
        assert "that you may see" in problem, refused
    assert run("thread", "share", "1", who="jan")[0] == 1
    assert run("thread", "share", "1")[0] == 0
    assert run("why", "1@test.example", who="jan")[0] == 0
    assert subjects("jan") == {"To Anna", "To Jan", "To us"}
    assert run("thread", "share", "1", who="jan")[0] == 1
    assert run("thread", "share", "1", "--off")[0] == 0
    assert subjects("jan") == {"To Jan", "To us"}
    assert run("thread", "share", "1")[0] == 0
    assert run("thread", "private", "1", who="jan")[0] == 1
    assert run("thread", "private", "1")[0] == 0
    assert subjects("jan") == {"To Jan", "To us"}


NUMBERED = (
    *("thread show", "thread merge 1", "quarantine show", "quarantine retry"),
    *("outbox show", "outbox retry", "pulse done", "workflow diff A"),
)


@pytest.mark.parametrize("command", NUMBERED)
def test_a_number_that_no_database_holds_is_wrong_usage(run: Run, command: str) -> None:
    code, out, problem = run(*command.split(), str(2**63))
    assert (code, out) == (2, "")
    assert "less than or equal" in problem
    assert run("choose", str(2**63), "none")[0] == 2


@pytest.mark.parametrize("noun", ["person", "org", "deal", "lead", "activity", "note"])
def test_what_is_not_there_is_told_with_where_to_look(run: Run, noun: str) -> None:
    code, _, problem = run(noun, "show", "99")
    assert code == 1
    assert f"; `mailcrm {noun} list` shows them" in problem


# DATA-18
def test_threads_and_messages_have_their_shapes(run: Run, config: Path) -> None:
    bring_mail(config)
    (thread,) = [each for each in rows(run("thread", "list", "--json")[1]) if each["subject"] == "To Anna"]
    assert (
        thread.items()
        >= {
            "id": 1,
            "subject": "To Anna",
            "messages": ["1@test.example"],
            "persons": [1],
            "organization": 1,
            "deal": None,
            "link": "person",
            "shared": False,
        }.items()
    )
    message = json.loads(run("message", "show", "<1@test.example>", "--json")[1])
    file = message["attachments"][0]
    assert (
        message.items()
        >= {
            "message_id": "1@test.example",
            "thread": 1,
            "kind": "human",
            "direction": "in",
            "from": {"name": "Ewa Zielińska", "email": "ewa@klient.example"},
            "to": [{"name": "", "email": "anna@firma.example"}],
            "cc": [],
            "subject": "To Anna",
            "text": "Dzień dobry, proszę o ofertę.",
            "reply_text": "Dzień dobry, proszę o ofertę.",
            "mailboxes": ["anna"],
            "bounce": None,
            "forwarded_from": None,
        }.items()
    )
    assert (file["size"], file["type"]) == (16, "application/pdf")
    assert "Ewa Zielińska <ewa@klient.example>" in run("message", "show", "1")[1]


# DATA-20
def test_files_are_listed_and_saved_under_harmless_names(run: Run, config: Path, tmp_path: Path) -> None:
    bring_mail(config)
    run("deal", "add", "--title", "Dach", "--person", "1")
    house = build(config)
    sha256, size = house.blobs.put(b"plan of the wall")
    wall = Attachment(name="wall", type="text/plain", size=size, sha256=sha256)
    ingest(house, batch(mail(4, attachments=(wall,), age=timedelta(minutes=1))))
    house.db.close()
    shared = [rows(run(noun, "files", "1", "--json")[1])[0] for noun in ("person", "org", "deal")]
    assert [(file["name"], file["sha256"]) for file in shared] == [("wall", sha256)] * 3
    assert json.loads(run("deal", "show", "1", "--json")[1])["files"] == shared[:1]
    for noun, name in (("person", "1"), ("org", "1")):
        _, file = rows(run(noun, "files", name, "--json")[1])
        assert (file["size"], file["message_id"]) == (16, "1@test.example")
        assert rows(run(noun, "files", name, "--json", who="jan")[1]) == []
    output = ""
    for _ in range(2):
        output += run("person", "files", "1", "--save", str(tmp_path / "out"))[1]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["_plan_[2J-2.pdf", "_plan_[2J.pdf", "wall", "wall-2"]
    assert {path.read_bytes() for path in (tmp_path / "out").iterdir()} == {b"plan of the roof", b"plan of the wall"}
    assert "\x1b" not in output


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "", "a\0b", "/", "CON\u202efdp.exe", "x" * 400, ".bashrc"])
def test_a_file_name_leads_nowhere(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert len(safe) <= 150
    assert not safe.startswith(".")
    assert not set(safe) & set("/\\\0\u202e")


def test_a_stranger_can_not_steer_the_terminal(run: Run) -> None:
    run("person", "add", "--name", "Ewa \x1b]0;title\x07\u202e", "--email", "ewa@klient.example")
    assert run("person", "list")[1].splitlines()[1].split()[:3] == ["1", "Ewa", "]0;title"]
    assert clean("a\x9b2J\u2066b\n") == "a2Jb\n"


def test_a_pipeline_is_applied_from_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text('kind = "pipeline"\nname = "Service"\nstages = ["New", "Done"]\n', encoding="utf-8")
    run("db", "upgrade")
    code, _, errors = run("pipeline", "apply", str(file))
    assert (code, "new pipeline Service: New, Done" in errors) == (1, True)
    assert run("pipeline", "apply", str(file), "--yes")[0] == 0
    assert "like that already" in run("pipeline", "apply", str(file))[2]
    assert run("pipeline", "list")[1].splitlines()[2].split(maxsplit=2)[1:] == ["Service", "New, Done"]
    file.write_text('kind = "pipeline"\nname = "Service"\nstages = ["New", "New"]\n', encoding="utf-8")
    assert "'New' stands there twice" in run("pipeline", "apply", str(file))[2]
    file.write_text('kind = "pipeline"\nname = "Service"\nsteps = []\n', encoding="utf-8")
    assert "service.toml" in run("pipeline", "apply", str(file))[2]


def test_an_erased_person_is_exported_before_and_unknown_after(run: Run, config: Path, tmp_path: Path) -> None:
    bring_mail(config)
    written = run("export", "ewa@klient.example", "--to", str(tmp_path / "out"))[1].splitlines()
    record = json.loads(Path(written[0]).read_text(encoding="utf-8"))
    assert {each["subject"] for each in record["messages"]} == {"To Anna", "To Jan", "To us"}
    assert len(written) == 2
    assert json.loads(run("export", "1")[1]) == record
    assert run("erase", "1")[0] == 1
    assert json.loads(run("erase", "1", "--yes", "--json")[1])["messages"] == 3
    assert run("export", "ewa@klient.example")[0] == 1
    assert rows(run("thread", "list", "--json", who=None)[1]) == []


def test_a_reader_who_leaves_is_no_error(config: Path) -> None:
    command = [sys.executable, "-m", "mailcrm.cli.app", "--config", str(config), "--as", "anna"]
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        done = subprocess.run(
            [*command, "user", "list"], stdout=closed, stderr=subprocess.PIPE, check=False, timeout=30
        )
    assert b"Traceback" not in done.stderr
    assert done.returncode in (1, -signal.SIGPIPE)
