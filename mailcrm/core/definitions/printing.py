"""From a definition back to TOML: reading it again gives the same definition."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import date, time
from decimal import Decimal
from enum import StrEnum
from typing import Any

from mailcrm.core.definitions.model import (
    ActivityStep,
    CampaignDefinition,
    Definition,
    DraftStep,
    Line,
    OnEdit,
    RuleDefinition,
    SequenceDefinition,
    Step,
    StopOnReply,
    TemplateDefinition,
    WorkflowDefinition,
)
from mailcrm.core.flow import Action, Again, Condition, Do, End, If, Names, Node, On, Switch, Wait
from mailcrm.core.validation import case_key

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDE = 100  # characters: a longer list is written an item a line


def to_toml(definition: Definition | TemplateDefinition) -> str:
    """The definition as a file, with its nodes, steps or lines in the author's order."""
    data = to_data(definition)
    nodes, recipients = data.pop("nodes", {}), data.pop("recipients", {})
    rows = [(key, row) for key in ("step", "line") for row in data.pop(key, [])]
    lines = list(_pairs(data))
    for name, node in nodes.items():
        # Text of several lines is not for an inline table.
        tables = {key: value for key, value in node.items() if isinstance(value, Mapping) and _has_lines(value)}
        lines += ["", f"[nodes.{_key(name)}]", *_pairs({k: v for k, v in node.items() if k not in tables})]
        for key, table in tables.items():
            lines += [f"[nodes.{_key(name)}.{_key(key)}]", *_pairs(table)]
    for key, row in rows:
        lines += ["", f"[[{key}]]", *_pairs(row)]
    if recipients:
        lines += ["", "[recipients]", *_pairs(recipients)]
    return "\n".join(lines) + "\n"


def to_data(definition: Definition | TemplateDefinition) -> dict[str, Any]:
    """The definition as ``tomllib`` would read it."""
    if isinstance(definition, TemplateDefinition):
        return _given(_template(definition))
    about = {"owner": definition.owner, "description": definition.description or None}
    data: dict[str, Any]
    match definition:
        case SequenceDefinition():
            stop = {StopOnReply.NO: False, StopOnReply.PERSON: True}.get(definition.stop_on_reply, "organization")
            head = {"kind": "sequence", "name": definition.name, "for": definition.items}
            data = {**head, **about, "stop_on_reply": stop, "step": [_step(step) for step in definition.steps] or None}
        case WorkflowDefinition():
            data = {
                "kind": "workflow",
                "name": definition.name,
                **about,
                "again": _unless(definition.again, Again.AFTER_END),
                "on_edit": _unless(definition.on_edit, OnEdit.RESET),
                "nodes": {name: _given(_node(node)) for name, node in definition.nodes.items()},
            }
        case RuleDefinition():
            on = {"on": definition.trigger, "where": dict(definition.where) or None}
            data = {"kind": "rule", "name": definition.name, **about, **on, **_action(definition.action)}
        case CampaignDefinition():
            data = _campaign(definition)
    return _given(data)


def _template(definition: TemplateDefinition) -> dict[str, Any]:
    head = {"kind": "template", "name": definition.name, "for": str(definition.purpose)}
    said = {"language": definition.language, "subject": definition.subject or None}
    return {**head, **said, "body": definition.body or None, "html": definition.html}


def _campaign(campaign: CampaignDefinition) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": "campaign", "type": str(campaign.type)}
    for each in fields(campaign):
        value = getattr(campaign, each.name)
        match each.name, value:
            case "lines", _:
                data["line"] = [_line(line) for line in value] or None
            case "recipients", _:
                chosen = {group.name: list(getattr(value, group.name)) or None for group in fields(value)}
                data["recipients"] = _given(chosen) or None
            case (("goal" | "description" | "subjects"), ("" | ())):
                continue
            case _, tuple():
                data[each.name] = list(value)
            case _, (StrEnum() | Decimal()):
                data[each.name] = _plain(value)
            case _:
                data[each.name] = value
    return data


def _line(line: Line) -> dict[str, Any]:
    told = {each.name: _plain(getattr(line, each.name)) for each in fields(line)}
    return _given(told | {"unit": line.unit or None, "quantity": None if line.quantity == 1 else told["quantity"]})


def _plain(value: object) -> str | None:
    """As text: an amount without an exponent."""
    return None if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)


def _unless(value: str, default: str) -> str | None:
    return None if value == default else str(value)


def _given(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}


def _step(step: Step) -> dict[str, Any]:
    kind = "activity" if isinstance(step, ActivityStep) else "draft" if isinstance(step, DraftStep) else "email"
    values = {field.name: getattr(step, field.name) for field in fields(step)}
    for flag, default in (("in_thread", False), ("track", True)):
        if values.get(flag) is default:
            del values[flag]
    return _given({"type": kind, "after": values.pop("after"), **values})


def _node(node: Node) -> dict[str, Any]:
    match node:
        case On():
            on = {"on": node.trigger, "where": dict(node.where) or None, "entry": node.entry, "within": node.within}
            return {**on, "next": _names(node.next), "otherwise": _names(node.otherwise)}
        case If():
            groups = [[_condition(condition) for condition in group] for group in node.groups]
            return {"if": groups, "yes": _names(node.yes), "no": _names(node.no)}
        case Switch():
            return {
                "switch": _about(node),
                "cases": {case_key(condition): _names(names) or [] for condition, names in node.cases},
                "other": _names(node.other or ()),
            }
        case Do():
            done = [_action(action) for action in node.actions]
            what = done[0] if len(done) == 1 else {"do": done}
            stop = _unless(node.on_error, "fail")
            return {**what, "after": node.after, "on_error": stop, "next": _names(node.next)}
        case Wait():
            return {"wait": node.delay, "next": _names(node.next)}
        case End():
            return {"end": node.scope}


def _names(names: Names) -> str | list[str] | None:
    return names[0] if len(names) == 1 else list(names) or None


def _condition(condition: Condition) -> dict[str, Any]:
    key, args = f"{'not_' * condition.negated}{condition.name}", dict(condition.args)
    if condition.name in args:
        return {key: args.pop(condition.name), **args}
    return {key: args or True}


def _about(node: Switch) -> dict[str, Any]:
    if any(condition.name == "field" for condition, _ in node.cases):
        return {"field": node.cases[0][0].args["field"]}
    return {"tag": list(dict.fromkeys(condition.args["tag"] for condition, _ in node.cases))}


def _action(action: Action) -> dict[str, Any]:
    return {"do": action.name, **({"with": dict(action.args)} if action.args else {})}


def _has_lines(table: Mapping[str, Any]) -> bool:
    return any(isinstance(value, str) and "\n" in value for value in table.values())


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        written = f"{_key(key)} = {_value(value)}"
        if isinstance(value, str) and "\n" in value:
            written = f"{_key(key)} = {_lines(value)}"
        elif isinstance(value, list) and len(written) > _WIDE:
            written = "\n".join([f"{_key(key)} = [", *(f"  {_value(item)}," for item in value), "]"])
        yield written


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: object) -> str:
    match value:
        case str():
            return _text(value)
        case bool():
            return str(value).lower()
        case Mapping():
            return f"{{ {_joined(f'{_key(key)} = {_value(item)}' for key, item in value.items())} }}" if value else "{}"
        case list():
            return f"[{_joined(_value(item) for item in value)}]"
        case date() | time():
            return value.isoformat()
    return repr(value)  # a number: Python and TOML write them alike


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def _text(value: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(value: str) -> str:
    """Text of several lines, as such."""
    body = "\n".join(_text(line)[1:-1].replace('\\"', '"') for line in value.split("\n")).replace('"""', '""\\"')
    if body.endswith('"'):
        body = f'{body[:-1]}\\"'
    return f'"""\n{body}"""'
