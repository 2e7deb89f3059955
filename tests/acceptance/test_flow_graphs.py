"""What a workflow's graph can do, by the command line: triggers, branches, waits, actions of every kind."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.commands import EWA, Crm, settings
from tests.servers import Sink
from tests.worked_example import with_clicks


@pytest.fixture
def crm(tmp_path: Path, migrated_sqlite: Path, sink: Sink, capsys: pytest.CaptureFixture[str]) -> Crm:
    shutil.copy(migrated_sqlite, tmp_path / "test.db")
    (tmp_path / "coupons").mkdir()
    (tmp_path / "coupons" / "spring.txt").write_text("SPRING-1\nSPRING-2\n")
    more = {
        "smarthost": {"host": sink.host, "port": sink.port, "tls": "none"},
        "plugins": {"config": {"coupons": {"folder": str(tmp_path / "coupons")}}},
    }
    crm = Crm(tmp_path, settings(**more), capsys.readouterr)
    crm("person", "add", "--name", "Ewa Zielińska", "--email", EWA)
    return crm


def person(crm: Crm, name: str, *tags: str, **fields: str) -> str:
    """Somebody new; his address."""
    email = f"{name.lower()}@klient.example"
    crm("person", "add", "--name", name, "--email", email)
    for tag in tags:
        crm("tag", "add", tag, "--person", email)
    for field, value in fields.items():
        crm("field", "set", field, value, "--person", email)
    return email


TRIGGERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "meeting scheduled": ("meeting.scheduled", {"activity": 1, "type": "meeting"}, {"type": "visit"}),
    "tag added": ("tag.added", {"tag": "vip"}, {"tag": "partner"}),
    "tag removed": ("tag.removed", {"tag": "vip"}, {"tag": "partner"}),
    "funnel form": ("form.submitted", {"form": "a", "place": "funnel"}, {"place": "blog"}),
    "blog form": ("form.submitted", {"form": "a", "place": "blog"}, {"place": "store"}),
    "campaign completed": ("flow.completed", {"flow": "Campaign 1", "kind": "workflow"}, {"flow": "Campaign 2"}),
    "webinar registered": ("webinar.registered", {"webinar": "a"}, {"webinar": "b"}),
    "course enrolled": ("course.enrolled", {"course": "a"}, {"course": "b"}),
    "course completed": ("course.completed", {"course": "a"}, {"course": "b"}),
    "module completed": ("module.completed", {"course": "a", "module": "1"}, {"module": "2"}),
    "lesson completed": ("lesson.completed", {"course": "a", "module": "1", "lesson": "1"}, {"lesson": "2"}),
    "bundle enrolled": ("bundle.enrolled", {"course": "a"}, {"course": "b"}),
    "new sale": ("sale.made", {"product": "a", "amount": 9.5, "currency": "PLN"}, {"product": "b"}),
    "sale cancelled": ("sale.cancelled", {"product": "a", "amount": 9.5, "currency": "PLN"}, {"product": "b"}),
    "mail opened": ("mail.opened", {"message": "a@firma.example", "flow": "Campaign 1"}, {"flow": "Campaign 2"}),
    "link clicked": ("link.clicked", {"message": "a@firma.example", "url": "https://a.example"}, {"url": "x"}),
    "page visited": ("page.visited", {"url": "https://a.example/prices"}, {"url": "https://a.example"}),
    "community joined": ("community.joined", {"community": "a"}, {"community": "b"}),
    "payment failed": ("payment.failed", {"product": "a"}, {"product": "b"}),
    "store form": ("form.submitted", {"form": "a", "place": "store"}, {"place": "funnel"}),
}


# WF-T1, WF-T2, WF-T3, WF-T4, WF-T5, WF-T6, WF-T7, WF-T8, WF-T9, WF-T10
# WF-T11, WF-T12, WF-T13, WF-T14, WF-T15, WF-T16, WF-T17, WF-T18, WF-T19, WF-T20
@pytest.mark.parametrize("name", TRIGGERS)
def test_each_trigger_starts_those_who_ask_for_it(crm: Crm, name: str) -> None:
    kind, data, other = TRIGGERS[name]
    for tag, asked in (("met", {key: data[key] for key in other}), ("not met", other)):
        where = ", ".join(f'{key} = "{value}"' for key, value in asked.items())
        rule = f'kind = "rule"\nname = "{tag}"\non = "{kind}"\nwhere = {{ {where} }}\ndo = "tag.add"\n'
        crm("workflow", "apply", crm.file(f'{rule}with = {{ tag = "{tag}" }}\n'), "--yes")
    crm.emit(kind, **data)
    assert crm.tags() == {"met"}


def test_commands_of_records_are_triggers_too(crm: Crm) -> None:  # WF-T1, WF-T2, WF-T3
    for kind in ("meeting.scheduled", "tag.added", "tag.removed", "deal.created"):
        rule = (
            f'kind = "rule"\nname = "{kind}"\non = "{kind}"\ndo = "notify"\nwith = {{ text = "{kind}", user = "anna" }}'
        )
        crm("workflow", "apply", crm.file(rule), "--yes")
    crm("activity", "add", "--type", "meeting", "--due", "2026-11-09T10:00", "--person", EWA)
    crm("tag", "add", "vip", "--person", EWA)
    crm("tag", "remove", "vip", "--person", EWA)
    crm("deal", "add", "--title", "Regały", "--person", EWA)
    crm("tick")
    assert sorted(row["text"] for row in crm.rows("pulse")) == [
        "deal.created",
        "meeting.scheduled",
        "tag.added",
        "tag.removed",
    ]


CAMPAIGN = """
kind = "workflow"
name = "Campaign {number}"
[nodes.by-tag]
on = "tag.added"
where = {{ tag = "campaign-{number}" }}
next = "stay"
[nodes.stay]
wait = "1mo"
next = "end"
[nodes.end]
end = "all"
"""


def test_the_sample_graph(crm: Crm) -> None:  # GRAPH-12, GRAPH-15, GRAPH-20, GRAPH-21, GRAPH-23, GRAPH-26, GRAPH-27
    for number in (1, 2):
        crm.workflow(CAMPAIGN.format(number=number))
    crm.workflow(with_clicks())
    north, east, south = (person(crm, name.title(), region=name) for name in ("north", "east", "south"))
    buyer, silent = person(crm, "Buyer", "Client 1"), person(crm, "Silent")
    click = {"message": "a@firma.example", "url": "https://firma.example"}
    crm.emit("link.clicked", north, **click)  # entry = false: it lets nobody in
    for each in (north, east, south, buyer, silent):
        crm.emit("form.submitted", each, form="offer-1")
    assert crm.inside("Offer 1") == crm.inside("Campaign 1") == 5
    crm.emit("link.clicked", north, **click)  # too early: nobody has come so far
    crm.later("3d")
    assert crm.trace("Offer 1", buyer)["status"] == "completed"
    assert (crm.inside("Campaign 1"), crm.inside("Campaign 2")) == (4, 1)
    (place,) = crm.trace("Offer 1", north)["waiting"]
    assert (place["node"], place["event"], place["due_at"]) == ("clicked", "link.clicked", "2026-11-10T09:00:00Z")
    crm.now += timedelta(days=5)  # the last moment
    for each in (north, east, south):
        crm.tell("link.clicked", each, **click)
    crm("tick")
    assert [crm.trace("Offer 1", each)["status"] for each in (north, east, south, silent)] == [
        "in_progress",
        "in_progress",
        "completed",
        "completed",
    ]
    assert crm.rows("activity", "list") == []
    crm.later("2h")
    calls = crm.rows("activity", "list")
    assert {(row["type"], row["assignee"]) for row in calls} == {("call", "anna")}
    assert {row["person"] for row in calls} == {crm.trace("Offer 1", each)["person"] for each in (north, east)}
    told = [step["result"] for step in crm.trace("Offer 1", silent)["steps"] if step["node"] == "clicked"]
    assert told[-1] == "did not happen in time"


BY_TAG = """
kind = "workflow"
name = "By tag"
[nodes.in]
on = "form.submitted"
next = "which"
[nodes.which]
switch = { tag = ["vip", "partner"] }
cases = { vip = "a", "!partner" = "b" }
other = "c"
[nodes.a]
do = "tag.add"
with = { tag = "took a" }
next = "end"
[nodes.b]
do = "tag.add"
with = { tag = "took b" }
next = "end"
[nodes.c]
do = "tag.add"
with = { tag = "took c" }
next = "end"
[nodes.end]
end = "all"
"""


def test_a_switch_by_tag(crm: Crm) -> None:  # GRAPH-22, GRAPH-23
    crm.workflow(BY_TAG)
    for tags, way in ((("vip", "partner"), "a"), ((), "b"), (("partner",), "c")):
        email = person(crm, f"P{way}", *tags)
        crm.emit("form.submitted", email, form="x")
        assert crm.tags(email) - set(tags) == {f"took {way}"}


@pytest.mark.parametrize(
    ("span", "due"),
    [
        ("4h", "2026-11-02T13:00:00Z"),
        ("2d", "2026-11-04T09:00:00Z"),
        ("1w", "2026-11-09T09:00:00Z"),
        ("1mo", "2026-12-02T09:00:00Z"),
        ("90m", "2026-11-02T10:30:00Z"),
    ],
)
def test_units_of_waiting(crm: Crm, span: str, due: str) -> None:  # GRAPH-33, GRAPH-34
    crm.workflow(CAMPAIGN.format(number=1).replace("1mo", span))
    crm.emit("tag.added", tag="campaign-1")
    (place,) = crm.trace("Campaign 1")["waiting"]
    assert (place["node"], place["due_at"]) == ("stay", due)


USES = """
kind = "workflow"
name = "Spring"
owner = "anna@firma.example"
[nodes.in]
on = "form.submitted"
next = ["coupon", "alert", "mark"]
[nodes.coupon]
do = "coupon.issue"
with = { series = "spring" }
next = "welcome"
[nodes.welcome]
do = "mail.send"
with = { subject = "Witamy", body = "{{ person.first_name }}, Twój kupon: {{ person.fields.coupon }}" }
next = "done"
[nodes.alert]
do = "notify"
with = { user = "jan", text = "{{ person.name }} is here" }
[nodes.mark]
do = [{ do = "tag.add", with = { tag = "spring" } }, { do = "workflow.join", with = { workflow = "Campaign 1" } }]
next = "branch"
[nodes.branch]
end = "branch"
[nodes.done]
end = "all"
"""


def test_the_uses_that_workflows_are_for(crm: Crm, sink: Sink) -> None:  # GRAPH-25, GRAPH-29, GRAPH-31, GRAPH-36
    crm.workflow(CAMPAIGN.format(number=1))
    crm.workflow(USES)
    crm("consent", "grant", "--flow", "Spring", "--user", "anna", user="anna")
    crm.emit("form.submitted", form="x")
    (mail,) = sink.mails
    assert "Ewa, Twój kupon: SPRING-1" in mail.message.get_body(("plain",)).get_content()
    assert [row["text"] for row in crm.rows("pulse", "--user", "jan")] == ["Ewa Zielińska is here"]
    assert (crm.tags(), crm.inside("Campaign 1")) == ({"spring"}, 1)
    assert crm.trace("Spring")["status"] == "completed"
    (row,) = crm.rows("outbox", "list")
    assert (row["kind"], row["to"], row["state"]) == ("flow", EWA, "sent")


CALLS = """
kind = "sequence"
name = "Calls"
for = "deals"
owner = "anna@firma.example"
[[step]]
type = "activity"
activity = "call"
[[step]]
type = "activity"
after = "1d"
activity = "visit"
"""
INTO_CALLS = """
kind = "rule"
name = "Call new deals"
on = "deal.created"
do = "sequence.enroll"
with = { sequence = "Calls" }
"""


def test_a_workflow_enrolls_in_a_sequence(crm: Crm) -> None:  # SEQ-43
    crm("sequence", "apply", crm.file(CALLS), "--yes")
    crm("workflow", "apply", crm.file(INTO_CALLS), "--yes")
    crm("deal", "add", "--title", "Regały", "--person", EWA, "--owner", "anna")
    crm("tick")
    (row,) = crm.rows("sequence", "overview", "Calls")
    assert (row["item"], row["status"]) == ("deal:1", "in_progress")
    assert [each["type"] for each in crm.rows("activity", "list")] == ["call"]


def test_completing_by_hand_is_asked_final_and_kept(crm: Crm) -> None:  # SEQ-29, SEQ-37, SEQ-38, SEQ-39, SEQ-40, SEQ-41
    crm("sequence", "apply", crm.file(CALLS), "--yes")
    crm("deal", "add", "--title", "Regały", "--person", EWA)
    crm("sequence", "enroll", "Calls", "--deal", "Regały", user="jan")
    crm("sequence", "complete", "Calls", "--deal", "Regały", user="jan", code=1)
    assert "--yes" in crm.errors
    crm.now += timedelta(hours=2)
    crm("sequence", "complete", "Calls", "--deal", "1", "--reason", "he rang himself", "--yes", user="jan")
    (row,) = crm.rows("sequence", "overview", "Calls", "--status", "completed")
    assert (row["reason"], row["completed_by"], row["completed_at"]) == (
        "he rang himself",
        "user:jan",
        "2026-11-02T11:00:00Z",
    )
    crm("sequence", "complete", "Calls", "--deal", "1", "--yes", user="jan", code=1)
    crm.later("2d")
    assert [each["type"] for each in crm.rows("activity", "list")] == ["call"]


def test_a_sequence_has_to_be_there_before_anything_is_enrolled(crm: Crm) -> None:  # SEQ-32
    crm("deal", "add", "--title", "Regały", "--person", EWA)
    crm("sequence", "enroll", "Calls", "--deal", "Regały", user="anna", code=1)
    assert "sequence list" in crm.errors
    crm("sequence", "apply", crm.file(CALLS), "--yes")
    crm("sequence", "enroll", "Calls", "--deal", "Regały", user="anna")
    assert [row["in_progress"] for row in crm.rows("sequence", "list")] == [1]


def test_several_at_once_by_options_words_and_file(crm: Crm) -> None:  # SEQ-30
    crm("sequence", "apply", crm.file(CALLS), "--yes")
    for number in range(1, 7):
        crm("deal", "add", "--title", f"Deal {number}", "--person", EWA)
    crm("sequence", "enroll", "Calls", "--deal", "1", "--deal", "2", "--yes", user="jan", code=1)
    assert "bulk" in crm.errors
    for bulk in (("--deal", "1", "--deal", "2"), ("--deal", "3", "4")):
        crm("sequence", "enroll", "Calls", *bulk, user="anna", code=1)  # nobody can be asked without a terminal
        assert "add --yes" in crm.errors
        crm("sequence", "enroll", "Calls", *bulk, "--yes", user="anna")
    listed = crm.file("5\nDeal 6\n")
    crm("sequence", "enroll", "Calls", "--from", listed, "--dry-run", user="anna")
    assert "deal 5, deal 6" in crm.errors
    crm("sequence", "enroll", "Calls", "--from", listed, user="anna", code=1)
    crm("sequence", "enroll", "Calls", "--from", listed, "--yes", user="anna")
    rows = crm.rows("sequence", "overview", "Calls")
    assert [row["item"] for row in rows] == [f"deal:{number}" for number in range(1, 7)]
    crm("sequence", "leave", "Calls", "--deal", "2", "--reason", "no budget", user="anna")
    (row,) = crm.rows("sequence", "overview", "Calls", "--status", "removed")
    assert (row["item"], row["status"], row["reason"]) == ("deal:2", "removed", "no budget")
    for verb in ("leave", "complete"):
        crm("sequence", verb, "Calls", "--from", listed, user="anna", code=1)
        crm("sequence", verb, "Calls", "--deal", "5", "6", user="anna", code=1)
    assert {row["status"] for row in crm.rows("sequence", "overview", "Calls")} == {"in_progress", "removed"}
    crm("sequence", "leave", "Calls", "--from", listed, "--yes", user="anna")


def test_a_sequence_is_printed_previewed_and_its_templates_apply(crm: Crm) -> None:  # SEQ-6, SEQ-31, SEQ-36
    crm("sequence", "apply", crm.file(CALLS), "--yes")
    printed = crm("sequence", "show", "Calls", "--toml")
    crm("sequence", "apply", crm.file(printed))
    assert "like that already" in crm.errors
    crm("deal", "add", "--title", "Regały", "--person", EWA)
    assert [row["what"].partition(",")[0] for row in crm.rows("sequence", "preview", "Calls", "--deal", "1")] == [
        "call",
        "visit",
    ]
    templates = crm.rows("sequence", "templates")
    assert {row["language"] for row in templates} == {"en", "pl"}
    for row in templates:
        text = crm("sequence", "templates", f"{row['slug']}.{row['language']}")
        crm(row["kind"], "apply", crm.file(text), "--yes", user="anna")


def test_the_end_of_one_workflow_starts_another(crm: Crm) -> None:  # WF-T6
    crm.workflow(CAMPAIGN.format(number=1).replace("1mo", "2d"))
    rule = 'kind = "rule"\nname = "After"\non = "flow.completed"\nwhere = { flow = "Campaign 1" }\ndo = "tag.add"\n'
    crm("workflow", "apply", crm.file(rule + 'with = { tag = "through" }\n'), "--yes")
    crm("tag", "add", "campaign-1", "--person", EWA)
    crm("tick")
    assert crm.tags() == {"campaign-1"}
    crm.later("2d")
    assert crm.tags() == {"campaign-1", "through"}


def test_on_and_off_at_any_time(crm: Crm) -> None:  # GRAPH-5
    crm.workflow(CAMPAIGN.format(number=1), active=False)
    for number, (on, inside) in enumerate([(True, 1), (False, 1), (True, 2), (False, 2)]):
        crm.now += timedelta(minutes=1)
        crm("workflow", "activate" if on else "deactivate", "Campaign 1", "--yes")
        crm.emit("tag.added", person(crm, f"P{number}"), tag="campaign-1")
        assert crm.inside("Campaign 1") == inside


def test_what_is_removed_stops_and_its_name_is_free(crm: Crm) -> None:  # SEQ-36, WF-14
    crm.workflow(CAMPAIGN.format(number=1).replace("1mo", "2d").replace('next = "end"', 'next = "mark"') + MARK)
    crm.emit("tag.added", tag="campaign-1")
    crm("workflow", "remove", "Campaign 1", code=1)
    assert "1 inside" in crm.errors
    crm("workflow", "remove", "Campaign 1", "--yes")
    crm.later("2d")
    assert (crm.tags(), crm.rows("workflow", "list")) == (set(), [])
    (job,) = crm.rows("workflow", "jobs", EWA)
    assert (job["status"], job["reason"]) == ("removed", "the workflow was removed")
    run = crm.trace("Campaign 1")  # what became of whom stays to be read
    assert (run["enrollment"], run["status"]) == (job["enrollment"], "removed")
    assert [step["node"] for step in run["steps"]][:2] == ["by-tag", "stay"]
    crm.workflow(CAMPAIGN.format(number=1))
    assert crm.inside("Campaign 1") == 0
    crm("workflow", "trace", "Campaign 1", EWA, code=1)
    assert "was never in 'Campaign 1'" in crm.errors  # in the new one of that name
    assert crm.trace("1")["enrollment"] == job["enrollment"]


MARK = """
[nodes.mark]
do = "tag.add"
with = { tag = "marked" }
next = "end"
"""


def test_a_rule_that_is_off_stays_off_when_it_is_edited(crm: Crm) -> None:  # WF-17
    rule = 'kind = "rule"\nname = "R"\non = "form.submitted"\ndo = "tag.add"\nwith = { tag = "a" }\n'
    crm("workflow", "apply", crm.file(rule), "--yes")
    crm("workflow", "deactivate", "R", "--yes")
    crm("workflow", "apply", crm.file(rule.replace('"a"', '"b"')), "--yes")
    crm.emit("form.submitted", form="x")
    assert crm.tags() == set()
    crm("workflow", "activate", "R", "--yes")
    crm.emit("form.submitted", form="x")
    assert crm.tags() == {"b"}
