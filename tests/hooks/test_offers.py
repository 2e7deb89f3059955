"""What plugins bring to flows: kinds of events, triggers, conditions, actions."""

from __future__ import annotations

import re
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mailcrm import (
    ActionType,
    Card,
    ConditionType,
    Effect,
    Event,
    EventKind,
    Permanent,
    Reach,
    Span,
    Temporary,
    TriggerType,
    Verdict,
    hookimpl,
    testing,
)
from mailcrm.app.registry import BUILT_IN, registry
from mailcrm.core.events import check
from mailcrm.errors import Refused
from mailcrm.plugins import PluginFailed, PluginHost, find

EXAMPLE = '''
"""Starts a flow when an order is paid, and cancels the reminder when it is refunded."""
from mailcrm import Event, EventKind, TriggerType, hookimpl


def matches(event: Event, config: dict) -> bool:
    """True for the product that the flow asks for, or for any."""
    return config.get("product") in (None, event.data["product"])


@hookimpl
def register_events() -> list[EventKind]:
    return [EventKind("sale.made", fields={"product": str, "amount": float})]


@hookimpl
def register_triggers() -> list[TriggerType]:
    return [TriggerType("sale", event="sale.made", matches=matches, label="New sale")]
'''
HEAD = "from mailcrm import ActionType, ConditionType, EventKind, TriggerType, Verdict, hookimpl\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PluginHost]:
    monkeypatch.setattr(find, "entry_points", lambda group: [])
    bundled, folder = tmp_path / "bundled", tmp_path / "plugins"
    monkeypatch.setattr(find, "bundled", lambda: bundled)
    bundled.mkdir()
    folder.mkdir()

    def write(ours: Mapping[str, str] | None = None, **own: str) -> PluginHost:
        for place, sources in ((bundled, ours or {}), (folder, own)):
            for name, source in sources.items():
                (place / f"{name}.py").write_text(HEAD + textwrap.dedent(source), encoding="utf-8")
        host = PluginHost(known=BUILT_IN, answer_seconds=0.3, work_seconds=0.3)
        host.load(folder)
        return host

    return write


def states(host: PluginHost) -> dict[str, str]:
    return {listed.name: listed.state for listed in host.listing()}


def reason(host: PluginHost, name: str) -> str:
    return next(listed.reason for listed in host.listing() if listed.name == name)


def test_a_whole_plugin(tmp_path: Path) -> None:
    (tmp_path / "paid.py").write_text(EXAMPLE, encoding="utf-8")
    host = testing.load(tmp_path / "paid.py")
    known = registry(host)
    assert known.kinds["sale.made"].label == ""
    assert known.triggers["sale"].label == "New sale"
    sold = testing.event("sale.made", kinds=known.kinds, product="offer-1", amount=99)
    assert testing.matches(host, "sale", sold)
    assert testing.matches(host, "sale", sold, product="offer-1")
    assert not testing.matches(host, "sale", sold, product="offer-2")
    assert known.triggers["sale.made"].matches(sold, {"product": "OFFER-1 "})  # each kind is a trigger by itself
    assert known.triggers.keys() >= BUILT_IN.triggers.keys()


def test_the_whole_plugin_takes_over_from_the_bundled_one(tmp_path: Path) -> None:
    (tmp_path / "paid.py").write_text(EXAMPLE, encoding="utf-8")
    host = PluginHost(known=BUILT_IN)
    host.load(tmp_path)
    assert states(host)["paid"] == "on"
    assert states(host)["sales"] == "refused"
    assert "sale.made is brought by your own plugin paid" in reason(host, "sales")
    assert "currency" not in registry(host).kinds["sale.made"].fields
    blocked = PluginHost(["sales"], known=BUILT_IN)
    blocked.load(tmp_path)
    assert not blocked.problems()


# --- refused at load ---------------------------------------------------------------------------------------------

KIND = "@hookimpl\ndef register_events(): return [EventKind('shop.sold', {'product': str})]\n"
ACTION = "async def run(hands, effect): ...\n@hookimpl\ndef register_actions(): return [ActionType(NAME, {}, run)]\n"
BROKEN = {
    "raises": ("@hookimpl\ndef register_events(): return 1/0", "ZeroDivisionError"),
    "exits": ("@hookimpl\ndef register_events(): raise SystemExit", "tried to end the program"),
    "none": ("@hookimpl\ndef register_events(): pass", "register_events returned NoneType, not a list of EventKind"),
    "one": ("@hookimpl\ndef register_events(): return EventKind('a.b', {})", "returned EventKind, not a list"),
    "text": ("@hookimpl\ndef register_actions(): return 'x'", "register_actions returned str"),
    "mixed": (
        "@hookimpl\ndef register_events(): return [EventKind('a.b', {}), 5]",
        "returned int among its event",
    ),
    "other": ("@hookimpl\ndef register_triggers(): return [EventKind('a.b', {})]", "returned EventKind among its trig"),
    "generator": ("@hookimpl\ndef register_events(): yield EventKind('a.b', {})", "is a generator"),
    "generated": ("@hookimpl\ndef register_events(): return (k for k in ())", "returned generator, not a list"),
    "is_async": ("@hookimpl\nasync def register_events(): return []", "register_events can't be async"),
    "parameter": ("@hookimpl\ndef register_events(app): return []", "register_events has no parameter app"),
    "name": (
        "@hookimpl\ndef register_events(): return [EventKind('Sale made', {})]",
        "'Sale made' can't name an event",
    ),
    "long": ("@hookimpl\ndef register_events(): return [EventKind('a' * 61, {})]", "at most 60 characters"),
    "number": ("@hookimpl\ndef register_events(): return [EventKind(5, {})]", "5 can't name an event kind"),
    "twice": ("@hookimpl\ndef register_events(): return [EventKind('a.b', {})] * 2", "the event kind a.b twice"),
    "fields": ("@hookimpl\ndef register_events(): return [EventKind('a.b', ['x'])]", "list is no mapping of names"),
    "type": ("@hookimpl\ndef register_events(): return [EventKind('a.b', {'x': set})]", "the field x is <class 'set'>"),
    "field": ("@hookimpl\ndef register_events(): return [EventKind('a.b', {'x y': str})]", "'x y' can't name a field"),
    "label": ("@hookimpl\ndef register_events(): return [EventKind('a.b', {}, 5)]", "its label is int, not text"),
    "among": (
        "@hookimpl\ndef register_events(): return [EventKind('a.b', {'x': str}, among={'y': ('z',)})]",
        "among names 'y', which is none of its fields",
    ),
    "among_text": (
        "@hookimpl\ndef register_events(): return [EventKind('a.b', {'x': str}, among={'x': 'yz'})]",
        "the values of x are no list of texts",
    ),
    "among_list": (
        "@hookimpl\ndef register_events(): return [EventKind('a.b', {'x': str}, among=['x'])]",
        "among is list, no mapping",
    ),
    "orphan": (
        "@hookimpl\ndef register_triggers(): return [TriggerType('x', 'no.such', lambda event, where: True)]",
        "its trigger x is on 'no.such', an event that nobody brings",
    ),
    "arguments": (
        "@hookimpl\ndef register_triggers(): return [TriggerType('x', 'tag.added', lambda event: True)]",
        "the trigger x: matches(event, where) does not take these 2 arguments",
    ),
    "async_matches": (
        "async def m(event, where): ...\n@hookimpl\ndef register_triggers(): return [TriggerType('x', 'tag.added', m)]",
        "matches(event, where) can't be async",
    ),
    "yields": (
        "def m(event, where): yield\n@hookimpl\ndef register_triggers(): return [TriggerType('x', 'tag.added', m)]",
        "is a generator",
    ),
    "no_function": (
        "@hookimpl\ndef register_conditions(): return [ConditionType('x', {}, 5)]",
        "test(card, args, now) is no function",
    ),
    "needs": (
        "@hookimpl\ndef register_conditions(): return [ConditionType('x', {}, max, frozenset({'shoes'}))]",
        "the condition x needs shoes; a card has activities",
    ),
    "sync_action": (
        "@hookimpl\ndef register_actions(): return [ActionType('x', {}, lambda hands, effect: None)]",
        "run(hands, effect) must be async",
    ),
    "no_run": ("@hookimpl\ndef register_actions(): return [ActionType('x', {})]", "run(hands, effect) must be async"),
    "our_kind": ("@hookimpl\ndef register_events(): return [EventKind('tag.added', {})]", "comes with mailcrm"),
    "our_trigger": (
        "@hookimpl\ndef register_triggers(): return [TriggerType('deal.won', 'tag.added', lambda event, where: True)]",
        "the trigger deal.won comes with mailcrm",
    ),
    "our_condition": (
        "@hookimpl\ndef register_conditions(): return [ConditionType('tag', {}, lambda card, args, now: None)]",
        "the condition tag comes with mailcrm",
    ),
    "our_action": (ACTION.replace("NAME", "'webhook.call'"), "the action webhook.call comes with mailcrm"),
}


def test_what_can_not_work_is_kept_out_and_listed(write: Callable[..., PluginHost]) -> None:
    host = write(**{name: source for name, (source, _) in BROKEN.items()}, good=KIND)
    assert states(host) == dict.fromkeys(BROKEN, "refused") | {"good": "on"}
    for name, (_, text) in BROKEN.items():
        assert text in reason(host, name), name
    assert set(registry(host).kinds) == {*BUILT_IN.kinds, "shop.sold"}
    assert registry(host).actions == BUILT_IN.actions


@pytest.mark.parametrize(
    ("sort", "source"),
    [
        ("event kind", KIND),
        ("action", ACTION.replace("NAME", "'shop.sold'")),
        ("trigger", "@hookimpl\ndef register_triggers(): return [TriggerType('shop.sold', 'tag.added', max)]"),
        ("condition", "@hookimpl\ndef register_conditions(): return [ConditionType('shop.sold', {}, max)]"),
    ],
)
def test_of_two_with_one_name_the_second_is_refused_naming_both(
    write: Callable[..., PluginHost], sort: str, source: str
) -> None:
    host = write(a=source.replace("max", "lambda *given: True"), b=source.replace("max", "lambda *given: True"))
    assert sorted(states(host).items()) == [("a", "refused"), ("b", "on")]
    assert re.match(
        rf"the {sort} shop\.sold is brought by the plugin b \(\S+/b\.py\) too, which came first", reason(host, "a")
    )


def test_a_kind_is_a_trigger_that_nobody_else_may_name(write: Callable[..., PluginHost]) -> None:
    taken = "@hookimpl\ndef register_triggers(): return [TriggerType('shop.sold', 'tag.added', lambda *given: True)]"
    host = write(a=taken, b=KIND, c=taken.replace("shop.sold", "c.sold"))
    assert states(host) == {"a": "refused", "b": "on", "c": "on"}
    own = KIND + "@hookimpl\ndef register_triggers(): return [TriggerType('own.sold', 'own.sold', lambda *_: False)]"
    host = write(d=own.replace("shop.sold", "own.sold"))
    event = testing.event("own.sold", kinds=host.registry().kinds)
    assert not host.registry().triggers["own.sold"].matches(event, {})


def test_a_trigger_may_be_on_an_event_of_a_plugin_that_comes_later(write: Callable[..., PluginHost]) -> None:
    waiting = "@hookimpl\ndef register_triggers(): return [TriggerType('z.sold', 'shop.sold', lambda *given: True)]"
    assert states(write(z=waiting, a=KIND)) == {"z": "on", "a": "on"}


def test_who_loses_the_event_he_waits_for_is_kept_out_too(write: Callable[..., PluginHost]) -> None:
    both = "@hookimpl\ndef register_triggers(): return [TriggerType('s', 'shop.paid', lambda *given: True)]\n"
    two = KIND.replace("[Ev", "[EventKind('shop.paid', {}), Ev")
    host = write(ours={"shop": two}, mine=KIND, waits=both)
    assert states(host) == {"shop": "refused", "mine": "on", "waits": "refused"}
    with pytest.raises(Refused, match="an event that nobody brings"):
        testing.load(next(Path(each.where) for each in host.listing() if each.name == "waits"))


def test_settings_reach_what_is_registered() -> None:
    class Shop:
        @hookimpl
        def register_config(self) -> type:
            return testing.NOW.__class__  # no dataclass: refused

        @hookimpl
        def register_events(self, config: Any) -> list[EventKind]:
            return []

    with pytest.raises(Refused, match="dataclass"):
        testing.host(Shop(), {})


# --- at work -----------------------------------------------------------------------------------------------------


class Odd:
    """Does what ``how`` says."""

    def __init__(self, how: Callable[..., Any]) -> None:
        self.how = how

    @hookimpl
    def register_triggers(self) -> list[TriggerType]:
        return [TriggerType("odd", "tag.added", lambda event, where: self.how(event, where))]

    @hookimpl
    def register_conditions(self) -> list[ConditionType]:
        return [ConditionType("odd", {"days": Span | None}, lambda card, args, now: self.how(card, args, now))]

    @hookimpl
    def register_actions(self) -> list[ActionType]:
        async def run(hands: Reach, effect: Effect) -> None:
            self.how(hands, effect)

        return [ActionType("odd", {"text": str}, run)]


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def odd(how: Callable[..., Any]) -> PluginHost:
    return testing.host(Odd(how), seconds=0.3)


def raising(*_: Any) -> Any:
    raise ValueError("no sense")


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (raising, "trigger odd: ValueError: no sense"),
        (lambda *_: "yes", "trigger odd: it answered str, not bool"),
        (lambda *_: None, "trigger odd: it answered NoneType, not bool"),
        (lambda *_: exit(), "trigger odd: it tried to end the program"),
    ],
)
def test_a_trigger_that_fails_is_no_match_and_is_counted(how: Callable[..., Any], error: str) -> None:
    host = odd(how)
    assert host.registry().triggers["odd"].matches(testing.event("tag.added"), {}) is False
    (listed,) = host.listing()
    assert (listed.calls, listed.failures) == (1, 1)
    assert error in listed.error
    with pytest.raises(PluginFailed, match="trigger odd"):
        testing.matches(host, "odd", testing.event("tag.added"))


@pytest.mark.parametrize(("how", "error"), [(raising, "ValueError: no sense"), (lambda *_: True, "answered bool")])
def test_a_condition_that_fails_names_its_plugin_and_is_counted(how: Callable[..., Any], error: str) -> None:
    host = odd(how)
    with pytest.raises(Permanent, match=f"plugin failed in condition odd: .*{error}"):
        host.registry().conditions["odd"].test(testing.card(), {}, testing.NOW)
    assert host.listing()[0].failures == 1


def test_one_that_hangs_is_switched_off(released: threading.Event) -> None:
    host = odd(lambda *_: released.wait(20))
    known = host.registry()
    assert known.triggers["odd"].matches(testing.event("tag.added"), {}) is False
    assert host.listing()[0].state == "off"
    released.set()
    assert known.triggers["odd"].matches(testing.event("tag.added"), {}) is False
    with pytest.raises(Permanent, match="switched off"):
        known.conditions["odd"].test(testing.card(), {}, testing.NOW)
    with pytest.raises(PluginFailed, match="switched off"):
        testing.act(host, "odd", testing.Reach(Path()), text="x")


def test_a_trigger_can_not_change_what_others_see() -> None:
    def spoil(event: Event, where: dict[str, Any]) -> bool:
        event.data.clear()  # type: ignore[attr-defined]
        where.clear()
        return True

    event, where = testing.event("tag.added", tag="vip"), {"tag": "vip"}
    assert odd(spoil).registry().triggers["odd"].matches(event, where)
    assert (event.data, where) == ({"tag": "vip"}, {"tag": "vip"})


def test_a_condition_answers_a_verdict() -> None:
    def test(card: Card, args: Mapping[str, Any], now: datetime) -> Verdict:
        return Verdict("vip" in card.tags, f"vip\nsince {args['days']}", f"{now:%Y}\0")

    said = testing.judge(odd(test), "odd", testing.card(tags=frozenset({"vip"})), days="2d")
    assert said == Verdict(True, "vip since 2d", "2026")


def test_an_action_raises_what_tells_whether_to_try_again(tmp_path: Path) -> None:
    hands = testing.Reach(tmp_path)
    for error in (Permanent("no"), Temporary("later"), Refused("not him")):

        def how(*_: Any, error: Exception = error) -> None:
            raise error

        host = odd(how)
        with pytest.raises(type(error), match=str(error)):
            testing.act(host, "odd", hands, text="x")
        assert host.listing()[0].failures == 0
    host = odd(raising)
    with pytest.raises(PluginFailed, match="plugin failed in action odd: ValueError: no sense"):
        testing.act(host, "odd", hands, text="x")
    assert host.listing()[0].failures == 1
    assert host.owner_of("odd") == "plugin"
    assert host.owner_of("tag.add") is None


def test_no_hook_is_called_when_flows_work() -> None:
    calls = []

    class Counts:
        @hookimpl
        def register_triggers(self) -> list[TriggerType]:
            calls.append("register")
            return [TriggerType("counted", "tag.added", lambda event, where: True)]

    known = registry(testing.host(Counts()))
    for number in range(10):
        assert known.triggers["counted"].matches(testing.event("tag.added", id=number), {})
    assert calls == ["register"]


def test_fields_of_events_are_checked_as_json_knows_them() -> None:
    kinds = {"x": EventKind("x", {"amount": float, "paid": bool | None})}
    assert check("x", {"amount": 5, "paid": True}, kinds) == {"amount": 5, "paid": True}
    for bad in ({"amount": True}, {"amount": float("nan")}, {"amount": float("inf")}, {"amount": 1.5, "paid": 1}):
        with pytest.raises(Refused, match="give"):
            check("x", bad, kinds)
