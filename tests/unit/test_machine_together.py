"""Workers and users at the same moment: nothing is done twice, nothing is lost; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from mailcrm.app import erasing, machine, persons, workflows
from mailcrm.app.acting import Actor
from mailcrm.builtin.hands import Hands, Outcome
from mailcrm.core.enrollment import Effect, Status, Stop, Subject
from mailcrm.errors import Temporary
from mailcrm.store import deals, organizations, pipelines, reactions
from mailcrm.store.db import Database
from mailcrm.store.deals import NewDeal
from mailcrm.store.tables import enrollment, event, reaction
from tests.flow_kit import TESTED, Story

_LONG = 10.0


@pytest.fixture
def story(database: Database, tmp_path: Path) -> Story:
    return Story(database, tmp_path)


COUNTS = """
kind = "workflow"
name = "Counts"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = "do"
[nodes.do]
do = "count"
next = "pause"
[nodes.pause]
wait = "1d"
next = "again"
[nodes.again]
do = "count"
next = "end"
[nodes.end]
end = "all"
"""


class Beside:
    """Something that somebody else does while a worker is in the middle of a step."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._thread = threading.Thread(target=self._run, args=(act,))
        self.error: BaseException | None = None
        self.begun = False

    def change(self, hands: Hands, wanted: Effect, subject: Subject) -> Outcome:
        """Begins it at the first step, and goes on when it is done, or waits for us."""
        if not self.begun:
            self.begun = True
            self._thread.start()
            self.wait()
        return TESTED["count"](hands, wanted, subject)

    def wait(self) -> None:
        """A while: long enough if it is not held up, and it may be held up by us."""
        self._thread.join(0.5)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._thread.join(_LONG)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    def _run(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as error:
            self.error = error


def test_who_comes_in_while_a_workflow_is_cancelled_is_taken_out(story: Story) -> None:  # WF-14
    flow, ewa = story.flow(COUNTS), story.person()
    story.tagged(ewa, "go")
    beside = Beside(lambda: workflows.deactivate(story.context, Actor(), "Counts", cancel=True))
    story.run(changes={**TESTED, "count": beside.change})
    beside.finish()
    story.run()
    assert "in_progress" not in story.statuses(flow)


def test_who_is_let_in_by_a_book_that_is_old_does_not_come_in(story: Story) -> None:  # WF-13
    """The workflow is deactivated after the worker has read its flows, and before it lets anybody in."""
    first = story.flow(COUNTS.replace("Counts", "A first"))
    flow, ewa = story.flow(COUNTS), story.person()
    story.tagged(ewa, "go")
    beside = Beside(lambda: workflows.deactivate(story.context, Actor(), "Counts", cancel=True))
    story.run(changes={**TESTED, "count": beside.change})
    beside.finish()
    story.run()
    assert (story.statuses(first), "in_progress" in story.statuses(flow)) == (["in_progress"], False)


CALLS = """
kind = "sequence"
name = "Calls"
for = "deals"
owner = "anna"
[[step]]
type = "activity"
activity = "call"
[[step]]
type = "activity"
after = "1d"
activity = "meeting"
"""


def test_a_run_of_nobody_is_ended_while_it_moves(story: Story) -> None:
    flow = story.flow(CALLS)
    with story.db.write() as connection:
        pipelines.ensure_default(connection)
        firm = organizations.add(connection, "Firma", story.now, created_by="test")
        stage = pipelines.first_stage(connection)
        number = deals.add(connection, NewDeal("Dach", stage, "test", organization=firm), story.now)
        machine.enter(story.context, connection, flow, [Subject(None, deal=number)], by="test", at=story.now)
    (run,) = story.runs(flow)

    def stop() -> None:
        with story.db.write() as connection:
            machine.stop(story.context, connection, [run.id], Stop(Status.REMOVED, "taken out", story.now))

    beside = Beside(stop)

    def create(hands: Hands, wanted: Effect, subject: Subject) -> Outcome:
        beside.change(hands, wanted, Subject(ewa))
        return Outcome.DONE

    ewa = story.person()
    story.now += timedelta(days=1)
    story.run(changes={**TESTED, "activity.create": create})
    beside.finish()
    assert story.statuses(flow)[0] in ("removed", "completed")


NEXT = """
kind = "workflow"
name = "Next"
[nodes.in]
on = "tag.added"
where = { tag = "never" }
next = "do"
[nodes.do]
do = "count"
next = "end"
[nodes.end]
end = "all"
"""
BUSY = """
kind = "workflow"
name = "Busy {n}"
[nodes.in]
on = "tag.added"
where = {{ tag = "go" }}
next = ["do", "join", "pause"]
[nodes.do]
do = "count"
next = "end"
[nodes.join]
do = "workflow.join"
with = {{ workflow = "Next" }}
next = "end"
[nodes.pause]
wait = "1d"
next = "again"
[nodes.again]
do = [{{ do = "count" }}, {{ do = "count" }}]
next = "end"
[nodes.end]
end = "branch"
"""


def test_many_workers_do_everything_once(story: Story) -> None:
    """Four at once, each with a few subjects at a time."""
    busy = [story.flow(BUSY.format(n=n)) for n in range(3)]
    story.flow(NEXT)
    people_ = [story.person(f"P{n}") for n in range(40)]
    for person in people_:
        story.tagged(person, "go")

    def worker() -> None:
        for _ in range(300):
            try:
                if not machine.run_due(story.context, 7, TESTED).stimuli:
                    return
            except Temporary:  # as the loop of the program does
                continue

    def crowd() -> None:
        besides = [Beside(worker) for _ in range(4)]
        for each in besides:
            each.start()
        for each in besides:
            each.finish()

    crowd()
    story.run()
    assert [story.statuses(flow) for flow in busy] == [["in_progress"] * 40] * 3
    story.now += timedelta(days=2)
    crowd()
    story.run()
    assert [story.statuses(flow) for flow in busy] == [["completed"] * 40] * 3
    done = [name for person in people_ for name in story.tags(person) if name.startswith("did ")]
    runs = [row.id for flow in busy for row in story.runs(flow)]
    assert len(done) == len(set(done))
    assert len([each for each in done if int(each.split()[1].split(".")[0]) in runs]) == 3 * 40 * 3


def test_who_is_erased_while_a_worker_moves_him_is_gone(story: Story) -> None:
    story.flow(COUNTS)
    ewa = story.person()
    story.tagged(ewa, "go")
    beside = Beside(lambda: erasing.erase(story.context, ewa))
    story.run(changes={**TESTED, "count": beside.change})
    beside.finish()
    with story.db.read() as connection:
        assert connection.execute(select(enrollment.c.id)).all() == []


def test_what_a_worker_causes_while_two_persons_are_merged_is_the_others(story: Story) -> None:
    flow = story.flow(COUNTS)
    ewa, keep = story.person(), story.person("Ewa Z.")
    story.tagged(ewa, "go")
    beside = Beside(lambda: persons.merge(story.context, keep, ewa))

    def tell(hands: Hands, wanted: Effect, subject: Subject) -> Outcome:
        done = beside.change(hands, wanted, subject)
        hands.emit("tag.added", {"tag": "told"}, subject.person)
        return done

    story.run(changes={**TESTED, "count": tell})
    beside.finish()
    story.run()
    assert story.at(flow, keep) == ["pause"]
    with story.db.read() as connection:
        for column in (event.c.person_id, reaction.c.person_id):
            assert set(connection.execute(select(column)).scalars()) == {keep}


def test_what_happened_to_somebody_before_he_was_removed_lets_him_in_nowhere(story: Story) -> None:
    flow, ewa = story.flow(COUNTS), story.person()
    story.tagged(ewa, "go")
    persons.remove(story.context, ewa)
    assert story.run() == 0
    assert story.runs(flow) == []


RULE = 'kind = "rule"\nname = "Counts"\non = "tag.added"\nwhere = { tag = "go" }\ndo = "count"\n'


@pytest.mark.parametrize("how", ["activate", "apply a rule", "apply an edit"])
def test_what_is_stored_at_the_moment_of_the_activation_lets_in(story: Story, tmp_path: Path, how: str) -> None:
    """Whoever stores it on PostgreSQL does not see yet that the flow is active."""  # WF-4
    ewa, publish = story.person(), story.context.flows.publish
    file = tmp_path / "counts.toml"
    if how == "activate":
        story.flow(COUNTS, active=False)
    elif how == "apply an edit":
        story.flow(COUNTS.replace("tag.added", "tag.removed"))
    file.write_text(RULE if how == "apply a rule" else COUNTS)
    beside = Beside(lambda: story.tagged(ewa, "go"))

    def slowly(connection: Connection, now: datetime) -> None:
        publish(connection, now)
        story.now += timedelta(seconds=1)
        beside.start()
        beside.wait()

    story.context.flows.publish = slowly  # type: ignore[method-assign]
    if how == "activate":
        workflows.activate(story.context, "Counts")
    else:
        workflows.apply(story.context, Actor(), workflows.read(story.context, file))
    beside.finish()
    story.run()
    with story.db.read() as connection:
        (flow,) = connection.execute(select(enrollment.c.flow_id)).scalars()
    assert len(story.runs(flow)) == 1


def test_of_two_flows_applied_at_once_both_get_their_events(story: Story) -> None:
    other = COUNTS.replace("Counts", "Other").replace("tag.added", "tag.removed")
    publish = story.context.flows.publish
    beside = Beside(lambda: story.flow(other))

    def slowly(connection: Connection, now: datetime) -> None:
        publish(connection, now)
        if not beside.begun:
            beside.begun = True
            beside.start()
            beside.wait()

    story.context.flows.publish = slowly  # type: ignore[method-assign]
    story.flow(COUNTS)
    beside.finish()
    with story.db.read() as connection:
        assert {"tag.added", "tag.removed"} <= reactions.wanted(connection)
