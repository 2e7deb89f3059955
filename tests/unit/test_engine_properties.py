"""What holds of every flow and every story, and that the engine does what its plain reference says."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mailcrm.core.engine import advance
from mailcrm.core.enrollment import Decision, Done, Due, Enrollment, Facts, Status, Stimulus, Subject, Waiting
from mailcrm.core.flow import Again, Flow, Node, leads_to
from mailcrm.core.replay import Recorded, recording, replay
from tests.oracle.reference import reference
from tests.oracle.stories import graphs, play, stories, times, worlds
from tests.oracle.world import ROWS, T0, Clock, World, flow, h

FAST = settings(max_examples=80, suppress_health_check=list(HealthCheck))


def _like(run: Enrollment | None) -> object:
    """An enrollment, its tokens in one order and without the words of its reason."""
    return run and replace(run, tokens=tuple(sorted(run.tokens, key=lambda token: token.id)), reason="")


def _same(told: Decision, wanted: Decision) -> None:
    assert _like(told.enrollment) == _like(wanted.enrollment)
    assert told.effects == wanted.effects
    assert (told.withdraw, told.withdraw_all) == (wanted.withdraw, wanted.withdraw_all)
    assert _like(told.replaced) == _like(wanted.replaced)
    if told.enrollment and wanted.enrollment:
        assert told.enrollment.reason.startswith(wanted.enrollment.reason)


@settings(FAST, max_examples=300)
@given(worlds(), stories())
def test_the_engine_decides_as_the_reference(world: World, story: list[tuple[int, str]]) -> None:
    def both(flow: Flow, live: Enrollment | None, stimulus: Stimulus, facts: Facts, now: datetime) -> Decision:
        told = advance(flow, live, stimulus, facts, now)
        _same(told, reference(flow, live, stimulus, facts, now))
        return told

    world.engine = both
    play(world, story)
    world.until(400)


def _sound(world: World) -> None:
    for run in world.live.values():
        assert run.status is Status.IN_PROGRESS
        assert run.tokens
        for token in run.tokens:
            match token.waiting:
                case Waiting.WAIT | Waiting.DELAY:
                    assert token.due
                    assert not token.keys
                case Waiting.DONE:
                    assert len(token.keys) == 1
                    assert not token.due
                case Waiting.EVENT | Waiting.PARKED:
                    assert not token.keys
                case Waiting.END:
                    raise AssertionError("an End that waits is never stored")
    for runs in world.past.values():
        for run in runs:
            assert run.status is not Status.IN_PROGRESS
            assert run.ended
            assert not run.tokens
        assert [run.number for run in runs] == list(range(1, len(runs) + 1))
        assert len({run.id for run in runs}) == len(runs)


@FAST
@given(worlds(), stories())
def test_every_token_waits_for_something_and_what_ended_is_over(world: World, story: list[tuple[int, str]]) -> None:
    """GRAPH-30, SEQ-40. That no action's key repeats is asserted by the world itself, at every effect."""
    play(world, story)
    _sound(world)
    for before, after in zip(world.log, world.log[1:], strict=False):
        one, two = before.decision.enrollment, after.decision.enrollment
        if one and two and one.id == two.id:
            assert two is one or two.seq == one.seq + 1
            assert one.status is Status.IN_PROGRESS or two is one


@FAST
@given(graphs(circles=False), times(), st.sampled_from(Again), st.sampled_from((5, 7, 30)))
def test_a_late_machine_walks_the_same_path(
    nodes: dict[str, Node], events: list[tuple[float, str]], again: Again, lag: int
) -> None:
    """Stored as they happen, looked at once or every ``lag`` hours; mails are accepted at the time of their step."""

    def run(looks_always: bool) -> World:
        world = World(flow(nodes, again=again))
        for hour in sorted({*range(0, 300, lag), *(hour for hour, _ in events)}):
            if looks_always:
                world.until(hour)
            world.now = T0 + h(hour)
            for kind in (kind for at, kind in events if at == hour):
                world.emit(kind)
            if looks_always or hour % lag == 0:
                world.settle()
        world.now = max(world.now, T0 + h(0 if looks_always else 300))
        world.until(300)
        return world

    punctual, late = run(looks_always=True), run(looks_always=False)
    assert late.did == punctual.did
    assert (late.at(), late.status()) == (punctual.at(), punctual.status())
    assert late.past == punctual.past


@FAST
@given(worlds(), times(), st.randoms(use_true_random=False))
def test_the_order_in_which_workers_find_stimuli_changes_nothing(
    world: World, events: list[tuple[float, str]], chance: Random
) -> None:
    shuffled = World(world.first)
    for one, order in ((world, list(events)), (shuffled, chance.sample(events, len(events)))):
        number = {at: i for i, (at, _) in enumerate(events, 1)}
        for at, kind in order:
            one.events = number[at] - 1
            one.emit(kind, at=T0 + h(at))
        one.events = len(events)
        one.now = T0 + h(200)
        one.tick()
    assert (shuffled.did, shuffled.live, shuffled.past) == (world.did, world.live, world.past)


@FAST
@given(worlds(), stories())
def test_replaying_what_was_recorded_decides_the_same(world: World, story: list[tuple[int, str]]) -> None:
    recorded: list[Recorded] = []

    def recorder(flow: Flow, live: Enrollment | None, stimulus: Stimulus, facts: Facts, now: datetime) -> Decision:
        watched, answers = recording(facts)
        decision = advance(flow, live, stimulus, watched, now)
        known = (facts.new_id, facts.active_since, facts.past, tuple(answers), tuple(facts.events))
        recorded.append(Recorded(flow.version, stimulus, now, *known))
        return decision

    world.engine = recorder
    play(world, story)
    versions = {version: graph for (_, version), graph in world.versions.items()}
    again = replay(versions, Subject(1), Clock(), ROWS, recorded)
    assert list(again) == [taken.decision for taken in world.log]


@FAST
@given(worlds(), stories())
def test_what_comes_twice_or_too_late_moves_nothing(world: World, story: list[tuple[int, str]]) -> None:
    play(world, story)
    before = dict(world.live)
    for run in list(world.live.values()):
        for token in run.tokens:
            if token.due and token.due > world.now:
                world.take((1, 1), Due(token.id))
    answered = [key for key, row in world.outbox.items() if row.state in ("sent", "failed", "withdrawn")]
    for key in answered[:20]:
        world.take((1, 1), Done(key, world.now, "550 no such user"))
    assert world.live == before


@FAST
@given(graphs(), times(), st.sampled_from((Status.COMPLETED, Status.REMOVED)), st.integers(1, 100))
def test_stopped_means_silent(
    nodes: dict[str, Node], events: list[tuple[float, str]], status: Status, hour: int
) -> None:
    """SEQ-37, SEQ-40."""
    world = World(flow(nodes, again=Again.NEVER))
    world.emit("form")
    world.emit("sale")
    world.tick()
    world.now += h(hour)
    world.tick()
    if (1, 1) not in world.live:
        return
    world.stop(status, "by hand")
    size = len(world.did)
    for _, kind in events:
        world.now += h(5)
        world.emit(kind)
        world.settle()
    assert len(world.did) == size
    assert (world.run().status, world.run().reason, world.run().ended_by) == (status, "by hand", "user:ann")


@FAST
@given(worlds(), stories())
def test_an_event_passes_an_on_once_at_most(world: World, story: list[tuple[int, str]]) -> None:
    """But where two ways lead to it: what two tokens reach runs twice."""
    play(world, story)
    ways = Counter(target for node in world.first.nodes.values() for target in leads_to(node))
    passed = Counter(
        (taken.decision.enrollment.id, step.node, step.stimulus)
        for taken in world.log
        for step in taken.decision.steps
        if taken.decision.enrollment and step.result.startswith(("passed", "entered")) and "event" in step.stimulus
    )
    assert all(often == 1 for (_, node, _), often in passed.items() if ways[node] <= 1)


@FAST
@given(graphs(circles=False), times())
def test_without_circles_nothing_fails(nodes: dict[str, Node], events: list[tuple[float, str]]) -> None:
    world = World(flow(nodes))
    for at, kind in events:
        world.until(at)
        world.emit(kind)
    world.until(400)
    assert all(run.status is Status.COMPLETED for run in world.past.get((1, 1), ()))
