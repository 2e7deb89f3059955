"""Runs that end by an answer which no event of their person tells of: a deal has no person, or another answered."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from mailcrm.app import machine
from mailcrm.app.advancing import REPLY
from mailcrm.app.context import Context
from mailcrm.app.linker import Linked
from mailcrm.core.definitions import StopOnReply
from mailcrm.core.enrollment import Status, Stop
from mailcrm.core.model import REPLIES, Direction
from mailcrm.core.text import clean
from mailcrm.store import enrollments


def stop(connection: Connection, context: Context, arrived: Sequence[Linked]) -> int:
    """End the runs whose own letters these mails answer, whoever wrote them; and those without a person that end by
    an answer from their organization.

    Args:
        arrived: just linked. What answers nothing is left out.

    Returns:
        How many were ended.
    """
    answers = [each for each in arrived if _is_answer(each)]
    if not answers:
        return 0
    ends = context.flows.read(connection).ended_by_reply
    together = [flow for flow, whose in ends.items() if whose is StopOnReply.ORGANIZATION]
    ended = 0
    for linked in answers:
        item = linked.item
        runs = [
            each
            for each in enrollments.with_ids(connection, linked.runs)
            if each.flow in ends and each.subject.person not in linked.persons
        ]
        if together and linked.persons:
            runs += enrollments.of_organization(connection, linked.persons, together)
        began = {each.id for each in runs if each.began <= item.arrival.received_at}
        if began:
            by = clean(f"mail:{item.message.message_id or item.identity}")
            why = Stop(Status.REMOVED, REPLY, item.arrival.received_at, by)
            ended += machine.stop(context, connection, sorted(began), why)
    return ended


def _is_answer(linked: Linked) -> bool:
    item = linked.item
    return linked.answers and linked.counts and item.direction is Direction.IN and item.reading.kind in REPLIES
