"""Flows of deals: whose answer ends which run, and deals with nobody."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from mailcrm.app import machine
from mailcrm.builtin.changes import CHANGES
from mailcrm.core.enrollment import Status, Stop, Subject
from mailcrm.store import deals, organizations, pipelines
from mailcrm.store.db import Database
from mailcrm.store.deals import NewDeal
from mailcrm.store.tables import activity
from tests.flow_kit import TESTED, Story

CALLS = """
kind = "sequence"
name = "Calls"
for = "deals"
owner = "anna"
stop_on_reply = {whose}
[[step]]
type = "activity"
activity = "call"
[[step]]
type = "activity"
after = "1d"
activity = "meeting"
"""


@pytest.fixture
def story(database: Database, tmp_path: Path) -> Story:
    return Story(database, tmp_path)


def organization(story: Story, name: str) -> int:
    with story.db.write() as connection:
        pipelines.ensure_default(connection)
        return organizations.add(connection, name, story.now, created_by="test")


def enrolled(story: Story, flow: int, person: int | None = None, firm: int | None = None) -> int:
    """A new deal goes through the flow; the deal's id."""
    with story.db.write() as connection:
        stage = pipelines.first_stage(connection)
        number = deals.add(connection, NewDeal("Dach", stage, "test", person=person, organization=firm), story.now)
        machine.enter(story.context, connection, flow, [Subject(person, deal=number)], by="test", at=story.now)
    return number


def answers(story: Story, person: int) -> None:
    story.react("mail.replied", person, message="a@klient.example", thread=1, deal=None)


@pytest.mark.parametrize(("whose", "ended"), [('"organization"', {"Ewa", "Jan"}), ("true", {"Ewa"}), ("false", set())])
def test_whose_answer_ends_a_run(story: Story, whose: str, ended: set[str]) -> None:  # SEQ-42
    flow = story.flow(CALLS.format(whose=whose))
    ours, theirs = organization(story, "Firma"), organization(story, "Inna")
    firms = {"Ewa": ours, "Jan": ours, "Ola": theirs, "Zoe": None}
    persons = {name: story.person(name, organization=firm) for name, firm in firms.items()}
    for person in persons.values():
        enrolled(story, flow, person)
    story.run()
    answers(story, persons["Ewa"])
    runs = {name: story.runs(flow, person)[0] for name, person in persons.items()}
    assert {name for name, run in runs.items() if run.status == "removed"} == ended
    assert {run.reason for run in runs.values() if run.status == "removed"} <= {"replied"}
    story.later("1d")
    through = {name for name, person in persons.items() if story.runs(flow, person)[0].status == "completed"}
    assert through == set(persons) - ended


def test_somebody_without_an_organization_has_no_colleagues(story: Story) -> None:
    flow = story.flow(CALLS.format(whose='"organization"'))
    ewa, jan = story.person(), story.person("Jan")
    for person in (ewa, jan):
        enrolled(story, flow, person)
    answers(story, ewa)
    assert story.statuses(flow) == ["removed", "in_progress"]


def test_a_deal_with_nobody_goes_through_a_sequence(story: Story) -> None:
    flow = story.flow(CALLS.format(whose='"organization"'))
    alone = enrolled(story, flow, firm=organization(story, "Firma"))
    story.run(changes=CHANGES)
    with story.db.read() as connection:
        (made,) = connection.execute(select(activity.c.deal_id, activity.c.person_id, activity.c.type)).all()
    assert tuple(made) == (alone, None, "call")
    story.now += timedelta(days=1)
    story.run(changes=CHANGES)
    with story.db.read() as connection:
        assert set(connection.execute(select(activity.c.type)).scalars()) == {"call", "meeting"}
    assert story.statuses(flow) == ["completed"]


def test_a_run_of_nobody_is_ended_by_hand_and_stays_so(story: Story) -> None:
    flow = story.flow(CALLS.format(whose="true"))
    enrolled(story, flow)
    (run,) = story.runs(flow)
    with story.db.write() as connection:
        stopped = Stop(Status.REMOVED, "taken out", story.now)
        assert machine.stop(story.context, connection, [run.id], stopped, TESTED) == 1
        assert machine.stop(story.context, connection, [run.id], stopped, TESTED) == 0
    story.later("1d", "1d")
    assert story.statuses(flow) == ["removed"]
