"""Is it a plugin? Its functions against the hooks, its answers against what a hook may answer."""

from __future__ import annotations

import collections.abc
import difflib
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pluggy

from mailcrm import hookspecs
from mailcrm.core.addresses import normalise

Function = Callable[..., Any]
HOOKS: Mapping[str, Function] = {
    name: value for name, value in vars(hookspecs).items() if hasattr(value, "mailcrm_spec")
}
_MARKS = pluggy.PluginManager("mailcrm")
_STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_TEXT = 500


class Unfit(Exception):
    """It can't be a plugin, or can't be an answer; the text says why."""


def implementations(plugin: object) -> dict[str, Function]:
    """The hooks that a plugin implements.

    Raises:
        Unfit: it has no hook, an unknown one, or one with the wrong parameters, types or nature.
    """
    found: dict[str, Function] = {}
    for name in dir(plugin):
        options = _MARKS.parse_hookimpl_opts(plugin, name)
        if options is None:
            if name in HOOKS and inspect.isroutine(inspect.getattr_static(plugin, name)):
                raise Unfit(f"{name} is not marked as a hook; put @hookimpl above it")
            continue
        hook = options["specname"] or name
        if hook in HOOKS:
            if hook in found:
                raise Unfit(f"{hook} is implemented twice")
            found[hook] = getattr(plugin, name)
            _check_function(hook, found[hook])
        elif not options["optionalhook"]:
            raise Unfit(f"there is no hook {hook}{_near(hook, HOOKS)}")
    if not found:
        raise Unfit("it implements no hook; mark its functions with @hookimpl")
    return found


def parameters(function: Function) -> frozenset[str]:
    """The names of the arguments that an implementation wants."""
    return frozenset(name for name, one in inspect.signature(function).parameters.items() if one.kind not in _STARRED)


def answer(hook: str, said: object, args: Mapping[str, Any]) -> str | int | None:
    """What a ``choose_``, ``veto_`` or ``hand_over_`` hook answered, if it may answer that.

    Raises:
        Unfit: the answer is of the wrong type, or names what there is not.
    """
    if said is None:
        return None
    if inspect.iscoroutine(said):
        said.close()
    if hook == "choose_deal":
        if not isinstance(said, int) or isinstance(said, bool):
            raise Unfit(f"it answered {type(said).__name__}, not the id of a deal")
        if all(deal.id != said for deal in args["deals"]):
            raise Unfit(f"it answered {said}, which is none of the deals it was given")
        return int(said)
    if not isinstance(said, str):
        raise Unfit(f"it answered {type(said).__name__}, not text")
    if hook == "choose_person":
        if not (email := normalise(said)):
            raise Unfit(f"it answered {said!r:.80}, which is no e-mail address")
        return email
    if hook.startswith("hand_over_"):
        return one_line(said) or None
    return one_line(said) or "no reason given"


def one_line(text: str) -> str:
    """Text from a plugin as it may be stored and shown: one line, not too long, no controls."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _TEXT]).split())[:_TEXT]


def _check_function(hook: str, function: Function) -> None:
    if not callable(function):
        raise Unfit(f"{hook} is no function")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise Unfit(f"{hook} is a generator (it has a yield); it must return")
    if inspect.iscoroutinefunction(function) and not hook.startswith(("on_", "hand_over_")):
        raise Unfit(f"{hook} can't be async; only on_ and hand_over_ hooks can")
    wanted = typing.get_type_hints(HOOKS[hook])
    given = _hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise Unfit(f"{hook}: {name} is positional-only; hooks are called by keyword")
        if parameter.kind in _STARRED:
            continue
        if name not in inspect.signature(HOOKS[hook]).parameters:
            if parameter.default is not inspect.Parameter.empty:
                continue
            known = [name for name in wanted if name != "return"]
            raise Unfit(f"{hook} has no parameter {name}{_near(name, known)}; it has {', '.join(known) or 'none'}")
        if name != "config" and not _accepts(given.get(name, Any), wanted[name]):
            raise Unfit(f"{hook}: {name} is {_label(wanted[name])}, not {_label(given[name])}")
    answers = hook.startswith(("choose_", "veto_", "hand_over_"))
    if "return" in given and answers and not _accepts(wanted["return"], given["return"]):
        raise Unfit(f"{hook} returns {_label(wanted['return'])}, not {_label(given['return'])}")


def _hints(function: Function) -> dict[str, Any]:
    """The annotations, those too whose names were imported for type checkers only; at worst as they are written."""
    for names in (None, vars(hookspecs)):
        try:
            return typing.get_type_hints(function, localns=names)
        except Exception:  # noqa: BLE001, S112 - annotations are arbitrary code
            continue
    return dict(inspect.get_annotations(inspect.unwrap(function)))


def _accepts(wide: Any, narrow: Any) -> bool:
    """True if a value of type ``narrow`` is one of type ``wide``, as far as annotations tell."""
    if wide in (Any, object) or narrow is Any or _label(wide) == _label(narrow):
        return True
    if _is_union(narrow):
        return all(_accepts(wide, one) for one in typing.get_args(narrow))
    if _is_union(wide):
        return any(_accepts(one, narrow) for one in typing.get_args(wide))
    outer, inner = typing.get_origin(wide) or wide, typing.get_origin(narrow) or narrow
    if outer is tuple and inner is collections.abc.Sequence:  # sequences are handed over as tuples
        return typing.get_args(wide)[:1] == typing.get_args(narrow)
    if not (isinstance(outer, type) and isinstance(inner, type) and issubclass(inner, outer)):
        return False
    return not typing.get_args(wide) or typing.get_args(wide) == typing.get_args(narrow)


def _is_union(kind: Any) -> bool:
    return isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union


def _label(kind: Any) -> str:
    """A type as its author writes it: without modules."""
    if isinstance(kind, type) and not typing.get_args(kind):
        return "None" if kind is types.NoneType else kind.__name__
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", str(kind))


def _near(name: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {match[0]}?" if match else ""
