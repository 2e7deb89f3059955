"""Reading the nodes of a workflow."""

from __future__ import annotations

from collections.abc import Mapping
from types import GenericAlias
from typing import Any

from mailcrm.core.comparing import listed
from mailcrm.core.definitions.conditions import read_if, read_switch
from mailcrm.core.definitions.faults import Faults
from mailcrm.core.definitions.table import Table, bad_name, fitting, type_of
from mailcrm.core.flow import Action, Do, End, Node, On, Wait
from mailcrm.core.nearest import nearest
from mailcrm.core.registry import Registry
from mailcrm.core.validation import Path

KINDS = ("on", "if", "switch", "do", "wait", "end")
"""The key that says what a node is."""
_OTHERS = {"next", "where", "within", "otherwise", "entry", "yes", "no", "cases", "other", "with", "after", "on_error"}


def read_nodes(table: Table, registry: Registry, faults: Faults) -> dict[str, Node | None]:
    """All nodes, in the order of the file; None for one that does not say what it is."""
    found: dict[str, Node | None] = {}
    for name, data in table.table("nodes").items():
        path: Path = (*table.path, "nodes", name)
        if problem := bad_name(name):
            faults.add(path, f"the name {problem}", "write one line of at most 200 characters")
        if isinstance(data, Mapping):
            found[name] = _node(Table(data, path, faults), registry, faults)
        else:
            faults.add(path, f"is {type_of(data)}", f"write a table: [nodes.{name}]")
            found[name] = None
    return found


def _node(table: Table, registry: Registry, faults: Faults) -> Node | None:
    kinds = [kind for kind in KINDS if kind in table.data]
    if len(kinds) > 1:
        table.fault(None, f"is both {' and '.join(kinds)}", "make two nodes of it")
        return None
    if not kinds:
        likely = {key: nearest(key, KINDS) for key in table.data if key not in _OTHERS}
        typo = next((key for key, mend in likely.items() if mend.startswith("write")), None)
        if typo is None:
            table.fault(None, "does not say what it is", f"write one of {', '.join(KINDS)}")
        else:
            table.fault(typo, "unknown key", likely[typo])
        return None
    node = _read(kinds[0], table, registry, faults)
    table.close()
    return node


def _read(kind: str, table: Table, registry: Registry, faults: Faults) -> Node:
    match kind:
        case "on":
            trigger, where = read_trigger(table, registry, faults)
            return On(
                trigger,
                where,
                next=table.names("next"),
                within=table.span("within"),
                otherwise=table.names("otherwise"),
                entry=table.flag("entry", None),
            )
        case "if":
            return read_if(table, registry, faults)
        case "switch":
            return read_switch(table, registry, faults)
        case "do":
            actions = read_actions(table, registry, faults)
            after, next_ = table.span("after"), table.names("next")
            stop = table.choice("on_error", ("fail", "continue"), "fail")
            return Do(actions, next_, after, "continue" if stop == "continue" else "fail")
        case "wait":
            return Wait(table.span("wait") or "1d", table.names("next"))  # a faulty one still waits
    return End("branch" if table.choice("end", ("all", "branch"), "all") == "branch" else "all")


def read_trigger(table: Table, registry: Registry, faults: Faults) -> tuple[str, dict[str, Any]]:
    """``on`` and ``where``: a trigger, or simply a kind of event, and what is asked of the event's fields."""
    name = table.name("on")
    where = table.table("where")
    trigger = registry.triggers.get(name)
    kind = registry.kinds.get(trigger.event if trigger else name)
    if kind is None:
        if name:
            known = {*registry.triggers, *registry.kinds}
            table.fault(
                "on", f"there is no event {name}", registry.mend(name, known, "`mailcrm event kinds` lists them")
            )
        return name, dict(where)
    asked = {field: type_ | GenericAlias(list, type_) for field, type_ in kind.fields.items()}  # a value, or several
    path: Path = (*table.path, "where")
    found = fitting(where, asked, path, kind.name, faults, demand=False)
    for field, can_be in kind.among.items():
        wrong = [each for each in listed(found.get(field)) if str(each).casefold() not in map(str.casefold, can_be)]
        if wrong:
            faults.add((*path, field), f"can't be {wrong[0]!r:.80}", nearest(str(wrong[0]), can_be, "it is one of"))
    return name, found


def read_actions(table: Table, registry: Registry, faults: Faults) -> tuple[Action, ...]:
    """``do`` and ``with``, or a list of such tables: ``do = [{ do = "tag.add", with = { tag = "vip" } }, …]``."""
    value = table.data.get("do")
    if not isinstance(value, list):
        return (read_action(table, registry, faults),)
    table.take("do")
    found = []
    for index, each in enumerate(value):
        path: Path = (*table.path, "do", index)
        if not isinstance(each, Mapping):
            faults.add(path, f"is {type_of(each)}", 'write { do = "tag.add", with = { tag = "vip" } }')
            continue
        inner = Table(each, path, faults)
        found.append(read_action(inner, registry, faults))
        inner.close()
    if not value:
        table.fault("do", "is empty", "write an action")
    return tuple(found)


def read_action(table: Table, registry: Registry, faults: Faults) -> Action:
    """One action with what it is told."""
    name = table.name("do")
    args = table.table("with")
    known = registry.actions.get(name)
    if known is None:
        if name:
            table.fault("do", f"there is no action {name}", registry.mend(name, registry.actions, "actions"))
        return Action(name, dict(args))
    path: Path = (*table.path, "with") if "with" in table.data else table.path
    return Action(name, fitting(args, known.params, path, name, faults))
