"""Which events a trigger answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm import testing
from mailcrm.core.events import KINDS, EventKind
from mailcrm.core.triggers import TRIGGERS, triggers_of


def answers(kind: str, where: dict[str, Any], **data: Any) -> bool:
    return TRIGGERS[kind].matches(testing.event(kind, **data), where)


def test_the_built_in_kinds_are_those_that_flows_were_promised() -> None:
    promised = {
        *("mail.received", "mail.replied", "mail.sent", "mail.opened", "link.clicked", "mail.bounced"),
        *(
            "mail.unsubscribed",
            "mail.autoreplied",
            "tag.added",
            "tag.removed",
            "deal.created",
            "deal.moved",
            "deal.won",
        ),
        *("deal.lost", "meeting.scheduled", "activity.done", "flow.completed", "flow.failed"),
    }
    assert promised == KINDS.keys()
    assert list(KINDS["link.clicked"].fields) == ["message", "flow", "node", "url", "grade"]
    assert list(KINDS["flow.completed"].fields) == ["flow", "kind"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_trigger_that_answers_it(kind: str) -> None:
    trigger = TRIGGERS[kind]
    assert (trigger.name, trigger.event, trigger.label) == (kind, kind, KINDS[kind].label)
    assert answers(kind, {})


@pytest.mark.parametrize(
    ("where", "met"),
    [
        ({"tag": "vip"}, True),
        ({"tag": "  VIP "}, True),
        ({"tag": ["other", "Vip"]}, True),
        ({"tag": ["other"]}, False),
        ({"tag": []}, False),
        ({"tag": "vi"}, False),
        ({"tag": ""}, False),
        ({"colour": "red"}, False),
        ({"tag": "vip", "colour": "red"}, False),
    ],
)
def test_every_field_is_compared_without_case_and_outer_blanks(where: dict[str, Any], met: bool) -> None:
    assert answers("tag.added", where, tag="VIP") is met


def test_numbers_are_compared_as_numbers_and_nothing_matches_no_value() -> None:
    assert answers("deal.moved", {"deal": 17, "stage": "offer"}, deal=17, stage="Offer")
    assert not answers("deal.moved", {"deal": 18}, deal=17)
    assert not answers("mail.sent", {"deal": 17}, deal=None)
    assert not answers("deal.moved", {"deal": True}, deal=17)


@pytest.mark.parametrize("kind", ["mail.opened", "link.clicked"])
def test_what_machines_do_counts_only_where_it_is_asked_for(kind: str) -> None:
    assert answers(kind, {}, grade="human")
    assert answers(kind, {}, grade=None)
    assert not answers(kind, {}, grade="machine")
    assert not answers(kind, {"node": "welcome"}, grade="unknown")
    assert answers(kind, {"grade": ["human", "unknown"]}, grade="unknown")
    assert not answers(kind, {"grade": "human"}, grade="machine")


def test_the_kinds_of_plugins_get_triggers_too() -> None:
    sale = EventKind("sale.made", {"product": str, "amount": float}, "A sale")
    trigger = triggers_of([sale])["sale.made"]
    assert (trigger.event, trigger.label) == ("sale.made", "A sale")


@given(
    st.dictionaries(st.sampled_from(["tag", "x"]), st.text() | st.integers() | st.floats() | st.booleans()), st.text()
)
def test_no_where_raises_and_a_fields_own_value_always_matches(where: dict[str, Any], tag: str) -> None:
    answers("tag.added", where, tag=tag)
    assert answers("tag.added", {"tag": testing.event("tag.added", tag=tag).data["tag"]}, tag=tag)
