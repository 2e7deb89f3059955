"""What a plugin brings to flows: kinds of events, triggers, conditions, actions. Read once, when it is loaded."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, TypeAlias, get_args

from mailcrm.core.card import Card
from mailcrm.core.events import EventKind
from mailcrm.core.registry import ActionType, ConditionType, Params, Span, TriggerType
from mailcrm.plugins.verify import Unfit

Offer: TypeAlias = EventKind | TriggerType | ConditionType | ActionType

NOUNS: Mapping[type, str] = {
    EventKind: "event kind",
    TriggerType: "trigger",
    ConditionType: "condition",
    ActionType: "action",
}
"""Each sort of offer, in the order in which they are asked for, as it is called."""

HOOKS: Mapping[type, str] = {
    EventKind: "register_events",
    TriggerType: "register_triggers",
    ConditionType: "register_conditions",
    ActionType: "register_actions",
}

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_LONGEST = 60
_JSON: frozenset[type] = frozenset({str, int, float, bool, list, dict, NoneType})
_GIVEN: frozenset[type] = frozenset({*_JSON, Span})
_CARD = frozenset(each.name for each in fields(Card))


def read(sort: type, said: object) -> tuple[Offer, ...]:
    """What a ``register_`` hook returned, checked.

    Raises:
        Unfit: it is no list of that sort, or one of them can't work; the text names it.
    """
    hook, noun = HOOKS[sort], NOUNS[sort]
    wanted = "TriggerType" if sort is TriggerType else sort.__name__  # as plugins import it
    if not isinstance(said, Sequence) or isinstance(said, str):
        raise Unfit(f"{hook} returned {type(said).__name__}, not a list of {wanted}")
    found: dict[str, Offer] = {}
    for one in said:
        if not isinstance(one, (EventKind, TriggerType, ConditionType, ActionType)) or not isinstance(one, sort):
            raise Unfit(f"{hook} returned {type(one).__name__} among its {noun}s, not {wanted}")
        if not isinstance(one.name, str) or not _NAME.fullmatch(one.name) or len(one.name) > _LONGEST:
            raise Unfit(f"{one.name!r:.80} can't name an {noun}; write it as sale.made, at most {_LONGEST} characters")
        if one.name in found:
            raise Unfit(f"{hook} returned the {noun} {one.name} twice")
        if not isinstance(one.label, str):
            raise Unfit(f"the {noun} {one.name}: its label is {type(one.label).__name__}, not text")
        _check(one, f"the {noun} {one.name}")
        found[one.name] = one
    return tuple(found.values())


def _check(one: Offer, what: str) -> None:
    match one:
        case EventKind():
            _params(one.fields, what, _JSON)
            _among(one, what)
        case TriggerType():
            if not isinstance(one.event, str):
                raise Unfit(f"{what}: its event is {type(one.event).__name__}, not the name of a kind")
            _function(one.matches, 2, f"{what}: matches(event, where)")
        case ConditionType():
            _params(one.params, what, _GIVEN)
            _function(one.test, 3, f"{what}: test(card, args, now)")
            if unknown := sorted(map(str, set(one.needs) - _CARD)):
                raise Unfit(f"{what} needs {', '.join(unknown)}; a card has {', '.join(sorted(_CARD))}")
        case ActionType():
            _params(one.params, what, _GIVEN)
            if not inspect.iscoroutinefunction(one.run):
                raise Unfit(f"{what}: run(hands, effect) must be async")
            _function(one.run, 2, f"{what}: run(hands, effect)", may_be_async=True)


def _among(kind: EventKind, what: str) -> None:
    if not isinstance(kind.among, Mapping):
        raise Unfit(f"{what}: among is {type(kind.among).__name__}, no mapping of fields to their values")
    for name, values in kind.among.items():
        if name not in kind.fields:
            raise Unfit(f"{what}: among names {name!r:.80}, which is none of its fields")
        if isinstance(values, str) or not isinstance(values, Sequence) or not all(isinstance(v, str) for v in values):
            raise Unfit(f"{what}: the values of {name} are no list of texts")


def _params(given: Params, what: str, known: frozenset[type]) -> None:
    if not isinstance(given, Mapping):
        raise Unfit(f"{what}: {type(given).__name__} is no mapping of names to types")
    for name, kind in given.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise Unfit(f"{what}: {name!r:.80} can't name a field")
        kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
        if not known.issuperset(kinds):
            names = ", ".join(sorted(each.__name__ for each in known - {NoneType}))
            raise Unfit(f"{what}: the field {name} is {kind!r:.80}; it can be {names}, each also with | None")


def _function(given: Callable[..., Any], count: int, what: str, *, may_be_async: bool = False) -> None:
    if not callable(given):
        raise Unfit(f"{what} is no function")
    if inspect.isgeneratorfunction(given) or inspect.isasyncgenfunction(given):
        raise Unfit(f"{what} is a generator (it has a yield); it must return")
    if inspect.iscoroutinefunction(given) and not may_be_async:
        raise Unfit(f"{what} can't be async")
    try:
        inspect.signature(given).bind(*[None] * count)
    except TypeError:
        raise Unfit(f"{what} does not take these {count} arguments") from None
    except ValueError:  # written in C, it may not tell
        return
