"""What a new version of a definition changes, in words; and what two flows both do."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mailcrm.core import triggers
from mailcrm.core.events import Event
from mailcrm.core.flow import Action, Do, End, Flow, FlowKind, If, Node, On, Trigger
from mailcrm.core.flow_diff import difference
from mailcrm.core.overlap import overlaps

BEFORE = """
name = "Offer 1"
[nodes.signed-up]
on = "form.submitted"
next = "pause"
[nodes.pause]
wait = "3d"
next = "end"
[nodes.end]
end = "all"
"""


def lines(before: str, after: str) -> list[str]:
    return difference(tomllib.loads(before), tomllib.loads(after))


def test_equal_definitions_do_not_differ() -> None:
    assert lines(BEFORE, BEFORE) == []


def test_nodes_that_come_go_and_change_are_told_by_name() -> None:
    after = BEFORE.replace('wait = "3d"', 'wait = "4d"').replace("[nodes.end]", "[nodes.stop]")
    assert lines(BEFORE, after) == [
        '- nodes.end: {end = "all"}',
        '~ nodes.pause.wait: "3d" -> "4d"',
        '+ nodes.stop: {end = "all"}',
    ]


def test_nodes_in_another_order_are_a_change() -> None:  # the order of the file breaks ties
    swapped = 'name = "Offer 1"\n[nodes.b]\nend = "all"\n[nodes.a]\nend = "branch"\n'
    before = 'name = "Offer 1"\n[nodes.a]\nend = "branch"\n[nodes.b]\nend = "all"\n'
    assert lines(before, swapped) == ["~ order of nodes: b, a"]


def test_a_step_put_in_leaves_the_others_alone() -> None:
    one = '[[step]]\ntype = "activity"\nactivity = "call"\n'
    two = '[[step]]\ntype = "email"\ntemplate = "follow-up"\nafter = "2d"\n'
    new = '[[step]]\ntype = "draft"\nsubject = "Hi"\n'
    assert lines(one + two, one + new + two) == ['+ step 2: {type = "draft", subject = "Hi"}']
    assert lines(one + new + two, one + two) == ['- step 2: {type = "draft", subject = "Hi"}']
    assert lines(one + two, one + two.replace("2d", "3d")) == ['~ step 2: after: "2d" -> "3d"']


def test_long_texts_are_cut_and_stay_on_one_line() -> None:
    (line,) = lines('body = "short"', 'body = """first\nsecond\n' + "x" * 500 + '"""')
    assert line.startswith('~ body: "short" -> "first second')
    assert line.endswith("…")
    assert len(line) < 160


TAG = Action("tag.add", {"tag": "Client 1"})


Matches = Callable[[Event, Mapping[str, Any]], bool]


def flow(
    number: int, kind: FlowKind, where: dict[str, Any], *, action: Action = TAG, matches: Matches = triggers.matches
) -> Flow:
    nodes: dict[str, Node] = {
        "sold": On("sale.made", where, next=("ask",)),
        "ask": If(((),), yes=("act",)),
        "act": Do((action,), next=("end",)),
        "end": End(),
    }
    trigger = Trigger("sale.made", "sale.made", matches)
    return Flow(number, kind, f"Flow {number}", 1, nodes, {"sale.made": trigger})


def test_the_same_action_on_the_same_trigger_is_warned_of() -> None:  # GRAPH-35
    rule = flow(2, FlowKind.RULE, {"product": "offer-1"})
    (warning,) = overlaps(flow(1, FlowKind.WORKFLOW, {}), [rule])
    assert "rule 'Flow 2'" in warning
    assert "tag.add {tag = 'Client 1'} on sale.made" in warning
    assert "twice" in warning


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        (["offer-1", "offer-2"], "offer-2", True),
        (["offer-1", "offer-2"], ["offer-2", "offer-3"], True),
        (["offer-1", "offer-2"], ["offer-3"], False),
        ("Offer-1 ", "offer-1", True),
    ],
)
def test_one_of_several_and_another_spelling_are_the_same_event(one: Any, two: Any, both: bool) -> None:  # GRAPH-35
    found = overlaps(flow(1, FlowKind.WORKFLOW, {"product": one}), [flow(2, FlowKind.RULE, {"product": two})])
    assert bool(found) is both


def test_of_a_trigger_with_a_test_of_its_own_the_worst_is_taken() -> None:  # GRAPH-35
    above = flow(
        2, FlowKind.RULE, {"amount": 500}, matches=lambda event, where: event.data["amount"] >= where["amount"]
    )
    assert overlaps(flow(1, FlowKind.WORKFLOW, {"amount": 700}), [above])


def test_other_actions_other_events_and_the_flow_itself_are_not_warned_of() -> None:  # GRAPH-35
    new = flow(1, FlowKind.WORKFLOW, {"product": "offer-1"})
    other_product = flow(2, FlowKind.RULE, {"product": "offer-2"})
    other_tag = flow(3, FlowKind.RULE, {}, action=Action("tag.add", {"tag": "Client 2"}))
    assert overlaps(new, [other_product, other_tag, flow(1, FlowKind.WORKFLOW, {})]) == []
