"""Flows on both databases: what happens to whom, told as stories."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mailcrm.app import advancing, machine
from mailcrm.store import effects, flows, pulse, tags
from mailcrm.store.db import Database
from tests.flow_kit import START, Story
from tests.worked_example import OFFER


@pytest.fixture
def story(database: Database, tmp_path: Path) -> Story:
    return Story(database, tmp_path)


DRIP = """
kind = "workflow"
name = "Drip"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = "pause"
[nodes.pause]
wait = "3d"
next = "mark"
[nodes.mark]
do = "tag.add"
with = { tag = "marked" }
next = "again"
[nodes.again]
wait = "1w"
next = "end"
[nodes.end]
end = "all"
"""


def test_an_event_lets_in_and_timers_move_on(story: Story) -> None:
    drip, ewa = story.flow(DRIP), story.person()
    story.react("tag.added", ewa, tag="go")
    assert story.at(drip, ewa) == ["pause"]
    story.later("2d")
    assert story.at(drip, ewa) == ["pause"]
    story.later("1d")
    assert story.at(drip, ewa) == ["again"]
    assert story.tags(ewa) == ["marked"]
    story.later("1w")
    (run,) = story.runs(drip)
    assert (run.status, run.ended_at, run.enrolled_by) == ("completed", START + timedelta(days=10), "event:1")
    assert story.trace(drip, ewa)[0].result == "entered"


def test_a_late_worker_changes_nothing(story: Story) -> None:
    drip, ewa = story.flow(DRIP), story.person()
    story.tagged(ewa, "go")
    story.later("6w")  # nobody worked for six weeks
    (run,) = story.runs(drip)
    assert (run.status, run.ended_at) == ("completed", START + timedelta(days=10))


def test_a_round_that_takes_long_is_cut_short_and_the_rest_goes_on_in_the_next(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advancing, "_LONGEST", 0.0)
    drip, people = story.flow(DRIP), [story.person(f"p{number}@klient.example") for number in range(3)]
    for person in people:
        story.tagged(person, "go")
    rounds = [machine.run_due(story.context) for _ in range(3)]
    assert [(each.stimuli, each.more) for each in rounds] == [(1, True)] * 3
    assert [story.at(drip, person) for person in people] == [["pause"]] * 3
    assert not machine.run_due(story.context).stimuli


def test_events_before_activation_and_of_other_tags_do_not_count(story: Story) -> None:
    ewa = story.person()
    drip = story.flow(DRIP)
    story.tagged(ewa, "go", at=START - timedelta(seconds=1))
    story.tagged(ewa, "stay")
    assert story.run() == 2
    assert story.runs(drip) == []


def test_events_that_no_flow_waits_for_are_not_kept(story: Story) -> None:
    story.flow(DRIP)
    ewa = story.person()
    story.emit("tag.removed", ewa, tag="go")
    assert story.run() == 0


def test_the_same_event_twice_enters_once(story: Story) -> None:
    drip, ewa = story.flow(DRIP), story.person()
    story.tagged(ewa, "go")
    story.tagged(ewa, "go")
    story.run()
    assert story.statuses(drip) == ["in_progress"]
    assert "ignored" in story.trace(drip, ewa)[-1].result


# -- the worked example of WF-18

TAGGED_OFFER = OFFER.replace("form.submitted", "tag.added").replace("form =", "tag =")
CAMPAIGN = """
kind = "workflow"
name = "Campaign {n}"
[nodes.in]
on = "tag.added"
where = {{ tag = "campaign-{n}" }}
next = "wait"
[nodes.wait]
wait = "30d"
next = "end"
[nodes.end]
end = "all"
"""


def test_who_bought_changes_campaigns(story: Story) -> None:  # WF-18
    one, two = (story.flow(CAMPAIGN.format(n=n)) for n in (1, 2))
    offer = story.flow(TAGGED_OFFER)
    buyer, other = story.person("Ewa"), story.person("Jan")
    for person in (buyer, other):
        story.tagged(person, "offer-1")
    story.run()
    assert story.at(one, buyer) == story.at(one, other) == ["wait"]
    story.later("1d")
    with story.db.write() as connection:
        tags.add(connection, "Client 1", buyer, story.now)
    story.later("2d")
    assert story.at(one, buyer) == []
    assert story.at(two, buyer) == ["wait"]
    assert story.at(one, other) == ["wait"]
    assert story.at(two, other) == []
    assert story.statuses(offer) == ["completed", "completed"]
    asked = next(step for step in story.trace(offer, other) if step.node == "bought")
    assert (asked.result, asked.expected) == ("no", 'has the tag "Client 1"')


# -- branches, mid-flow events

BRANCHES = """
kind = "workflow"
name = "Branches"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = ["left", "right"]
[nodes.left]
wait = "1d"
next = "end-left"
[nodes.end-left]
end = "branch"
[nodes.right]
wait = "5d"
next = "clicked"
[nodes.clicked]
on = "link.clicked"
where = { url = "https://firma.example/offer" }
next = "mark"
[nodes.mark]
do = "tag.add"
with = { tag = "clicked" }
next = "end"
[nodes.end]
end = "all"
"""


def test_branches_run_side_by_side(story: Story) -> None:
    flow, ewa = story.flow(BRANCHES), story.person()
    story.react("tag.added", ewa, tag="go")
    assert story.at(flow, ewa) == ["left", "right"]
    story.later("1d")
    assert story.at(flow, ewa) == ["right"]
    story.later("4d")
    assert story.at(flow, ewa) == ["clicked"]


def test_an_event_mid_flow_overtakes_and_lets_in(story: Story) -> None:  # GRAPH-11, GRAPH-12
    flow, ewa, jan = story.flow(BRANCHES), story.person(), story.person("Jan")
    story.react("tag.added", ewa, tag="go")
    story.later("1h")
    for person in (ewa, jan):
        story.emit("link.clicked", person, message="m@x.example", url="https://firma.example/offer")
    story.run()
    assert story.tags(ewa) == story.tags(jan) == ["clicked"]
    assert story.statuses(flow) == ["completed", "completed"]


def test_what_is_stored_before_the_machine_comes_is_taken_in_the_order_of_time(story: Story) -> None:
    """The click lies between two timers of a worker that comes late: it is still a click in time."""
    text = BRANCHES.replace('where = { url = "https://firma.example/offer" }', 'entry = false\nwithin = "2d"').replace(
        'next = "mark"', 'next = "mark"\notherwise = "end"'
    )
    flow, ewa = story.flow(text), story.person()
    story.tagged(ewa, "go")
    story.now += timedelta(days=30)
    story.emit(
        "link.clicked", ewa, at=START + timedelta(days=6), message="m@x.example", url="https://firma.example/offer"
    )
    story.run()
    assert story.tags(ewa) == ["clicked"]
    assert story.runs(flow)[0].ended_at == START + timedelta(days=6)


# -- what steps cause

CHAIN = """
kind = "rule"
name = "Rule {n}"
on = "tag.added"
where = {{ tag = "t{n}" }}
do = "tag.add"
with = {{ tag = "t{m}" }}
"""


def test_one_flow_sets_off_the_next_and_a_circle_ends(story: Story) -> None:
    for number in range(3):
        story.flow(CHAIN.format(n=number, m=(number + 1) % 3))
    ewa = story.person()
    story.react("tag.added", ewa, tag="t0")
    assert story.tags(ewa) == ["t0", "t1", "t2"]
    assert story.run() == 0


RING = """
kind = "workflow"
name = "Ring"
[nodes.in]
on = "tag.added"
where = { tag = "x" }
next = "swing"
[nodes.swing]
do = [{ do = "tag.remove", with = { tag = "x" } }, { do = "tag.add", with = { tag = "x" } }]
next = "end"
[nodes.end]
end = "all"
"""


def test_why_a_circle_is_broken_stands_in_the_trace_of_the_run_that_closed_it(story: Story) -> None:
    ring, ewa = story.flow(RING), story.person()
    story.react("tag.added", ewa, tag="x")
    assert story.statuses(ring) == ["completed", "completed"]  # the second time it stands there again
    (said,) = [step for step in story.trace(ring, ewa) if "reacts not" in step.result]
    assert said.node == "swing"
    assert said.stimulus.endswith("(tag.added)")
    way = f"flow {ring} swing → flow {ring} swing"
    assert said.result == f"the workflow 'Ring' reacts not: goes in a circle: {way}"


ONE_TO_TEN = """
kind = "rule"
name = "Rule {n}"
on = "tag.added"
where = {{ tag = "t{n}" }}
do = "tag.add"
with = {{ tag = "t{m}" }}
"""


def test_why_a_long_chain_is_broken_stands_in_the_trace_of_its_last_run(story: Story) -> None:
    rules = [story.flow(ONE_TO_TEN.format(n=number, m=number + 1)) for number in range(12)]
    ewa = story.person()
    story.react("tag.added", ewa, tag="t0")
    assert [len(story.runs(rule)) for rule in rules] == [1] * 10 + [0, 0]
    (said,) = [step.result for step in story.trace(rules[9], ewa) if "reacts not" in step.result]
    assert said.startswith("the rule 'Rule 10' reacts not: 10 actions caused one another: flow ")


def test_events_of_steps_have_the_time_of_the_step(story: Story) -> None:
    """A late worker: the tag that one flow puts on is in time for another that waits for it two days."""
    story.flow(DRIP)
    waits = story.flow(
        """
        kind = "workflow"
        name = "Waits"
        [nodes.in]
        on = "tag.added"
        where = { tag = "go" }
        next = "marked"
        [nodes.marked]
        on = "tag.added"
        where = { tag = "marked" }
        within = "4d"
        next = "end"
        otherwise = "late"
        [nodes.late]
        do = "tag.add"
        with = { tag = "late" }
        next = "end"
        [nodes.end]
        end = "all"
        """
    )
    ewa = story.person()
    story.tagged(ewa, "go")
    story.later("4w")
    assert story.tags(ewa) == ["marked"]
    assert story.statuses(waits) == ["completed"]


# -- effects

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


def test_a_token_waits_for_its_effect(story: Story) -> None:
    flow, ewa = story.flow(OUTSIDE), story.person()
    story.react("tag.added", ewa, tag="go")
    assert story.effects() == [("outside", "pending", False)]
    (key,) = story.asked()
    with story.db.write() as connection:
        (claimed,) = effects.claim(connection, story.now, 10)
        assert (claimed.effect.key, claimed.attempts, claimed.subject.person) == (key, 1, ewa)
        assert effects.claim(connection, story.now, 10) == []
        assert effects.settle(connection, key, story.now)
        assert not effects.settle(connection, key, story.now)
    story.run()
    assert story.tags(ewa) == ["done"]
    assert story.effects() == [("outside", "done", True)]
    assert story.statuses(flow) == ["completed"]


def test_a_permanent_failure_ends_the_run_with_its_reason(story: Story) -> None:
    flow, ewa = story.flow(OUTSIDE), story.person()
    story.react("tag.added", ewa, tag="go")
    with story.db.write() as connection:
        effects.settle(connection, story.asked()[0], story.now, "no such host")
    story.run()
    (run,) = story.runs(flow)
    assert (run.status, "no such host" in run.reason) == ("failed", True)


@pytest.mark.parametrize(
    ("how", "reason"), [("refused", "no such luck"), ("raises", "boom raised RuntimeError: a fault")]
)
def test_a_change_that_raises_leaves_nothing_behind(story: Story, how: str, reason: str) -> None:
    flow, ewa, jan = (
        story.flow(OUTSIDE.replace('do = "outside"', f'do = "boom"\nwith = {{ how = "{how}" }}')),
        story.person(),
        story.person("Jan"),
    )
    drip = story.flow(DRIP)
    for person in (ewa, jan):
        story.tagged(person, "go")
    story.run()
    assert story.tags(ewa) == []
    assert all(reason in run.reason for run in story.runs(flow))
    assert story.statuses(drip) == ["in_progress"] * 2


def test_a_workflow_in_which_many_fail_is_paused(story: Story) -> None:
    flow = story.flow(OUTSIDE.replace('do = "outside"', 'do = "boom"\nwith = { how = "refused" }'))
    for number in range(25):
        story.tagged(story.person(f"P{number}"), "go")
    story.run(limit=15)
    with story.db.read() as connection:
        stored = flows.get(connection, flow)
        assert stored.active_since is None
        assert stored.paused is not None
        assert [entry.kind for entry in pulse.listed(connection)] == ["notice"]
    before = len(story.runs(flow))
    story.tagged(story.person("late"), "go")
    story.run()
    assert len(story.runs(flow)) == before
