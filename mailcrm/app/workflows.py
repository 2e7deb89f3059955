"""Workflows and rules: apply, activate, deactivate, remove."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from mailcrm.app import consent_by_mail, flow_files, machine
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.flow_book import Flows
from mailcrm.app.flow_files import Plan, kind_of
from mailcrm.app.flow_remarks import missing, unconsented, untracked
from mailcrm.core.definitions import OnEdit, WorkflowDefinition, left_out, notes, to_flow
from mailcrm.core.enrollment import Status, Stop
from mailcrm.core.flow import Flow, FlowKind
from mailcrm.core.flow_diff import difference
from mailcrm.core.overlap import overlaps
from mailcrm.core.plural import counted
from mailcrm.errors import NotFound, Refused
from mailcrm.store import flows
from mailcrm.store.enrollments import EDITED

KINDS = (FlowKind.WORKFLOW, FlowKind.RULE)


def read(context: Context, path: Path) -> Plan:
    """Read a workflow's or rule's file and compare it with what is stored.

    Raises:
        Refused: it can't be read, or defines something else.
        DefinitionError: with every fault.
    """
    plan = flow_files.read(context, path)
    kind = kind_of(plan.definition)
    if kind not in KINDS:
        raise Refused(f"{path} defines a {kind}; `mailcrm {kind} apply {path}` applies it")
    return plan


def effect(plan: Plan, on_edit: OnEdit | None = None) -> str:
    """What applying does to those inside, in words. ``on_edit``: instead of what the definition says."""
    stored = plan.stored
    if stored is None:
        if kind_of(plan.definition) is FlowKind.RULE:
            return "it is active at once: every trigger from now on counts"
        return f"nobody comes in until `mailcrm workflow activate {plan.definition.name!r}`"
    if plan.inside == 0:
        return "nobody is inside"
    if _on_edit(plan, on_edit) is OnEdit.FINISH:
        return f"{counted(plan.inside, 'contact finishes', 'contacts finish')} on version {stored.version}"
    restart = counted(plan.inside, "contact restarts", "contacts restart")
    they, come = ("he drops", "comes") if plan.inside == 1 else ("they drop", "come")
    return f"{restart}: {they} out with what is scheduled, and {come} in again by new events"


def remarks(context: Context, actor: Actor, plan: Plan) -> list[str]:
    """What its author should know: who comes in where, what may be done twice (GRAPH-35), what it names in vain."""
    definition = plan.definition
    number = plan.stored.id if plan.stored else 0
    flow = to_flow(definition, context.registry, id=number, version=0)
    with context.db.read() as connection:
        others = active(context.flows.read(connection))
        owner = flow_files.owner_of(connection, plan, actor)
        lacking = [
            *missing(connection, flow),
            *unconsented(connection, flow, owner),
            *untracked(connection, context.config, flow, context.registry.triggers),
        ]
    return [*notes(definition), *left_out(definition), *lacking, *overlaps(flow, others)]


def active(known: Flows) -> list[Flow]:
    """The workflows and rules that let people in."""
    found = (known.current(number) for number, stored in known.stored.items() if stored.active_since is not None)
    return [each.flow for each in found if each is not None and each.stored.kind in KINDS]


def apply(context: Context, actor: Actor, plan: Plan, on_edit: OnEdit | None = None) -> int:
    """Store a plan's definition; gives the flow's id.

    Those inside drop out (GRAPH-1), or finish on the version that they began with. A new rule is active at once, a
    new workflow is to be activated (WF-12).

    Raises:
        Refused: it was changed since the plan was made.
    """
    is_new_rule = plan.stored is None and kind_of(plan.definition) is FlowKind.RULE
    is_active = plan.stored is not None and plan.stored.active_since is not None
    resets = plan.stored is not None and _on_edit(plan, on_edit) is OnEdit.RESET
    if is_new_rule or is_active:
        with context.db.write() as connection:
            flow = to_flow(plan.definition, context.registry, id=0, version=0)
            context.flows.expect(connection, flow, context.clock())
    with context.db.write() as connection:
        context.flows.change(connection, context.clock())
        now = context.clock()
        number = flow_files.store(connection, context, plan, actor)
        if resets:
            _stop(context, connection, actor, number, EDITED, now)
            if is_active:
                flows.activate(connection, number, now)  # they come in again by new events alone
        if is_new_rule:
            _activate(context, connection, number)
        else:
            context.flows.publish(connection, now)
    context.changed()
    if actor.user is not None:
        consent_by_mail.ask_of(context, actor, number)  # of others in whose name it sends
    return number


def is_active(context: Context, name: str) -> bool:
    """Whether it lets people in. Raises NotFound."""
    with context.db.read() as connection:
        return flows.find(connection, name, KINDS).active_since is not None


def inside(context: Context, name: str) -> int:
    """How many are inside. Raises NotFound."""
    with context.db.read() as connection:
        number = flows.find(connection, name, KINDS).id
        return flows.counts(connection, [number])[number][Status.IN_PROGRESS]


def doubled(context: Context, name: str) -> list[str]:
    """A line for each action that another active flow does on the same event (GRAPH-35). Raises NotFound."""
    with context.db.read() as connection:
        known = context.flows.read(connection)
        own = known.current(flows.find(connection, name, KINDS).id)
    return overlaps(own.flow, active(known)) if own is not None else []


def activate(context: Context, name: str) -> None:
    """Let people in; what happened before does not count (WF-4, WF-5). Raises NotFound."""
    with context.db.write() as connection:
        stored = flows.find(connection, name, KINDS)
        if (compiled := context.flows.read(connection).current(stored.id)) is not None:
            context.flows.expect(connection, compiled.flow, context.clock())
    with context.db.write() as connection:
        context.flows.change(connection, context.clock())
        stored = flows.find(connection, name, KINDS)
        if stored.active_since is None:
            _activate(context, connection, stored.id)
    context.changed()


def deactivate(context: Context, actor: Actor, name: str, *, cancel: bool) -> None:
    """Let nobody in any more. Those inside go on (WF-13), or are removed with all that is scheduled (WF-14).

    Raises:
        NotFound: there is no such workflow or rule.
    """
    now = context.clock()
    with context.db.write() as connection:
        context.flows.change(connection, now)
        stored = flows.find(connection, name, KINDS)
        flows.deactivate(connection, stored.id, now)
        if cancel:
            _stop(context, connection, actor, stored.id, "the workflow was deactivated", now)
        context.flows.publish(connection, now)
    context.changed()


def remove(context: Context, actor: Actor, name: str) -> None:
    """Take it out of every list; those inside are removed with all that is scheduled. Raises NotFound."""
    now = context.clock()
    with context.db.write() as connection:
        context.flows.change(connection, now)
        stored = flows.find(connection, name, KINDS)
        _stop(context, connection, actor, stored.id, "the workflow was removed", now)
        flows.remove(connection, stored.id, now)
        context.flows.publish(connection, now)
    context.changed()


def definition(connection: Connection, name: str) -> str:
    """The current definition as TOML. Raises NotFound."""
    stored = flows.find(connection, name, KINDS)
    return flows.text(connection, stored.id, stored.version)


def versions(connection: Connection, name: str, old: int | None = None, new: int | None = None) -> list[str]:
    """What changed between two versions, one thing a line.

    Args:
        old: None: the one before ``new``. new: None: the current one.

    Raises:
        NotFound: there is no such workflow or rule, or no such version.
    """
    stored = flows.find(connection, name, KINDS)
    new = stored.version if new is None else new
    if old is None and new == 1:
        raise NotFound(f"version 1 of {stored.name!r} is the first; there is none before it")
    old = new - 1 if old is None else old
    for version in (old, new):
        if not 1 <= version <= stored.version:
            raise NotFound(f"{stored.name!r} has no version {version}; the current one is {stored.version}")
    before, after = (tomllib.loads(flows.text(connection, stored.id, version)) for version in (old, new))
    return difference(before, after)


def _activate(context: Context, connection: Connection, number: int) -> None:
    """As the last thing in the transaction: what happens after it counts, and of that nothing is to be missed."""
    now = context.clock()
    flows.activate(connection, number, now)
    context.flows.publish(connection, now)
    flows.activate(connection, number, context.clock())  # publishing took its time


def _on_edit(plan: Plan, wanted: OnEdit | None) -> OnEdit:
    if wanted is not None:
        return wanted
    return plan.definition.on_edit if isinstance(plan.definition, WorkflowDefinition) else OnEdit.RESET


def _stop(context: Context, connection: Connection, actor: Actor, number: int, reason: str, now: datetime) -> None:
    machine.stop(context, connection, flows.inside(connection, number), Stop(Status.REMOVED, reason, now, actor.source))
