"""What an ``if`` may ask, and what it answers (GRAPH-17 to GRAPH-23, WF-8 to WF-10)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core import definitions
from mailcrm.core.card import Card, CardActivity, CardDeal
from mailcrm.core.comparing import compared, same
from mailcrm.core.conditions import CONDITIONS, holds, needs
from mailcrm.core.enrollment import Verdict
from mailcrm.core.events import KINDS
from mailcrm.core.flow import Condition, If
from mailcrm.core.registry import ConditionType, Registry
from mailcrm.core.triggers import TRIGGERS
from mailcrm.errors import Refused

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
REGISTRY = Registry(conditions=CONDITIONS)
EWA = Card(
    person=3,
    tags=frozenset({"Client 1", "vip"}),
    fields={
        "name": "Ewa Zielińska",
        "email": ("ewa@klient.example", "ewa.z@poczta.example"),
        "Region": " North ",
        "turnover": "1 200,50 zł",
        "visits": 7,
        "since": "31.01.2026",
        "zip": "00950",
        "newsletter": "tak",
        "note": "  ",
    },
    deals=(CardDeal(7, "Lathe", "Offer", "open", Decimal(100)), CardDeal(8, "Mill", "Contract", "won")),
    activities=(
        CardActivity(1, "call", done_at=NOW - timedelta(days=5)),
        CardActivity(2, "meeting", done_at=NOW - timedelta(days=1)),
        CardActivity(3, "Visit"),
        CardActivity(4, "task", done_at=NOW + timedelta(hours=1)),  # a late worker asks as of an earlier moment
    ),
    sequences=frozenset({"Warm lead"}),
    workflows=frozenset({"Campaign 1"}),
    opened=NOW - timedelta(hours=1),
    replied=NOW - timedelta(days=3),
    last_contact=NOW - timedelta(days=2),
    permission=True,
    language="pl-PL",
    time_zone="Europe/Warsaw",
)
NOBODY = Card(person=4)


def ask(name: str, card: Card = EWA, *, negated: bool = False, **args: Any) -> Verdict:
    return holds(Condition(name, args, negated), card, NOW, REGISTRY)


def field(name: str, card: Card = EWA, **asked: Any) -> bool:
    return ask("field", card, field=name, **asked).holds


@pytest.mark.parametrize(
    ("name", "args", "expected", "actual"),
    [
        ("tag", {"tag": "Client 1"}, 'has the tag "Client 1"', 'tags: "Client 1", "vip"'),
        ("tag", {"tag": [" CLIENT 1", "other"]}, 'has the tag " CLIENT 1" or "other"', 'tags: "Client 1", "vip"'),
        ("not_tag", {"not_tag": "other"}, 'has not the tag "other"', 'tags: "Client 1", "vip"'),
        ("field", {"field": "region", "is": "north"}, 'region is "north"', 'region: " North "'),
        ("field", {"field": "visits", "above": 5, "below": 8}, "visits is above 5 and visits is below 8", "visits: 7"),
        ("field", {"field": "Region"}, "Region is not empty", 'Region: " North "'),
        ("deal_open", {}, "has an open deal", 'open deals: "Lathe"'),
        ("deal_stage", {"deal_stage": "offer"}, 'has an open deal at "offer"', 'stages of open deals: "Offer"'),
        ("activity_planned", {}, "an activity is planned", 'planned activities: "Visit", "task"'),
        ("activity_planned", {"type": "visit"}, '"visit" is planned', 'planned activities: "Visit", "task"'),
        ("activity_done", {}, "an activity done ever", "last done: 2026-11-21 09:00 UTC"),
        (
            "activity_done",
            {"type": ["call", "mail"], "within": "5d"},
            '"call" or "mail" done within 5d',
            "last done: 2026-11-17 09:00 UTC",
        ),
        ("in_sequence", {"in_sequence": "Warm lead"}, 'is in the sequence "Warm lead"', 'sequences: "Warm lead"'),
        ("in_workflow", {"in_workflow": "campaign 1"}, 'is in the workflow "campaign 1"', 'workflows: "Campaign 1"'),
        ("opened", {"within": "2h"}, "opened within 2h", "last opened: 2026-11-22 08:00 UTC"),
        ("replied", {}, "replied ever", "last replied: 2026-11-19 09:00 UTC"),
        ("last_contact", {"newer": "3d"}, "last contact newer than 3d", "last contact: 2026-11-20 09:00 UTC"),
        ("last_contact", {"older": "1d"}, "last contact older than 1d", "last contact: 2026-11-20 09:00 UTC"),
        ("last_contact", {}, "last contact ever", "last contact: 2026-11-20 09:00 UTC"),
        ("permission", {}, "a permission is recorded", "recorded"),
        ("language", {"language": "pl"}, 'language is "pl"', "language: pl-PL"),
        ("time_zone", {"time_zone": "Europe/Warsaw"}, 'time zone is "Europe/Warsaw"', "time zone: Europe/Warsaw"),
    ],
)
def test_each_condition_holds_and_says_why(name: str, args: dict[str, Any], expected: str, actual: str) -> None:
    assert ask(name, **args) == Verdict(True, expected, actual)
    assert ask(name, negated=True, **args) == Verdict(False, f"not: {expected}", actual)


@pytest.mark.parametrize(
    ("name", "args", "actual"),
    [
        ("tag", {"tag": "vip"}, "no tags"),
        ("field", {"field": "region", "is": "north"}, "region: empty"),
        ("field", {"field": "region"}, "region: empty"),
        ("deal_open", {}, "no open deals"),
        ("deal_stage", {"deal_stage": "Offer"}, "no stages of open deals"),
        ("activity_planned", {}, "no planned activities"),
        ("activity_planned", {"type": "call"}, "no planned activities"),
        ("activity_done", {"within": "3d"}, "never done"),
        ("in_sequence", {"in_sequence": "Warm lead"}, "no sequences"),
        ("in_workflow", {"in_workflow": "Campaign 1"}, "no workflows"),
        ("opened", {}, "never opened"),
        ("clicked", {"within": "3d"}, "never clicked"),
        ("replied", {"within": "3d"}, "never replied"),
        ("last_contact", {"newer": "3d"}, "never contacted"),
        ("permission", {}, "none recorded"),
        ("language", {"language": "pl"}, "language: not known"),
        ("time_zone", {"time_zone": "Europe/Warsaw"}, "time zone: not known"),
    ],
)
def test_of_somebody_unknown_nothing_holds(name: str, args: dict[str, Any], actual: str) -> None:
    verdict = ask(name, NOBODY, **args)
    assert (verdict.holds, verdict.actual) == (False, actual)


def test_every_condition_is_of_its_own_name_and_asked_here() -> None:
    promised = "tag not_tag field deal_open deal_stage in_sequence in_workflow opened clicked replied last_contact"
    assert {
        *promised.split(),
        "activity_planned",
        "activity_done",
        "permission",
        "language",
        "time_zone",
    } == CONDITIONS.keys()
    for name, each in CONDITIONS.items():
        assert each.name == name
        assert each.label
        assert len(each.needs) == 1


def test_a_condition_reads_no_part_of_the_card_that_it_does_not_name() -> None:
    args = {"tag": "vip", "not_tag": "x", "field": "region", "is": "north", "deal_stage": "Offer", "within": "3d"}
    args |= {"in_sequence": "Warm lead", "in_workflow": "Campaign 1", "older": "1d", "language": "pl"}
    args |= {"time_zone": "Europe/Warsaw", "type": "call"}
    for each in CONDITIONS.values():
        only = Card(3, **{part: getattr(EWA, part) for part in each.needs})
        assert each.test(only, args, NOW) == each.test(EWA, args, NOW)


def test_the_parts_that_are_needed_are_those_of_all_conditions() -> None:
    asked = [Condition("tag", {"tag": "x"}), Condition("replied"), Condition("tag"), Condition("gone")]
    assert needs(asked, REGISTRY) == {"tags", "replied"}
    assert needs([], REGISTRY) == frozenset()


def test_a_condition_whose_plugin_is_gone_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="no condition 'loyal'"):
        ask("loyal")


def test_a_condition_of_a_plugin_is_asked_in_the_same_way() -> None:
    loyal = ConditionType(
        "loyal", {"years": int}, lambda card, args, now: Verdict(args["years"] < 3, "loyal", "2 years")
    )
    registry = Registry(conditions={**CONDITIONS, "loyal": loyal})
    assert holds(Condition("loyal", {"years": 2}), EWA, NOW, registry).holds
    assert not holds(Condition("loyal", {"years": 2}, negated=True), EWA, NOW, registry).holds


# Fields


@pytest.mark.parametrize(
    ("name", "asked", "met"),
    [
        ("region", {"is": ["south", "NORTH"]}, True),
        ("region", {"is": "nort"}, False),
        ("region", {"not": "south"}, True),
        ("region", {"not": ["south", "north"]}, False),
        ("missing", {"not": "south"}, True),  # GRAPH-21: who has no region has not the region south
        ("missing", {"is": ""}, False),
        ("region", {"contains": "OR"}, True),
        ("region", {"contains": "sou"}, False),
        ("email", {"is": "ewa.z@poczta.example"}, True),
        ("email", {"not": "ewa.z@poczta.example"}, False),
        ("email", {"contains": "@poczta."}, True),
        ("turnover", {"above": 1200}, True),
        ("turnover", {"above": 1200.5}, False),
        ("turnover", {"below": 1200.51}, True),
        ("turnover", {"is": 1200.5}, True),
        ("turnover", {"above": "1.200,49"}, True),
        ("visits", {"is": "7"}, True),
        ("visits", {"above": 7}, False),
        ("visits", {"above": 1, "below": 7}, False),
        ("zip", {"is": "950"}, False),
        ("zip", {"is": 950}, True),
        ("name", {"above": 5}, False),
        ("since", {"above": 5}, False),  # a date is no number
        ("visits", {"above": date(2020, 1, 1)}, False),  # and a number no date
        ("since", {"above": date(2026, 1, 30)}, True),
        ("since", {"above": date(2026, 1, 31)}, False),
        ("since", {"below": "2026-02-01"}, True),
        ("since", {"is": date(2026, 1, 31)}, True),
        ("since", {"is": "2026-01-31"}, True),
        ("since", {"is": "2026-01-30"}, False),
        ("newsletter", {"is": True}, True),
        ("newsletter", {"is": False}, False),
        ("region", {"is": True}, False),
        ("note", {"empty": True}, True),
        ("note", {"empty": False}, False),
        ("missing", {"empty": True}, True),
        ("region", {"empty": True}, False),
        ("region", {"empty": False, "is": "north"}, True),
        ("missing", {"above": 5}, False),
        ("missing", {"below": 5}, False),
    ],
)
def test_a_field_is_compared_as_a_person_would(name: str, asked: dict[str, Any], met: bool) -> None:
    assert field(name, **asked) is met


@pytest.mark.parametrize("card", [EWA, NOBODY])
def test_a_limit_that_is_neither_number_nor_date_raises(card: Card) -> None:
    with pytest.raises(ValueError, match='"north" is neither a number nor a date'):
        field("region", card, above="north")


def test_a_field_typed_in_another_case_is_found_but_the_exact_one_comes_first() -> None:
    card = Card(1, fields={"region": "a", "REGION": "b"})
    assert field("REGION", card, **{"is": "b"})
    assert field("region ", card, **{"is": "a"})


def test_a_day_without_a_time_is_compared_by_the_day() -> None:
    late = datetime(2026, 1, 31, 23, 0, tzinfo=UTC)
    assert compared(late, date(2026, 1, 31)) == 0
    assert compared(late, "2026-01-31 12:00") == 1
    assert compared("2026-01-31 12:00", late) == -1


def test_what_is_found_is_shown_shortened() -> None:
    verdict = ask("field", Card(1, fields={"note": "x" * 100_000}), field="note", **{"is": "y" * 100_000})
    assert len(verdict.actual) < 250
    assert len(verdict.expected) < 250


@given(st.decimals(-(10**9), 10**9, places=2), st.decimals(-(10**9), 10**9, places=2), st.sampled_from(".,"))
def test_numbers_in_text_are_in_the_order_of_numbers(one: Decimal, two: Decimal, sign: str) -> None:
    assert compared(str(one).replace(".", sign), float(two)) == (one > two) - (one < two)


@given(st.dates(date(1950, 1, 1), date(2100, 1, 1)), st.dates(date(1950, 1, 1), date(2100, 1, 1)))
def test_dates_in_text_are_in_the_order_of_dates(one: date, two: date) -> None:
    for written in (one.isoformat(), f"{one:%d.%m.%Y}"):
        assert compared(written, two) == (one > two) - (one < two)
        assert same(written, two) is (one == two)


odd = st.text(max_size=30) | st.integers() | st.floats() | st.booleans() | st.dates() | st.none()


@given(odd | st.lists(st.text(), max_size=3), odd)
def test_no_value_of_a_field_raises(value: Any, wanted: Any) -> None:
    card = Card(1, fields={"x": value})
    for operator in ("is", "not", "contains"):
        field("x", card, **{operator: wanted})
    for limit in (5, 0.1, date(2026, 1, 1)):
        assert not (field("x", card, above=limit) and field("x", card, below=limit)) or isinstance(value, list)
    assert field("x", card, **{"is": wanted}) is not field("x", card, **{"not": wanted}) or wanted is None


# Times


def test_within_a_span_counts_its_beginning_and_months_go_by_the_calendar() -> None:
    assert ask("replied", within="3d").holds
    assert not ask("replied", within="71h").holds
    month_ago = Card(1, clicked=datetime(2026, 10, 22, 9, 0, tzinfo=UTC))
    assert ask("clicked", month_ago, within="1mo").holds
    assert not ask("clicked", month_ago, within="30d").holds


def test_a_contact_that_never_was_is_older_than_any_span() -> None:
    assert ask("last_contact", NOBODY, older="1y").holds
    assert not ask("last_contact", NOBODY, newer="1y").holds
    assert not ask("last_contact", older="3d").holds
    assert ask("last_contact", older="1d", newer="3d").holds
    assert not ask("last_contact", older="3d", newer="1d").holds


def test_only_an_open_deal_stands_at_a_stage() -> None:
    assert not ask("deal_stage", deal_stage="Contract").holds
    assert not ask("deal_open", Card(1, deals=(CardDeal(1, "Mill", "Offer", "lost"),))).holds


def test_an_activity_is_planned_until_it_is_done_and_its_type_counts() -> None:  # GRAPH-17
    assert not ask("activity_planned", type="meeting").holds
    assert not ask("activity_planned", type="call").holds
    assert not ask("activity_done", type="Visit").holds
    assert not ask("activity_done", type="task").holds
    assert not ask("activity_done", type="call", within="4d").holds
    assert ask("activity_done", within="1d").holds
    assert not ask("activity_done", within="23h").holds


def test_a_language_is_also_that_of_its_regions() -> None:
    assert ask("language", language=["de", "pl"]).holds
    assert not ask("language", language="pl-AT").holds
    assert not ask("language", Card(1, language="pln"), language="pl").holds


# As authors write them


def written() -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text(encoding="utf-8")
    return re.findall(r"`(\{ .+? \})`(?=[ :])", text)


def read(condition: str) -> Condition:
    nodes = (
        f'[nodes.a]\non = "tag.added"\nnext = "b"\n[nodes.b]\nif = [[{condition}]]\nyes = "c"\n[nodes.c]\nend = "all"\n'
    )
    registry = Registry(KINDS, TRIGGERS, CONDITIONS)
    found = definitions.parse(f'kind = "workflow"\nname = "W"\n{nodes}', "w.toml", registry)
    again = definitions.parse(definitions.to_toml(found), "w.toml", registry)
    assert again == found
    assert isinstance(found, definitions.WorkflowDefinition)
    node = found.nodes["b"]
    assert isinstance(node, If)
    return node.groups[0][0]


@pytest.mark.parametrize("text", written())
def test_every_documented_condition_is_read_and_asked(text: str) -> None:
    condition = read(text)
    for card in (EWA, NOBODY):
        verdict = holds(condition, card, NOW, REGISTRY)
        turned = holds(replace(condition, negated=not condition.negated), card, NOW, REGISTRY)
        assert verdict.holds is not turned.holds


def test_every_condition_is_documented() -> None:
    named = {re.match(r"\{ (\w+)", text)[1] for text in written()}  # type: ignore[index]
    assert named == CONDITIONS.keys()
    assert {key for text in written() for key in re.findall(r", (\w+) = ", text)} >= CONDITIONS[
        "field"
    ].params.keys() - {"field"}


def test_what_is_written_means_what_it_says() -> None:
    assert holds(read('{ tag = ["vip", "other"] }'), EWA, NOW, REGISTRY).holds
    assert not holds(read('{ not_tag = "vip" }'), EWA, NOW, REGISTRY).holds
    assert holds(read('{ not_in_workflow = "Campaign 2" }'), EWA, NOW, REGISTRY).holds
    assert holds(read('{ field = "since", above = 2026-01-30 }'), EWA, NOW, REGISTRY).holds
    assert holds(read("{ deal_open = false }"), NOBODY, NOW, REGISTRY).holds
    assert not holds(read('{ replied = { within = "2d" } }'), EWA, NOW, REGISTRY).holds
    assert holds(read('{ replied = { within = "2d" }, not = true }'), EWA, NOW, REGISTRY).holds
