"""docs/flows.md: every example is a definition that is accepted, and the faults it shows are those that are told."""

from __future__ import annotations

import re
from pathlib import Path
from types import NoneType
from typing import get_args

import pytest

from mailcrm.builtin import variables
from mailcrm.core.definitions import DefinitionError, WorkflowDefinition, notes, parse, to_flow, to_toml
from mailcrm.core.flow import Do, End, If, On, Switch, Wait
from tests.flow_registry import registry

TEXT = (Path(__file__).parents[2] / "docs" / "flows.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
(FAULTY,) = [example for example in EXAMPLES if 'name = "Odd"' in example]
REGISTRY = registry()


@pytest.mark.parametrize("example", [example for example in EXAMPLES if example != FAULTY])
def test_an_example_is_accepted_and_prints_back(example: str) -> None:
    definition = parse(example, "docs/flows.md", REGISTRY, check_letter=variables.check)
    assert parse(to_toml(definition), "again.toml", REGISTRY) == definition
    assert to_flow(definition, REGISTRY, id=1, version=1).nodes


def test_the_faulty_example_is_refused_in_these_words() -> None:
    shown = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)
    with pytest.raises(DefinitionError) as caught:
        parse(FAULTY, "odd.toml", REGISTRY)
    assert [f"{caught.value}\n"] == shown


def test_the_graph_with_everything_in_it_has_everything_in_it() -> None:  # GRAPH-4
    (spring,) = [example for example in EXAMPLES if 'name = "Spring"' in example]
    definition = parse(spring, "spring.toml", REGISTRY)
    assert isinstance(definition, WorkflowDefinition)
    assert {type(node) for node in definition.nodes.values()} == {On, If, Switch, Do, Wait, End}
    letting_in = [note.partition(":")[0] for note in notes(definition) if "lets people in" in note]
    assert letting_in == ["nodes.visited", "nodes.registered"]


def test_every_action_is_documented_with_what_it_is_told() -> None:
    text = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text(encoding="utf-8")
    _, _, listed = text.partition("## Actions")
    rows = [line.split("|") for line in listed.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    told: dict[str, tuple[set[str], set[str]]] = {}
    for _, name, given, *_ in rows:
        needed, _, optional = given.partition("[")
        told[name.strip(" `")] = (set(re.findall(r"`(\w+)`", needed)), set(re.findall(r"`(\w+)`", optional)))
    taken = {name: action.params for name, action in REGISTRY.actions.items()}
    assert told == {
        name: (
            {param for param, kind in params.items() if not _may_be_none(kind)},
            {param for param, kind in params.items() if _may_be_none(kind)},
        )
        for name, params in taken.items()
    }


def _may_be_none(kind: object) -> bool:
    return NoneType in get_args(kind)
