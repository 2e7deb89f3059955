"""The worker: DBOS runs its jobs, commits wake it, and what fails is told and tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailcrm.engine import worker as engine
from mailcrm.engine.worker import Worker
from mailcrm.errors import Temporary
from mailcrm.mail.smtp_out import SmtpTransport
from mailcrm.run import Bell
from mailcrm.store.db import Database
from tests.flow_kit import Story

RULE = """
kind = "rule"
name = "Rule"
on = "deal.won"
do = "tag.add"
with = { tag = "seen" }
"""


@contextmanager
def working(story: Story) -> Iterator[tuple[Bell, dict[str, str]]]:
    bell, stopping, faults = Bell(), threading.Event(), dict[str, str]()
    story.context = replace(story.context, changed=bell.ring)
    worker = Worker(story.context, SmtpTransport(story.context.config), bell, faults)
    thread = threading.Thread(target=worker.run, args=(stopping,))
    thread.start()
    try:
        yield bell, faults
    finally:
        stopping.set()
        bell.ring()
        thread.join(30)
    assert not thread.is_alive()


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come"
        time.sleep(0.005)


def test_an_event_is_reacted_to_whether_or_not_somebody_rings(database: Database, tmp_path: Path) -> None:
    story = Story(database, tmp_path)
    story.flow(RULE)
    with working(story) as (bell, faults):
        for rings in (True, False, True):
            person = story.person()
            story.emit("deal.won", person, deal=1, stage="won")
            if rings:
                bell.ring()
            until(lambda: story.tags(person) == ["seen"])  # noqa: B023 - awaited at once
        assert faults == {}


def test_a_job_that_fails_is_told_and_tried_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_PAUSE", 0.05)
    story = Story(database, tmp_path)
    story.flow(RULE)
    calls = 0

    def away(*_: Any) -> Any:
        nonlocal calls
        calls += 1
        raise Temporary("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr("mailcrm.engine.jobs.run_due", away)
        person = story.person()
        story.emit("deal.won", person, deal=1, stage="won")
        with working(story) as (_, faults):
            until(lambda: calls >= 2)
            assert faults == {"worker flows": "the database is away"}
            patch.undo()
            until(lambda: story.tags(person) == ["seen"])
            until(lambda: faults == {})
