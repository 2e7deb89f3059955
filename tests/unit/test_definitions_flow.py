"""Definitions become flows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mailcrm.core.definitions import parse, to_flow
from mailcrm.core.events import Event
from mailcrm.core.flow import Action, Again, Do, End, FlowKind, On
from mailcrm.core.registry import Registry
from mailcrm.errors import Refused
from tests.flow_registry import registry

REGISTRY = registry()

SEQUENCE = """
kind = "sequence"
name = "Warm lead"
for = "deals"
[[step]]
type = "activity"
after = "1d"
activity = "call"
priority = "high"
[[step]]
type = "draft"
subject = "Offer"
body = "Hello"
remind = "4h"
[[step]]
type = "email"
after = "2d"
template = "follow-up"
sender = "jan"
in_thread = true
"""
RULE = """
kind = "rule"
name = "Buyers"
on = "sale.made"
where = { product = "offer-1" }
do = "tag.add"
with = { tag = "Client 1" }
"""
WORKFLOW = """
kind = "workflow"
name = "W"
again = "never"
[nodes.greet]
do = "tag.add"
with = { tag = "x" }
next = "end"
[nodes.end]
end = "all"
[nodes.in]
on = "form.submitted"
next = "greet"
[nodes.too]
on = "sale.made"
next = "end"
"""


def sale(product: str) -> Event:
    data = {"product": product, "amount": 100.0, "currency": "PLN"}
    return Event(7, "sale.made", 3, datetime(2026, 11, 22, tzinfo=UTC), "plugin:sales", data)


def test_a_sequence_becomes_a_line_of_steps() -> None:  # SEQ-1, SEQ-10, SEQ-11, SEQ-12
    flow = to_flow(parse(SEQUENCE, "s.toml", REGISTRY), REGISTRY, id=4, version=2)
    assert (flow.id, flow.kind, flow.name, flow.version) == (4, FlowKind.SEQUENCE, "Warm lead", 2)
    assert flow.start == ("step-1",)
    assert not flow.entries
    # A mail that goes by itself is written at once and waits in the outbox (SEQ-18).
    mail = {"template": "follow-up", "after": "2d", "sender": "jan", "in_thread": True}
    assert list(flow.nodes.items()) == [
        ("step-1", Do((Action("activity.create", {"activity": "call", "priority": "high"}),), ("step-2",), "1d")),
        ("step-2", Do((Action("draft.create", {"subject": "Offer", "body": "Hello", "remind": "4h"}),), ("step-3",))),
        ("step-3", Do((Action("mail.send", mail),), ("end",))),
        ("end", End("all")),
    ]


def test_a_sequence_without_steps_is_done_at_once() -> None:
    flow = to_flow(parse(SEQUENCE.split("[[")[0], "s.toml", REGISTRY), REGISTRY, id=4, version=1)
    assert (flow.start, dict(flow.nodes)) == (("end",), {"end": End("all")})


def test_a_rule_becomes_a_trigger_an_action_and_an_end() -> None:  # WF-17
    flow = to_flow(parse(RULE, "r.toml", REGISTRY), REGISTRY, id=1, version=1)
    assert flow.kind == FlowKind.RULE
    assert flow.entries == {"on"}
    assert flow.nodes["on"] == On("sale.made", {"product": "offer-1"}, ("do",))
    assert flow.nodes["do"] == Do((Action("tag.add", {"tag": "Client 1"}),), ("end",))
    assert flow.answers("on", sale("offer-1"))
    assert not flow.answers("on", sale("offer-2"))


def test_a_workflow_keeps_its_nodes_and_begins_at_its_first_entry() -> None:
    flow = to_flow(parse(WORKFLOW, "w.toml", REGISTRY), REGISTRY, id=1, version=1)
    assert flow.kind == FlowKind.WORKFLOW
    assert flow.again == Again.NEVER
    assert list(flow.nodes) == ["greet", "end", "in", "too"]
    assert flow.entries == {"in", "too"}
    assert flow.start == ("in",)
    assert set(flow.triggers) == {"form.submitted", "sale.made"}


def test_a_kind_of_event_needs_no_trigger_of_its_own() -> None:
    bare = Registry(REGISTRY.kinds, {}, REGISTRY.conditions, REGISTRY.actions)
    flow = to_flow(parse(RULE, "r.toml", bare), bare, id=1, version=1)
    assert flow.answers("on", sale("offer-1"))
    assert not flow.answers("on", sale("offer-2"))


def test_a_trigger_is_checked_by_the_fields_of_its_kind() -> None:
    named = replace(REGISTRY, triggers={"sale": replace(REGISTRY.triggers["sale.made"], name="sale")})
    flow = to_flow(parse(RULE.replace("sale.made", "sale"), "r.toml", named), named, id=1, version=1)
    assert flow.triggers["sale"].event == "sale.made"


def test_a_trigger_that_has_gone_with_its_plugin_is_named() -> None:
    definition = parse(RULE, "r.toml", REGISTRY)
    with pytest.raises(Refused, match=r"there is no event sale\.made any more; enable the plugin that brings it"):
        to_flow(definition, Registry(), id=1, version=1)
