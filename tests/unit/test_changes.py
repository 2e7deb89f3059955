"""What flows do to records (WF-7): the rows, the events that come of it, and what they refuse; on both databases."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mailcrm.app import activities, deals, leads, persons
from mailcrm.app.acting import Actor
from mailcrm.builtin import who
from mailcrm.builtin.actions import ACTIONS
from mailcrm.builtin.changes import CHANGES
from mailcrm.core.enrollment import Subject
from mailcrm.core.flow import FlowKind
from mailcrm.errors import Refused
from mailcrm.store import events, fields, flows, people, pulse
from mailcrm.store.activities import About
from mailcrm.store.db import Database
from mailcrm.store.tables import activity, deal, reaction
from tests.flow_kit import START, Story

ANYBODY = Actor()
USERS = {
    "anna": {"email": "anna@firma.example", "name": "Anna Nowak"},
    "jan": {
        "email": "jan@firma.example",
        "name": "Jan Lis",
        "time_zone": "Europe/Warsaw",
        "working_hours": {"hours": "09:00-17:00"},
    },
}


@pytest.fixture
def story(database: Database, tmp_path: Path) -> Story:
    return Story(database, tmp_path, users=USERS)


def flow(*actions: tuple[str, str], name: str = "Flow", tag: str = "go") -> str:
    does = ", ".join(f'{{ do = "{action}", with = {{ {args} }} }}' for action, args in actions)
    return (
        f'kind = "workflow"\nname = "{name}"\nowner = "anna"\n[nodes.in]\non = "tag.added"\n'
        f'where = {{ tag = "{tag}" }}\nnext = "do"\n[nodes.do]\ndo = [{does}]\nnext = "end"\n[nodes.end]\nend = "all"\n'
    )


def done(story: Story, person: int, *actions: tuple[str, str]) -> Any:
    """Have a flow do this for the person; gives its run."""
    number = story.flow(flow(*actions))
    story.react("tag.added", person, tag="go")
    return story.runs(number, person)[-1]


def told(story: Story, kind: str) -> list[tuple[int | None, dict[str, Any], str]]:
    """Person, data and source of the events of a kind that flows caused."""
    with story.db.read() as connection:
        found = reversed(events.recent(connection, kind=kind))
        return [(each.person, dict(each.data), each.source) for each in found if each.source != "test"]


def rows(story: Story, table: Any) -> list[Any]:
    with story.db.read() as connection:
        return list(connection.execute(select(table).order_by(table.c.id)))


def test_every_change_is_an_action_and_every_action_is_done_somewhere() -> None:
    assert {name for name, action in ACTIONS.items() if action.run is None} == CHANGES.keys()
    assert {name for name, action in ACTIONS.items() if action.run is not None} == {"document.file", "webhook.call"}
    assert all(action.label for action in ACTIONS.values())


def test_tags_are_put_on_and_taken_off_and_told_once(story: Story) -> None:
    ewa = story.person()
    assert done(story, ewa, ("tag.add", 'tag = " Client  1 "'), ("tag.add", 'tag = "Client 1"')).status == "completed"
    assert story.tags(ewa) == ["Client 1"]
    assert told(story, "tag.added") == [(ewa, {"tag": "Client 1"}, "flow:1")]
    done(story, ewa, ("tag.remove", 'tag = "Client 1"'), ("tag.remove", 'tag = "Client 1"'))
    assert story.tags(ewa) == []
    assert told(story, "tag.removed") == [(ewa, {"tag": "Client 1"}, "flow:1")]


def test_what_a_flow_causes_carries_the_chain_on(story: Story) -> None:
    story.flow(flow(("tag.remove", 'tag = "new"'), name="Other", tag="new"))
    ewa = story.person()
    done(story, ewa, ("tag.add", 'tag = "new"'))
    with story.db.read() as connection:
        chains = connection.execute(select(reaction.c.chain).order_by(reaction.c.event_id)).scalars().all()
    assert chains[1] == [[2, "do"]]
    assert story.tags(ewa) == []


def test_fields_are_set_and_cleared(story: Story) -> None:
    ewa = story.person()
    done(
        story,
        ewa,
        ("field.set", 'field = "region", value = "north"'),
        ("field.set", 'field = "size", value = 5'),
        ("field.set", 'field = "gone", value = ""'),
        ("field.set", 'field = "name", value = "Ewa Nowak"'),
        ("field.set", 'field = "owner", value = "jan"'),
    )
    with story.db.read() as connection:
        assert fields.of(connection, "person", [ewa])[ewa] == {"region": "north", "size": 5}
        row = people.rows(connection, [ewa])[ewa]
    assert (row.name, row.owner_id) == ("Ewa Nowak", 2)
    failed = done(story, ewa, ("field.set", 'field = "email", value = "x@y.example"'))
    assert (failed.status, "email is no field that a flow may set" in failed.reason) == ("failed", True)


def test_an_activity_is_planned_for_the_flows_owner(story: Story) -> None:
    ewa = story.person()
    run = done(story, ewa, ("activity.create", 'activity = "call", due = "2h", priority = "high", note = "Budget"'))
    (row,) = rows(story, activity)
    assert (row.type, row.person_id, row.assignee_id, row.priority, row.note) == ("call", ewa, 1, "high", "Budget")
    assert (row.due, row.created_by) == (START + timedelta(hours=2), f"enrollment:{run.id}")
    assert told(story, "meeting.scheduled") == []


def test_a_meeting_is_told_and_falls_into_working_hours(story: Story) -> None:
    ewa = story.person(owner=2)
    done(story, ewa, ("activity.create", 'activity = "meeting", assignee = "contact-owner", due = "1d"'))
    (row,) = rows(story, activity)  # START is a Sunday, 10:00 in Warsaw
    assert (row.assignee_id, row.due) == (2, START + timedelta(days=1))
    assert told(story, "meeting.scheduled") == [(ewa, {"activity": row.id, "type": "meeting"}, "flow:1")]
    done(story, ewa, ("activity.create", 'activity = "call", assignee = "jan"'))
    assert rows(story, activity)[1].due == START + timedelta(hours=23)  # at once is Monday at nine


def test_activities_are_completed(story: Story) -> None:
    ewa = story.person()
    other = activities.add(story.context, ANYBODY, "call", About(person_id=ewa))
    done(story, ewa, ("activity.create", 'activity = "visit"'), ("activity.complete", ""))
    assert [row.done_at for row in rows(story, activity)] == [None, START]  # those that the run planned itself
    done(story, ewa, ("activity.complete", 'activity = "Call"'), ("activity.complete", 'activity = "call"'))
    assert [row.done_at for row in rows(story, activity)] == [START, START]
    assert [data["activity"] for _, data, _ in told(story, "activity.done")] == [other + 1, other]


def test_a_deal_is_opened_and_moved(story: Story) -> None:
    ewa = story.person(owner=2)
    deals.add(story.context, ANYBODY, "Older", person=ewa)
    run = done(
        story,
        ewa,
        ("deal.create", 'title = "Roof", value = "1200,50", currency = "pln"'),
        ("deal.move", 'stage = "Offer"'),  # two are open: the one that the run opened
        ("deal.move", 'stage = "offer"'),
    )
    assert run.status == "completed"
    old, new = rows(story, deal)
    assert (new.title, new.value, new.currency, new.owner_id) == ("Roof", Decimal("1200.50"), "PLN", 2)
    assert new.stage_id != old.stage_id
    assert [(who, data["stage"]) for who, data, _ in told(story, "deal.moved")] == [(ewa, "Offer")]
    assert told(story, "deal.created")[-1] == (ewa, {"deal": new.id, "stage": "New"}, "flow:1")


@pytest.mark.parametrize(
    ("actions", "reason"),
    [
        ([("deal.move", 'stage = "Offer"')], "which deal? person 1 has open: none"),
        ([("deal.create", 'title = "A"'), ("deal.move", 'stage = "Nowhere"')], "no stage 'Nowhere'"),
        ([("deal.create", 'title = " "')], "the title is empty"),
        ([("deal.create", 'title = "A", value = "much"')], "'much' is no amount"),
        ([("activity.create", 'activity = "call", priority = "great"')], "'great' is no priority"),
        ([("activity.create", 'activity = "call", assignee = "nobody"')], "no user 'nobody'"),
        ([("notify", 'user = "nobody", text = "x"')], "no user 'nobody'"),
        ([("notify", 'text = "{{ person.shoe }}"')], "{{ person.shoe }} has no value here"),
        ([("workflow.join", 'workflow = "Nothing"')], "no workflow 'Nothing'"),
        ([("workflow.leave", 'workflow = "Nothing"')], "no workflow 'Nothing'"),
        ([("sequence.enroll", 'sequence = "Nothing"')], "no sequence 'Nothing'"),
    ],
)
def test_what_can_not_be_done_fails_the_run_with_the_reason(
    story: Story, actions: list[tuple[str, str]], reason: str
) -> None:
    run = done(story, story.person(), *actions, ("tag.add", 'tag = "after"'))
    assert run.status == "failed"
    assert reason in run.reason
    assert story.tags(1) == []


def test_which_of_two_deals_is_not_guessed(story: Story) -> None:
    ewa = story.person()
    for title in ("One", "Two"):
        deals.add(story.context, ANYBODY, title, person=ewa)
    assert "which deal? person 1 has open: 1, 2" in done(story, ewa, ("deal.move", 'stage = "Offer"')).reason


def test_a_user_is_told(story: Story) -> None:
    ewa = story.person("Ewa Zielińska", owner=2)
    run = done(
        story,
        ewa,
        ("notify", 'text = "{{ person.first_name }} is hot"'),
        ("notify", 'user = "contact-owner", text = "Call { her }"'),
    )
    with story.db.read() as connection:
        lines = pulse.listed(connection)
    assert [(line.user, line.kind, line.text, line.person) for line in lines] == [
        ("anna", "notice", "Ewa is hot", ewa),
        ("jan", "notice", "Call { her }", ewa),
    ]
    assert run.status == "completed"


def test_one_workflow_puts_into_another_and_takes_out(story: Story) -> None:  # WF-7
    waits = flow(("tag.add", 'tag = "later"'), name="Campaign 1", tag="never").replace(
        'do = [{ do = "tag.add", with = { tag = "later" } }]', 'wait = "1d"'
    )
    campaign, ewa = story.flow(waits), story.person()
    done(story, ewa, ("workflow.join", 'workflow = "Campaign 1"'), ("workflow.join", 'workflow = "Campaign 1"'))
    assert story.statuses(campaign) == ["in_progress"]
    done(story, ewa, ("workflow.leave", 'workflow = "Campaign 1"'), ("workflow.leave", 'workflow = "Campaign 1"'))
    (run,) = story.runs(campaign)
    assert (run.status, run.reason, run.ended_by) == ("removed", "taken out by flow:2", "flow:2")


def said(story: Story, person: int) -> list[str]:
    """The last trace of the flow that ``done`` applies."""
    with story.db.read() as connection:
        number = flows.find(connection, "Flow", [FlowKind.WORKFLOW]).id
    return [step.result for step in story.trace(number, person)]


def test_why_nobody_was_put_into_another_is_in_the_trace(story: Story) -> None:
    story.flow(MOVED, active=False)
    ewa = story.person()
    assert done(story, ewa, ("workflow.join", 'workflow = "Letters"')).status == "completed"
    assert "workflow.join changes nothing: 'Letters': the flow lets nobody in now" in said(story, ewa)


MOVED = """
kind = "workflow"
name = "Letters"
owner = "anna"
[nodes.in]
on = "tag.added"
where = { tag = "letters" }
next = "pause"
[nodes.pause]
wait = "1w"
next = "mark"
[nodes.mark]
do = "tag.add"
with = { tag = "late" }
next = "rest"
[nodes.rest]
wait = "1w"
next = "end"
[nodes.end]
end = "all"
"""


def test_one_workflow_moves_on_in_another(story: Story) -> None:  # GRAPH-36
    letters, ewa = story.flow(MOVED), story.person()
    assert done(story, ewa, ("workflow.move", 'workflow = "Letters", node = "mark"')).status == "completed"
    assert (story.statuses(letters), story.tags(ewa)) == ([], [])  # who is not inside stays out
    assert "workflow.move changes nothing: 'Letters': nobody is inside" in said(story, ewa)
    story.react("tag.added", ewa, tag="letters")
    run = done(story, ewa, ("workflow.move", 'workflow = "Letters", node = "nothing"'))
    assert run.reason == "do: workflow.move: version 1 of 'Letters', which is walked there, has no node 'nothing'"
    done(story, ewa, ("workflow.move", 'workflow = "Letters", node = "mark"'))
    assert story.statuses(letters) == ["in_progress"]
    assert "late" in story.tags(ewa)
    story.later("1w")
    assert story.statuses(letters) == ["completed"]


ITSELF = """
kind = "workflow"
name = "Itself"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = ["mover", "outside", "marker", "after"]
[nodes.mover]
do = "workflow.move"
with = { workflow = "Itself", node = "rest" }
next = "gone"
[nodes.gone]
do = "tag.add"
with = { tag = "gone on" }
next = "end"
[nodes.outside]
do = "outside"
next = "end"
[nodes.marker]
do = "tag.add"
with = { tag = "beside" }
next = "end"
[nodes.after]
do = "outside"
next = "end"
[nodes.rest]
wait = "1d"
next = "end"
[nodes.end]
end = "all"
"""


def test_a_workflow_moves_its_own_and_nothing_of_the_other_branches_is_done(story: Story) -> None:
    itself, ewa = story.flow(ITSELF.replace('"after"]', '"after", "rest"]')), story.person()
    story.react("tag.added", ewa, tag="go")
    assert (story.statuses(itself), story.tags(ewa)) == (["in_progress"], [])
    assert {state for _, state, _ in story.effects()} <= {"withdrawn"}
    assert story.at(itself, ewa) == ["rest"]
    story.later("1d")
    assert (story.statuses(itself), story.tags(ewa)) == (["completed"], [])


def sequence(item: str) -> str:
    return (
        f'kind = "sequence"\nname = "Warm"\nfor = "{item}"\nowner = "anna"\n'
        '[[step]]\ntype = "activity"\nactivity = "call"\n'
        '[[step]]\ntype = "activity"\nafter = "1d"\nactivity = "visit"\n'
    )


def test_a_persons_deal_is_enrolled_in_a_sequence_and_taken_out(story: Story) -> None:  # SEQ-43
    warm, ewa = story.flow(sequence("deals")), story.person()
    number = deals.add(story.context, ANYBODY, "Roof", person=ewa)
    assert done(story, ewa, ("sequence.enroll", 'sequence = "Warm"')).status == "completed"
    (run,) = story.runs(warm)
    assert (run.deal_id, run.person_id, run.enrolled_by, run.status) == (number, ewa, "flow:2", "in_progress")
    (planned,) = rows(story, activity)
    assert (planned.deal_id, planned.type) == (number, "call")
    done(story, ewa, ("sequence.leave", 'sequence = "Warm"'))
    assert story.statuses(warm) == ["removed"]


def test_a_persons_lead_too_and_two_are_not_guessed(story: Story) -> None:
    warm, ewa = story.flow(sequence("leads")), story.person()
    number = leads.add(story.context, ANYBODY, "Roof?", person=ewa)
    done(story, ewa, ("sequence.enroll", 'sequence = "Warm"'))
    assert [row.lead_id for row in story.runs(warm)] == [number]
    leads.add(story.context, ANYBODY, "Door?", person=ewa)
    assert "which lead? person 1 has: 1, 2" in done(story, ewa, ("sequence.enroll", 'sequence = "Warm"')).reason


def test_users_and_flows_tell_the_same(story: Story) -> None:
    ewa = story.person()
    assert persons.add_tag(story.context, ANYBODY, "vip", ewa)
    number = deals.add(story.context, ANYBODY, "Roof", person=ewa)
    deals.move(story.context, ANYBODY, number, "Offer")
    deals.close(story.context, ANYBODY, number, won=True)
    planned = activities.add(story.context, ANYBODY, "meeting", About(deal_id=number))
    activities.done(story.context, ANYBODY, planned)
    assert persons.remove_tag(story.context, ANYBODY, "vip", ewa)
    with story.db.read() as connection:
        happened = [(each.kind, each.person) for each in reversed(events.recent(connection))]
    kinds = "tag.added deal.created deal.moved deal.won meeting.scheduled activity.done tag.removed"
    assert happened == [(kind, ewa) for kind in kinds.split()]


def test_an_edit_that_makes_a_meeting_schedules_it(story: Story) -> None:
    ewa = story.person()
    number = activities.add(story.context, ANYBODY, "call", About(person_id=ewa))
    for kind in ("meeting", "Meeting", None):
        activities.edit(story.context, ANYBODY, number, activities.ActivityEdit(type=kind, note="x"), About())
    assert len(told(story, "meeting.scheduled")) == 1


def test_a_subject_without_a_person() -> None:
    with pytest.raises(Refused, match="deal 7 is with no person"):
        who.person(Subject(None, deal=7))
