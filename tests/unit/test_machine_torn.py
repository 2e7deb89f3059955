"""Workers that die, meet, or meet a step that raises: each subject is taken once, and nobody holds up another."""

from __future__ import annotations

import gc
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as hook
from sqlalchemy import func, select, update

from mailcrm.app import machine, stepping
from mailcrm.app.flow_book import FlowBook
from mailcrm.core.engine import advance
from mailcrm.core.enrollment import Due
from mailcrm.errors import Temporary
from mailcrm.store import claims, effects, enrollments
from mailcrm.store.db import Database
from mailcrm.store.tables import effect, enrollment, event, step
from tests.flow_kit import TESTED, Story

COUNTED = """
kind = "workflow"
name = "Counted {n}"
[nodes.in]
on = "tag.added"
where = {{ tag = "go" }}
next = "first"
[nodes.first]
do = "count"
next = "pause"
[nodes.pause]
wait = "1d"
next = "outside"
[nodes.outside]
do = "outside"
next = "second"
[nodes.second]
do = "count"
next = "end"
[nodes.end]
end = "all"
"""


@pytest.fixture
def story(database: Database, tmp_path: Path) -> Story:
    return Story(database, tmp_path)


def test_a_step_that_raises_fails_alone(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (story.flow(COUNTED.format(n=n)) for n in (1, 2))
    persons = [story.person(f"P{n}") for n in range(5)]
    for person in persons:
        story.tagged(person, "go")
    story.run()

    def broken(flow: Any, live: Any, stimulus: Any, *rest: Any) -> Any:
        if flow.id == one and live.subject.person == persons[2] and isinstance(stimulus, Due):
            raise LookupError("a bug")
        return advance(flow, live, stimulus, *rest)

    monkeypatch.setattr(stepping, "advance", broken)
    story.later("1d")
    assert story.statuses(one).count("failed") == 1
    (run,) = story.runs(one, persons[2])
    assert (run.status, run.reason) == ("failed", "the step raised LookupError: a bug")
    assert story.at(one, persons[1]) == story.at(two, persons[2]) == ["outside"]


def test_a_flow_that_raises_when_it_lets_in_holds_up_no_other(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (story.flow(COUNTED.format(n=n)) for n in (1, 2))

    def broken(flow: Any, *rest: Any) -> Any:
        if flow.id == one:
            raise LookupError("a bug")
        return advance(flow, *rest)

    monkeypatch.setattr(stepping, "advance", broken)
    ewa = story.person()
    story.react("tag.added", ewa, tag="go")
    assert story.runs(one) == []
    assert story.at(two, ewa) == ["pause"]
    assert story.run() == 0


def test_state_that_cannot_be_read_is_put_off_and_holds_up_nobody(story: Story) -> None:
    flow = story.flow(COUNTED.format(n=1))
    ewa, jan = story.person(), story.person("Jan")
    for person in (ewa, jan):
        story.tagged(person, "go")
    story.run()
    with story.db.write() as connection:
        connection.execute(update(enrollment).where(enrollment.c.person_id == ewa).values(state="{"))
    story.later("1d")
    assert [row.person_id for row in story.runs(flow) if "outside" in row.state] == [jan]
    with story.db.read() as connection:
        assert not any(claims.pending(connection, story.now))


def test_a_flow_whose_plugin_has_gone_stands_still_and_goes_on_later(story: Story) -> None:
    flow, ewa = story.flow(COUNTED.format(n=1)), story.person()
    story.react("tag.added", ewa, tag="go")
    whole = story.context
    known = replace(whole.registry, actions={k: v for k, v in whole.registry.actions.items() if k != "outside"})
    story.context = replace(whole, registry=known, flows=FlowBook(known, whole.config))
    story.later("1d")
    assert story.at(flow, ewa) == ["pause"]
    story.context = replace(whole, flows=FlowBook(whole.registry, whole.config))
    story.later("2h")
    assert story.at(flow, ewa) == ["outside"]


class Died(BaseException):
    """The process is gone."""


def _outcome(story: Story) -> tuple[Any, ...]:
    """What flows have left in the database, but for ids that a lost round may have used up."""
    with story.db.read() as connection:
        columns = (enrollment.c.subject, enrollment.c.status, enrollment.c.number, enrollment.c.ended_at)
        runs = connection.execute(select(*columns).order_by(enrollment.c.flow_id, enrollment.c.subject)).all()
        traced = connection.execute(
            select(step.c.hop, step.c.node, step.c.at, step.c.result)
            .join(enrollment, enrollment.c.id == step.c.enrollment_id)
            .order_by(enrollment.c.flow_id, enrollment.c.subject, step.c.id)
        ).all()
        asked = connection.execute(select(func.count()).select_from(effect)).scalar()
        happened = connection.execute(select(func.count()).select_from(event)).scalar()
    return runs, traced, asked, happened


def _play(story: Story, work: Callable[[Story], object]) -> tuple[Any, ...]:
    for number in (1, 2):
        story.flow(COUNTED.format(n=number))
    persons = [story.person(f"P{n}") for n in range(3)]
    for person in persons:
        story.tagged(person, "go")
    for days in (0, 1, 1):
        story.now += timedelta(days=days)
        work(story)
        with story.db.write() as connection:
            for key in story.asked():
                effects.settle(connection, key, story.now)
        work(story)
    assert [len(story.tags(person)) for person in persons] == [4, 4, 4]  # each action of each flow once
    return _outcome(story)


def test_a_worker_that_dies_between_two_statements_changes_nothing(
    database: Database, tmp_path: Path, migrated_sqlite: Path
) -> None:
    _tear(database, tmp_path, migrated_sqlite, every=9)


@pytest.mark.torture
@pytest.mark.timeout(1_000)
def test_a_worker_that_dies_between_any_two_statements_changes_nothing(
    database: Database, tmp_path: Path, migrated_sqlite: Path
) -> None:
    _tear(database, tmp_path, migrated_sqlite, every=1)


def _tear(database: Database, tmp_path: Path, migrated_sqlite: Path, every: int) -> None:
    """Compare a calm worker with one that dies after each so many statements."""
    (tmp_path / "calm").mkdir()
    calm = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'calm' / 'calm.db')}")
    whole = _play(Story(calm, tmp_path / "calm"), Story.run)
    calm.close()
    deaths = 0

    def torn(story: Story) -> None:
        """Each time some statements farther, until a round is through."""
        nonlocal deaths
        for fatal in range(1, 1_000, every):
            seen = 0

            def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
                nonlocal seen
                seen += not statement.startswith("BEGIN")
                if seen == fatal:  # noqa: B023 - it is removed before the next one
                    raise Died

            hook.listen(story.db.engine, "after_cursor_execute", die)
            try:
                ran = machine.run_due(story.context, 500, TESTED)
            except Died:
                ran = None
            finally:
                hook.remove(story.db.engine, "after_cursor_execute", die)
            if ran is None:
                deaths += 1
                gc.collect()  # a dead process leaves no cursors behind
            elif not ran.more and not ran.stimuli:
                return
        raise AssertionError("does not come to rest")

    assert _play(Story(database, tmp_path), torn) == whole
    assert deaths * every > 100


def test_a_database_that_goes_away_loses_nothing(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    flow, ewa = story.flow(COUNTED.format(n=1)), story.person()
    story.tagged(ewa, "go")

    def away(*_: Any) -> None:
        raise Temporary("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(enrollments, "add", away)
        with pytest.raises(Temporary):
            machine.run_due(story.context, 500, TESTED)
    story.run()
    assert story.at(flow, ewa) == ["pause"]


def test_workers_side_by_side_take_each_subject_once(story: Story) -> None:
    flows = [story.flow(COUNTED.format(n=n)) for n in (1, 2)]
    persons = [story.person(f"P{n}") for n in range(60)]
    for person in persons:
        story.tagged(person, "go")
    faults: list[BaseException] = []

    def worker() -> None:
        try:
            idle = 0
            while idle < 3:
                ran = machine.run_due(story.context, 7, TESTED)
                idle = 0 if ran.stimuli else idle + 1
        except BaseException as error:
            faults.append(error)

    for days in (0, 1):
        story.now += timedelta(days=days)
        threads = [threading.Thread(target=worker) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not faults
    assert len(story.asked()) == len(set(story.asked())) == 120
    assert {name for flow in flows for person in persons for name in story.at(flow, person)} == {"outside"}
    assert all(len(story.tags(person)) == 2 for person in persons)
