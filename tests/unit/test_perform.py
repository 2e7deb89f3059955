"""Actions outside: done once, tried again, given up, and never in each other's way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailcrm.app.flow_book import FlowBook
from mailcrm.app.perform import Performed, perform_due
from mailcrm.core.enrollment import Effect
from mailcrm.core.registry import ActionType
from mailcrm.errors import Permanent, Temporary
from mailcrm.store import effects
from mailcrm.store.db import Database
from tests.flow_kit import Story

FLOW = """
kind = "rule"
name = "Outside"
on = "tag.added"
where = { tag = "go" }
do = "reach"
"""


class Reached:
    """What the action does at each try; the last one for ever."""

    def __init__(self, *tries: Exception | float | None) -> None:
        self.tries = list(tries)
        self.keys: list[str] = []

    async def run(self, hands: Any, wanted: Effect) -> None:
        self.keys.append(wanted.key)
        now = self.tries.pop(0) if len(self.tries) > 1 else self.tries[0]
        if isinstance(now, Exception):
            raise now
        if now is not None:
            await asyncio.sleep(now)


def begun(database: Database, folder: Path, *tries: Exception | float | None) -> tuple[Story, Reached, int, int]:
    story, reached = Story(database, folder), Reached(*tries)
    known = replace(
        story.context.registry,
        actions={**story.context.registry.actions, "reach": ActionType("reach", {}, run=reached.run)},
    )
    story.context = replace(story.context, registry=known, flows=FlowBook(known, story.context.config))
    flow, ewa = story.flow(FLOW), story.person()
    story.react("tag.added", ewa, tag="go")
    return story, reached, flow, ewa


def test_an_action_is_done_once_and_the_run_goes_on(database: Database, tmp_path: Path) -> None:
    story, reached, flow, _ = begun(database, tmp_path, None)
    assert perform_due(story.context) == Performed(done=1)
    assert perform_due(story.context) == Performed()
    story.run()
    assert (len(reached.keys), story.statuses(flow)) == (1, ["completed"])


def test_a_temporary_failure_is_tried_again_with_the_same_key(database: Database, tmp_path: Path) -> None:
    story, reached, flow, _ = begun(database, tmp_path, Temporary("busy"), None)
    assert perform_due(story.context) == Performed(delayed=1)
    assert story.run() == 0
    assert perform_due(story.context) == Performed()  # not yet
    story.now += timedelta(minutes=1)
    assert perform_due(story.context) == Performed(done=1)
    story.run()
    assert len(set(reached.keys)) == 1
    assert story.statuses(flow) == ["completed"]


def test_it_is_given_up_after_days(database: Database, tmp_path: Path) -> None:
    story, reached, flow, _ = begun(database, tmp_path, Temporary("busy"))
    tries = 0
    while perform_due(story.context).failed == 0:
        tries += 1
        story.now += timedelta(hours=6)
        assert tries < 40
    story.run()
    (run,) = story.runs(flow)
    assert run.status == "failed"
    assert "busy" in run.reason
    assert len(reached.keys) >= 20


@pytest.mark.parametrize("fault", [Permanent("404"), ZeroDivisionError("oh")])
def test_a_permanent_failure_fails_the_run(database: Database, tmp_path: Path, fault: Exception) -> None:
    story, _, flow, _ = begun(database, tmp_path, fault)
    assert perform_due(story.context) == Performed(failed=1)
    story.run()
    (run,) = story.runs(flow)
    assert (run.status, str(fault) in run.reason) == ("failed", True)


def test_one_that_hangs_is_cut_off(database: Database, tmp_path: Path) -> None:
    story, _, _, _ = begun(database, tmp_path, 30.0)
    assert perform_due(story.context, seconds=0.05) == Performed(delayed=1)


def test_what_a_dead_process_had_claimed_is_taken_up(database: Database, tmp_path: Path) -> None:
    story, _, flow, _ = begun(database, tmp_path, None)
    with story.db.write() as connection:
        assert len(effects.claim(connection, story.now, 10)) == 1  # and it died
    assert perform_due(story.context) == Performed()
    story.now += effects.LEASE + timedelta(seconds=1)
    assert perform_due(story.context) == Performed(done=1)
    story.run()
    assert story.statuses(flow) == ["completed"]
