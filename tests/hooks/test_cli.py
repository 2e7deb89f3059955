"""``mailcrm plugin`` and ``mailcrm event``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailcrm import main as composition
from mailcrm.app.react import deliver_due
from mailcrm.cli.app import main

CONFIG = """
[users.anna]
email = "anna@firma.example"
[plugins]
folder = "plugins"
"""
FAILING = "from mailcrm import hookimpl\n@hookimpl\ndef on_event(event): raise OSError('no network')\n"


@pytest.fixture
def folder(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(migrated_sqlite, tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "plugins").mkdir()
    return tmp_path


@pytest.fixture
def mailcrm(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_list_shows_every_state(mailcrm: Callable[..., Any], folder: Path) -> None:
    (folder / "plugins" / "broken.py").write_text("1/0")
    code, out, _ = mailcrm("plugin", "list", "--json")
    assert code == 0
    listed = {row["name"]: row for row in rows(out)}
    wanted = {"broken": "refused", "quiet_domains": "idle", "subject_tag": "on"}
    assert {name: listed[name]["state"] for name in wanted} == wanted
    assert "ZeroDivisionError" in listed["broken"]["reason"]
    assert "plugins.config.quiet_domains" in listed["quiet_domains"]["reason"]
    assert listed["subject_tag"]["hooks"] == ["choose_deal"]
    assert "subject_tag" in mailcrm("plugin", "list")[1]


def test_parked_events_are_shown_and_taken_up_again(mailcrm: Callable[..., Any], folder: Path) -> None:
    (folder / "plugins" / "failing.py").write_text(FAILING)
    assert mailcrm("event", "emit", "tag.added", "--data", '{"tag": "vip"}')[0] == 0
    context = composition.build(folder / "config.toml")
    for minutes in range(0, 30, 10):
        later = context.clock() + timedelta(minutes=minutes)
        again = composition.build(folder / "config.toml", now=later)
        assert deliver_due(again) == 1
        again.db.close()
    context.db.close()
    (failing,) = [row for row in rows(mailcrm("plugin", "list", "--json")[1]) if row["name"] == "failing"]
    assert (failing["waiting"], failing["parked"]) == (0, 1)
    (parked,) = rows(mailcrm("plugin", "parked", "failing", "--json")[1])
    assert parked["kind"] == "tag.added"
    assert parked["error"] == "failing failed in on_event: OSError: no network"
    code, out, err = mailcrm("plugin", "retry", "failing")
    assert (code, out) == (0, "")
    assert "will be told 1 event again" in err
    assert "has no parked events" in mailcrm("plugin", "retry", "failing")[2]
    code, _, err = mailcrm("plugin", "retry", "fialing")
    assert code == 1
    assert "no plugin 'fialing'" in err
    (folder / "plugins" / "failing.py").unlink()
    (gone,) = [row for row in rows(mailcrm("plugin", "list", "--json")[1]) if row["name"] == "failing"]
    assert (gone["state"], gone["waiting"]) == ("gone", 1)


def test_a_new_plugin_passes_its_own_test(mailcrm: Callable[..., Any], folder: Path) -> None:
    code, out, _ = mailcrm("plugin", "new", "complaints")
    assert code == 0
    assert out.split() == [str(folder / "plugins" / name) for name in ("complaints.py", "test_complaints.py")]
    assert (folder / "plugins" / "complaints.py").read_text().startswith('"""complaints:')
    code, out, _ = mailcrm("plugin", "test", "complaints", "--json")
    assert code == 0
    assert {row["hook"] for row in rows(out)} == {"veto_link", "on_event"}
    assert not any(row["failed"] for row in rows(out))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "plugins"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert mailcrm("plugin", "new", "complaints")[0] == 1  # never overwritten
    assert mailcrm("plugin", "new", "../evil")[0] == 1
    own = [row["name"] for row in rows(mailcrm("plugin", "list", "--json")[1]) if row["place"] == "folder"]
    assert own == ["complaints"]


def test_test_is_strict(mailcrm: Callable[..., Any], folder: Path) -> None:
    failing = folder / "failing.py"
    failing.write_text(FAILING)
    code, out, err = mailcrm("plugin", "test", str(failing), "--json")
    assert code == 1
    assert all("OSError: no network" in row["failed"] for row in rows(out))
    assert "failing failed" in err
    failing.write_text("1/0")
    code, _, err = mailcrm("plugin", "test", str(failing))
    assert code == 1
    assert "ZeroDivisionError" in err
    code, _, err = mailcrm("plugin", "test", "quiet_domains")
    assert code == 1
    assert "is idle: write [plugins.config.quiet_domains] with domains" in err
    code, _, err = mailcrm("plugin", "test", "nothing")
    assert code == 1
    assert "there are: community, " in err
    assert mailcrm("plugin", "test", "nothing.py")[0] == 1


def test_new_and_test_without_a_configuration(mailcrm: Callable[..., Any], folder: Path) -> None:
    (folder / "config.toml").unlink()
    assert mailcrm("plugin", "new", "hello")[0] == 1
    assert mailcrm("plugin", "new", "hello", "--folder", "here")[0] == 0
    assert mailcrm("plugin", "test", "here/hello.py")[0] == 0


def test_event_kinds(mailcrm: Callable[..., Any]) -> None:
    kinds = {row["kind"]: row["fields"] for row in rows(mailcrm("event", "kinds", "--json")[1])}
    assert kinds["mail.received"] == {"message": "str", "thread": "int", "deal": "int | None"}
    assert "deal.won" in mailcrm("event", "kinds")[1]


def test_event_emit_and_list(mailcrm: Callable[..., Any]) -> None:
    assert mailcrm("person", "add", "--name", "Ewa", "--email", "ewa@klient.example")[0] == 0
    emit = ("event", "emit", "tag.added", "--person", "ewa@klient.example", "--data", '{"tag": "vip"}', "--key", "1")
    assert mailcrm(*emit)[0] == 0
    code, out, err = mailcrm(*emit)
    assert (code, out) == (0, "")
    assert "was stored before" in err
    (event,) = rows(mailcrm("event", "list", "--json", "--kind", "tag.added", "--person", "Ewa")[1])
    assert (event["kind"], event["source"], event["data"]) == ("tag.added", "user:anna", {"tag": "vip"})
    assert "tag=vip" in mailcrm("event", "list")[1]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["tag.addd"], "did you mean tag.added?"),
        (["tag.added", "--data", "{"], "--data is not JSON"),
        (["tag.added", "--data", "[]"], "must be a JSON object"),
        (["tag.added", "--data", '{"tag": 1}'], "the field tag is int; give str"),
        (["tag.added", "--data", '{"tag": "x"}', "--person", "nobody@klient.example"], "no person"),
    ],
)
def test_event_emit_refuses(mailcrm: Callable[..., Any], words: list[str], why: str) -> None:
    code, out, err = mailcrm("event", "emit", *words)
    assert (code, out) == (1, "")
    assert why in err


FAULTY = """
from mailcrm import EventKind, TriggerType, hookimpl

def matches(event, where):
    raise KeyError("product")

@hookimpl
def register_events():
    return [EventKind("parcel.lost", {"number": str})]

@hookimpl
def register_triggers():
    return [TriggerType("parcel.odd", "parcel.lost", matches)]
"""
WATCHES = """
kind = "rule"
name = "Lost"
on = "parcel.odd"
do = "tag.add"
with = { tag = "lost" }
"""


def test_what_fails_in_a_worker_is_counted_in_the_list(mailcrm: Callable[..., Any], folder: Path) -> None:
    (folder / "plugins" / "parcels.py").write_text(FAULTY)
    (folder / "lost.toml").write_text(WATCHES)
    assert mailcrm("workflow", "apply", "lost.toml", "--yes")[0] == 0
    assert mailcrm("workflow", "activate", "Lost", "--yes")[0] == 0
    assert mailcrm("person", "add", "--name", "Ewa", "--email", "ewa@klient.example")[0] == 0
    data = ("--person", "ewa@klient.example", "--data", '{"number": "17"}')
    for _ in range(2):
        code, _, err = mailcrm("event", "emit", "parcel.lost", *data)
        assert code == 0, err
        code, _, err = mailcrm("tick")
        assert code == 0, err
    (row,) = [row for row in rows(mailcrm("plugin", "list", "--json")[1]) if row["name"] == "parcels"]
    assert (row["state"], row["brings"]) == ("on", ["parcel.lost", "parcel.odd"])
    assert row["failures"] >= 2
    assert row["error"] == "trigger parcel.odd: KeyError: 'product'"
    (person,) = rows(mailcrm("person", "list", "--json")[1])
    assert person["tags"] == []
    assert "parcel.lost" in mailcrm("event", "kinds")[1]
