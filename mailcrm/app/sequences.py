"""Sequences as they are defined: apply, show, remove."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from mailcrm.app import consent_by_mail, flow_files, machine
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.flow_files import Plan, item_of
from mailcrm.app.naming import CONTACT_OWNER, OWNER
from mailcrm.core.definitions import Definition, EmailStep, SequenceDefinition, left_out, parse
from mailcrm.core.enrollment import Status, Stop
from mailcrm.core.flow import FlowKind
from mailcrm.core.plural import counted
from mailcrm.errors import Refused
from mailcrm.store import consents, flows, users
from mailcrm.store.flows import StoredFlow

KINDS = (FlowKind.SEQUENCE,)


def read(context: Context, path: Path) -> Plan:
    """Read a sequence's file and compare it with what is stored.

    Raises:
        Refused: it can't be read, defines something else, or names a template or user that there is none of.
        DefinitionError: with every fault.
    """
    plan = flow_files.read(context, path)
    if not isinstance(plan.definition, SequenceDefinition):
        noun = "campaign" if flow_files.kind_of(plan.definition) is FlowKind.CAMPAIGN else "workflow"
        raise Refused(f"{path} defines no sequence; `mailcrm {noun} apply {path}` applies it")
    if plan.stored is not None:
        _same_item(plan.stored, plan.definition)
    return plan


def effect(plan: Plan) -> str:
    """What applying does to those inside, in words (A19)."""
    if plan.inside == 0:
        return "nobody is inside"
    inside = counted(plan.inside, "item stays", "items stay")
    return f"{inside} at the step reached; mail that is scheduled goes as it is, later steps use the new text"


def remarks(context: Context, actor: Actor, plan: Plan) -> list[str]:
    """What its author should know: what is not sent of its letters, whose consent is lacking (A4, SEQ-24)."""
    if not isinstance(plan.definition, SequenceDefinition):
        return []
    with context.db.read() as connection:
        number = plan.stored.id if plan.stored else 0
        owner = flow_files.owner_of(connection, plan, actor)
        return [*left_out(plan.definition), *lacking(connection, number, plan.definition, owner)]


def lacking(connection: Connection, number: int, definition: SequenceDefinition, owner: int | None) -> list[str]:
    """A line for each user in whose name it would send by itself and who does not consent to that."""
    senders = {
        users.find(connection, step.sender).id if step.sender and step.sender != OWNER else owner
        for step in definition.steps
        if isinstance(step, EmailStep) and step.sender != CONTACT_OWNER
    }
    keys = consents.lacking(connection, number, [each for each in senders if each is not None])
    return [
        f"{key} has not consented to automatic mail of {definition.name!r}, so it would fail when it is to be sent; "
        f"`mailcrm --as {key} consent grant --flow {definition.name!r}`"
        for key in keys
    ]


def apply(context: Context, actor: Actor, plan: Plan) -> int:
    """Store a plan's definition; gives the flow's id. Those inside stay where they are (A19).

    Raises:
        Refused: its kind of item can't be changed any more (SEQ-5), or it was changed since the plan was made.
    """
    now = context.clock()
    with context.db.write() as connection:
        context.flows.change(connection, now)
        stored = flows.search(connection, plan.definition.name, KINDS)
        if stored is not None:
            _same_item(stored, plan.definition)
        number = flow_files.store(connection, context, plan, actor)
        if stored is None:
            flows.activate(connection, number, now)
        context.flows.publish(connection, now)
    context.changed()
    if actor.user is not None:
        consent_by_mail.ask_of(context, actor, number)  # of others in whose name it sends
    return number


def inside(context: Context, name: str) -> int:
    """How many are in progress. Raises NotFound."""
    with context.db.read() as connection:
        return len(flows.inside(connection, flows.find(connection, name, KINDS).id))


def remove(context: Context, actor: Actor, name: str, *, confirmed: bool) -> None:
    """Take a sequence out of every list; those inside end as removed, with what is scheduled (A6).

    Raises:
        NotFound: there is none of that name.
        Refused: somebody is inside and it is not ``confirmed``.
    """
    now = context.clock()
    with context.db.write() as connection:
        context.flows.change(connection, now)
        stored = flows.find(connection, name, KINDS)
        live = flows.inside(connection, stored.id)
        if live and not confirmed:
            are = counted(len(live), "item is", "items are")
            raise Refused(f"{are} inside {stored.name!r} and would be removed; confirm that with --yes")
        machine.stop(context, connection, live, Stop(Status.REMOVED, "the sequence was removed", now, actor.source))
        flows.remove(connection, stored.id, now)
        context.flows.publish(connection, now)
    context.changed()


def definition(connection: Connection, context: Context, stored: StoredFlow) -> SequenceDefinition:
    """The current definition."""
    text = flows.text(connection, stored.id, stored.version)
    found = parse(text, stored.name, context.registry, max_steps=len(text))  # counted when it was applied
    assert isinstance(found, SequenceDefinition), "it is stored as a sequence"
    return found


def _same_item(stored: StoredFlow, definition: Definition) -> None:
    if stored.locked and stored.item != item_of(definition):
        raise Refused(
            f"{stored.name!r} is for {stored.item}s for good, since something was enrolled in it; "
            "define a new sequence under another name"
        )
