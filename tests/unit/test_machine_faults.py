"""The machine of flows under attack: faults, crowds, records that go away, other workers; on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from mailcrm.app.flow_book import FlowBook
from mailcrm.builtin.hands import Hands, Outcome
from mailcrm.core.card import Card
from mailcrm.core.enrollment import Effect, Subject, Verdict
from mailcrm.core.registry import ConditionType
from mailcrm.errors import Permanent, Temporary
from mailcrm.store import effects, events
from mailcrm.store.db import Database
from mailcrm.store.events import NewEvent
from mailcrm.store.tables import outbox
from tests.flow_kit import START, TESTED, Story


@pytest.fixture
def story(database: Database, tmp_path: Path) -> Story:
    return Story(database, tmp_path)


OUTSIDE = """
kind = "workflow"
name = "Outside"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = "do"
[nodes.do]
do = "outside"
next = "mark"
[nodes.mark]
do = "tag.add"
with = { tag = "done" }
next = "end"
[nodes.end]
end = "all"
"""


def settle(story: Story) -> None:
    """Every action outside is done."""
    with story.db.write() as connection:
        for key in story.asked():
            effects.settle(connection, key, story.now)


def test_what_a_round_has_no_room_for_is_told_in_the_next(story: Story) -> None:
    flow, ewa = story.flow(OUTSIDE), story.person()
    story.react("tag.added", ewa, tag="go")
    with story.db.write() as connection:
        rows = [NewEvent("tag.added", f"k{n}", ewa, START, "test", {"tag": "other"}) for n in range(1_000)]
        events.record_many(connection, rows, (), START)
    story.now += timedelta(minutes=1)
    settle(story)
    story.run()
    assert (story.statuses(flow), story.tags(ewa)) == (["completed"], ["done"])


LEAVES = """
kind = "workflow"
name = "Leaves"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = ["leave", "mark", "do"]
[nodes.leave]
do = "workflow.leave"
with = { workflow = "Leaves" }
next = "end"
[nodes.mark]
do = "tag.add"
with = { tag = "marked" }
next = "end"
[nodes.do]
do = "outside"
next = "end"
[nodes.end]
end = "branch"
"""


def test_who_leaves_his_own_flow_has_nothing_pending_in_it(story: Story) -> None:
    flow, ewa = story.flow(LEAVES), story.person()
    story.react("tag.added", ewa, tag="go")
    assert story.statuses(flow) == ["removed"]
    assert [state for _, state, _ in story.effects()] in ([], ["withdrawn"])


ASKS = """
kind = "workflow"
name = "Asks"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = "ask"
[nodes.ask]
if = [[{ moody = true }]]
yes = "end"
no = "end"
[nodes.end]
end = "all"
"""


def test_a_condition_that_raises_temporary_fails_the_run_and_holds_up_nobody_else(story: Story) -> None:
    moody = {"of": -1}

    def test(card: Card, given: Mapping[str, Any], now: datetime) -> Verdict:
        if card.person == moody["of"]:
            raise Temporary("not today")
        return Verdict(True, "", "")

    known = story.context.registry
    asked = ConditionType("moody", {"moody": bool}, test, frozenset({"tags"}))
    known = replace(known, conditions={**known.conditions, "moody": asked})
    story.context = replace(story.context, registry=known, flows=FlowBook(known, story.context.config))
    flow, ewa, jan = story.flow(ASKS), story.person(), story.person("Jan")
    moody["of"] = ewa
    story.tagged(ewa, "go")
    story.tagged(jan, "go")
    story.run()
    assert [(row.person_id, row.status) for row in story.runs(flow)] == [(ewa, "failed"), (jan, "completed")]
    assert story.runs(flow)[0].reason == "ask: the condition moody raised Temporary: not today"


def emits_and_fails(hands: Hands, wanted: Effect, subject: Subject) -> Outcome:
    """Tells of something, then takes it back by an error."""
    hands.emit("tag.added", {"tag": "phantom"}, subject.person)
    raise Permanent("on second thoughts")


PHANTOM = """
kind = "rule"
name = "Phantom"
on = "tag.added"
where = { tag = "phantom" }
do = "tag.add"
with = { tag = "seen a phantom" }
"""


def test_what_a_failed_change_told_of_has_not_happened(story: Story) -> None:
    story.flow(PHANTOM)
    flow, ewa = story.flow(OUTSIDE.replace('"outside"', '"count"')), story.person()
    story.tagged(ewa, "go")
    story.run(changes={**TESTED, "count": emits_and_fails})
    assert (story.statuses(flow), story.tags(ewa)) == (["failed"], [])


def test_a_flow_whose_plugin_was_away_for_a_while_goes_on_with_its_events(story: Story) -> None:
    flow, ewa = story.flow(OUTSIDE), story.person()
    whole = story.context
    actions = {name: action for name, action in whole.registry.actions.items() if name != "outside"}
    known = replace(whole.registry, actions=actions)
    story.context = replace(whole, registry=known, flows=FlowBook(known, whole.config))
    story.flow(
        ASKS.replace("tag.added", "mail.sent")
        .replace('where = { tag = "go" }', "")
        .replace("moody = true", 'tag = "x"')
    )
    story.context = whole
    story.react("tag.added", ewa, tag="go")
    assert story.at(flow, ewa) == ["do"]


def test_what_was_to_be_stored_is_in_no_reason_and_no_log(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    def spoilt(hands: Hands, wanted: Effect, subject: Subject) -> Outcome:
        letter = {"key": "k", "kind": "flow", "content": b"x", "subject": "a secret letter"}
        hands.connection.execute(insert(outbox), letter)
        return Outcome.DONE

    flow, ewa = story.flow(OUTSIDE.replace('"outside"', '"count"')), story.person()
    story.tagged(ewa, "go")
    story.run(changes={**TESTED, "count": spoilt})
    (run,) = story.runs(flow)
    assert run.status == "failed"
    assert "IntegrityError" in run.reason
    assert "secret" not in run.reason + caplog.text
