"""Definition files of flows: what applying one would do, told before it is done; and storing it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, assert_never

from sqlalchemy import Connection

from mailcrm.app import campaign_book, naming
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.text_file import text_of
from mailcrm.builtin import variables
from mailcrm.config import Config
from mailcrm.core.definitions import (
    CampaignDefinition,
    Definition,
    DefinitionError,
    RuleDefinition,
    SequenceDefinition,
    WorkflowDefinition,
    examined,
    to_toml,
)
from mailcrm.core.enrollment import Status
from mailcrm.core.flow import FlowKind
from mailcrm.core.flow_diff import difference
from mailcrm.core.plural import counted
from mailcrm.core.validation import Problem
from mailcrm.errors import Refused
from mailcrm.store import flows, users
from mailcrm.store.flows import NewFlow, StoredFlow


@dataclass(frozen=True, slots=True)
class Plan:
    """A definition beside what is stored under its name.

    Args:
        text: the definition as it is stored and printed.
        stored: None: it is new.
        changes: what it changes, one thing a line; of a new flow what it is.
        inside: how many enrollments are in progress.
    """

    definition: Definition
    text: str
    stored: StoredFlow | None
    changes: tuple[str, ...]
    inside: int


_NOBODY_IN_PARTICULAR = Actor()

Named: TypeAlias = Callable[[Connection, Config, Definition], Iterable[Problem]]
"""What a definition names that there is none of."""


def read(context: Context, path: Path, named: Named = naming.unknown, actor: Actor = _NOBODY_IN_PARTICULAR) -> Plan:
    """Read a definition file and compare it with what is stored.

    Args:
        actor: who means to store it: of campaigns with one name he changes his own.

    Raises:
        Refused: it can't be read, or the name belongs to a flow of another kind.
        DefinitionError: with every fault, each with file, line, element and mend; also for what it names in vain.
    """
    text = text_of(path)
    most = context.config.sequences.max_steps
    definition, faults = examined(text, str(path), context.registry, max_steps=most, check_letter=variables.check)
    if definition is not None:
        with context.db.read() as connection:
            for problem in named(connection, context.config, definition):
                faults.add(problem.path, problem.what, problem.mend)
    if definition is None or faults.found:
        raise DefinitionError(faults.found)
    return _plan(context, definition, actor)


def _plan(context: Context, definition: Definition, actor: Actor) -> Plan:
    """Compare a definition with what is stored under its name. Raises Refused if that is of another kind."""
    text, kind = to_toml(definition), kind_of(definition)
    with context.db.read() as connection:
        stored = _named(connection, context.config, definition, actor)
        if stored is None:
            return Plan(definition, text, None, (f"new {kind} {definition.name!r}: {_size(definition)}",), 0)
        before = flows.text(connection, stored.id, stored.version)
        inside = flows.counts(connection, [stored.id])[stored.id][Status.IN_PROGRESS]
    changes = difference(tomllib.loads(before), tomllib.loads(text))
    return Plan(definition, text, stored, tuple(changes), inside)


def store(connection: Connection, context: Context, plan: Plan, actor: Actor) -> int:
    """Store a plan's definition as a new flow or a new version of one; gives the flow's id.

    Raises:
        Refused: the flow was changed since the plan was made, or a user or template that it names has gone.
        NotFound: there is no such owner.
    """
    definition, now = plan.definition, context.clock()
    for problem in naming.unknown(connection, context.config, definition):
        raise Refused(f"{problem.what}; {problem.mend}")
    stored = _named(connection, context.config, definition, actor)
    if (stored and (stored.id, stored.version)) != (plan.stored and (plan.stored.id, plan.stored.version)):
        raise Refused(
            f"{definition.name!r} was changed by somebody else meanwhile; look at it and apply the file again"
        )
    owner = owner_of(connection, plan, actor)
    new = NewFlow(kind_of(definition), definition.name, item_of(definition), owner, plan.text)
    if stored is None:
        return flows.add(connection, new, actor.source, now)
    flows.add_version(connection, stored.id, new, actor.source, now)
    return stored.id


def owner_of(connection: Connection, plan: Plan, actor: Actor) -> int | None:
    """The definition's owner; without one, who owned it before, else the actor. Raises NotFound: no such user."""
    if plan.definition.owner:
        return users.find(connection, plan.definition.owner).id
    return plan.stored.owner if plan.stored else actor.id


def kind_of(definition: Definition) -> FlowKind:
    """What the author drew."""
    match definition:
        case SequenceDefinition():
            return FlowKind.SEQUENCE
        case WorkflowDefinition():
            return FlowKind.WORKFLOW
        case RuleDefinition():
            return FlowKind.RULE
        case CampaignDefinition():
            return FlowKind.CAMPAIGN
    assert_never(definition)


def item_of(definition: Definition) -> str:
    """Who walks through it: ``person``, ``deal``, ``lead`` or ``recipient``."""
    match definition:
        case SequenceDefinition():
            return definition.items.removesuffix("s")
        case CampaignDefinition():
            return "recipient"
    return "person"


def _named(connection: Connection, config: Config, definition: Definition, actor: Actor) -> StoredFlow | None:
    if isinstance(definition, CampaignDefinition):
        return campaign_book.meant(connection, config, actor, definition)
    name, kind = definition.name, kind_of(definition)
    found = flows.named(connection, name)
    if found is not None and found.kind != kind:
        raise Refused(f"{name!r} is a {found.kind}, and the file defines a {kind}; give it another name")
    return found


def _size(definition: Definition) -> str:
    match definition:
        case SequenceDefinition():
            return f"for {definition.items}, {counted(len(definition.steps), 'step')}"
        case WorkflowDefinition():
            return counted(len(definition.nodes), "node")
        case RuleDefinition():
            return f"{definition.action.name} on {definition.trigger}"
        case CampaignDefinition():
            return f"{definition.type}, {definition.state}"
    assert_never(definition)
