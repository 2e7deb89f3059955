"""What a flow would have done: stored events run through it by a virtual clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mailcrm.core.calendar import SubjectCalendar
from mailcrm.core.card import Card, CardActivity, CardDeal
from mailcrm.core.conditions import CONDITIONS
from mailcrm.core.definitions import parse, to_flow
from mailcrm.core.enrollment import Happened, Place
from mailcrm.core.events import KINDS, Event, EventKind
from mailcrm.core.past_card import PastCard, Stay
from mailcrm.core.registry import ActionType, Registry
from mailcrm.core.rehearsal import Rehearsal, Would
from mailcrm.core.triggers import triggers_of
from tests.worked_example import OFFER

MONDAY = datetime(2026, 11, 2, 9, tzinfo=UTC)
FORM = EventKind("form.submitted", {"form": str, "place": str | None}, "A form was filled in")
KNOWN = {**KINDS, FORM.name: FORM}
PARAMS: dict[str, Any] = {
    "tag.add": {"tag": str},
    "tag.remove": {"tag": str},
    "field.set": {"field": str, "value": str},
    "workflow.join": {"workflow": str},
    "workflow.leave": {"workflow": str},
}
REGISTRY = Registry(
    KNOWN, triggers_of(KNOWN.values()), CONDITIONS, {name: ActionType(name, args) for name, args in PARAMS.items()}
)
NOBODY = Card(1)


def day(number: float) -> datetime:
    return MONDAY + timedelta(days=number)


def event(number: int, kind: str, at: datetime, *, chain: tuple[Place, ...] = (), **data: Any) -> Happened:
    return Happened(Event(number, kind, 1, at, "test", data), chain)


def form(number: int, at: datetime) -> Happened:
    return event(number, "form.submitted", at, form="offer-1", place=None)


def rehearse(text: str, events: Iterable[Happened], today: Card = NOBODY, days: float = 30) -> Rehearsal:
    stored = list(events)
    flow = to_flow(parse(text, "test.toml", REGISTRY), REGISTRY, id=7, version=1)
    card = PastCard(today, [each.event for each in stored], (), MONDAY)
    zone = SubjectCalendar(ZoneInfo("Europe/Warsaw"))
    return Rehearsal(flow, REGISTRY, 1, card, stored, zone, MONDAY, day(days))


def done(told: list[Would]) -> list[tuple[str, str, datetime]]:
    return [(each.effect.name, each.effect.node, each.effect.at) for each in told if each.effect]


def test_who_bought_meanwhile_goes_the_other_way() -> None:  # WF-18
    tag = event(2, "tag.added", day(1), tag="Client 1")
    told = list(rehearse(OFFER, [form(1, day(0)), tag], Card(1, tags=frozenset({"Client 1"}))).play())
    assert done(told) == [
        ("workflow.join", "welcome", day(0)),
        ("workflow.leave", "leave-1", day(3)),
        ("workflow.join", "join-2", day(3)),
    ]
    asked = next(each.step for each in told if each.step.node == "bought")
    assert (asked.result, asked.expected) == ("yes", 'has the tag "Client 1"')
    assert "Client 1" in asked.actual


def test_tags_are_as_they_were_not_as_they_are() -> None:
    bought_too_late = event(2, "tag.added", day(4), tag="Client 1")
    told = list(rehearse(OFFER, [form(1, day(0)), bought_too_late], Card(1, tags=frozenset({"Client 1"}))).play())
    assert done(told) == [("workflow.join", "welcome", day(0))]


def test_who_still_waits_is_told_and_comes_no_further() -> None:
    rehearsal = rehearse(OFFER, [form(1, day(0))], days=2)
    assert len(done(list(rehearsal.play()))) == 1
    assert rehearsal.waiting is not None
    assert [(token.node, token.due) for token in rehearsal.waiting.tokens] == [("pause", day(3))]


def test_a_second_form_is_a_second_run() -> None:
    told = list(rehearse(OFFER, [form(1, day(0)), form(2, day(1)), form(3, day(5))]).play())
    assert [(each.run, each.effect.at) for each in told if each.effect] == [(1, day(0)), (2, day(5))]


RING = """
kind = "workflow"
name = "Ring"
[nodes.tagged]
on = "tag.added"
next = "act"
[nodes.act]
do = "tag.add"
with = { tag = "b" }
next = "ask"
[nodes.ask]
if = [[{ tag = "b" }, { field = "region", is = "north" }]]
yes = "wait"
no = "end"
[nodes.wait]
on = "tag.added"
where = { tag = "b" }
next = "set"
[nodes.set]
do = "field.set"
with = { field = "region", value = "south" }
next = "end"
[nodes.end]
end = "all"
"""


def test_what_it_does_is_seen_by_later_nodes_and_by_itself() -> None:
    told = list(rehearse(RING, [event(1, "tag.added", day(0), tag="a")], Card(1, fields={"region": "north"})).play())
    assert done(told)[0] == ("tag.add", "act", day(0))
    assert next(each.step.result for each in told if each.step.node == "ask") == "yes"


def test_what_the_flow_caused_when_it_ran_is_left_out() -> None:
    own = event(2, "tag.added", day(1), chain=((7, "act"),), tag="b")
    others = event(2, "tag.added", day(1), chain=((8, "act"),), tag="b")
    assert done(list(rehearse(RING, [own]).play())) == []
    assert done(list(rehearse(RING, [others]).play())) != []


def test_what_no_history_tells_is_marked_as_of_today() -> None:
    told = list(rehearse(RING, [event(1, "tag.added", day(0), tag="a")], Card(1, fields={"region": "north"})).play())
    assert next(each for each in told if each.step.node == "tagged").todays == frozenset()
    assert next(each for each in told if each.step.node == "ask").todays == {"fields"}


def test_the_card_is_rolled_back_and_moves_on() -> None:
    deal = CardDeal(5, "Shelves", "Offer", "won")
    call = CardActivity(4, "call", None, day(3))
    today = Card(1, frozenset({"new"}), deals=(deal,), activities=(call,), replied=day(-2), last_contact=day(-1))
    events = [
        event(1, "tag.added", day(-5), tag="old").event,
        event(3, "deal.moved", day(-1), deal=5, stage="Meeting").event,
        event(5, "tag.removed", day(1), tag="old").event,
        event(6, "tag.added", day(1), tag="new").event,
        event(7, "deal.won", day(2), deal=5, stage="Offer").event,
        event(8, "mail.sent", day(2), message="c@b", thread=1, deal=None).event,
        event(9, "mail.replied", day(9), message="e@b", thread=1, deal=None).event,
    ]
    stays = [Stay("workflow", "W", day(-3), day(1)), Stay("sequence", "S", day(1))]
    card = PastCard(today, events, stays, MONDAY)
    then = card.at(MONDAY)
    assert (then.tags, then.replied, then.last_contact) == ({"old"}, day(-2), day(-1))
    assert [(each.stage, each.status) for each in then.deals] == [("Meeting", "open")]
    assert (then.workflows, then.sequences) == ({"W"}, frozenset())
    for each in events[2:6]:
        card.happens(each)
    now = card.at(day(2))
    assert (now.tags, now.workflows, now.sequences) == ({"new"}, frozenset(), {"S"})
    assert [(each.stage, each.status) for each in now.deals] == [("Offer", "won")]
    assert (now.replied, now.last_contact) == (day(-2), day(2))
    assert [each.done_at for each in now.activities] == [None]
    assert [each.done_at for each in card.at(day(3)).activities] == [day(3)]
