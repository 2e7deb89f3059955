"""Into another flow, out of it, and on in it: ``sequence.enroll|leave``, ``workflow.join|leave|move``."""

from __future__ import annotations

from mailcrm.builtin import who
from mailcrm.builtin.hands import Hands, Outcome
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.flow import FlowKind
from mailcrm.errors import Refused
from mailcrm.store import deals, flows, leads


def sequence_enroll(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``sequence.enroll {sequence}``: the subject, its open deal, or its lead, as the sequence is for (SEQ-43)."""
    flow = flows.find(hands.connection, effect.args["sequence"], [FlowKind.SEQUENCE])
    match flow.item:
        case "deal":
            row = who.deal(hands, effect, subject)
            item = Subject(row.person_id, deal=row.id)
        case "lead":
            item = Subject(subject.person, lead=_lead(hands, subject))
        case _:
            item = Subject(who.person(subject))
    hands.enroll(flow.name, item, hands.source)
    return Outcome.DONE


def sequence_leave(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``sequence.leave {sequence}``: the subject; of a person every deal and lead that is inside."""
    flow = flows.find(hands.connection, effect.args["sequence"], [FlowKind.SEQUENCE])
    for item in _items(hands, subject, flow.item):
        hands.leave(flow.name, item, _reason(hands))
    return Outcome.DONE


def workflow_join(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``workflow.join {workflow}``: at its first entry, without an event."""
    flow = flows.find(hands.connection, effect.args["workflow"], [FlowKind.WORKFLOW])
    hands.enroll(flow.name, Subject(who.person(subject)), hands.source)
    return Outcome.DONE


def workflow_leave(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``workflow.leave {workflow}``."""
    flow = flows.find(hands.connection, effect.args["workflow"], [FlowKind.WORKFLOW])
    hands.leave(flow.name, Subject(who.person(subject)), _reason(hands))
    return Outcome.DONE


def workflow_move(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``workflow.move {workflow, node}``: whoever is inside goes on there, and nowhere else (GRAPH-36)."""
    flow = flows.find(hands.connection, effect.args["workflow"], [FlowKind.WORKFLOW])
    hands.move(flow.name, Subject(who.person(subject)), effect.args["node"])
    return Outcome.DONE


def _items(hands: Hands, subject: Subject, item: str) -> list[Subject]:
    """What of the subject can be inside a flow of such items."""
    if item == "person":
        return [Subject(who.person(subject))]
    own = subject.deal if item == "deal" else subject.lead
    if own is not None:
        return [subject]
    his = who.person(subject)
    if item == "deal":
        return [Subject(his, deal=each) for each in hands.connection.execute(deals.ids(person=his)).scalars()]
    return [Subject(his, lead=each) for each in hands.connection.execute(leads.ids(person=his)).scalars()]


def _lead(hands: Hands, subject: Subject) -> int:
    if subject.lead is not None:
        return subject.lead
    found = hands.connection.execute(leads.ids(person=who.person(subject))).scalars().all()
    if len(found) != 1:
        raise Refused(f"which lead? person {subject.person} has: {', '.join(map(str, found)) or 'none'}")
    return int(found[0])


def _reason(hands: Hands) -> str:
    return f"taken out by {hands.source}"
