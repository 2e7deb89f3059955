"""A worker of flows killed at any instruction: every enrollment ends as without it, each action takes effect once."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import signal
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from mailcrm.app import machine
from mailcrm.app.perform import perform_due
from mailcrm.store.db import Database
from mailcrm.store.tables import effect, enrollment, event, person_tag, step
from tests.flow_kit import TESTED, Story

FLOW = """
kind = "workflow"
name = "Torn {n}"
[nodes.in]
on = "tag.added"
where = {{ tag = "go" }}
next = ["first", "side"]
[nodes.side]
wait = "2d"
next = "done"
[nodes.done]
do = "tag.add"
with = {{ tag = "side {n}" }}
next = "end-side"
[nodes.end-side]
end = "branch"
[nodes.first]
do = "count"
next = "outside"
[nodes.outside]
do = "outside"
next = "pause"
[nodes.pause]
wait = "3d"
next = "second"
[nodes.second]
do = "count"
next = "end"
[nodes.end]
end = "all"
"""
PERSONS, MANY = 40, 400
"""Enough that there is something left to do at the last of the kills, few or many."""
DAYS = (0, 2, 1)  # between them is nothing to do


def work(url: str, folder: Path, now: datetime, seconds: float) -> None:
    """Everything that is due at a time; the kernel ends the process when it has used so much CPU time (0: never)."""
    story = Story(Database(url), folder)
    story.now = now
    if seconds:
        signal.setitimer(signal.ITIMER_PROF, seconds)
    while True:
        ran = machine.run_due(story.context, 16, TESTED)
        done = perform_due(story.context)
        if not (ran.stimuli or ran.more or done.done or done.failed):
            break


def survives(url: str, folder: Path, now: datetime, seconds: float) -> bool:
    """Work in a process of its own; False if it was killed."""
    child = multiprocessing.get_context("fork").Process(target=work, args=(url, folder, now, seconds))
    child.start()
    child.join(60)
    assert child.exitcode in (0, -signal.SIGPROF)
    return child.exitcode == 0


def played(url: str, folder: Path, persons: int, kills: int) -> tuple[list[Any], int]:
    """The whole story, with so many tries to kill; what it left, and how many struck.

    In a process without threads: a fork copies the locks that they hold.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as clean:
        return clean.submit(play, url, folder, persons, kills).result()


def play(url: str, folder: Path, persons: int, kills: int) -> tuple[list[Any], int]:
    rng = random.Random(7)
    story = Story(Database(url), folder)
    for number in (1, 2):
        story.flow(FLOW.format(n=number))
    for number in range(persons):
        story.tagged(story.person(f"P{number}"), "go")
    story.db.close()
    struck = 0
    for days in DAYS:
        story.now += timedelta(days=days)
        for _ in range(kills // len(DAYS)):
            struck += not survives(url, folder, story.now, rng.uniform(0.001, 0.04))
        story.now += timedelta(minutes=3)  # what a dead process had claimed is taken up when its lease ends
        assert survives(url, folder, story.now, 0)
    left = outcome(story)
    story.db.close()
    return left, struck


def outcome(story: Story) -> list[Any]:
    """How each enrollment ended, its trace, and how often each thing is in the database."""
    whose = (enrollment.c.flow_id, enrollment.c.subject)
    trace = select(*whose, step.c.hop, step.c.node, step.c.result).join(step, step.c.enrollment_id == enrollment.c.id)
    with story.db.read() as connection:
        return [
            [tuple(row) for row in connection.execute(query)]
            for query in (
                select(*whose, enrollment.c.status).order_by(*whose),
                trace.where(step.c.result.not_like("waits%")).order_by(*whose, step.c.id),
                select(effect.c.state, effect.c.told, func.count()).group_by(effect.c.state, effect.c.told),
                select(event.c.kind, func.count()).group_by(event.c.kind).order_by(event.c.kind),
                select(func.count()).select_from(person_tag),
            )
        ]


def calm(folder: Path, migrated: Path, persons: int) -> list[Any]:
    """What the story leaves when nobody is killed."""
    left, struck = played(f"sqlite:///{shutil.copy(migrated, folder / 'calm.db')}", folder, persons, 0)
    assert struck == 0
    return left


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> list[Any]:
    """For both databases."""
    return calm(tmp_path_factory.mktemp("calm"), migrated_sqlite, PERSONS)


@pytest.fixture(scope="module")
def whole_of_many(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> list[Any]:
    """The same for many persons."""
    return calm(tmp_path_factory.mktemp("calm"), migrated_sqlite, MANY)


def compare(database: Database, tmp_path: Path, whole: list[Any], persons: int, kills: int) -> None:
    url = database.url if database.is_sqlite else database.engine.url.render_as_string(hide_password=False)
    database.close()
    left, struck = played(url, tmp_path, persons, kills)
    assert struck > kills // 2, "the kills came too late to prove anything"
    assert left == whole
    actions = 2 * persons
    assert dict(left[3])["link.clicked"] == actions
    assert left[4] == [(3 * actions,)]  # two counts of each flow, and its tag at the side


@pytest.mark.timeout(120)
def test_a_worker_survives_kills(database: Database, tmp_path: Path, whole: list[Any]) -> None:
    compare(database, tmp_path, whole, PERSONS, 21)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_a_worker_survives_two_hundred_kills(database: Database, tmp_path: Path, whole_of_many: list[Any]) -> None:
    compare(database, tmp_path, whole_of_many, MANY, 201)
