"""Reading conditions: of an ``if``, ``[[{ tag = "vip" }, { not_field = "region", is = "north" }]]``, and of a switch.

A condition is a table whose first key names it; ``not_`` before the name turns it round. What stands at the name is the
parameter of that name (``tag``), all the parameters (``replied = { within = "3d" }``), or, if it has none of that name,
``true`` (``deal_open = true``) or ``false``, which turns it round, too. Further keys are further parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mailcrm.core.definitions.faults import Faults
from mailcrm.core.definitions.table import Table, fitting, names_in, type_of
from mailcrm.core.flow import Condition, If, Names, Switch
from mailcrm.core.nearest import nearest
from mailcrm.core.registry import ConditionType, Registry
from mailcrm.core.validation import Path

Groups = tuple[tuple[Condition, ...], ...]


def read_if(table: Table, registry: Registry, faults: Faults) -> If:
    """A node that asks: any group, in it all (WF-9, GRAPH-19)."""
    return If(_groups(table, registry, faults), yes=table.names("yes"), no=table.names("no"))


def _groups(table: Table, registry: Registry, faults: Faults) -> Groups:
    value = table.take("if")
    if not isinstance(value, list) or not all(isinstance(group, list) for group in value):
        table.fault("if", f"is {type_of(value)}", 'write a list of groups: [[{ tag = "vip" }]]')
        return ()
    if not value or not all(value):
        table.fault("if", "has an empty group", "write at least one condition in each group")
    path: Path = (*table.path, "if")
    return tuple(
        tuple(
            found
            for number, each in enumerate(group)
            if (found := read_condition(each, registry, (*path, index, number), faults))
        )
        for index, group in enumerate(value)
    )


def read_condition(data: object, registry: Registry, path: Path, faults: Faults) -> Condition | None:
    """One condition, or None and a fault."""
    if not isinstance(data, Mapping) or not data:
        faults.add(path, f"is {type_of(data)}", 'write a condition: { tag = "vip" }')
        return None
    key, value = next(iter(data.items()))
    name, negated = _named(key, registry)
    known = registry.conditions.get(name)
    if known is None:
        faults.add((*path, key), f"there is no condition {key}", registry.mend(key, registry.conditions, "conditions"))
        return None
    options = {option: data[option] for option in data if option != key}
    if "not" in options and "not" not in known.params:
        turned = options.pop("not")
        if not isinstance(turned, bool):
            faults.add((*path, "not"), f"is {type_of(turned)}", f"write true, or not_{name}")
        negated ^= turned is True
    if name in known.params:
        given = {name: value, **options}
    elif isinstance(value, Mapping):
        given = {**value, **options}
    elif isinstance(value, bool):
        given = options
        negated ^= not value
    else:
        faults.add((*path, key), f"is {type_of(value)}", _sample(known))
        return None
    args = fitting(given, known.params, path, name, faults)
    return Condition(name, args, negated)


def _named(key: str, registry: Registry) -> tuple[str, bool]:
    """The condition that a key means, and whether the key turns it round."""
    plain = key.removeprefix("not_")
    return (plain, True) if plain != key and plain in registry.conditions else (key, False)


def _sample(known: ConditionType) -> str:
    params = list(known.params)
    if not params:
        return f"write {known.name} = true"
    if known.name in params:
        return f'write {known.name} = "…"'
    return f"write {known.name} = {{ {params[0]} = … }}"


def read_switch(table: Table, registry: Registry, faults: Faults) -> Switch:
    """A node with an edge for each value of a field (GRAPH-21), or for each of some tags (GRAPH-22)."""
    about = table.table("switch")
    cases = table.table("cases")
    other = table.names("other") or None
    if other is not None and len(other) > 1:
        table.fault("other", 'only one "other" is allowed', "write one name")
    inner = Table(about, (*table.path, "switch"), faults)
    field = inner.text("field")
    tags = inner.take("tag")
    inner.close()
    if (field is None) == (tags is None):
        table.fault("switch", "is about a field or about tags", 'write { field = "…" } or { tag = ["…"] }')
        return Switch((), other)
    if not cases:
        table.fault(None, "has no cases", "write cases = { VALUE = NODE }")
    tags = [tags] if isinstance(tags, str) else tags
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        inner.fault("tag", f"is {type_of(tags)}", 'write a list of tags: ["vip", "partner"]')
        tags = None
    path: Path = (*table.path, "cases")
    found: list[tuple[Condition, Names]] = []
    for key, value in cases.items():
        word, negated = key.removeprefix("!"), key.startswith("!")
        if tags is not None and word not in tags:
            faults.add((*path, key), f"{word} is not among the tags of this switch", nearest(word, tags, "its tags"))
        data = {"field": field, "is": word} if field is not None else {"tag": word}
        if condition := read_condition(data, registry, (*path, key), faults):
            condition = replace(condition, negated=negated)
            found.append((condition, names_in(value, (*path, key), faults)))
    for tag in tags or ():
        if tag not in cases and f"!{tag}" not in cases:
            inner.fault("tag", f"{tag} has no case", "write it into cases, or leave it out")
    return Switch(tuple(found), other)
