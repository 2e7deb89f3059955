"""The surfaces that scripts and plugins rely on: commands, exit codes and the keys of every JSON object."""

from __future__ import annotations

import json
import mailbox as boxes
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mailcrm import config as configuration
from mailcrm.cli.app import main
from mailcrm.errors import ConfigError
from tests.called import called

NOW = "2026-11-22T09:00:00Z"
CONFIG = """
database = "sqlite:///mailcrm.db"
data_dir = "data"
domains = ["firma.example"]
[users.anna]
email = "anna@firma.example"
name = "Anna Nowak"
[users.jan]
email = "jan@firma.example"
[mailboxes.anna]
user = "anna"
[mailboxes.jan]
user = "jan"
[web]
secret = "thirty-two characters, more or less"
[plugins]
folder = "plugins"
"""

Shape = Any
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ADDRESS = {"name": str, "email": str}
PERSON = {
    "id": int,
    "name": str,
    "emails": [str],
    "phones": [str],
    "organization": (int, None),
    "owner": (str, None),
    "tags": [str],
    "fields": dict,
    "created_by": str,
}
ORGANIZATION = {"id": int, "name": str, "domains": [str], "emails": [str]}
DEAL = {
    "id": int,
    "title": str,
    "person": (int, None),
    "organization": (int, None),
    "stage": str,
    "status": ("open", "won", "lost"),
    "value": (int, float, None),
    "currency": (str, None),
    "owner": (str, None),
}
LEAD = {"id": int, "title": str, "person": (int, None)}
ACTIVITY = {
    "id": int,
    "type": str,
    "due": (TIME, None),
    "assignee": (str, None),
    "priority": (str, None),
    "note": (str, None),
    "done_at": (TIME, None),
    "person": (int, None),
    "organization": (int, None),
    "deal": (int, None),
}
THREAD = {
    "id": int,
    "subject": str,
    "messages": [str],
    "persons": [int],
    "organization": (int, None),
    "deal": (int, None),
    "link": ("linked", "choice", "person", "none"),
    "shared": bool,
}
KINDS = ("human", "auto_reply", "bounce", "complaint", "bulk", "unsubscribe", "receipt", "calendar")
MESSAGE = {
    "message_id": (str, None),
    "thread": (int, None),
    "kind": KINDS,
    "direction": ("in", "out"),
    "from": (ADDRESS, None),
    "to": [ADDRESS],
    "cc": [ADDRESS],
    "subject": str,
    "date": (TIME, None),
    "text": str,
    "reply_text": str,
    "attachments": [{"name": str, "type": str, "size": int, "sha256": re.compile("[0-9a-f]{64}")}],
    "mailboxes": [str],
    "bounce": ({"recipient": (str, None), "status": (str, None), "permanent": bool, "reason": (str, None)}, None),
    "forwarded_from": (ADDRESS, None),
}
PARSED = MESSAGE | {"file": str, "error": None}
CHOICE = {
    "id": int,
    "thread": int,
    "deals": [int],
    "state": ("open", "answered", "withdrawn"),
    "answer": (int, "none", None),
}
WHY = {
    "message_id": str,
    "thread": int,
    "links": [{"to": re.compile(r"(thread|person|organization|deal|lead):\d+"), "rule": str, "evidence": str}],
}
OUTBOX = {
    "id": int,
    "key": str,
    "kind": str,
    "from": str,
    "to": str,
    "subject": str,
    "state": ("pending", "sending", "sent", "failed", "held", "withdrawn"),
    "attempts": int,
    "reason": (str, None),
}


def fits(value: object, shape: Shape) -> bool:
    """Whether JSON has a shape: types, literals, patterns, tuples of alternatives; dicts may have more keys."""
    match shape:
        case tuple():
            return any(fits(value, each) for each in shape)
        case [inner]:
            return isinstance(value, list) and all(fits(each, inner) for each in value)
        case dict():
            return isinstance(value, dict) and all(key in value and fits(value[key], shape[key]) for key in shape)
        case re.Pattern():
            return isinstance(value, str) and shape.fullmatch(value) is not None
        case type():
            return isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
        case _:
            return bool(value == shape)


def check(value: object, shape: Shape) -> None:
    """Fail, naming the key that is wrong."""
    if isinstance(shape, dict) and isinstance(value, dict):
        wrong = {
            key: value.get(key, "MISSING") for key in shape if key not in value or not fits(value[key], shape[key])
        }
        assert not wrong, value
    assert fits(value, shape), value


def letter(name: str, text: str, *, sender: str = "Ewa <ewa@klient.example>", more: str = "") -> bytes:
    return (
        f"From: {sender}\nTo: Anna <anna@firma.example>\nCc: biuro@klient.example\nSubject: About {name}\n"
        f"Date: Sun, 22 Nov 2026 09:30:00 +0100\nMessage-ID: <{name}@klient.example>\n{more}\n{text}\n"
    ).encode()


LETTERS = {
    "plain": letter("plain", "Hello\n\nOn Sat, 21 Nov 2026 at 10:00, Anna <anna@firma.example> wrote:\n> old"),
    "two": letter("two", "Which one?", sender="Marek <marek@hotel.example>"),
    "file": letter(
        "file",
        "--b\nContent-Type: text/plain\n\nsee file\n--b\nContent-Type: application/pdf\n"
        'Content-Disposition: attachment; filename="../plan.pdf"\n\nPDF\n--b--',
        more="MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n",
    ),
    "bounce": letter(
        "bounce",
        "--b\nContent-Type: text/plain\n\nsorry\n--b\nContent-Type: message/delivery-status\n\n"
        "Reporting-MTA: dns; mx.klient.example\n\nFinal-Recipient: rfc822; gone@klient.example\nAction: failed\n"
        "Status: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user\n\n--b--",
        sender="MAILER-DAEMON@mx.klient.example",
        more="MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n",
    ),
    "forward": letter(
        "forward",
        "---------- Forwarded message ---------\nFrom: Ola Kot <ola@inna.example>\n"
        "Date: Sat, 21 Nov 2026 at 10:00\nSubject: Price\nTo: Ewa <ewa@klient.example>\n\nHow much?",
    ).replace(b"Subject: About", b"Subject: Fwd: About"),
}


class Desk:
    """The command line on one installation, called as a script calls it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "config.toml").write_text(CONFIG, encoding="utf-8")

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Standard output of a command that must end with ``code``; a failure is one line that says what to do."""
        config = str(self.folder / "config.toml")
        done = called("--config", config, "--as", "anna", "--now", NOW, *arguments)
        self.out, self.err = done.out, done.err
        assert done.code == code, f"{arguments}: {done.code}\n{self.out}{self.err}"
        if code == 1 and not self.out:
            assert self.err.count("\n") == 1, self.err
            assert self.err.startswith("mailcrm: "), self.err
        return self.out

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self(*arguments, "--json").splitlines()]

    def row(self, *arguments: str) -> dict[str, Any]:
        (only,) = self.rows(*arguments)
        return only

    def save(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)


@pytest.fixture
def bare(tmp_path: Path) -> Desk:
    """A configuration, and nothing else yet."""
    return Desk(tmp_path)


@pytest.fixture
def desk(bare: Desk, migrated_sqlite: Path) -> Desk:
    """With an empty database."""
    shutil.copy(migrated_sqlite, bare.folder)
    return bare


@pytest.fixture(scope="module")
def _filled(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    shutil.copy(migrated_sqlite, folder)
    desk = Desk(folder)
    for name, email, titles in (
        ("Ewa", "ewa@klient.example", ("Roof",)),
        ("Marek", "marek@hotel.example", ("Beds", "Chairs")),
    ):
        desk("person", "add", "--name", name, "--email", email)
        for title in titles:
            desk("deal", "add", "--title", title, "--person", email, "--value", "100.00", "--currency", "PLN")
    for name, content in LETTERS.items():
        desk.save(f"mail/{name}.eml", content)
    assert desk.row("ingest", str(folder / "mail"), "--mailbox", "anna")["stored"] == len(LETTERS)
    return folder


@pytest.fixture
def filled(tmp_path: Path, _filled: Path) -> Desk:
    """Ewa has one open deal, Marek two; then their mail has come."""
    shutil.copytree(_filled, tmp_path, dirs_exist_ok=True)
    return Desk(tmp_path)


def test_parse_tells_what_is_in_each_file(bare: Desk) -> None:
    for name, content in LETTERS.items():
        bare.save(f"mail/{name}.eml", content)
    bare.save("mail/empty.eml", b"")
    bare.save("mail/noise.eml", bytes(range(256)))
    found = {Path(row["file"]).stem: row for row in bare.rows("parse", str(bare.folder / "mail"))}
    assert set(found) == {*LETTERS, "empty", "noise"}
    for name in LETTERS:
        check(found[name], PARSED)
    assert isinstance(found["empty"]["error"], str)
    assert found["empty"].keys() == found["plain"].keys()
    plain, bounce = found["plain"], found["bounce"]
    assert (plain["message_id"], plain["date"]) == ("plain@klient.example", "2026-11-22T08:30:00Z")
    assert (plain["from"], plain["reply_text"]) == ({"name": "Ewa", "email": "ewa@klient.example"}, "Hello")
    assert plain["cc"] == [{"name": "", "email": "biuro@klient.example"}]
    assert (bounce["kind"], bounce["bounce"]["recipient"]) == ("bounce", "gone@klient.example")
    assert (bounce["bounce"]["status"], bounce["bounce"]["permanent"]) == ("5.1.1", True)
    assert found["forward"]["forwarded_from"] == {"name": "Ola Kot", "email": "ola@inna.example"}
    assert [each["name"] for each in found["file"]["attachments"]] == ["plan.pdf"]
    assert not (bare.folder / "mailcrm.db").exists()
    bare("parse", str(bare.folder / "mail" / "none.eml"), code=1)


def test_parse_needs_no_configuration(bare: Desk) -> None:
    path = bare.save("plain.eml", LETTERS["plain"])
    (bare.folder / "config.toml").unlink()
    check(bare.row("parse", path), PARSED)


def test_stored_mail_and_its_links(filled: Desk) -> None:
    for row in filled.rows("message", "list"):
        check(row, MESSAGE)
        assert (row["mailboxes"], type(row["thread"])) == (["anna"], int)
    for row in filled.rows("thread", "list"):
        check(row, THREAD)
        check(filled.row("thread", "show", str(row["id"])), THREAD)
    message = filled.row("message", "show", "plain@klient.example")
    check(message, MESSAGE)
    assert message == filled.row("message", "show", "<plain@klient.example>")
    why = filled.row("why", "plain@klient.example")
    check(why, WHY)
    deal = filled.rows("deal", "list")
    linked = {each["title"]: each["id"] for each in deal}
    assert {"person:1", f"deal:{linked['Roof']}"} <= {link["to"] for link in why["links"]}
    assert filled.row("thread", "show", str(message["thread"]))["link"] == "linked"
    filled("why", "nobody@klient.example", code=1)
    filled("message", "show", "nobody@klient.example", code=1)


def test_choices(filled: Desk) -> None:
    choice = filled.row("choice", "list")
    check(choice, CHOICE)
    assert (choice["state"], choice["answer"], len(choice["deals"])) == ("open", None, 2)
    assert filled.row("thread", "show", str(choice["thread"]))["link"] == "choice"
    number, deal = str(choice["id"]), choice["deals"][1]
    filled("choose", number, "999", code=1)
    filled("choose", number, "perhaps", code=1)
    filled("choose", number, code=2)
    filled("choose", number, str(deal), "--always")
    answered = filled.row("choice", "list")
    check(answered, CHOICE)
    assert (answered["state"], answered["answer"]) == ("answered", deal)
    assert filled.row("thread", "show", str(choice["thread"]))["deal"] == deal
    filled("choose", number, "none", code=1)


def test_the_question_waits_in_the_outbox(filled: Desk) -> None:
    check(filled.row("tick"), {"sent": int, "failed": int})
    question = filled.row("outbox", "list")
    check(question, OUTBOX)
    assert (question["state"], question["to"], question["kind"]) == ("pending", "anna@firma.example", "question")
    check(filled.row("outbox", "show", "1"), OUTBOX)
    filled("outbox", "hold", "1")
    assert filled.row("outbox", "list")["state"] == "held"
    filled("outbox", "release", "1")
    filled("outbox", "show", "99", code=1)


def test_records(filled: Desk) -> None:
    filled("org", "add", "--name", "Klient", "--domain", "klient.example")
    filled("lead", "add", "--title", "Cellar", "--person", "ewa@klient.example")
    filled("activity", "add", "--type", "call", "--person", "ewa@klient.example", "--due", "2026-12-01T10:00:00Z")
    filled("note", "add", "--text", "Nice", "--person", "ewa@klient.example")
    filled("tag", "add", "vip", "--person", "ewa@klient.example")
    filled("field", "set", "region", "north", "--person", "ewa@klient.example")
    shapes = {"person": PERSON, "org": ORGANIZATION, "deal": DEAL, "lead": LEAD, "activity": ACTIVITY, "note": {}}
    for noun, shape in shapes.items():
        for row in filled.rows(noun, "list"):
            check(row, shape | {"id": int})
            check(filled.row(noun, "show", str(row["id"])), shape)
        filled(noun, "show", "9999", code=1)
        filled(noun, "remove", "1", "--yes")
    person = filled.row("person", "show", "marek@hotel.example")
    assert (person["emails"], person["owner"], person["created_by"]) == (["marek@hotel.example"], "anna", "user:anna")


def test_persons_are_edited_merged_undone(filled: Desk) -> None:
    second = filled("person", "add", "--name", "E", "--email", "e@x.example", "--email", "f@x.example").strip()
    assert filled.row("person", "show", "f@x.example")["emails"] == ["e@x.example", "f@x.example"]
    filled("person", "edit", second, "--name", "Ewa Druga")
    filled("person", "merge", "1", second, "--yes")
    assert filled.row("person", "show", "Ewa")["emails"] == ["ewa@klient.example", "e@x.example", "f@x.example"]
    path = filled.save("new.eml", letter("new", "Hi", sender="Nowy <nowy@klient.example>"))
    filled("ingest", path, "--mailbox", "anna")
    new = filled.row("person", "show", "nowy@klient.example")
    assert new["created_by"] == "mail:new@klient.example"
    filled("person", "undo", str(new["id"]))
    filled("person", "show", "nowy@klient.example", code=1)
    filled("person", "undo", "1", code=1)


def test_deals_move_and_close(filled: Desk) -> None:
    filled("deal", "move", "1", "Offer")
    assert filled.row("deal", "show", "1")["stage"] == "Offer"
    filled("deal", "move", "1", "Nowhere", code=1)
    filled("deal", "won", "1")
    filled("deal", "lost", "2")
    assert {row["id"]: row["status"] for row in filled.rows("deal", "list")} == {1: "won", 2: "lost", 3: "open"}
    filled("deal", "list", "--status", "sometimes", code=2)
    filled("deal", "add", code=2)


def test_pipelines(bare: Desk) -> None:
    bare("db", "upgrade")
    (seeded,) = bare.rows("pipeline", "list")
    check(seeded, {"id": int, "name": str, "stages": [str]})
    assert len(seeded["stages"]) == 5
    path = bare.save("p.toml", b'kind = "pipeline"\nname = "Service"\nstages = ["New", "Done"]\n')
    bare("pipeline", "apply", path, "--yes")
    assert [row["name"] for row in bare.rows("pipeline", "list")] == [seeded["name"], "Service"]
    bare("pipeline", "apply", str(bare.folder / "none.toml"), "--yes", code=1)


@pytest.mark.parametrize("form", ["eml", "mbox", "maildir", "folder"])
def test_ingest_takes_each_form_once(desk: Desk, form: str) -> None:
    path = desk.folder / "box"
    letters = [letter(f"n{number}", "Hi") for number in range(3)]
    if form == "eml":
        path = Path(desk.save("one.eml", b"From ewa@klient.example Sun Nov 22 08:30:00 2026\n" + letters[0]))
    elif form == "folder":
        for number, content in enumerate(letters):
            desk.save(f"box/{number}.eml", content)
    else:
        box = boxes.mbox(path) if form == "mbox" else boxes.Maildir(path)
        for content in letters:
            box.add(content)
        box.close()
    wanted = 1 if form == "eml" else 3
    assert desk.row("ingest", str(path), "--mailbox", "anna", "--dry-run")["stored"] == wanted
    assert desk.rows("message", "list") == []
    assert desk.row("ingest", str(path), "--mailbox", "anna")["stored"] == wanted
    again = desk.row("ingest", str(path), "--mailbox", "anna")
    assert (again["stored"], again["known"]) == (0, wanted)
    assert len(desk.rows("message", "list")) == wanted
    desk("ingest", str(path), "--mailbox", "nobody", code=1)
    desk("ingest", str(path) + "none", "--mailbox", "anna", code=1)
    desk("ingest", str(path), code=2)


def test_what_can_not_be_read_is_in_quarantine(desk: Desk) -> None:
    path = desk.save("empty.eml", b"")
    assert desk.row("ingest", path, "--mailbox", "anna")["quarantined"] == 1
    entry = desk.row("quarantine", "list")
    check(entry, {"id": int, "mailbox": "anna", "reason": str, "received_at": (TIME, None), "size": int})
    assert desk.row("quarantine", "show", "1") == entry
    desk("quarantine", "retry", "1", "--json", code=1)
    desk("quarantine", "show", "9", code=1)


def test_import(desk: Desk) -> None:
    path = desk.save("p.csv", b"Name,Email\nJan,jan@acme.example\nBad,nothing\n")
    desk("import", path, "--as", "persons", "--dry-run", code=1)
    assert "line 3" in desk.out + desk.err
    assert desk.rows("person", "list") == []
    desk("import", path, "--as", "persons", "--all-or-nothing", code=1)
    assert desk.rows("person", "list") == []
    desk("import", path, "--as", "persons", code=1)
    assert [row["emails"] for row in desk.rows("person", "list")] == [["jan@acme.example"]]
    deals = desk.save("d.csv", b"Title;Person;Value;Currency\nRoof;jan@acme.example;1 200,50;PLN\n")
    desk("import", deals, "--as", "deals")
    deal = desk.row("deal", "list")
    check(deal, DEAL)
    assert (deal["title"], deal["value"]) == ("Roof", 1200.5)
    assert deal["person"] == desk.row("person", "list")["id"]
    desk("import", path, "--as", "things", code=2)
    desk("import", path + "x", "--as", "persons", code=1)


def test_events(filled: Desk) -> None:
    kinds = {row["kind"]: row["fields"] for row in filled.rows("event", "kinds")}
    assert set(kinds["mail.received"]) == {"message", "thread", "deal"}
    assert {"mail.replied", "mail.bounced", "tag.added", "deal.won", "meeting.scheduled", "activity.done"} <= set(kinds)
    filled("event", "emit", "tag.added", "--person", "ewa@klient.example", "--data", '{"tag": "vip"}')
    for kind, data in (("no.such", "{}"), ("tag.added", '{"x": 1}'), ("tag.added", "[]"), ("tag.added", "{")):
        filled("event", "emit", kind, "--person", "ewa@klient.example", "--data", data, code=1)


def test_operation(filled: Desk) -> None:
    for row in filled.rows("mailbox", "list"):
        check(row, {"mailbox": str, "state": str})
    filled("mailbox", "pause", "anna")
    filled("mailbox", "resume", "anna")
    filled("mailbox", "test", "anna", code=1)
    filled("mailbox", "folders", "nobody", code=1)
    assert [row["key"] for row in filled.rows("user", "list")] == ["anna", "jan"]
    filled("user", "disable", "jan@firma.example")
    assert [row["disabled"] for row in filled.rows("user", "list")] == [False, True]
    filled("user", "disable", "nobody", code=1)
    backup = filled("db", "backup", str(filled.folder / "b.tar")).strip()
    filled("db", "restore", backup, code=1)  # nobody is asked without a terminal
    filled("db", "restore", backup, "--yes")
    filled("sync")
    filled("run", "--roles", "cook", code=2)
    filled("relink", "--dry-run")
    for row in filled.rows("plugin", "list"):
        check(row, {"name": str, "state": str})
    filled("plugin", "new", "mine")
    filled("plugin", "test", "mine")
    filled("plugin", "test", "nobody", code=1)


def test_erase_and_export(filled: Desk) -> None:
    exported = json.loads(filled("export", "ewa@klient.example"))
    assert exported["emails"] == ["ewa@klient.example"]
    filled("erase", "ewa@klient.example", code=1)
    filled("erase", "ewa@klient.example", "--yes")
    assert [row["name"] for row in filled.rows("person", "list")] == ["Marek"]
    filled("ingest", str(filled.folder / "mail"), "--mailbox", "anna")
    assert "ewa@klient.example" not in filled("person", "list", "--json")


def test_who_acts_and_when(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk("person", "add", "--name", "Ewa", "--email", "ewa@klient.example")
    desk("deal", "add", "--title", "Roof", "--person", "Ewa", "--owner", "jan")
    assert desk.row("deal", "list")["created_at"] == NOW
    config = ["--config", str(desk.folder / "config.toml")]
    assert main([*config, "--as", "nobody", "deal", "list"]) == 1
    assert "anna, jan" in capsys.readouterr().err
    assert main([*config, "--as", "jan@firma.example", "deal", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["owner"] == "jan"
    assert main([*config, "--now", "soon", "deal", "list"]) == 2


def test_init_writes_what_check_then_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.toml"
    assert main(["--config", str(path), "init"]) == 0
    assert configuration.load(path).require_permission is True
    assert main(["--config", str(path), "check"]) == 1  # nobody is in it yet
    assert "add [users.NAME]" in capsys.readouterr().out
    assert main(["--config", str(path), "init"]) == 1
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("datbase = 'x'", "database"),
        ("[user.anna]", "users"),
        ("[users.anna]\nemial = 'a@firma.example'", "email"),
        ("[mailboxes.anna]\nuser = 'anna'\npasword = 'x'", "password"),
        ("[smarthost]\nhots = 'x'", "host"),
        ("[lmtp]\ndropbox = 'x'", "drop_box"),
        ("[web]\nbaseurl = 'x'", "base_url"),
        ("[limits]\nper_person_days = 1", "per_person_day"),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path: Path, line: str, named: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"\b{named}\b"):
        configuration.load(path)


def test_every_key_that_others_rely_on_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    path.write_text(RELIED_ON, encoding="utf-8")
    monkeypatch.setenv("ANNA_PASSWORD", "x")
    monkeypatch.setenv("MAILCRM_SECRET", "y")
    read = configuration.load(path)
    assert read.mailboxes["anna"].submission is not None
    assert read.plugins.config["sales"] == {"currency": "PLN"}


def test_a_process_of_its_own_keeps_results_and_progress_apart(bare: Desk) -> None:
    path = bare.save("plain.eml", LETTERS["plain"])
    command = [sys.executable, "-m", "mailcrm.cli.app", "--config", str(bare.folder / "config.toml")]
    command += ["ingest", path, "--mailbox", "anna", "--json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["stored"]) == (0, 1)
    assert done.stderr.decode() == "1 message …\n"


RELIED_ON = r"""
database = "sqlite:///mailcrm.db"
data_dir = "data"
domains = ["firma.example"]
require_permission = false
[users.anna]
email = "anna@firma.example"
name = "Anna Nowak"
aliases = ["a.nowak@firma.example"]
time_zone = "Europe/Warsaw"
signature = "Anna Nowak\nFirma"
permissions = ["bulk"]
[mailboxes.anna]
user = "anna"
host = "127.0.0.1"
port = 143
tls = "none"
login = "anna"
password = { env = "ANNA_PASSWORD" }
create_persons = "received+sent"
backfill_since = "1y"
[mailboxes.anna.submission]
host = "smtp.firma.example"
sent_copy = "auto"
[smarthost]
host = "127.0.0.1"
port = 25
tls = "none"
[relay]
listen = "127.0.0.1:5587"
tls = "none"
[lmtp]
listen = "127.0.0.1:5524"
drop_box = "crm@firma.example"
[web]
listen = "127.0.0.1:8080"
base_url = "https://crm.firma.example"
secret = { env = "MAILCRM_SECRET" }
[limits]
per_person_day = 1
per_person_week = 3
per_sender_day = 200
[plugins]
folder = "plugins"
block = []
[plugins.config.sales]
currency = "PLN"
"""
