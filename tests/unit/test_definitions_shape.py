"""The shape of a workflow: what is refused, and what its author is told."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given

from mailcrm.builtin.actions import ACTIONS
from mailcrm.core.definitions import DefinitionError, WorkflowDefinition, notes, parse
from mailcrm.core.flow import On
from mailcrm.core.validation import graph, waits
from tests.definition_strategies import workflows
from tests.flow_registry import registry

REGISTRY = registry()
HEAD = 'kind = "workflow"\nname = "W"\n'


def node(name: str, *lines: str) -> str:
    return f"[nodes.{name}]\n" + "".join(f"{line}\n" for line in lines)


def on(name: str, *lines: str, event: str = "form.submitted") -> str:
    return node(name, f'on = "{event}"', *lines)


def tag(name: str, *lines: str) -> str:
    return node(name, 'do = "tag.add"', f'with = {{ tag = "{name}" }}', *lines)


def ask(name: str, *lines: str) -> str:
    return node(name, 'if = [[{ tag = "vip" }]]', *lines)


END = node("end", 'end = "all"')


def problems(*nodes: str) -> list[str]:
    try:
        parse(HEAD + "".join(nodes), "w.toml", REGISTRY)
    except DefinitionError as error:
        return [str(fault) for fault in error.faults]
    return []


def told(*nodes: str) -> list[str]:
    return notes(parse(HEAD + "".join(nodes), "w.toml", REGISTRY))


def test_a_workflow_without_an_end_is_refused() -> None:  # GRAPH-6, GRAPH-30
    expected = 'w.toml:1: there is no End; write a node with end = "all" or end = "branch"'
    assert problems(on("in", 'next = "a"'), tag("a")) == [expected]


def test_a_workflow_without_a_trigger_is_refused() -> None:  # WF-2, GRAPH-9
    expected = 'w.toml:1: there is no trigger: nobody would ever come in; write a node with on = "…"'
    assert problems(tag("a", 'next = "end"'), END) == [expected]
    assert len(problems()) == 2


def test_a_field_that_can_not_have_every_value_is_asked_for_what_it_can_have() -> None:
    asked = [on("in", f"where = {{ place = {place} }}", 'next = "end"') for place in ('"blgo"', '["Blog", "store"]')]
    assert problems(asked[0], END) == ["w.toml:5: nodes.in.where.place: can't be 'blgo'; write blog"]
    assert problems(asked[1], END) == []


def test_what_a_plugin_would_bring_that_is_not_configured_has_its_own_mend() -> None:
    mend = "write [plugins.config.coupons] with folder to use it"
    bare = replace(REGISTRY, actions=ACTIONS, idle={"coupons": mend})
    text = HEAD + on("in", 'next = "gift"') + node("gift", 'do = "coupon.issue"', 'next = "end"') + END
    with pytest.raises(DefinitionError, match=re.escape(f"there is no action coupon.issue; {mend}")):
        parse(text, "w.toml", bare)
    with pytest.raises(DefinitionError, match=r"there is no action tag\.ad; write tag\.add"):
        parse(text.replace("coupon.issue", "tag.ad"), "w.toml", bare)


def test_a_first_event_may_not_have_a_time_limit() -> None:  # GRAPH-16
    first = on("in", 'next = "end"', 'within = "3d"', 'otherwise = "end"')
    assert problems(first, END) == [
        "w.toml:6: nodes.in.within: a first event can't have a time limit: nobody is waiting for it yet; "
        "leave out within and otherwise"
    ]


def test_a_later_event_may_have_a_time_limit() -> None:  # GRAPH-15
    later = on("later", 'within = "3d"', 'next = "end"', 'otherwise = "end"', event="link.clicked")
    assert problems(on("in", 'next = "later"'), later, END) == []


def test_otherwise_needs_a_time() -> None:  # GRAPH-15
    later = on("later", 'next = "end"', 'otherwise = "end"', event="link.clicked")
    assert problems(on("in", 'next = "later"'), later, END) == [
        'w.toml:9: nodes.later.otherwise: there is an otherwise, but no time; write within = "3d", or leave it out'
    ]


def test_nodes_that_nobody_can_come_to_are_refused() -> None:
    island = tag("a", 'next = "b"') + tag("b", 'after = "1d"', 'next = "a"')
    shut = on("shut", "entry = false", 'next = "end"', event="link.clicked")
    assert problems(on("in", 'next = "end"'), END, island, shut) == [
        "w.toml:8: nodes.a: nobody can come here; lead to it from another node, or remove it",
        "w.toml:12: nodes.b: nobody can come here; lead to it from another node, or remove it",
        "w.toml:17: nodes.shut: nothing leads here, and entry = false lets nobody in; "
        "leave out entry, or lead here by next",
    ]


def test_an_event_in_the_middle_makes_what_follows_it_reachable() -> None:  # GRAPH-10, GRAPH-11
    loop = tag("a", 'next = "late"') + on("late", 'next = "a"', event="link.clicked")
    assert problems(on("in", 'next = "end"'), END, loop) == []


@pytest.mark.parametrize("keep", ["", 'after = "0m"'])
def test_a_circle_without_a_wait_is_refused_and_shown(keep: str) -> None:
    nodes = [on("in", 'next = "a"'), tag("a", 'next = "ask"', keep), ask("ask", 'yes = "a"', 'no = "end"'), END]
    assert problems(*nodes) == [
        "w.toml:6: nodes.a: goes round in a circle without a wait: a -> ask -> a; put a wait between two of them"
    ]


def test_each_separate_circle_is_told() -> None:
    nodes = [on("in", 'next = ["a", "b", "end"]'), tag("a", 'next = "a"'), tag("b", 'next = "b"'), END]
    assert [line.split(";")[0].split(": ", 1)[1] for line in problems(*nodes)] == [
        "nodes.a: goes round in a circle without a wait: a -> a",
        "nodes.b: goes round in a circle without a wait: b -> b",
    ]


@pytest.mark.parametrize(
    "pause",
    [
        node("pause", 'wait = "1d"', 'next = "a"'),
        tag("pause", 'after = "10m"', 'next = "a"'),
        on("pause", 'next = "a"', event="tag.added"),
    ],
)
def test_a_circle_with_a_wait_a_clock_or_an_event_is_accepted(pause: str) -> None:
    nodes = [on("in", 'next = "a"'), ask("a", 'yes = "pause"', 'no = "end"'), pause, END]
    assert problems(*nodes) == []


def test_an_edge_that_leads_nowhere_does_not_make_others_unreachable() -> None:
    assert problems(on("in", 'next = "welcom"'), tag("welcome", 'next = "end"'), END) == [
        "w.toml:5: nodes.in.next: there is no node welcom; write welcome"
    ]


def test_a_faulty_node_does_not_hide_the_faults_of_others() -> None:
    lines = problems(on("in", 'next = "end"'), node("odd", 'wiat = "3d"'), tag("a", 'next = "nd"'), END)
    assert [line.split(";")[0] for line in lines] == [
        "w.toml:7: nodes.odd.wiat: unknown key",
        "w.toml:11: nodes.a.next: there is no node nd",
    ]


@given(workflows())
def test_accepted_workflows_can_be_walked(workflow: WorkflowDefinition) -> None:
    """Everybody is let in somewhere, all nodes are reached, and every circle waits."""
    flow = graph(workflow.nodes)
    assert flow.entries
    reached = set(flow.overtaking).union(*(flow.hops[name] for name in flow.overtaking))
    assert reached == set(flow.nodes)
    quick = {name for name, each in flow.nodes.items() if not waits(each)}
    for name in quick:
        on_circle = {other for other in flow.hops[name] if name in flow.hops[other]}
        assert name not in flow.hops[name] or on_circle - quick
    first = [each for name, each in flow.nodes.items() if name in flow.entries]
    assert all(isinstance(each, On) and each.within is None for each in first)


def test_the_author_is_told_which_nodes_let_people_in() -> None:  # GRAPH-11, GRAPH-13
    nodes = [
        on("in", 'next = "narrow"'),
        on("narrow", 'next = "pause"', event="tag.added"),
        node("pause", 'wait = "1d"', 'next = ["late", "only"]'),
        on("late", 'next = "end"', event="deal.won"),
        on("only", "entry = false", 'next = "end"', event="deal.lost"),
        END,
    ]
    assert told(*nodes) == [
        "nodes.in: lets people in (form.submitted)",
        "nodes.late: lets people in (deal.won), also those who have not come so far; "
        "entry = false would make it wait only for those who have",
    ]


def test_the_author_is_told_where_people_stay() -> None:  # GRAPH-30
    nodes = [
        on("in", 'next = ["ask", "act"]'),
        ask("ask", 'yes = "late"'),
        on("late", 'within = "3d"', 'next = "end"', event="deal.won"),
        node("act", 'switch = { field = "region" }', 'cases = { north = "end", south = [] }'),
        END,
    ]
    assert told(*nodes)[1:] == [
        "nodes.ask: there is no no: who comes so far stays in the workflow",
        "nodes.late: there is no otherwise: who comes so far stays in the workflow",
        "nodes.act: there is no south: who comes so far stays in the workflow",
        "nodes.act: there is no other: who comes so far stays in the workflow",
    ]


def test_the_author_is_told_what_may_run_twice() -> None:  # GRAPH-25
    side_by_side = [
        on("in", 'next = ["a", "b"]'),
        tag("a", 'next = "both"'),
        tag("b", 'next = "both"'),
        tag("both", 'next = "after"'),
        tag("after", 'next = "end"'),
        END,
    ]
    assert told(*side_by_side)[1:] == [
        "nodes.both: may run twice for one person: a and b run side by side after nodes.in (next)"
    ]
    ahead = [on("in", 'next = ["a", "b"]'), tag("a", 'next = "b"'), tag("b", 'next = "end"'), END]
    assert told(*ahead)[1:] == ["nodes.b: may run twice for one person: a and b run side by side after nodes.in (next)"]


def test_two_first_events_that_lead_to_one_node_may_run_it_twice() -> None:  # WF-3, GRAPH-14
    nodes = [on("in", 'next = "a"'), on("too", 'next = "a"', event="sale.made"), tag("a", 'next = "end"'), END]
    assert told(*nodes) == [
        "nodes.in: lets people in (form.submitted)",
        "nodes.too: lets people in (sale.made)",
        "nodes.a: may run twice for one person: in and too may both happen while the person is inside",
    ]


def test_ways_that_exclude_each_other_run_nothing_twice() -> None:
    nodes = [on("in", 'next = "ask"'), ask("ask", 'yes = "a"', 'no = "a"'), tag("a", 'next = "end"'), END]
    assert told(*nodes) == ["nodes.in: lets people in (form.submitted)"]
