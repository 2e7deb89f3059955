"""A workflow that fails for many is paused, and its owner told."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.flow_book import Flows
from mailcrm.core.enrollment import Enrollment, Status
from mailcrm.core.flow import FlowKind
from mailcrm.store import enrollments, flows, pulse, users

FEWEST, ONE_IN = 20, 10
"""Paused when one enrollment in ten has failed since its activation, and at least twenty."""


def pause_failing(context: Context, connection: Connection, known: Flows, ended: Iterable[Enrollment]) -> None:
    """Pause the workflows and rules that fail too often; in the transaction of the failures, once they are written."""
    now = context.clock()
    paused = False
    for number in sorted({each.flow for each in ended if each.status is Status.FAILED}):
        stored = known.stored.get(number)
        if stored is None or stored.kind not in (FlowKind.WORKFLOW, FlowKind.RULE):
            continue
        stored = flows.get(connection, number)
        if stored.active_since is None:
            continue
        failed = enrollments.failures(connection, number, stored.active_since)
        if failed < FEWEST or enrollments.are_more(connection, number, stored.active_since, failed * ONE_IN):
            continue
        reason = f"{failed} of its enrollments have failed, at least one in {ONE_IN}"
        flows.deactivate(connection, number, now, paused=reason)
        paused = True
        told = f"The {stored.kind} {stored.name!r} is paused: {reason}. Those inside go on; mend it and activate it."
        for user in [stored.owner] if stored.owner is not None else [each.id for each in users.every(connection)]:
            pulse.add(connection, user, "notice", told, now, now)
    if paused:
        context.flows.publish(connection, now)
