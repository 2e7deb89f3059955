"""Flows from end to end by the command line: a definition, what happens, what becomes of whom, and why."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.commands import EWA, MONDAY, Crm, settings
from tests.servers import Sink
from tests.worked_example import OFFER


@pytest.fixture
def crm(tmp_path: Path, migrated_sqlite: Path, capsys: pytest.CaptureFixture[str]) -> Crm:
    shutil.copy(migrated_sqlite, tmp_path / "test.db")
    crm = Crm(tmp_path, settings(), capsys.readouterr)
    crm("person", "add", "--name", "Ewa Zielińska", "--email", EWA)
    return crm


@pytest.fixture
def mailing(tmp_path: Path, migrated_sqlite: Path, sink: Sink, capsys: pytest.CaptureFixture[str]) -> Crm:
    """With a smarthost, and a deal of Ewa's."""
    shutil.copy(migrated_sqlite, tmp_path / "test.db")
    smarthost = {"host": sink.host, "port": sink.port, "tls": "none"}
    crm = Crm(tmp_path, settings(smarthost=smarthost), capsys.readouterr)
    crm("person", "add", "--name", "Ewa Zielińska", "--email", EWA)
    crm("deal", "add", "--title", "Regały", "--person", EWA, "--owner", "anna")
    return crm


CAMPAIGN = """
kind = "workflow"
name = "Campaign {number}"
[nodes.by-tag]
on = "tag.added"
where = {{ tag = "campaign-{number}" }}
next = "first-letter"
[nodes.first-letter]
do = "tag.add"
with = {{ tag = "letter {number}" }}
next = "pause"
[nodes.pause]
wait = "1mo"
next = "end"
[nodes.end]
end = "all"
"""
BUYERS = """
kind = "rule"
name = "Buyers of offer 1"
on = "sale.made"
where = { product = "offer-1" }
do = "tag.add"
with = { tag = "Client 1" }
"""


def worked_example(crm: Crm) -> None:
    """WF-18, as its source tells it: form, campaign 1, a pause, has he bought?, campaign 2 instead of 1."""
    for number in (1, 2):
        crm.workflow(CAMPAIGN.format(number=number))
    crm.workflow(OFFER)
    crm("workflow", "apply", crm.file(BUYERS), "--yes")
    crm("person", "add", "--name", "Adam Bąk", "--email", "adam@klient.example")
    for person in (EWA, "adam@klient.example"):
        crm.emit("form.submitted", person, form="offer-1")
        assert crm.tags(person) == {"letter 1"}
    assert crm.inside("Campaign 1") == crm.inside("Offer 1") == 2
    crm.later("1d")
    crm.emit("sale.made", product="offer-1", amount=99.0, currency="PLN")
    assert crm.tags() == {"letter 1", "Client 1"}
    assert crm.inside("Offer 1") == 2
    crm.later("2d")
    assert crm.tags() == {"letter 1", "Client 1", "letter 2"}
    assert crm.tags("adam@klient.example") == {"letter 1"}
    assert (crm.inside("Offer 1"), crm.inside("Campaign 1"), crm.inside("Campaign 2")) == (0, 1, 1)
    assert crm.trace("Campaign 1")["status"] == "removed"
    run = crm.trace("Offer 1")
    assert (run["workflow"], run["version"], run["status"], run["waiting"]) == ("Offer 1", 1, "completed", [])
    (asked,) = [step for step in run["steps"] if step["node"] == "bought"]
    assert asked["result"] == "yes"
    assert "Client 1" in asked["expected"]
    assert "Client 1" in asked["actual"]
    assert [step["node"] for step in run["steps"] if step["result"].startswith("does")] == [
        "welcome",
        "leave-1",
        "join-2",
    ]
    (asked,) = [step for step in crm.trace("Offer 1", "adam@klient.example")["steps"] if step["node"] == "bought"]
    assert (asked["result"], asked["at"]) == ("no", "2026-11-05T09:00:00Z")


def test_worked_example(crm: Crm) -> None:  # WF-18, WF-1, WF-6, WF-7, WF-8, WF-10, WF-11, WF-17
    worked_example(crm)


def test_worked_example_on_postgresql(  # WF-18
    tmp_path: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    crm = Crm(tmp_path, settings(postgres_url), capsys.readouterr)
    crm("person", "add", "--name", "Ewa Zielińska", "--email", EWA)
    worked_example(crm)
    what_if_is_what_was(crm)
    assert {row["flow"] for row in crm.rows("workflow", "jobs", EWA)} == {
        "Buyers of offer 1",
        "Campaign 1",
        "Campaign 2",
        "Offer 1",
    }
    crm("workflow", "deactivate", "Campaign 2", "--cancel-scheduled", "--yes")
    assert crm.inside("Campaign 2") == 0
    crm.later("5w")
    assert crm.trace("Offer 1")["steps"] == []


TAGGER = """
kind = "workflow"
name = "Tagger"
[nodes.seen]
on = "form.submitted"
next = "pause"
[nodes.pause]
wait = "2d"
next = "mark"
[nodes.mark]
do = "tag.add"
with = { tag = "marked" }
next = "end"
[nodes.end]
end = "all"
"""


def test_only_what_happens_after_activation_counts(crm: Crm) -> None:  # WF-4, WF-5, WF-12
    crm.workflow(TAGGER, active=False)
    crm.emit("form.submitted", form="a")
    crm("workflow", "trace", "Tagger", EWA, code=1)
    assert "never in" in crm.errors
    crm("workflow", "activate", "Tagger", code=1)  # there is no terminal to confirm at
    assert "--yes" in crm.errors
    crm.now += timedelta(hours=1)
    crm("workflow", "activate", "Tagger", "--yes")
    crm("tick")
    assert crm.inside("Tagger") == 0
    crm.emit("form.submitted", form="a")
    assert crm.inside("Tagger") == 1
    crm("workflow", "activate", "Tagger", "--yes")  # again: nothing changes
    assert crm.inside("Tagger") == 1


def test_what_is_waited_for_is_shown(crm: Crm) -> None:  # WF-16
    crm.workflow(TAGGER)
    crm.emit("form.submitted", form="a")
    run = crm.trace("Tagger")
    (place,) = run["waiting"]
    assert (place["node"], place["due_at"], place["event"]) == ("pause", "2026-11-04T09:00:00Z", None)
    (job,) = crm.rows("workflow", "jobs", EWA)
    assert (job["flow"], job["status"], job["node"], job["due_at"]) == (
        "Tagger",
        "in_progress",
        "pause",
        "2026-11-04T09:00:00Z",
    )
    crm.later("2d")
    (job,) = crm.rows("workflow", "jobs", EWA)
    assert (job["status"], job["node"], job["due_at"]) == ("completed", None, None)
    text = crm("workflow", "trace", "Tagger", EWA)
    assert "mark" in text
    assert "tag.add" in text


def test_history_is_kept_for_a_month_and_the_end_for_ever(crm: Crm) -> None:  # WF-15, WF-16
    crm.workflow(TAGGER)
    crm.emit("form.submitted", form="a")
    crm.later("2d")
    assert crm.trace("Tagger")["steps"]
    crm.later("5w")
    run = crm.trace("Tagger")
    assert (run["status"], run["steps"]) == ("completed", [])
    assert crm.rows("workflow", "jobs", EWA) == []


@pytest.mark.parametrize("cancel", [False, True])
def test_deactivating_keeps_or_cancels_what_is_scheduled(crm: Crm, cancel: bool) -> None:  # WF-13, WF-14
    crm.workflow(TAGGER)
    crm.emit("form.submitted", form="a")
    option = ("--cancel-scheduled",) if cancel else ()
    crm("workflow", "deactivate", "Tagger", *option, code=1)
    assert "1 inside" in crm.errors  # how many it concerns stands in the question
    crm("workflow", "deactivate", "Tagger", *option, "--yes")
    crm("person", "add", "--name", "Adam Bąk", "--email", "adam@klient.example")
    crm.emit("form.submitted", "adam@klient.example", form="a")
    assert crm.inside("Tagger") == (0 if cancel else 1)
    crm.later("2d")
    assert crm.tags() == (set() if cancel else {"marked"})
    assert crm.trace("Tagger")["status"] == ("removed" if cancel else "completed")
    crm("workflow", "trace", "Tagger", "adam@klient.example", code=1)


@pytest.mark.parametrize("finish", [False, True])
def test_an_edit_resets_or_lets_finish(crm: Crm, finish: bool) -> None:  # GRAPH-1
    crm.workflow(TAGGER)
    crm.emit("form.submitted", form="a")
    edited = crm.file(TAGGER.replace('"marked"', '"marked anew"').replace('"2d"', '"1d"'))
    option = ("--finish",) if finish else ()
    shown = crm("workflow", "apply", edited, *option, "--dry-run")
    assert "1 contact finishes on version 1" in shown if finish else "1 contact restarts" in shown
    assert '~ nodes.pause.wait: "2d" -> "1d"' in shown
    assert crm.inside("Tagger") == 1
    crm("workflow", "apply", edited, *option, code=1)
    assert "--yes" in crm.errors
    crm("workflow", "apply", edited, *option, "--yes")
    assert crm.inside("Tagger") == (1 if finish else 0)
    crm.now += timedelta(minutes=1)
    crm.emit("form.submitted", form="b")
    assert crm.inside("Tagger") == 1
    crm.later("1d")
    assert crm.tags() == (set() if finish else {"marked anew"})
    crm.later("1d")
    assert crm.tags() == ({"marked"} if finish else {"marked anew"})
    runs = crm.rows("workflow", "trace", "Tagger", EWA, "--all")
    told = [(run["version"], run["status"], run["reason"]) for run in runs]
    assert told == ([(1, "completed", "")] if finish else [(2, "completed", ""), (1, "removed", "edited")])


def test_a_definition_comes_back_as_it_went_in(crm: Crm) -> None:
    crm.workflow(OFFER, active=False)
    printed = crm("workflow", "show", "Offer 1", "--toml")
    again = crm.file(printed)
    crm("workflow", "apply", again)  # nothing to ask about
    assert "like that already" in crm.errors
    assert crm("workflow", "show", "Offer 1", "--toml") == printed
    (row,) = crm.rows("workflow", "list")
    assert (row["name"], row["version"], row["active_since"]) == ("Offer 1", 1, None)


def test_a_definition_that_is_wrong_changes_nothing_and_says_where(crm: Crm) -> None:
    crm.workflow(TAGGER)
    wrong = crm.file(TAGGER.replace("form.submitted", "form.submited").replace('next = "end"', 'next = "ende"'))
    assert crm("workflow", "apply", wrong, "--yes", code=1) == ""
    faults = [line for line in crm.errors.splitlines() if line.startswith(wrong)]
    assert [line.removeprefix(wrong).split(" ")[0] for line in faults] == [":5:", ":13:"]
    assert "form.submitted" in faults[0]  # the mend
    assert "nodes.mark" in faults[1]
    assert [row["version"] for row in crm.rows("workflow", "list")] == [1]


FAULTS = {
    "no End": (TAGGER.replace('next = "end"\n[nodes.end]\nend = "all"\n', ""), "End"),
    "no trigger": ('kind = "workflow"\nname = "X"\n[nodes.end]\nend = "all"\n', "trigger"),
    "time limit of a first event": (
        TAGGER.replace('next = "pause"', 'within = "2d"\nnext = "pause"'),
        "nodes.seen.within",
    ),
    "unknown action": (TAGGER.replace("tag.add", "tag.ad"), "tag.add"),
    "unknown field": (TAGGER.replace('next = "pause"', 'where = { from = "x" }\nnext = "pause"'), "form.submitted"),
    "a sequence": ('kind = "sequence"\nname = "S"\nfor = "deals"\n', "mailcrm sequence apply"),
    "no TOML": ("kind = [", ":1:"),
    "another kind": ('kind = "poem"\nname = "P"\n', "workflow"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_definitions(crm: Crm, name: str) -> None:  # GRAPH-6, GRAPH-16, WF-2
    text, said = FAULTS[name]
    file = crm.file(text)
    crm("workflow", "apply", file, "--yes", code=1)
    assert said in crm.errors
    assert file in crm.errors
    assert crm.rows("workflow", "list") == []


def test_a_rule_is_active_once_it_is_applied(crm: Crm) -> None:  # WF-17
    told = crm("workflow", "apply", crm.file(BUYERS), "--yes")
    assert "active at once" in told
    crm.emit("sale.made", product="offer-1", amount=99.0, currency="PLN")
    assert crm.tags() == {"Client 1"}
    crm("workflow", "deactivate", "Buyers of offer 1", "--yes")
    crm("tag", "remove", "Client 1", "--person", EWA)
    crm.emit("sale.made", product="offer-1", amount=99.0, currency="PLN")
    assert crm.tags() == set()


def test_the_author_is_warned_of_what_may_be_done_twice(crm: Crm) -> None:  # GRAPH-35
    crm("workflow", "apply", crm.file(BUYERS), "--yes")
    both = """
kind = "workflow"
name = "Sales"
[nodes.sold]
on = "sale.made"
next = "mark"
[nodes.mark]
do = "tag.add"
with = { tag = "Client 1" }
next = "end"
[nodes.end]
end = "all"
"""
    crm("workflow", "apply", crm.file(both), "--yes")
    assert "rule 'Buyers of offer 1'" in crm.errors
    assert "twice" in crm.errors
    another = crm.file(both.replace('"Sales"', '"More sales"'))
    crm("workflow", "apply", another, "--yes")
    assert "workflow 'Sales'" not in crm.errors  # it lets nobody in yet
    crm("workflow", "activate", "Sales", "--yes")
    crm("workflow", "activate", "More sales", "--yes")
    assert "note: the workflow 'Sales' also does tag.add" in crm.errors


def test_the_author_is_told_what_is_not_there_yet(crm: Crm) -> None:  # SEQ-24
    text = (
        OFFER
        + """
[nodes.more]
on = "form.submitted"
where = { form = "more" }
next = "write"
[nodes.write]
do = "mail.send"
with = { subject = "Hi", body = "Hi", sender = "anna" }
next = "tell"
[nodes.tell]
do = "notify"
with = { user = "zenon", text = "Hi" }
next = ["on", "off"]
[nodes.on]
do = "workflow.move"
with = { workflow = "Offer 1", node = "wellcome" }
next = "end"
[nodes.off]
do = "workflow.move"
with = { workflow = "Campaign 1", node = "pausing" }
next = "end"
"""
    )
    crm("workflow", "apply", crm.file(text), "--dry-run")
    notes = [line for line in crm.errors.splitlines() if line.startswith("note: ")]
    assert sum("no workflow 'Campaign 1'" in line for line in notes) == 3
    assert any(
        "nodes.on: workflow.move would fail: 'Offer 1' has no node 'wellcome'; write welcome" in n for n in notes
    )
    assert [line.partition(":")[2] for line in notes if "zenon" in line]
    assert [line for line in notes if "consent" in line and "anna" in line]
    for number in (1, 2):
        crm.workflow(CAMPAIGN.format(number=number))
    crm("workflow", "apply", crm.file(text), "--yes")
    assert "'Campaign 1' has no node 'pausing'; write pause" in crm.errors
    text = text.replace('"pausing"', '"pause"')
    crm("consent", "grant", "--flow", "Offer 1", user="anna")
    crm("workflow", "apply", crm.file(text.replace('"Hi"', '"Ho"')), "--dry-run")
    assert "Campaign 1" not in crm.errors
    assert "consent" not in crm.errors


def test_what_if_changes_nothing_and_says_who_would_have_got_what(crm: Crm) -> None:
    crm.emit("form.submitted", form="offer-1")
    crm.later("1d")
    crm("tag", "add", "Client 1", "--person", EWA)
    crm.later("4d")
    told = crm.rows("workflow", "replay", crm.file(OFFER), "--since", "2026-11-01")
    done = [(row["at"], row["person"], row["action"], row["with"]) for row in told if row["action"]]
    assert done == [
        ("2026-11-02T09:00:00Z", 1, "workflow.join", {"workflow": "Campaign 1"}),
        ("2026-11-05T09:00:00Z", 1, "workflow.leave", {"workflow": "Campaign 1"}),
        ("2026-11-05T09:00:00Z", 1, "workflow.join", {"workflow": "Campaign 2"}),
    ]
    assert told[-1]["result"] == "completed"
    assert crm.rows("workflow", "list") == []
    assert crm.tags() == {"Client 1"}


def what_if_is_what_was(crm: Crm) -> None:
    told = crm.rows("workflow", "replay", crm.file(OFFER), "--since", "2026-11-01")
    for person in (EWA, "adam@klient.example"):
        live = crm.trace("Offer 1", person)
        did = [(step["at"], step["node"]) for step in live["steps"] if step["result"].startswith("does ")]
        mine = [row for row in told if row["person"] == live["person"]]
        assert [(row["at"], row["node"]) for row in mine if row["action"]] == did
        assert mine[-1]["result"] == live["status"]


def test_what_if_over_the_live_log_gives_the_live_state(crm: Crm) -> None:
    worked_example(crm)
    what_if_is_what_was(crm)


def test_two_versions_are_compared_by_text_and_by_what_they_would_have_done(crm: Crm) -> None:
    crm.workflow(TAGGER)
    crm("workflow", "diff", "Tagger", code=1)
    assert "version 1 of 'Tagger' is the first; there is none before it" in crm.errors
    changed = crm.file(TAGGER.replace('"2d"', '"1d"'))
    crm.emit("form.submitted", form="a")
    crm.later("4d")
    told = crm.rows("workflow", "replay", changed, "--since", "2026-11-01", "--compare")
    assert [(row["change"], row["at"], row["action"], row["with"]) for row in told] == [
        ("+", "2026-11-03T09:00:00Z", "tag.add", {"tag": "marked"}),
        ("-", "2026-11-04T09:00:00Z", "tag.add", {"tag": "marked"}),
    ]
    crm("workflow", "apply", changed, "--yes")
    assert crm("workflow", "diff", "Tagger") == '~ nodes.pause.wait: "2d" -> "1d"\n'
    assert crm("workflow", "diff", "Tagger", "2", "1") == '~ nodes.pause.wait: "1d" -> "2d"\n'
    crm("workflow", "diff", "Tagger", "3", code=1)
    assert "no version 3" in crm.errors


def test_events_that_do_not_fit_are_refused_with_the_reason(crm: Crm) -> None:
    for kind, data, person, reason in (
        ("form.submited", {"form": "a"}, EWA, "form.submitted"),
        ("form.submitted", {"fom": "a"}, EWA, "form"),
        ("sale.made", {"product": 7, "amount": 1.0, "currency": "PLN"}, EWA, "product"),
        ("form.submitted", {"form": "a"}, "nobody@klient.example", "nobody@klient.example"),
    ):
        crm("event", "emit", kind, "--person", person, "--data", json.dumps(data), code=1)
        assert reason in crm.errors


def reply(message_id: str, to: str) -> bytes:
    """Ewa's answer to a mail."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Ewa Zielińska <{EWA}>", to, "Re: Regały"
    mail["Date"], mail["Message-ID"] = MONDAY + timedelta(days=3, hours=1), "<answer@klient.example>"
    mail["In-Reply-To"] = mail["References"] = f"<{message_id.strip('<>')}>"
    mail.set_content("Dziękuję, proszę o telefon.\n")
    return mail.as_bytes()


SEQUENCE = """
kind = "sequence"
name = "Warm lead"
for = "deals"
owner = "anna@firma.example"
[[step]]
type = "activity"
activity = "call"
assignee = "owner"
priority = "high"
note = "Ask about the budget"
[[step]]
type = "email"
after = "2d"
subject = "{{ deal.title }}"
body = "Dzień dobry {{ person.first_name }}, co z ofertą?"
[[step]]
type = "draft"
after = "2d"
subject = "Jeszcze raz: {{ deal.title }}"
body = "Dzień dobry {{ person.first_name }}"
remind = "4h"
"""
ONE_MAIL = """
kind = "sequence"
name = "One mail"
for = "deals"
owner = "anna@firma.example"
[[step]]
type = "email"
after = "1d"
subject = "{{ deal.title }}"
body = "Dzień dobry"
[[step]]
type = "activity"
after = "1d"
activity = "call"
"""


def overview(crm: Crm, name: str) -> dict[str, Any]:
    (row,) = crm.rows("sequence", "overview", name)
    return row


def test_a_sequence_walks_through_its_steps(mailing: Crm, sink: Sink) -> None:  # SEQ-10, SEQ-11, SEQ-12, SEQ-15
    crm = mailing
    crm("sequence", "apply", crm.file(SEQUENCE), "--yes")
    crm("consent", "grant", "--flow", "Warm lead", "--user", "anna", user="anna")
    crm("sequence", "enroll", "Warm lead", "--deal", "Regały", user="anna")
    crm("tick")
    (call,) = crm.rows("activity", "list")
    assert (call["type"], call["assignee"], call["priority"], call["note"]) == (
        "call",
        "anna",
        "high",
        "Ask about the budget",
    )
    assert sink.mails == []
    crm("activity", "done", str(call["id"]))
    crm.later("2d")
    (mail,) = sink.mails
    assert (mail.rcpt_tos, mail.message["Subject"]) == ((EWA,), "Regały")
    text = mail.message.get_body(("plain",)).get_content()
    assert "Dzień dobry Ewa" in text
    assert text.rstrip().endswith("Firma")
    assert overview(crm, "Warm lead")["status"] == "in_progress"
    crm.later("2d")
    (draft,) = [row for row in crm.rows("pulse") if row["kind"] == "draft"]
    assert "Jeszcze raz: Regały" in draft["text"]
    assert len(sink.mails) == 1
    crm("pulse", "done", str(draft["id"]))
    crm("tick")
    assert overview(crm, "Warm lead")["status"] == "completed"
    assert overview(crm, "Warm lead")["item"] == "deal:1"


def test_without_consent_nothing_is_sent_and_nothing_follows(
    mailing: Crm, sink: Sink
) -> None:  # SEQ-20, SEQ-25, SEQ-26
    crm = mailing
    crm("sequence", "apply", crm.file(ONE_MAIL), "--yes")
    crm("consent", "grant", "--flow", "One mail", "--user", "jan", user="jan")  # not Anna's (SEQ-22)
    crm("sequence", "enroll", "One mail", "--deal", "Regały", user="anna")
    assert "consent" in crm.errors
    crm("tick")
    assert overview(crm, "One mail")["status"] == "in_progress"
    crm.later("1d")
    crm("tick")
    row = overview(crm, "One mail")
    assert (row["status"], "consent" in row["reason"]) == ("failed", True)
    (mail,) = crm.rows("outbox", "list")
    assert (mail["kind"], mail["state"]) == ("flow", "failed")
    crm.later("3d")
    assert (crm.rows("activity", "list"), sink.mails) == ([], [])


def test_consent_is_a_users_own_to_give(mailing: Crm) -> None:  # SEQ-20, SEQ-22, SEQ-23
    crm = mailing
    crm("sequence", "apply", crm.file(ONE_MAIL), "--yes")
    crm("consent", "grant", "--flow", "One mail", "--user", "jan", user="anna", code=1)
    crm("consent", "grant", "--flow", "One mail", user="jan")
    crm("consent", "revoke", "--flow", "One mail", user="jan")
    rows = crm.rows("consent", "list", "--flow", "One mail")
    assert crm.rows("consent", "list") == rows
    assert crm.rows("consent", "list", "--user", "anna") == []
    assert [(row["user"], row["granted"], row["by"]) for row in rows] == [
        ("jan", False, "user:jan"),
        ("jan", True, "user:jan"),
    ]


def test_a_reply_ends_the_sequence(mailing: Crm, sink: Sink) -> None:  # SEQ-42
    crm = mailing
    crm("sequence", "apply", crm.file(SEQUENCE), "--yes")
    crm("consent", "grant", "--flow", "Warm lead", "--user", "anna", user="anna")
    crm("sequence", "enroll", "Warm lead", "--deal", "Regały", user="anna")
    crm("tick")
    (call,) = crm.rows("activity", "list")
    crm("activity", "done", str(call["id"]))
    crm.later("2d")
    (sent,) = sink.mails
    crm.now += timedelta(days=1, hours=1)
    for name, raw in (("sent", sent.content), ("reply", reply(sent.message["Message-ID"], "anna@firma.example"))):
        file = crm.folder / f"{name}.eml"
        file.write_bytes(raw)
        crm("ingest", str(file), "--mailbox", "anna")
    crm("tick")
    row = overview(crm, "Warm lead")
    assert (row["status"], row["reason"]) == ("removed", "replied")
    crm.later("3d")
    assert [each for each in crm.rows("pulse") if each["kind"] == "draft"] == []


def test_bundled_kinds_are_listed(crm: Crm) -> None:  # WF-T1
    kinds = {row["kind"] for row in crm.rows("event", "kinds")}
    assert {"mail.replied", "tag.added", "flow.completed", "sale.made", "form.submitted", "page.visited"} <= kinds
