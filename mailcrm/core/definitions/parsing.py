"""From the text of a definition file to the definition."""

from __future__ import annotations

import tomllib
from typing import Any

from mailcrm.core.definitions.campaigns import read_campaign
from mailcrm.core.definitions.faults import DefinitionError, Fault, Faults, not_toml
from mailcrm.core.definitions.model import (
    CampaignDefinition,
    Definition,
    ItemType,
    OnEdit,
    RuleDefinition,
    SequenceDefinition,
    WorkflowDefinition,
)
from mailcrm.core.definitions.nodes import read_action, read_nodes, read_trigger
from mailcrm.core.definitions.sequences import read_steps, read_stop_on_reply
from mailcrm.core.definitions.table import Table
from mailcrm.core.definitions.wording import CheckLetter, is_template, letter_problems
from mailcrm.core.flow import Again
from mailcrm.core.nearest import nearest
from mailcrm.core.registry import Registry
from mailcrm.core.validation import MAX_NODES, edge_problems, shape_problems

KINDS = ("sequence", "workflow", "rule", "campaign")
MAX_STEPS = 10
MAX_SIZE = 500_000
"""Of a file, in characters."""


def parse(
    text: str,
    file: str,
    registry: Registry,
    *,
    max_steps: int = MAX_STEPS,
    check_letter: CheckLetter = is_template,
) -> Definition:
    """Read a definition and check all of it.

    Args:
        file: its name, for the faults.
        registry: what it may name.
        max_steps: of a sequence.
        check_letter: what a subject or body must pass.

    Raises:
        DefinitionError: with every fault found, each with its line and mend.
    """
    definition, faults = examined(text, file, registry, max_steps=max_steps, check_letter=check_letter)
    if definition is None or faults.found:
        raise DefinitionError(faults.found)
    return definition


def examined(
    text: str, file: str, registry: Registry, *, max_steps: int, check_letter: CheckLetter
) -> tuple[Definition | None, Faults]:
    """As ``parse``; of a definition with faults what can be looked at further, so that those are told with them.

    Returns:
        The definition and its faults. None: where nothing else can be told of it. Each key of a campaign stands for
        itself; in a flow one that is wrong may make others look so.

    Raises:
        DefinitionError: it is no TOML.
    """
    data, faults = opened(text, file)
    definition = _definition(Table(data, (), faults), registry, faults, max_steps)
    if definition is None or (faults.found and not isinstance(definition, CampaignDefinition)):
        return None, faults
    for problem in letter_problems(definition, check_letter):
        faults.add(problem.path, problem.what, problem.mend)
    return definition, faults


def opened(text: str, file: str) -> tuple[dict[str, Any], Faults]:
    """The content of a definition file, and where its faults are collected. Raises DefinitionError: it is no TOML."""
    if len(text) > MAX_SIZE:
        raise DefinitionError([Fault(file, 1, "", f"the file is longer than {MAX_SIZE:,} characters", "divide it")])
    try:
        data = tomllib.loads(text)
        faults = Faults(file, text.replace("\r\n", "\n"))
    except ValueError as error:  # also of a number with thousands of digits
        raise DefinitionError([not_toml(file, text, str(error))]) from None
    except RecursionError:
        raise DefinitionError([Fault(file, 1, "", "lists or tables are nested too deeply", "write it flat")]) from None
    return data, faults


def _definition(table: Table, registry: Registry, faults: Faults, max_steps: int) -> Definition | None:
    kind = table.take("kind")
    if kind not in KINDS:
        if kind == "template":
            table.fault("kind", "this defines a template", "apply it with `mailcrm template apply`")
        elif kind is None:
            table.fault(None, "kind is missing", f"write kind = one of {', '.join(KINDS)}")
        else:
            near = nearest(kind, KINDS, "kinds") if isinstance(kind, str) else f"write one of {', '.join(KINDS)}"
            table.fault("kind", f"there is no definition of kind {kind}", near)
        return None
    name, owner, description = table.name("name"), table.text("owner"), table.text("description") or ""
    definition: Definition
    match kind:
        case "sequence":
            definition = SequenceDefinition(
                name, _items(table), read_steps(table, faults, max_steps), owner, description, read_stop_on_reply(table)
            )
        case "workflow":
            definition = _workflow(name, owner, description, table, registry, faults)
        case "campaign":
            definition = read_campaign(name, owner, description, table, faults)
        case _:
            trigger, where = read_trigger(table, registry, faults)
            definition = RuleDefinition(name, trigger, read_action(table, registry, faults), where, owner, description)
    table.close()
    return definition


def _items(table: Table) -> ItemType:
    if "for" not in table.data:
        table.fault(None, "for is missing", 'write for = "deals" or for = "leads"')
    return "leads" if table.choice("for", ("deals", "leads"), "deals") == "leads" else "deals"


def _workflow(
    name: str, owner: str | None, description: str, table: Table, registry: Registry, faults: Faults
) -> WorkflowDefinition:
    again = table.choice("again", Again, Again.AFTER_END)
    on_edit = table.choice("on_edit", OnEdit, OnEdit.RESET)
    read = read_nodes(table, registry, faults)
    nodes = {name: node for name, node in read.items() if node is not None}
    if len(read) > MAX_NODES:
        table.fault("nodes", f"there are more than {MAX_NODES} nodes", "make two workflows of it")
    else:
        problems = edge_problems(nodes, known=read)
        if len(nodes) == len(read):
            # A node that can't be read, or an edge that leads nowhere, would make others look unreachable.
            problems += shape_problems(nodes, whole=not problems)
        for problem in problems:
            faults.add(problem.path, problem.what, problem.mend)
    return WorkflowDefinition(name, nodes, owner, description, again, on_edit)
