"""The letters in a definition: each must be a template that can be filled in, or name one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from mailcrm.core.definitions.faults import element
from mailcrm.core.definitions.model import (
    ActivityStep,
    CampaignDefinition,
    CampaignType,
    Definition,
    RuleDefinition,
    SequenceDefinition,
    WorkflowDefinition,
)
from mailcrm.core.flow import Action, Do
from mailcrm.core.validation import Path, Problem
from mailcrm.errors import Refused

CheckLetter: TypeAlias = Callable[[str, str], None]
"""Told a template and what it is about (``item_of``); raises Refused for one that is none."""

LETTERS = ("mail.send", "draft.create")
"""The actions that write one."""

_OWN = ("subject", "body", "html")


def is_template(template: str, _item: str) -> None:
    """Check the language alone, not what is spoken of. Raises BadTemplate."""
    if "{" in template:
        from mailcrm.core.letters import variables_of  # its library takes longer to load than most commands run

        variables_of(template)


def letter_problems(definition: Definition, check: CheckLetter) -> Iterator[Problem]:
    """What is wrong with the letters of a definition."""
    if isinstance(definition, CampaignDefinition):
        yield from _campaign_problems(definition, check)
        return
    item = item_of(definition)
    for path, values in _letters(definition):
        yield from _content(path, values)
        for part in _OWN:
            value = values.get(part)
            if isinstance(value, str):
                yield from _wrong((*path, part), value, item, check)


def templates_named(definition: Definition) -> Iterator[tuple[Path, str]]:
    """The templates that a definition uses, by name."""
    if isinstance(definition, CampaignDefinition) and definition.template:
        yield ("template",), definition.template
    for path, values in _letters(definition):
        if values.get("template"):
            yield (*path, "template"), str(values["template"])


def item_of(definition: Definition) -> str:
    """What its letters are about: ``person``, ``deal`` or ``lead``; a campaign's: its type."""
    match definition:
        case SequenceDefinition():
            return definition.items.removesuffix("s")
        case CampaignDefinition():
            return definition.type.value
    return "person"


def _campaign_problems(campaign: CampaignDefinition, check: CheckLetter) -> Iterator[Problem]:
    for index, subject in enumerate(campaign.subjects):
        yield from _wrong(("subjects", index), subject, item_of(campaign), check)
    if campaign.title is not None:
        yield from _wrong(("title",), campaign.title, CampaignType.MAILING.value, check)  # there is no deal yet


def left_out(definition: Definition) -> Iterator[str]:
    """What of the HTML of its letters is not sent, in words."""
    for path, values in _letters(definition):
        html = values.get("html")
        if isinstance(html, str):
            from mailcrm.core import rich

            yield from (
                f"{element((*path, 'html'))}: {each} is left out when it is sent" for each in rich.left_out(html)
            )


def templates_in(data: Mapping[str, object]) -> set[str]:
    """The templates that a flow's file uses, as ``tomllib`` reads it: also one whose plugins have gone."""
    steps = data.get("step")
    tables = [*(steps if isinstance(steps, list) else ()), *([data] if data.get("kind") == "campaign" else ())]
    tables += [
        table.get("with") for table in _tables(data) if isinstance(table.get("do"), str) and table["do"] in LETTERS
    ]
    named = (table.get("template") for table in tables if isinstance(table, Mapping))
    return {name for name in named if isinstance(name, str)}


def _tables(value: object) -> Iterator[Mapping[str, object]]:
    if isinstance(value, Mapping):
        yield value
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _tables(each)


def actions_of(definition: RuleDefinition | WorkflowDefinition) -> Iterator[tuple[Path, Action]]:
    """Each action, with the path of its parameters."""
    if isinstance(definition, RuleDefinition):
        yield ("with",), definition.action
        return
    for name, node in definition.nodes.items():
        actions = node.actions if isinstance(node, Do) else ()
        for index, action in enumerate(actions):
            yield ("nodes", name, *(("do", index) if len(actions) > 1 else ()), "with"), action


def _letters(definition: Definition) -> Iterator[tuple[Path, Mapping[str, object]]]:
    match definition:
        case SequenceDefinition():
            for index, step in enumerate(definition.steps):
                if not isinstance(step, ActivityStep):
                    own = {"subject": step.subject, "body": step.body, "html": step.html}
                    yield ("step", index), {"template": step.template, **own}
        case RuleDefinition() | WorkflowDefinition():
            for path, action in actions_of(definition):
                if action.name in LETTERS:
                    yield path, action.args


def _content(path: Path, values: Mapping[str, object]) -> Iterator[Problem]:
    """That there is one, and one alone."""
    own = [part for part in _OWN if values.get(part) is not None]
    if values.get("template"):
        if own:
            what = f"stands beside {own[0]}"
            yield Problem((*path, "template"), what, "write either a template, or a subject and a body")
    elif "body" not in own and "html" not in own:
        yield Problem(path, "has nothing to say", "write template, or subject and body")


def _wrong(path: Path, template: str, item: str, check: CheckLetter) -> Iterator[Problem]:
    try:
        check(template, item)
    except Refused as error:
        what, _, mend = str(error).partition("; ")
        yield Problem(path, what, mend or "mend the template")
        return
    if path[-1] == "html" and "<img" in template.lower():
        from mailcrm.core.rich import pictures

        for name in pictures(template)[:1]:
            yield Problem(path, f"shows the file {name}, which is not kept with a flow", "write it into a template")
