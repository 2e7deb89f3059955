"""``mailcrm outbox``, ``suppression``, ``permission``, and what ``tick`` and ``check`` say of what is held."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mailcrm import main
from mailcrm.store import sender_holds, users
from tests.commands import EWA, Crm, settings
from tests.servers import Sink

SEQUENCE = """
kind = "sequence"
name = "Warm"
for = "deals"
owner = "anna@firma.example"
[[step]]
type = "email"
after = "1d"
subject = "Offer"
body = "Hello"
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, _sink: Sink) -> Crm:
    """Anna's sequence with one mail that is due in a day. Made once, to be copied."""
    smarthost = {"host": _sink.host, "port": _sink.port, "tls": "none"}
    silent = SimpleNamespace(out="", err="")
    made = Crm(tmp_path_factory.mktemp("prepared"), settings(smarthost=smarthost), lambda: silent)
    made("db", "upgrade")
    made("sequence", "apply", made.file(SEQUENCE), "--yes", user="anna")
    made("consent", "grant", "--flow", "Warm", user="anna")
    made("person", "add", "--name", "Ewa", "--email", EWA)
    made("deal", "add", "--title", "Pumps", "--person", EWA, "--owner", "anna")
    made("sequence", "enroll", "Warm", "--deal", "1", "--yes")
    made("tick")
    return made


@pytest.fixture
def crm(prepared: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str], sink: Sink) -> Crm:
    """A copy of what is prepared; the sink is empty."""
    assert sink.mails == []
    shutil.copytree(prepared.folder, tmp_path / "crm")
    return Crm(tmp_path / "crm", prepared.settings, capsys.readouterr)


def state(crm: Crm) -> str:
    [row] = [row for row in crm.rows("outbox", "list") if row["kind"] == "flow"]
    return str(row["state"])


def test_the_kill_switch_and_its_release(crm: Crm, sink: Sink) -> None:
    crm("outbox", "hold", "--all", "--dry-run")
    assert crm.errors == "1 would be held\n"
    crm("outbox", "hold", "--all", user="anna")
    crm("outbox", "list")
    assert "everything is held: held by user:anna" in crm.errors
    crm.later("1d")
    assert "everything is held" in crm.errors
    assert (sink.mails, state(crm)) == ([], "held")
    assert "everything is held" in crm("check", code=1)
    crm("outbox", "release", "--dry-run")
    assert crm.errors == "1 would be released\n"
    crm("outbox", "release")
    assert crm.errors == "1 released\n"
    crm("outbox", "release", code=1)
    assert "nothing is held as a whole" in crm.errors
    crm("tick")
    assert (len(sink.mails), state(crm)) == (1, "sent")


def test_a_clock_that_is_set_ahead_makes_nothing_overdue(crm: Crm, sink: Sink) -> None:
    crm.later("3d")
    assert (len(sink.mails), crm.errors) == (1, "")


def test_a_mail_that_is_held_by_hand_says_so_until_it_is_released(crm: Crm, sink: Sink) -> None:
    crm("outbox", "hold", "1")
    crm.later("2d")
    assert crm.errors == "1 mail is held: by hand; `mailcrm outbox release ID` lets it go\n"
    crm("outbox", "release", "1")
    assert [(row["state"], row["reason"]) for row in crm.rows("outbox", "list")] == [("pending", None)]
    crm("tick")
    assert (len(sink.mails), crm.errors) == (1, "")


def test_what_is_only_shown_is_not_done(crm: Crm, sink: Sink) -> None:
    def shown(*arguments: str, code: int = 0) -> str:
        before = crm.rows("outbox", "list")
        crm("outbox", *arguments, "--dry-run", code=code)
        said = crm.errors
        assert crm.rows("outbox", "list") == before
        return said

    assert shown("hold", "1") == "1 would be held\n"
    assert shown("retry", "1") == "1 would be tried again\n"
    assert "0 would be released; the others of 1 are not held" in shown("release", "1", code=1)
    crm("outbox", "hold", "1")
    assert shown("release", "1") == "1 would be released\n"
    assert shown("release", "--all") == shown("release", "--sender", "anna") == "1 would be released\n"
    assert shown("release", "--sender", "jan") == "0 would be released\n"
    assert shown("release") == "0 would be released\n"  # by hand, so it stays
    assert sink.mails == []


def test_tick_tells_why_mail_is_held(crm: Crm, sink: Sink) -> None:
    boxes = {"anna": {"user": "anna", "host": sink.host, "port": sink.port, "login": "anna", "password": "x"}}
    watched = Crm(crm.folder, {**crm.settings, "mailboxes": boxes}, crm.capture)
    watched.later("2d")
    assert "1 mail is held: the mailbox anna has not been read yet; `mailcrm sync` reads it\n" in watched.errors
    assert (sink.mails, state(watched)) == ([], "held")


def test_after_a_restore_everything_is_held(crm: Crm, sink: Sink, tmp_path: Path) -> None:
    crm("db", "backup", str(tmp_path / "b.tar"))
    crm.later("1d")
    assert len(sink.mails) == 1
    crm("db", "restore", str(tmp_path / "b.tar"), "--yes")
    assert "held, since what is due has perhaps been done" in crm.errors
    crm("tick")
    assert "restored from b.tar" in crm.errors
    assert (len(sink.mails), state(crm)) == (1, "held")  # it was sent before, and is not sent again
    crm("outbox", "release", "--all", "--yes")
    crm("tick")
    assert len(sink.mails) == 2


def test_a_sender_that_a_server_refuses_is_held_and_released(crm: Crm, sink: Sink) -> None:
    sink.refuse("550 5.4.5 daily sending quota exceeded", stage="MAIL")
    crm.later("1d")
    assert state(crm) == "held"
    assert "the mail of anna is held" in crm("check", code=1)
    sink.accept()
    crm("outbox", "release", "--sender", "jan", code=1)
    assert "no mail of jan is held" in crm.errors
    crm("outbox", "release", "--sender", "anna")
    crm("tick")
    assert (len(sink.mails), state(crm)) == (1, "sent")


def test_suppressions_are_added_listed_and_removed(crm: Crm, sink: Sink) -> None:
    crm("suppression", "add", " EWA@klient.example", "--reason", "she asked us to", user="anna")
    [row] = crm.rows("suppression", "list")
    assert (row["address"], row["reason"], row["detail"], row["source"]) == (
        EWA, "manual", "she asked us to", "user:anna",
    )  # fmt: skip
    assert EWA in crm("suppression", "list")
    crm("suppression", "add", EWA)
    assert crm.errors == "0 suppressed; 1 were so already\n"
    crm("suppression", "remove", EWA)
    assert crm.rows("suppression", "list") == []
    crm("suppression", "remove", EWA, code=1)
    assert "is not suppressed" in crm.errors
    crm("suppression", "add", "nobody", code=1)
    crm("suppression", "add", EWA, "jan@klient.example", "--until", (crm.now + timedelta(hours=1)).isoformat())
    assert len(crm.rows("suppression", "list")) == 2
    crm.later("1d")
    assert (crm.rows("suppression", "list"), len(sink.mails)) == ([], 1)


def test_old_wishes_are_reviewed(crm: Crm) -> None:
    for name, age in (("ola", "20"), ("jan", "10")):
        text = f"From: {name}@klient.example\nTo: anna@firma.example\nMessage-ID: <{name}@klient.example>\n"
        date = crm.now - timedelta(days=int(age))
        text += f"Date: {date:%a, %d %b %Y %H:%M:%S} +0000\nSubject: Re: Offer\n\nPlease unsubscribe me.\n"
        path = crm.folder / f"{name}.eml"
        path.write_text(text)
        crm("ingest", str(path), "--mailbox", "anna")
    assert crm.rows("suppression", "list") == []
    rows = crm.rows("suppression", "review")
    assert [(row["address"], row["message_id"]) for row in rows] == [
        ("ola@klient.example", "ola@klient.example"), ("jan@klient.example", "jan@klient.example"),
    ]  # fmt: skip
    crm("suppression", "add", "ola@klient.example")
    assert [row["address"] for row in crm.rows("suppression", "review")] == ["jan@klient.example"]
    crm("suppression", "review", "--dismiss", "ola@klient.example", code=1)
    assert "is not on this list" in crm.errors
    assert crm.rows("suppression", "review", "--dismiss", "Jan@klient.example", "--dry-run") == []
    assert "1 would be taken off this list" in crm.errors
    assert len(crm.rows("suppression", "review")) == 1
    assert crm.rows("suppression", "review", "--dismiss", "Jan@klient.example") == []
    assert crm.rows("suppression", "review") == []
    assert [row["address"] for row in crm.rows("suppression", "list")] == ["ola@klient.example"]


def test_permissions_are_granted_listed_and_withdrawn(crm: Crm, sink: Sink) -> None:
    more = ("--basis", "contract", "--source", "fair", "--proof", "card 7", "--tracking")
    crm("permission", "grant", EWA, *more, user="anna")
    crm("permission", "withdraw", "Ewa", "--source", "call")
    last, first = crm.rows("permission", "list", EWA)
    assert {key: first[key] for key in ("granted", "basis", "source", "proof", "tracking", "by")} == {
        "granted": True, "basis": "contract", "source": "fair", "proof": "card 7", "tracking": True, "by": "user:anna",
    }  # fmt: skip
    assert (last["granted"], last["source"], last["name"]) == (False, "call", "Ewa")
    assert len(crm.rows("permission", "list")) == 2
    crm("permission", "grant", "nobody@klient.example", code=1)
    crm.later("1d")
    assert (sink.mails, state(crm)) == ([], "failed")
    [run] = crm.rows("sequence", "overview", "Warm")
    assert (run["status"], "has withdrawn his permission" in run["reason"]) == ("failed", True)


def test_wrong_usage_is_told(crm: Crm) -> None:
    for given in (("release", "1", "--all"), ("release", "--all", "--sender", "anna"), ("hold",), ("retry",)):
        crm("outbox", *given, code=2)
        assert "say which mails" in crm.errors


def test_a_hold_of_the_database_is_shown_by_check(crm: Crm, tmp_path: Path) -> None:
    built: Any = main.build(tmp_path / "crm" / "config.toml")
    with built.db.write() as connection:
        sender_holds.put(connection, users.find(connection, "jan").id, "quota", built.clock(), None)
    built.db.close()
    assert "outbox release --sender jan" in crm("check", code=1)
