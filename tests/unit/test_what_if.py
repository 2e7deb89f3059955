"""What a flow would have done with the events that are stored."""

from __future__ import annotations

from datetime import datetime

from mailcrm.core.enrollment import Happened, Status, Subject, Verdict
from mailcrm.core.events import Event
from mailcrm.core.flow import Action, Condition, Do, End, Flow, Wait
from mailcrm.core.what_if import Imagined, what_if
from tests.oracle.world import ROWS, T0, Clock, ask, flow, h, mail, on, tag

FOLLOW = flow(
    {
        "in": on("form", "hello"),
        "hello": mail("hello", "w"),
        "w": Wait("2d", ("q",)),
        "q": ask("vip", ("call",), ("nag",)),
        "nag": mail("nag", "end"),
        "call": tag("call", "end"),
        "end": End(),
    }
)


def imagine(graph: Flow, *events: tuple[float, str], until: float = 400, vip_from: float = 1000) -> list[Imagined]:
    def judge(condition: Condition, at: datetime) -> Verdict:
        return Verdict(at >= T0 + h(vip_from), f"tag {condition.args['tag']}", "as the log tells")

    happened = [Happened(Event(n, kind, 1, T0 + h(at), "test", {})) for n, (at, kind) in enumerate(events, 1)]
    return list(what_if(graph, Subject(1), happened, Clock(), judge, ROWS, T0, T0 + h(until)))


def effects(steps: list[Imagined]) -> list[tuple[str, datetime]]:
    return [(effect.node, effect.at) for step in steps for effect in step.decision.effects]


def test_every_effect_is_taken_as_done_and_the_clock_jumps_from_timer_to_timer() -> None:
    assert effects(imagine(FOLLOW, (1, "form"))) == [("hello", T0 + h(1)), ("nag", T0 + h(49))]


def test_conditions_are_asked_as_of_that_time() -> None:
    assert effects(imagine(FOLLOW, (1, "form"), vip_from=48))[-1] == ("call", T0 + h(49))
    assert effects(imagine(FOLLOW, (1, "form"), vip_from=50))[-1] == ("nag", T0 + h(49))


def test_what_happened_before_or_after_the_time_looked_at_does_not_count() -> None:
    assert imagine(FOLLOW, (-1, "form"), (500, "form")) == []
    assert effects(imagine(FOLLOW, (1, "form"), until=48)) == [("hello", T0 + h(1))]


def test_events_go_before_timers_and_runs_are_counted() -> None:
    steps = imagine(FOLLOW, (49, "form"), (0, "form"), (47.5, "form"))  # in any order
    runs = [step.decision.enrollment for step in steps if step.decision.enrollment]
    assert [(run.number, run.ended) for run in runs if run.status is Status.COMPLETED] == [
        (1, T0 + h(48)),
        (2, T0 + h(97)),
    ]
    assert "ignored: passed already" in [line.result for step in steps for line in step.decision.steps]
    keys = [effect.key for step in steps for effect in step.decision.effects]
    assert len(keys) == len(set(keys)) == 4


def test_who_moves_himself_on_is_there_next() -> None:
    leap = Do((Action("workflow.move", {"workflow": "flow 1", "node": "call"}),), ("nag",))
    nodes = {"in": on("form", "leap"), "leap": leap, "nag": mail("nag", "end"), "call": tag("call", "end")}
    steps = imagine(flow({**nodes, "end": End()}), (1, "form"))
    assert effects(steps) == [("leap", T0 + h(1)), ("call", T0 + h(1))]
    assert not [line for step in steps for line in step.decision.steps if line.result.startswith("ignored")]


def test_a_circle_of_mails_comes_to_its_end() -> None:
    steps = imagine(flow({"in": on("form", "a"), "a": mail("A", "a"), "end": End()}), (1, "form"))
    last = steps[-1].decision.enrollment
    assert last
    assert (last.status, last.reason[:2]) == (Status.FAILED, "a:")
