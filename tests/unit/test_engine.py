"""What flows mean, paragraph by paragraph: small stories, most of them about where two readings would part."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailcrm.core.engine import advance
from mailcrm.core.enrollment import Due, Enrol, Happened, Status, Waiting
from mailcrm.core.events import Event
from mailcrm.core.flow import Action, Again, Condition, Do, End, FlowKind, If, Node, Switch, Trigger, Wait
from mailcrm.errors import Temporary
from tests.oracle.world import T0, World, ask, flow, h, has, mail, on, tag

END, BRANCH = {"end": End()}, {"end": End("branch")}


def begun(nodes: dict[str, Node], *kinds: str, **more: Any) -> World:
    """A world in which these events have happened, each dealt with before the next."""
    world = World(flow(nodes, **more))
    for kind in kinds:
        world.emit(kind)
        world.settle()
    return world


def enrolled(nodes: dict[str, Node], start: str, **more: Any) -> World:
    world = World(flow(nodes, start=(start,), **more))
    world.enrol()
    return world


# -- entry


def test_an_event_enters_wherever_nothing_leads() -> None:
    """GRAPH-14: several structures in one scheme, also for one event."""
    world = begun({"a": on("form", "x"), "x": tag("x"), "b": on("form", "y"), "y": tag("y"), **END}, "form")
    assert world.did == ["tag.add x", "tag.add y"]
    assert world.at() == ["x parked", "y parked"]


@pytest.mark.parametrize("kind", ["form", "sale"])
def test_any_of_several_first_events_lets_in(kind: str) -> None:
    """WF-3, GRAPH-9."""
    world = begun({"a": on("form", "x"), "b": on("sale", "x"), "x": tag("x", "end"), **END}, kind)
    assert (world.did, world.status()) == (["tag.add x"], "completed")


def test_an_entry_that_was_not_passed_lets_a_subject_that_is_inside_in_too() -> None:
    """GRAPH-14: one branch that never ends does not lock the other out."""
    nodes = {"a": on("form", "x"), "x": tag("x"), "b": on("sale", "m"), "m": mail("thanks", "end"), **BRANCH}
    world = begun(nodes, "form", "sale", "sale")
    assert world.did == ["tag.add x", "mail thanks"]
    assert "ignored: passed already" in world.said("b")


@pytest.mark.parametrize(("hours", "inside"), [(-1, False), (0, True), (1, True)])
def test_what_happened_before_the_activation_does_not_count(hours: int, inside: bool) -> None:
    """WF-4, WF-5."""
    world = World(flow({"in": on("form", "w"), "w": Wait("1d", ("end",)), **END}))
    world.since[1] = T0
    world.emit("form", at=T0 + h(hours))
    world.now = T0 + h(2)
    world.settle()
    assert bool(world.at()) is inside


def test_the_time_of_an_entry_is_the_events_not_the_machines() -> None:
    world = World(flow({"in": on("form", "w"), "w": Wait("1d", ("end",)), **END}), now=T0 + h(12))
    world.emit("form", at=T0)
    world.settle()
    assert (world.run().began, world.run().tokens[0].due) == (T0, T0 + h(24))


@pytest.mark.parametrize(("again", "runs"), [(Again.AFTER_END, 3), (Again.NEVER, 1)])
def test_who_reached_the_end_may_come_again(again: Again, runs: int) -> None:
    """GRAPH-32."""
    world = World(flow({"in": on("form", "m"), "m": mail("A", "end"), **END}, again=again))
    for _ in range(3):
        world.now += h(1)
        world.emit("form")
        world.settle()
    assert len(world.did) == runs
    assert [run.number for run in world.past[1, 1]] == list(range(1, runs + 1))


def test_restart_ends_the_run_before_and_takes_its_mail_back() -> None:
    world = World(flow({"in": on("form", "m"), "m": mail("A", "end"), **END}, again=Again.RESTART))
    world.emit("form")
    world.tick()
    world.now += h(2)
    world.emit("form", at=world.now - h(1))  # noticed an hour late: the new run begins all the same
    world.tick()
    world.dispatch()
    world.tick()
    assert world.did == ["mail A"]
    assert [(run.status, run.reason) for run in world.past[1, 1]] == [
        (Status.REMOVED, "restarted"),
        (Status.COMPLETED, ""),
    ]


def test_never_does_not_count_a_run_that_an_edit_ended() -> None:
    nodes = {"in": on("form", "w"), "w": Wait("9d", ("end",)), **END}
    world = begun(nodes, "form", again=Again.NEVER)
    world.edit(flow(nodes, again=Again.NEVER))
    world.emit("form")
    world.settle()
    assert (world.status(), world.run().number, world.run().version) == ("in_progress", 2, 2)


def test_an_event_of_the_last_runs_time_does_not_start_the_next() -> None:
    world = begun({"in": on("form", "w"), "w": Wait("2h", ("end",)), **END}, "form")
    world.until(5)
    world.emit("form", at=T0 + h(1))
    world.settle()
    world.emit("form", at=T0 + h(3))
    world.settle()
    assert len(world.past[1, 1]) == 2  # the second has ended too, late as it is seen
    assert "ignored: happened while the run before was still going on" in world.said("in")


def test_enrolling_goes_by_the_same_rules() -> None:
    world = enrolled({"w": Wait("1d", ("end",)), **END}, "w", again=Again.NEVER)
    world.enrol()
    world.until(30)
    world.enrol()
    world.deactivate()
    world.enrol(person=2)
    assert world.said("w")[1] == "ignored: is inside already"
    assert world.said("w")[-2:] == ["ignored: the flow takes nobody twice", "ignored: the flow lets nobody in now"]
    assert world.status(person=2) == "outside"


def test_a_start_that_is_an_entry_is_passed_without_its_event() -> None:
    world = enrolled({"in": on("form", "m"), "m": mail("A", "w"), "w": Wait("1d", ("end",)), **END}, "in")
    world.emit("form")
    world.settle()
    assert (world.did, world.said("in")) == (["mail A"], ["entered", "ignored: passed already"])


# -- an On that is waited for


def test_it_waits_until_the_event_happens() -> None:
    """GRAPH-12, GRAPH-13: events in a row narrow, both are needed."""
    nodes = {"in": on("form", "b"), "b": on("sale", "m"), "m": mail("both", "end"), **END}
    assert begun(nodes, "sale").status() == "outside"
    world = begun(nodes, "form")
    assert world.at() == ["b event"]
    world.emit("sale")
    world.settle()
    assert world.did == ["mail both"]


NARROW = {
    "m1": mail("A", "o"),
    "o": on("opened", "m2", within="5d", otherwise=("end",), entry=False),
    "m2": mail("B", "end"),
    **END,
}


def test_it_looks_back_to_its_arrival() -> None:
    """The mail was opened two seconds after it left, and its Done was told after that."""
    world = enrolled(NARROW, "m1")
    (key,) = world.claim()
    world.now += h(0.001)
    world.sent(key)
    done, world.dones = world.dones, []
    world.now += h(0.001)
    world.emit("opened")
    world.tick()
    world.dones = done
    world.settle()
    assert world.did == ["mail A", "mail B"]
    assert world.steps[-1].result == "completed"


def test_what_follows_from_looking_back_has_the_time_of_the_event() -> None:
    world = enrolled({**NARROW, "o": on("opened", "end", entry=False)}, "m1")
    (key,) = world.claim()
    world.now += h(2)
    world.emit("opened", at=T0 + h(1))
    world.tick()
    world.sent(key, at=T0)
    world.tick()
    assert (world.status(), world.run().ended) == ("completed", T0 + h(1))


def test_an_event_after_the_limit_does_not_pass_even_if_the_timer_was_not_taken_yet() -> None:
    world = enrolled(NARROW, "m1")
    world.settle()
    run, late = world.run(), world.emit("opened", at=T0 + h(24 * 6))
    decision = advance(world.first, run, Happened(late), world.facts((1, 1), []), late.at)
    assert decision.enrollment is run
    assert [step.result for step in decision.steps] == ["ignored: too late"]


@pytest.mark.parametrize(("at", "did"), [(-24, 1), (0, 2), (24 * 5, 2), (24 * 5 + 1, 1)])
def test_an_event_counts_from_the_arrival_to_the_limit(at: int, did: int) -> None:
    """GRAPH-15: at the limit the event wins. Last year's opening satisfies nobody."""
    world = enrolled(NARROW, "m1")
    world.settle()
    world.now = T0 + h(24 * 7)
    world.emit("opened", at=T0 + h(at))
    world.settle()
    assert len(world.did) == did


def test_without_the_event_the_other_way_is_taken() -> None:
    """GRAPH-15."""
    nodes = {**NARROW, "o": on("opened", "m2", within="5d", otherwise=("nag",)), "nag": mail("nag", "end")}
    world = enrolled(nodes, "m1")
    world.until(24 * 6)
    assert world.did == ["mail A", "mail nag"]
    assert "did not happen in time" in world.said("o")


def test_an_event_that_comes_to_light_after_the_timer_changes_nothing() -> None:
    nodes = {
        "in": on("form", "o"),
        "o": on("reply", "thanks", within="1d", otherwise=("nag",)),
        "nag": mail("nag", "o2"),
        "o2": on("reply", "late", entry=False),
        "thanks": mail("thanks", "end"),
        "late": mail("late", "end"),
        **END,
    }
    world = begun(nodes, "form")
    world.until(26)
    world.emit("reply", at=T0 + h(20))
    world.settle()
    assert (world.did, world.at()) == (["mail nag"], ["o2 event"])
    assert "ignored: happened before the token came here" in world.said("o2")


@pytest.mark.parametrize("lag", [1, 7, 48])
def test_a_late_timer_takes_the_same_path(lag: int) -> None:
    nodes = {
        "in": on("form", "o"),
        "o": on("opened", "thanks", within="1d", otherwise=("o2",), entry=False),
        "o2": on("opened", "late", entry=False),
        "thanks": mail("thanks", "end"),
        "late": mail("late", "end"),
        **END,
    }
    world = World(flow(nodes))
    world.emit("form")
    world.emit("opened", at=T0 + h(30))
    for hours in range(0, 97, lag):
        world.now = T0 + h(hours)
        world.settle()
    assert world.did == ["mail late"]


def test_waits_do_not_drift_with_the_machine() -> None:
    world = begun({"in": on("form", "w"), "w": Wait("1d", ("w2",)), "w2": Wait("1d", ("end",)), **END}, "form")
    world.now = T0 + h(36)
    world.tick()
    assert world.run().tokens[0].due == T0 + h(48)


def test_a_trigger_that_raises_is_not_met_and_says_so() -> None:
    def broken(event: Event, where: object) -> bool:
        raise ValueError("no field amount")

    nodes = {"a": on("form", "x"), "x": tag("x", "end"), "b": on("other", "y"), "y": tag("y", "end"), **BRANCH}
    triggers = {"form": Trigger("form", "form", broken), "other": Trigger("other", "form", lambda event, where: True)}
    world = begun(nodes, "form", triggers=triggers)
    assert world.did == ["tag.add y"]
    assert world.said("a") == ["ignored: the trigger's test raised ValueError: no field amount"]


# -- an event in the middle overtakes

NAG = {
    "in": on("form", "nag"),
    "nag": mail("nag", "sale"),
    "sale": on("sale", "w"),
    "w": Wait("1d", ("thanks",)),
    "thanks": mail("thanks", "end"),
    **END,
}


def test_it_takes_who_has_not_come_so_far_and_takes_back_what_was_jumped_over() -> None:
    """GRAPH-11."""
    world = World(flow(NAG))
    world.emit("form")
    world.tick()
    world.emit("sale")
    world.tick()
    world.dispatch()
    assert (world.did, world.at()) == ([], ["w wait"])
    assert "passed, overtaking from nag" in world.said("sale")


def test_the_failure_of_what_was_jumped_over_is_only_noted() -> None:
    world = World(flow(NAG))
    world.emit("form")
    world.tick()
    (key,) = world.claim()
    world.emit("sale")
    world.tick()
    world.sent(key, "550 no such user")
    world.tick()
    assert world.at() == ["w wait"]
    assert "ignored: failed too late to matter: 550 no such user" in world.said("")


def test_a_stranger_starts_there() -> None:
    """GRAPH-11: where no entry asks for the event."""
    assert begun(NAG, "sale").at() == ["w wait"]


def test_a_stranger_does_not_start_at_a_node_with_a_limit() -> None:
    nodes = {
        "in": on("form", "w"),
        "w": Wait("3d", ("o",)),
        "o": on("opened", "call", within="5d", otherwise=("end",)),
        "call": mail("call", "end"),
        **END,
    }
    assert begun(nodes, "opened").status() == "outside"


def test_a_stranger_starts_at_the_first_of_several() -> None:
    nodes = {
        "in": on("form", "w2"),
        "c2": on("click", "b", entry=True),
        "b": mail("B", "end"),
        "w2": Wait("1d", ("c1",)),
        "c1": on("click", "a"),
        "a": mail("A", "c2"),
        **END,
    }
    assert begun(nodes, "click").did == ["mail A"]


@pytest.mark.parametrize("order", [("c1", "c2"), ("c2", "c1")])
def test_one_event_passes_one_node_whatever_the_order_of_the_file(order: tuple[str, str]) -> None:
    nodes = {
        "c1": on("click", "a"),
        "c2": on("click", "b"),
    }
    nodes = {
        "in": on("form", "w"),
        "w": Wait("9d", ("c1",)),
        **{name: nodes[name] for name in order},
        "a": mail("A", "c2"),
        "b": mail("B", "end"),
        **END,
    }
    world = begun(nodes, "form", "click")
    assert (world.did, world.at()) == (["mail A"], ["c2 event"])


def test_the_event_that_lets_in_does_not_overtake_its_own_entry() -> None:
    nodes = {
        "in": on("opened", "hello"),
        "hello": mail("hello", "w"),
        "w": Wait("3d", ("o2",)),
        "o2": on("opened", "offer"),
        "offer": mail("offer", "end"),
        **END,
    }
    world = begun(nodes, "opened")
    assert (world.did, world.at()) == (["mail hello"], ["w wait"])


def test_tokens_that_meet_become_one() -> None:
    nodes = {
        "in": on("form", "w1", "w2", "w3"),
        **{f"w{n}": Wait(f"{n}d", ("sale",)) for n in (1, 2, 3)},
        "sale": on("sale", "thanks"),
        "thanks": mail("thanks", "end"),
        **BRANCH,
    }
    world = begun(nodes, "form", "sale")
    assert (world.did, world.status()) == (["mail thanks"], "completed")


def test_one_that_waits_takes_those_before_it_along() -> None:
    nodes = {
        "in": on("form", "w", "sale"),
        "w": Wait("3d", ("nag",)),
        "nag": mail("not bought yet?", "sale"),
        "sale": on("sale", "thanks"),
        "thanks": mail("thanks", "end"),
        **BRANCH,
    }
    world = begun(nodes, "form", "sale")
    world.until(24 * 5)
    assert (world.did, world.status()) == (["mail thanks"], "completed")
    assert "taken back: sale was passed" in world.said("w")


def test_a_node_once_passed_does_not_overtake_again() -> None:
    """At most one mail a day, however often there is a click."""
    nodes = {
        "click": on("click", "note"),
        "note": mail("score", "w"),
        "w": Wait("1d", ("again",)),
        "again": on("click", "note", entry=False),
        **END,
    }
    world = World(flow(nodes))
    for hours in (0, 1, 2, 23, 25, 26, 47):
        world.until(hours)
        world.emit("click")
        world.settle()
    assert len(world.did) == 2


def test_a_loop_back_to_the_first_node_lets_in_and_goes_by_what_was_passed() -> None:
    world = begun({"in": on("click", "a"), "a": mail("A", "w"), "w": Wait("1d", ("in",)), **END}, "click", "click")
    assert world.did == ["mail A"]
    world.until(25)
    world.emit("click")
    world.settle()
    assert world.did == ["mail A", "mail A"]  # it waited there


def test_what_is_not_before_the_node_is_left_alone() -> None:
    nodes = {
        "in": on("form", "q"),
        "q": ask("vip", ("w1",), ("w2",)),
        "w1": Wait("9d", ("sale",)),
        "w2": Wait("9d", ("end",)),
        "sale": on("sale", "m"),
        "m": mail("thanks", "end"),
        **END,
    }
    world = begun(nodes, "form", "sale")
    assert (world.did, world.at()) == ([], ["w2 wait"])
    assert "ignored: nobody stands before it" in world.said("sale")


def test_only_one_side_of_a_condition_is_jumped_into() -> None:
    nodes = {
        "in": on("form", "w"),
        "w": Wait("1d", ("q",)),
        "q": ask("vip", ("o1",), ("o2",)),
        "o1": on("opened", "a"),
        "o2": on("opened", "b"),
        "a": mail("for vips", "end"),
        "b": mail("for others", "end"),
        **BRANCH,
    }
    assert begun(nodes, "form", "opened").did == ["mail for vips"]


def test_behind_the_timer_of_an_on_is_no_narrowing() -> None:
    """GRAPH-13."""
    nodes = {
        "in": on("form", "o"),
        "o": on("opened", "s1", within="1d", otherwise=("s2",)),
        "s1": on("sale", "end"),
        "s2": on("sale", "end"),
        **END,
    }
    assert flow(nodes).overtaking == {"in", "s2"}


def test_an_event_that_comes_to_light_after_the_token_came_does_not_set_it_back_in_time() -> None:
    world = begun({**NAG, "nag": Wait("5h", ("sale",))}, "form")
    world.until(6)
    world.emit("sale", at=T0 + h(3))
    world.settle()
    assert [(token.node, token.due) for token in world.run().tokens] == [("w", T0 + h(5 + 24))]


def test_an_older_event_than_the_run_moves_nobody() -> None:
    world = begun(NAG, "form")
    world.emit("sale", at=T0 - timedelta(365))
    world.settle()
    assert world.at() == ["sale event"]
    assert "ignored: happened before this run began" in world.said("sale")


# -- Do


def test_actions_run_in_order_and_the_next_node_sees_what_they_changed() -> None:
    """GRAPH-24: and only if all before agreed."""
    nodes = {
        "in": on("form", "t"),
        "t": Do(
            (Action("tag.add", {"tag": "vip"}), Action("mail", {"letter": "A"}), Action("tag.add", {"tag": "b"})),
            ("q",),
        ),
        "q": If(((has("vip"), has("b")),), ("yes",), ("no",)),
        "yes": mail("yes", "end"),
        "no": mail("no", "end"),
        **END,
    }
    world = begun(nodes, "form")
    assert world.did == ["tag.add vip", "mail A", "tag.add b", "mail yes"]
    assert [key for key, _ in world.carried] == ["1.1.0", "1.1.1", "1.1.2", "1.3.0"]


def test_a_delayed_action_judges_nothing_before_its_time_and_keeps_its_key() -> None:
    """GRAPH-8, GRAPH-27, GRAPH-33: who is tagged during the delay is seen as tagged."""
    nodes = {
        "in": on("form", "a", "b"),
        "a": mail("A", "a2"),
        "a2": mail("A2", "end"),
        "b": mail("B", "q", after="1h"),
        "q": ask("vip", ("yes",), ("end",)),
        "yes": mail("yes", "end"),
        **BRANCH,
    }
    world = begun(nodes, "form")
    assert world.did == ["mail A", "mail A2"]
    world.tags[1].add("vip")
    world.until(2)
    assert world.did[2:] == ["mail B", "mail yes"]


def test_a_permanent_problem_fails_and_takes_the_rest_back() -> None:
    world = World(flow({"in": on("form", "a", "b"), "a": mail("A", "end"), "b": mail("B", "end"), **END}))
    world.emit("form")
    world.tick()
    world.outbox["1.1.0"].state = "sending"
    world.sent("1.1.0", "550 no such user")
    world.tick()
    world.settle()
    assert (world.status(), world.run().reason, world.did) == ("failed", "a: mail: 550 no such user", [])
    assert world.outbox["1.2.0"].state == "withdrawn"


def test_a_flow_may_go_on_after_a_problem_but_not_without_consent() -> None:
    """SEQ-25, SEQ-26."""
    nodes = {"s1": mail("1", "s2", on_error="continue"), "s2": mail("2", "end"), **END}
    for refused, did, status in ((False, ["mail 2"], "completed"), (True, [], "failed")):
        world = enrolled(nodes, "s1")
        world.dispatch("consent was taken back", refused)
        world.settle()
        assert (world.did, world.status()) == (did, status)


def test_a_done_that_comes_twice_or_after_the_end_is_only_noted() -> None:
    world = enrolled({"s1": mail("1", "w"), "w": Wait("1d", ("s2",)), "s2": mail("2", "end"), **END}, "s1")
    world.settle()
    world.now += h(24)
    world.tick()
    (key,) = world.claim()
    world.stop(Status.COMPLETED, "reply")
    world.sent(key, "550 no such user")
    world.tick()
    assert (world.status(), world.run().reason) == ("completed", "reply")


# -- If, switch


@pytest.mark.parametrize(
    ("tags", "answer", "expected"),
    [
        ("", "no", "tag a, or tag b"),
        ("a", "yes", "tag a"),
        ("b", "no", "tag a, or tag b and tag c"),
        ("bc", "yes", "tag a, or tag b and tag c"),
    ],
)
def test_any_group_and_in_it_all(tags: str, answer: str, expected: str) -> None:
    """GRAPH-19; WF-10: as the card is now."""
    groups = ((has("a"),), (has("b"), has("c")))
    world = World(
        flow({"in": on("form", "q"), "q": If(groups, ("yes",), ("no",)), "yes": tag("x"), "no": tag("y"), **END})
    )
    world.tags[1] = set(tags)
    world.emit("form")
    world.settle()
    (step,) = (step for step in world.steps if step.node == "q")
    assert (step.result, step.expected, step.actual) == (answer, expected, f"tags: {', '.join(tags) or 'none'}")
    assert world.at() == [f"{answer} parked"]


@pytest.mark.parametrize(("tags", "at"), [("a", "one"), ("ab", "one"), ("b", "two"), ("", "rest")])
def test_switch_takes_the_first_case_that_holds_else_other(tags: str, at: str) -> None:
    """GRAPH-21, GRAPH-23."""
    cases = ((has("a"), ("one",)), (has("b"), ("two",)))
    waits = {name: Wait("1d", ("end",)) for name in ("one", "two", "rest")}
    world = World(flow({"in": on("form", "s"), "s": Switch(cases, ("rest",)), **waits, **END}))
    world.tags[1] = set(tags)
    world.emit("form")
    world.settle()
    assert world.at() == [f"{at} wait"]


def test_switch_without_other_parks() -> None:
    world = begun({"in": on("form", "s"), "s": Switch(((has("a"), ("end",)),)), **END}, "form")
    assert world.at() == ["s parked"]
    assert world.said("s") == ["no case holds", "parks: nothing leads on from here"]


def test_a_condition_that_raises_fails_the_run_and_names_itself() -> None:
    broken = If(((Condition("broken"),),), ("end",), ("end",))
    world = begun({"in": on("form", "m", "r"), "m": mail("A", "end"), "r": broken, **END}, "form")
    assert world.status() == "failed"
    assert world.run().reason == "r: the condition broken raised RuntimeError: no such column"
    assert world.did == []  # what was decided in the same breath is not done


def test_a_condition_that_cannot_be_judged_now_is_tried_again() -> None:
    world = World(flow({"in": on("form", "q"), "q": ask("a", ("end",), ("end",)), **END}))
    facts = world.facts((1, 1), [])

    def locked(condition: Condition) -> Any:
        raise Temporary("the database is locked")

    told = type(facts)(**{name: getattr(facts, name) for name in facts.__slots__} | {"judge": locked})
    with pytest.raises(Temporary):
        advance(world.first, None, Happened(world.emit("form")), told, T0)


# -- forks, End, parking


def test_a_fork_is_walked_breadth_first() -> None:
    """GRAPH-25."""
    nodes = {
        "in": on("form", "a", "b"),
        "a": tag("a", "a2"),
        "a2": tag("a2"),
        "b": tag("b", "b2"),
        "b2": tag("b2"),
        **END,
    }
    assert begun(nodes, "form").did == ["tag.add a", "tag.add b", "tag.add a2", "tag.add b2"]


def test_no_join_a_node_reached_twice_runs_twice() -> None:
    nodes = {"in": on("form", "a", "b"), "a": tag("a", "m"), "b": tag("b", "m"), "m": mail("M", "end"), **BRANCH}
    assert begun(nodes, "form").did[2:] == ["mail M", "mail M"]


@pytest.mark.parametrize("last", ["end", "more"])
def test_an_end_waits_for_all_that_can_run_at_that_instant(last: str) -> None:
    """WF-18: who bought leaves campaign 1 and joins campaign 2, wherever the End hangs; rows in several steps too."""
    nodes = {
        "in": on("form", "leave", "join"),
        "leave": tag("C1", "end", off=True),
        "join": Do((Action("tag.add", {"tag": "C2"}), Action("tag.add", {"tag": "since"})), (last,)),
        "more": tag("more"),
        **END,
    }
    world = World(flow(nodes), tags={1: {"C1"}})
    world.emit("form")
    world.settle()
    assert world.did[:3] == ["tag.remove C1", "tag.add C2", "tag.add since"]
    assert (len(world.did), world.status()) == (3 + (last == "more"), "completed")


def test_an_end_does_not_wait_for_mail_but_mail_that_was_decided_leaves() -> None:
    world = World(flow({"in": on("form", "a", "end"), "a": mail("A", "a2"), "a2": mail("A2", "end"), **END}))
    world.emit("form")
    world.tick()
    assert world.status() == "completed"
    world.settle()
    assert world.did == ["mail A"]


def test_two_mails_side_by_side_both_leave_however_fast_the_dispatcher_is() -> None:
    world = World(flow({"in": on("form", "a", "b"), "a": mail("A", "end"), "b": mail("B", "end"), **END}))
    world.emit("form")
    world.tick()
    world.outbox["1.1.0"].state = "sending"
    world.sent("1.1.0")
    world.tick()
    assert world.status() == "completed"
    world.settle()
    assert world.did == ["mail A", "mail B"]


def test_the_end_of_a_branch_leaves_the_other() -> None:
    """GRAPH-31."""
    nodes = {"in": on("form", "t", "w"), "t": tag("t", "end"), "w": Wait("3d", ("m",)), "m": mail("M", "end")}
    assert begun({**nodes, **END}, "form").status() == "completed"
    world = begun({**nodes, **BRANCH}, "form")
    assert world.at() == ["w wait"]
    world.until(73)
    assert (world.did, world.status(), world.run().ended) == (["tag.add t", "mail M"], "completed", T0 + h(72))


def test_a_chain_without_an_end_keeps_the_subject_inside() -> None:
    """GRAPH-30; parked at one place a hundred times is there once."""
    nodes = {"in": on("form", "l"), "l": Wait("1d", ("t", "l")), "t": tag("seen"), **END}
    world = begun(nodes, "form")
    world.until(24 * 100)
    assert world.at() == ["l wait", "t parked"]


@pytest.mark.parametrize("kind", [FlowKind.SEQUENCE, FlowKind.CAMPAIGN])
def test_a_sequence_completes_after_its_last_step(kind: FlowKind) -> None:
    world = enrolled({"s1": mail("1", "s2"), "s2": mail("2")}, "s1", kind=kind)
    world.settle()
    assert (world.did, world.status()) == (["mail 1", "mail 2"], "completed")


# -- by hand, by reply; deactivating; editing


def test_ending_by_hand_takes_back_what_has_not_left() -> None:
    """SEQ-37, SEQ-38, SEQ-41: with the time and who did it. What the smarthost has taken stays."""
    world = World(flow({"in": on("form", "a", "b"), "a": mail("A", "end"), "b": mail("B", "end"), **END}))
    world.emit("form")
    world.tick()
    world.outbox["1.1.0"].state = "sending"
    world.now += h(1)
    world.stop(Status.COMPLETED, "marked as completed", by="user:ann")
    run = world.run()
    assert (run.status, run.reason, run.ended, run.ended_by, run.tokens) == (
        Status.COMPLETED,
        "marked as completed",
        T0 + h(1),
        "user:ann",
        (),
    )
    assert [row.state for row in world.outbox.values()] == ["sending", "withdrawn"]
    assert world.log[-1].decision.withdraw_all  # so that a claim given back is not tried again


def test_who_is_moved_goes_on_there_and_nowhere_else() -> None:  # GRAPH-36
    nodes = {
        "in": on("form", "letter", "wait"),
        "letter": mail("L1", "end"),
        "wait": Wait("1d", ("late",)),
        "late": tag("late", "stay"),
        "stay": Wait("1mo", ("end",)),
        **END,
    }
    world = World(flow(nodes, start=("in",)))
    world.move("late")  # he is outside, and stays there
    assert world.status() == "outside"
    world.emit("form")
    world.tick()
    world.now += h(1)
    world.move("nowhere")
    assert world.at() == ["letter done", "wait wait"]
    world.move("late")
    assert (world.at(), world.did) == (["stay wait"], ["tag.add late"])
    assert [row.state for row in world.outbox.values()] == ["withdrawn"]
    world.until(48)
    assert world.did == ["tag.add late"]  # the timer of the place that he left is gone with it
    world.move("end")
    assert (world.status(), world.past[1, 1][-1].ended) == ("completed", world.now)


def test_moving_in_a_circle_ends() -> None:
    world = World(flow({"in": on("form", "wait"), "wait": Wait("1d", ("end",)), **END}))
    world.emit("form")
    world.tick()
    before = world.live[1, 1]
    world.move("in", chain=((1, "a"), (2, "b"), (1, "a")))
    assert world.live[1, 1] is before
    assert "reacts not: goes in a circle: flow 1 a → flow 2 b → flow 1 a" in world.said("in")


def test_ended_stays_ended() -> None:
    """SEQ-38, SEQ-40."""
    world = enrolled({"w": Wait("1d", ("end",)), **END}, "w")
    world.stop(Status.COMPLETED, "by hand")
    ended = world.run()
    facts = world.facts((1, 1), [])
    for stimulus in (Due(1), Enrol(T0), Happened(world.emit("form"))):
        assert advance(world.first, ended, stimulus, facts, T0 + h(99)).enrollment is ended


def test_deactivating_lets_nobody_in_and_those_inside_go_on() -> None:
    """WF-13: also on events; a restart is an entry."""
    nodes = {"a": on("form", "b"), "b": on("sale", "m"), "m": mail("both", "end"), **END}
    world = begun(nodes, "form", again=Again.RESTART)
    world.deactivate()
    world.emit("form")
    world.settle()
    assert (world.at(), world.run().number) == (["b event"], 1)
    world.emit("sale")
    world.settle()
    assert world.did == ["mail both"]
    world.emit("form")
    world.settle()
    assert world.status() == "completed"
    world.since[1] = world.now = world.now + h(1)  # reactivation replays nothing
    world.settle()
    assert len(world.past[1, 1]) == 1


def test_deactivating_may_cancel_everything() -> None:
    """WF-14."""
    world = World(flow({"in": on("form", "a"), "a": mail("A", "end"), **END}))
    world.emit("form")
    world.tick()
    world.deactivate(cancel=True)
    world.settle()
    assert (world.did, world.status(), world.run().reason) == ([], "removed", "deactivated")


def test_who_finishes_on_the_old_version_does_not_see_the_new_nodes() -> None:
    """GRAPH-1."""
    old = {"in": on("form", "w"), "w": Wait("9d", ("end",)), **END}
    world = begun(old, "form")
    world.edit(flow({**old, "sale": on("sale", "m"), "m": mail("thanks", "end")}), finish=True)
    world.emit("sale")
    world.emit("sale", person=2)
    world.settle()
    assert (world.did, world.run().version) == ([], 1)
    world.settle(person=2)
    assert world.did == ["mail thanks"]


def test_a_sequence_goes_on_in_its_new_text_where_it_stands() -> None:
    steps = {"s1": mail("1", "w"), "w": Wait("1d", ("s2",)), "s2": mail("old")}
    world = enrolled(steps, "s1", kind=FlowKind.SEQUENCE)
    world.settle()
    new = flow({**steps, "s2": mail("new")}, kind=FlowKind.SEQUENCE, version=2, start=("s1",))
    world.current[1] = world.versions[1, 1] = world.versions[1, 2] = new
    world.until(25)
    assert (world.did, world.run().version, world.status()) == (["mail 1", "mail new"], 2, "completed")


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        (FlowKind.SEQUENCE, "completed", ""),
        (FlowKind.WORKFLOW, "failed", "w: this version of the flow has no such node any more"),
    ],
)
def test_who_stands_at_a_step_that_is_gone_does_not_stand_there_for_ever(
    kind: FlowKind, status: str, reason: str
) -> None:
    world = enrolled({"w": Wait("1d", ("s2",)), "s2": mail("2")}, "w", kind=kind)
    world.versions[1, 1] = flow({"s2": mail("2")}, kind=kind, version=2)
    world.until(25)
    assert (world.status(), world.run().reason) == (status, reason)


# -- loops


def test_a_circle_without_a_pause_fails() -> None:
    """A Done is no pause."""
    world = begun({"in": on("form", "a"), "a": mail("A", "q"), "q": ask("stop", ("end",), ("a",)), **END}, "form")
    assert world.status() == "failed"
    assert "goes round in a circle" in world.run().reason
    assert len(world.did) == 500


def test_tokens_that_multiply_fail() -> None:
    nodes = {"in": on("form", "l"), "l": Wait("1d", ("l", "l2")), "l2": Wait("1d", ("l", "l2")), **END}
    world = begun(nodes, "form")
    world.until(24 * 9)
    assert world.status() == "failed"
    assert "multiplies" in world.run().reason


def tags_on(name: str, *then: str) -> Any:
    return on("tag.added", *then, where={"tag": name})


def test_a_flow_does_not_react_to_itself_in_a_circle_and_the_others_do() -> None:
    ring = {"in": tags_on("x", "off"), "off": tag("x", "on", off=True), "on": tag("x", "end"), **END}
    other = {"in": tags_on("x", "note"), "note": tag("seen", "end"), **END}
    world = World(flow(ring), (flow(other, 2),), tags={1: {"x"}})
    world.emit("tag.added", tag="x")
    world.settle()
    assert world.did.count("tag.add x") == 2
    assert world.did.count("tag.add seen") == 3
    assert "reacts not: goes in a circle: flow 1 on → flow 1 on" in world.said("in")


def test_nobody_reacts_ten_deep() -> None:
    """Enrolling by another flow neither."""
    chain = tuple((number, "a") for number in range(2, 12))
    world = World(flow({"in": on("form", "end"), **END}, start=("in",)))
    world.emit("form", chain=chain)
    world.settle()
    world.enrol(chain=chain)
    assert world.status() == "outside"
    assert all(said.startswith("reacts not: 10 actions caused one another: flow 2 a → ") for said in world.said("in"))
    world.emit("form", chain=chain[:9])
    world.settle()
    assert world.status() == "completed"


def test_an_action_carries_on_what_caused_it_until_a_timer_does() -> None:
    nodes = {"in": on("form", "a"), "a": tag("a", "w"), "w": Wait("1h", ("b",)), "b": tag("b", "end"), **END}
    world = World(flow(nodes))
    world.emit("form", chain=((7, "x"),))
    world.until(2)
    chains = [effect.chain for taken in world.log for effect in taken.decision.effects]
    assert chains == [((7, "x"), (1, "a")), ((1, "b"),)]


# -- time


def test_working_hours_move_waits_and_clocks_but_not_the_limit_of_an_on() -> None:
    """WF-11, GRAPH-8."""
    friday = datetime(2026, 1, 9, 12, tzinfo=UTC)
    nodes = {
        "in": on("form", "w", "o", "m"),
        "w": Wait("1d", ("end",)),
        "o": on("sale", "end", within="1d", otherwise=("end",)),
        "m": mail("M", "end", after="6h"),
        **BRANCH,
    }
    world = World(flow(nodes), hours=(9, 17), now=friday)
    world.emit("form")
    world.tick()
    due = {token.node: token.due for token in world.run().tokens}
    monday = datetime(2026, 1, 12, 9, tzinfo=UTC)
    assert due == {"w": monday, "o": friday + h(24), "m": monday}


def test_months_are_the_calendars() -> None:
    world = World(
        flow({"in": on("form", "w"), "w": Wait("1mo", ("end",)), **END}), now=datetime(2026, 1, 31, 9, tzinfo=UTC)
    )
    world.emit("form")
    world.tick()
    assert world.run().tokens[0].due == datetime(2026, 2, 28, 9, tzinfo=UTC)


def test_a_timer_that_is_not_due_or_not_there_moves_nothing() -> None:
    world = begun({"in": on("form", "w"), "w": Wait("1d", ("end",)), **END}, "form")
    run = world.run()
    for token in (run.tokens[0].id, 99):
        assert advance(world.first, run, Due(token), world.facts((1, 1), []), world.now).enrollment is run


# -- the trace


def test_the_trace_tells_every_hop() -> None:
    nodes = {
        "in": on("form", "q"),
        "q": ask("vip", ("w",), ("w",)),
        "w": Wait("1d", ("m",)),
        "m": mail("A", "end"),
        **END,
    }
    world = begun(nodes, "form")
    world.until(25)
    assert [(step.hop, step.node, step.stimulus, step.result) for step in world.steps] == [
        (0, "in", "event 1 (form)", "entered"),
        (1, "q", "event 1 (form)", "no"),
        (2, "w", "event 1 (form)", "waits until 2026-01-06 08:00 UTC"),
        (3, "m", "timer", "does mail"),
        (3, "m", "done 1.3.0", "did mail"),
        (4, "end", "done 1.3.0", "end of the whole run"),
        (4, "", "done 1.3.0", "completed"),
    ]
    assert {step.at for step in world.steps} == {T0, T0 + h(24)}


def test_an_event_that_moves_nobody_leaves_the_enrollment_as_it_is() -> None:
    world = begun({"in": on("form", "w"), "w": Wait("1d", ("end",)), **END}, "form")
    before = world.run()
    world.emit("form", chain=((7, "x"),))
    world.settle()
    assert world.run() is before
    assert all(token.waiting is Waiting.WAIT for token in before.tokens)
