"""From a definition to the flow that the engine walks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from decimal import Decimal

from mailcrm.core.definitions.model import (
    ActivityStep,
    CampaignDefinition,
    CampaignType,
    Definition,
    DraftStep,
    EmailStep,
    Line,
    RuleDefinition,
    SequenceDefinition,
    Step,
    WorkflowDefinition,
)
from mailcrm.core.flow import Action, Do, End, Flow, FlowKind, Node, On, Trigger
from mailcrm.core.registry import Registry
from mailcrm.core.triggers import matches
from mailcrm.errors import Refused


def to_flow(definition: Definition, registry: Registry, *, id: int, version: int) -> Flow:  # noqa: A002
    """Compile a definition that ``parse`` has accepted.

    A sequence's steps become ``step-1``, ``step-2``, …, then an ``end``; a rule becomes ``on``, ``do``, ``end``;
    a campaign ``campaign``, ``end``.

    Args:
        id: of the flow; its versions share it.

    Raises:
        Refused: a trigger is not known any more (its plugin has gone).
    """
    match definition:
        case SequenceDefinition():
            nodes, start = _steps(definition.steps), ("step-1",) if definition.steps else ("end",)
            return Flow(id, FlowKind.SEQUENCE, definition.name, version, nodes, {}, start)
        case RuleDefinition():
            on = On(definition.trigger, definition.where, next=("do",))
            nodes = {"on": on, "do": Do((definition.action,), next=("end",)), "end": End()}
            triggers = _triggers(nodes.values(), registry)
            return Flow(id, FlowKind.RULE, definition.name, version, nodes, triggers, ("on",))
        case CampaignDefinition():
            nodes = {"campaign": Do(tuple(_done_for_each(definition)), ("end",)), "end": End()}
            return Flow(id, FlowKind.CAMPAIGN, definition.name, version, nodes, {}, ("campaign",))
    return _workflow(definition, registry, id, version)


def _workflow(definition: WorkflowDefinition, registry: Registry, number: int, version: int) -> Flow:
    triggers = _triggers(definition.nodes.values(), registry)
    flow = Flow(number, FlowKind.WORKFLOW, definition.name, version, definition.nodes, triggers)
    # Who is joined by another flow passes the first entry without its event.
    start = tuple(name for name in flow.nodes if name in flow.entries)[:1]
    return Flow(number, flow.kind, flow.name, version, flow.nodes, triggers, start, definition.again)


def _steps(steps: Iterable[Step]) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    made = list(steps)
    for number, step in enumerate(made, 1):
        following = f"step-{number + 1}" if number < len(made) else "end"
        # A mail that goes by itself is written when its time is set, and waits in the outbox (SEQ-18).
        delay = None if isinstance(step, EmailStep) else step.after
        nodes[f"step-{number}"] = Do((_action(step),), (following,), delay)
    nodes["end"] = End()
    return nodes


def _action(step: Step) -> Action:
    """What a step does; what its author left out is left out."""
    late = isinstance(step, EmailStep)
    told = {each.name: (getattr(step, each.name), each.default) for each in fields(step)}
    args = {name: value for name, (value, default) in told.items() if value != default and (late or name != "after")}
    if isinstance(step, ActivityStep):
        return Action("activity.create", args)
    return Action("draft.create" if isinstance(step, DraftStep) else "mail.send", args)


def _done_for_each(campaign: CampaignDefinition) -> Iterator[Action]:
    """What is done for each recipient; amounts are told as text, for actions are stored as JSON."""
    match campaign.type:
        case CampaignType.CALLS | CampaignType.ACTIVITIES:
            kind = "call" if campaign.type is CampaignType.CALLS else campaign.activity
            told = {"due": campaign.due, "priority": campaign.priority, "note": campaign.note}
            yield _told("activity.create", activity=kind, template=campaign.template, **told, assignee="sender")
        case CampaignType.DEALS:
            told = {"title": campaign.title, "stage": campaign.stage, "value": _plain(campaign.value)}
            yield _told("deal.create", **told, currency=campaign.currency, owner="sender")
        case CampaignType.INVOICES | CampaignType.OFFERS:
            kind = "invoice" if campaign.type is CampaignType.INVOICES else "offer"
            told = {"series": campaign.series, "currency": campaign.currency, "pay_within": campaign.pay_within}
            yield _told("document.create", kind=kind, lines=[_line(line) for line in campaign.lines], **told)
            yield Action("document.file")
    if campaign.mails:
        mailing = campaign.type is CampaignType.MAILING
        attach = True if campaign.type in (CampaignType.INVOICES, CampaignType.OFFERS) else None
        subjects = list(campaign.subjects) or None
        yield _told(
            "mail.send", template=campaign.template, subjects=subjects, attach=attach, unsubscribe=mailing or None
        )


def _told(name: str, **args: object) -> Action:
    return Action(name, {key: value for key, value in args.items() if value is not None})


def _line(line: Line) -> dict[str, str]:
    told = {"price": _plain(line.price), "quantity": _plain(line.quantity), "unit": line.unit or None}
    tax = line.tax if isinstance(line.tax, str) else _plain(line.tax)
    found = {"description": line.description, **told, "tax": tax}
    return {key: value for key, value in found.items() if value is not None}


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _triggers(nodes: Iterable[Node], registry: Registry) -> dict[str, Trigger]:
    names = dict.fromkeys(node.trigger for node in nodes if isinstance(node, On))
    return {name: _trigger(name, registry) for name in names}


def _trigger(name: str, registry: Registry) -> Trigger:
    if name in registry.triggers:
        return registry.triggers[name]
    if name not in registry.kinds:
        raise Refused(f"there is no event {name} any more; enable the plugin that brings it")
    return Trigger(name, name, matches)
