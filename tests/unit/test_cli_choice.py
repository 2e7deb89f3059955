"""``mailcrm choice``, ``choose`` and ``outbox``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from mailcrm.app.ask import ask_due
from mailcrm.app.ingest import ingest
from mailcrm.cli.app import main
from mailcrm.main import build
from mailcrm.store import tables
from tests.house import NOW, batch, mail

CONFIG = """
domains = ["firma.example"]
[users.anna]
email = "anna@firma.example"
[users.jan]
email = "jan@firma.example"
[mailboxes.anna]
user = "anna"
[web]
base_url = "https://crm.firma.example"
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    shutil.copy(migrated_sqlite, tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    context = build(tmp_path / "config.toml", now=NOW)
    with context.db.write() as connection:
        for table, values in (
            (tables.pipeline, {"id": 90, "name": "P"}),
            (tables.stage, {"id": 90, "pipeline_id": 90, "name": "Offer", "position": 1}),
            (tables.person, {"id": 90, "name": "Ewa", "created_by": "t", "created_at": NOW}),
            (tables.person_address, {"person_id": 90, "address": "ewa@klient.example", "canonical": "x"}),
        ):
            connection.execute(insert(table).values(**values))
        for number, title in ((41, "Dach"), (42, "Garaż")):
            connection.execute(
                insert(tables.deal).values(
                    id=number, title=title, person_id=90, stage_id=90, status="open", created_by="t", created_at=NOW
                )
            )
    ingest(context, batch(mail(1), mail(2, subject="Druga sprawa")))
    ask_due(context)
    context.db.close()

    def call(*words: str, user: str = "anna") -> tuple[int, str, str]:
        code = main(["--as", user, "--now", NOW.isoformat(), *words])
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_choices_are_listed_and_chosen(run: Run) -> None:
    code, out, _ = run("choice", "list", "--json")
    assert code == 0
    assert [(row["id"], row["deals"], row["state"], row["answer"]) for row in rows(out)] == [
        (1, [41, 42], "open", None),
        (2, [41, 42], "open", None),
    ]
    assert "42 Garaż" in run("choice", "list")[1]
    code, out, _ = run("choose", "1", "42", "--always", "--json")
    assert (code, rows(out)[0]["answer"]) == (0, 42)
    code, _, err = run("choose", "2", "none")
    assert (code, err) == (0, "choice 2: anna chose none by command\n")
    assert run("choice", "list", "--open", "--json")[1] == ""
    everything = rows(run("choice", "list", "--json")[1])
    assert [(row["state"], row["answer"], row["answered_by"]) for row in everything] == [
        ("answered", 42, "anna"),
        ("answered", "none", "anna"),
    ]


@pytest.mark.parametrize(
    ("words", "user", "said"),
    [
        (("choose", "1", "7"), "anna", "41, 42"),
        (("choose", "1", "Dach"), "anna", "choice list"),
        (("choose", "9", "41"), "anna", "no choice 9"),
        (("choose", "1", "41"), "jan", "no choice 1"),  # a thread of Anna's mailbox
        (("choose", "1", "none", "--always"), "anna", "always"),
    ],
)
def test_what_can_not_be_chosen_is_refused_with_a_reason(
    run: Run, words: tuple[str, ...], user: str, said: str
) -> None:
    code, out, err = run(*words, user=user)
    assert (code, out) == (1, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_colleague_does_not_see_the_questions(run: Run) -> None:
    assert run("choice", "list", "--json", user="jan")[:2] == (0, "")


def test_the_outbox_waits_without_smarthost_and_says_why(run: Run) -> None:
    assert run("tick")[0] == 0
    listed = rows(run("outbox", "list", "--json")[1])
    assert [(row["state"], row["to"], row["attempts"]) for row in listed] == [("pending", "anna@firma.example", 0)] * 2
    assert all("smarthost" in row["reason"] for row in listed)
    assert {"id", "key", "kind", "from", "to", "subject", "state", "attempts", "reason"} <= listed[0].keys()


def test_mail_is_held_released_and_shown(run: Run) -> None:
    assert run("outbox", "hold", "--all") == (0, "", "2 held\n")
    assert run("outbox", "release", "1") == (0, "", "1 released\n")
    assert [row["state"] for row in rows(run("outbox", "list", "--json")[1])] == ["pending", "held"]
    assert [row["id"] for row in rows(run("outbox", "list", "--state", "held", "--json")[1])] == [2]
    code, out, _ = run("outbox", "show", "1")
    assert code == 0
    assert "Auto-Submitted: auto-generated" in out
    assert "Auto-Submitted" in rows(run("outbox", "show", "1", "--json")[1])[0]["content"]


def test_failed_mail_is_retried(run: Run, tmp_path: Path) -> None:
    context = build(tmp_path / "config.toml")
    with context.db.write() as connection:
        connection.execute(update(tables.outbox).values(state="failed", attempts=5))
    context.db.close()
    assert run("outbox", "retry", "--all") == (0, "", "2 tried again\n")
    assert [(row["state"], row["attempts"]) for row in rows(run("outbox", "list", "--json")[1])] == [("pending", 0)] * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("outbox", "release", "1"), "not held"),
        (("outbox", "show", "99"), "outbox list"),
    ],
)
def test_wrong_orders_to_the_outbox_are_refused(run: Run, words: tuple[str, ...], said: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (1, "")
    assert said in err


def test_a_state_that_the_outbox_does_not_know_is_wrong_usage(run: Run) -> None:
    code, out, err = run("outbox", "list", "--state", "lost")
    assert (code, out) == (2, "")
    assert "failed" in err
