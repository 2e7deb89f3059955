"""What becomes of flows' runs when the record that they are about is removed or merged."""

from __future__ import annotations

from sqlalchemy import Connection

from mailcrm.app import machine
from mailcrm.app.context import Context
from mailcrm.core.enrollment import Status, Stop
from mailcrm.store import enrollments, runs
from mailcrm.store.runs import Noun


def removed(connection: Connection, context: Context, noun: Noun, number: int) -> None:
    """A record is taken out of every list: its runs end, with what is scheduled."""
    found = runs.inside(connection, noun, number)
    stop = Stop(Status.REMOVED, f"{noun} {number} was removed", context.clock())
    machine.stop(context, connection, found, stop)


def merged(connection: Connection, context: Context, noun: Noun, keep: int, gone: int) -> None:
    """Two records are one: the runs of the one that goes go on as the other's, save in flows that it is inside of."""
    if noun == "person":
        enrollments.lock(connection, [keep, gone])
    stop = Stop(Status.REMOVED, f"{noun} {gone} was merged into {keep}, which is inside already", context.clock())
    machine.stop(context, connection, runs.twice(connection, noun, keep, gone), stop)
    runs.move(connection, noun, keep, gone)
