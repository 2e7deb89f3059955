"""What becomes of flows' runs when the record that they are about is removed or merged."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.core.enrollment import Status, Stop
from mailcrm.store import chosen_records, enrollments, reactions, runs
from mailcrm.store.runs import Noun


def removed(connection: Connection, context: Context, noun: Noun, number: int) -> None:
    """A record is taken out of every list: its runs end, with what is scheduled, and a person begins none any more."""
    if noun == "person":
        enrollments.lock(connection, [number])
        reactions.handled(connection, [each.event.id for each in reactions.pending(connection, [number])])
    found = runs.inside(connection, noun, number)
    stop = Stop(Status.REMOVED, f"{noun} {number} was removed", context.clock())
    _end(connection, context, found, stop)


def organization_removed(connection: Connection, context: Context, number: int) -> None:
    """An organization is taken out of every list: campaigns' runs that are about itself end."""
    stop = Stop(Status.REMOVED, f"organization {number} was removed", context.clock())
    _end(connection, context, chosen_records.inside(connection, "organization", number), stop)


def merged(connection: Connection, context: Context, noun: Noun, keep: int, gone: int) -> None:
    """Two records are one: the runs of the one that goes go on as the other's, save in flows that it is inside of."""
    stop = Stop(Status.REMOVED, f"{noun} {gone} was merged into {keep}, which is inside already", context.clock())
    _end(connection, context, runs.twice(connection, noun, keep, gone), stop)
    runs.move(connection, noun, keep, gone)


def _end(connection: Connection, context: Context, found: Sequence[int], stop: Stop) -> None:
    if found:
        from mailcrm.app import machine  # here, for commands about records seldom need it

        machine.stop(context, connection, found, stop)
