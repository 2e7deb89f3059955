"""The letters in a definition: each must be a template that can be filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from mailcrm.core.definitions.model import (
    ActivityStep,
    Definition,
    RuleDefinition,
    SequenceDefinition,
    WorkflowDefinition,
)
from mailcrm.core.flow import Action, Do
from mailcrm.core.validation import Path, Problem
from mailcrm.errors import Refused

CheckLetter: TypeAlias = Callable[[str, str], None]
"""Told a template and whom it is about (``person``, ``deal`` or ``lead``); raises Refused for one that is none."""

_PARTS = ("subject", "body")
_ACTIONS = ("mail.send", "draft.create")


def is_template(template: str, _item: str) -> None:
    """Check the language alone, not what is spoken of. Raises BadTemplate."""
    if "{" in template:
        from mailcrm.core.letters import variables_of  # its library takes longer to load than most commands run

        variables_of(template)


def letter_problems(definition: Definition, check: CheckLetter) -> Iterator[Problem]:
    """What is wrong with the subjects and bodies of a definition."""
    item = definition.items.removesuffix("s") if isinstance(definition, SequenceDefinition) else "person"
    for path, template in _letters(definition):
        try:
            check(template, item)
        except Refused as error:
            what, _, mend = str(error).partition("; ")
            yield Problem(path, what, mend or "mend the template")


def _letters(definition: Definition) -> Iterator[tuple[Path, str]]:
    match definition:
        case SequenceDefinition():
            for index, step in enumerate(definition.steps):
                if not isinstance(step, ActivityStep):
                    yield from _parts(("step", index), {"subject": step.subject, "body": step.body})
        case RuleDefinition() | WorkflowDefinition():
            for path, action in actions_of(definition):
                if action.name in _ACTIONS:
                    yield from _parts(path, action.args)


def actions_of(definition: RuleDefinition | WorkflowDefinition) -> Iterator[tuple[Path, Action]]:
    """Each action, with the path of its parameters."""
    if isinstance(definition, RuleDefinition):
        yield ("with",), definition.action
        return
    for name, node in definition.nodes.items():
        actions = node.actions if isinstance(node, Do) else ()
        for index, action in enumerate(actions):
            yield ("nodes", name, *(("do", index) if len(actions) > 1 else ()), "with"), action


def _parts(path: Path, values: Mapping[str, object]) -> Iterator[tuple[Path, str]]:
    for part in _PARTS:
        value = values.get(part)
        if isinstance(value, str):
            yield (*path, part), value
