"""What flows leave behind goes after a month, but for what is still needed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from mailcrm.app import retention
from mailcrm.store import effects
from mailcrm.store.db import Database
from mailcrm.store.tables import effect, event, pulse, reaction
from tests.flow_kit import Story

FLOW = """
kind = "workflow"
name = "Outside"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = "first"
[nodes.first]
do = "outside"
next = "pause"
[nodes.pause]
wait = "2d"
next = "second"
[nodes.second]
do = "outside"
next = "end"
[nodes.end]
end = "all"
"""


@pytest.fixture
def story(database: Database, tmp_path: Path) -> Story:
    return Story(database, tmp_path)


def done(story: Story) -> None:
    """Whatever was asked for is carried out, and flows are told."""
    with story.db.write() as connection:
        for key in story.asked():
            effects.settle(connection, key, story.now)
    story.run()


def kept(story: Story, what: Any) -> int:
    with story.db.read() as connection:
        return connection.execute(select(func.count()).select_from(what)).scalar_one()


def test_what_ended_runs_had_done_goes_after_a_month(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:  # WF-15
    monkeypatch.setattr(retention, "PIECE", 1)
    flow = story.flow(FLOW)
    ewa, jan = story.person(), story.person("Jan")
    story.react("tag.added", ewa, tag="go")
    done(story)
    story.later("2d")
    done(story)
    assert story.statuses(flow) == ["completed"]
    with story.db.write() as connection:
        times = {"due_at": story.now, "created_at": story.now}
        key = story.asked()[0]
        run = int(key.partition(".")[0])
        line = {"user_id": 1, "kind": "draft", "text": "x", "enrollment_id": run, "effect_key": key, **times}
        connection.execute(insert(pulse).values(**line))
    story.now += timedelta(days=20)
    story.react("tag.added", jan, tag="go")  # still going on in a month
    retention.sweep_due(story.context)
    assert (kept(story, effect), kept(story, reaction)) == (3, 2)
    story.now += timedelta(days=13)
    retention.sweep_due(story.context)
    assert sorted(story.effects()) == [("outside", "done", True), ("outside", "pending", False)]  # a draft's, and Jan's
    assert (kept(story, reaction), kept(story, event)) == (1, 3)  # flow.completed, too
    story.now += timedelta(days=90)
    retention.sweep_due(story.context)
    assert kept(story, effect) == 2
    done(story)
    story.later("2d")
    done(story)
    assert story.statuses(flow) == ["completed", "completed"]
    story.react("tag.added", ewa, tag="go")
    assert story.at(flow, ewa) == ["first"]


def test_an_event_that_nobody_has_reacted_to_stays_owed(story: Story) -> None:
    flow, ewa = story.flow(FLOW), story.person()
    story.tagged(ewa, "go")
    story.now += timedelta(days=99)
    retention.sweep_due(story.context)
    assert kept(story, reaction) == 1
    story.run()
    assert story.at(flow, ewa) == ["first"]
