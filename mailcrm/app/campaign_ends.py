"""Campaigns paused, gone on with, stopped by hand or by themselves, and ended; the worker sees to what that takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from mailcrm.app import campaign_book as book
from mailcrm.app import machine, planning
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.core.enrollment import Status, Stop
from mailcrm.errors import Refused
from mailcrm.store import campaigns, flows, pulse, users
from mailcrm.store.campaigns import Course

FEWEST, ONE_IN = 20, 20
"""Stopped when one mail in twenty has come back, and at least twenty."""

_SLICE = 500
"""Runs that are ended in one transaction."""

_WOKEN = 2_000
"""Timers and mails that are let go in one transaction."""


def pause(context: Context, actor: Actor, name: str, why: str = "") -> None:
    """Have nothing more done for anybody until it goes on: timers are put off, mail waits.

    Raises:
        NotFound: there is none of that name.
        Refused: it is another user's (CAMP-5), or not under way.
    """
    now = context.clock()
    with context.db.write() as connection:
        course = _under_way(connection, context, actor, name, now)
        if course.paused_at is None:
            campaigns.pause(connection, course.id, why or "paused by hand", now)
            book.stand_still(connection, context, course.id, now)


def resume(context: Context, actor: Actor, name: str) -> None:
    """Let a paused campaign go on. Raises as ``pause``, or if it is not paused."""
    now = context.clock()
    with context.db.write() as connection:
        course = _under_way(connection, context, actor, name, now)
        if course.paused_at is None:
            raise Refused(f"the campaign {name} is not paused, it is {course.status}; nothing to resume")
        book.go_on(connection, context, course.id, now)
    context.changed()


def stop(context: Context, actor: Actor, name: str, why: str = "") -> int:
    """End a campaign for good: nothing more is done for anybody, and mail that waits is withdrawn; gives its id.

    Nothing begins from now on; those inside are taken out by ``wind_up``, or by the worker.

    Raises:
        NotFound: there is none of that name.
        Refused: it is another user's, or not under way.
    """
    now = context.clock()
    with context.db.write() as connection:
        course = _under_way(connection, context, actor, name, now)
        _stop(connection, context, course, why or f"stopped by {actor.user.key if actor.user else 'command'}", now)
    context.changed()
    return course.id


def wind_up(context: Context, number: int, progress: Callable[[int], None] = lambda _ended: None) -> int:
    """Take everybody out of a stopped campaign. Returns how many were inside.

    Args:
        progress: told how many were taken out, piece by piece.
    """
    ended = 0
    while piece := _wind_up(context, number):
        ended += piece
        progress(ended)
    _end(context, number)
    return ended


def is_due(context: Context) -> bool:
    """Whether ``tend`` has something to do; cheap."""
    with context.db.read() as connection:
        return any(_is_due(connection, course) for course in campaigns.running(connection))


def tend(context: Context) -> bool:
    """A round of looking after the campaigns under way: plan, wake, stop, end.

    Safe in several processes at once, and to be killed anywhere.

    Returns:
        Another round is to follow at once.
    """
    with context.db.read() as connection:
        running = campaigns.running(connection)
    more = planning.plan_due(context)
    for course in running:
        if course.stopped_at is not None:
            ended = _wind_up(context, course.id)
            more |= ended > 0
            if not ended:
                _end(context, course.id)
        elif course.paused_at is None:
            stopped = _returns(context, course)
            more |= stopped or _wake(context, course.id)
            if not stopped:
                _end(context, course.id)
    return more


def _is_due(connection: Connection, course: Course) -> bool:
    if course.stopped_at is not None:
        return True
    return course.paused_at is None and (
        course.planned_at is None
        or campaigns.sleeps(connection, course.id)
        or bool(_too_many_back(connection, course.id))
        or _is_over(connection, course.id)
    )


def _under_way(connection: Connection, context: Context, actor: Actor, name: str, now: datetime) -> Course:
    context.flows.change(connection, now)
    stored = book.his(connection, context, actor, name)
    course = campaigns.hold(connection, stored.id)
    if course.launched_at is None or course.stopped_at is not None or course.ended_at is not None:
        raise Refused(f"{stored.name!r} is not under way, it is {course.status}; nothing was done")
    return course


def _stop(connection: Connection, context: Context, course: Course, why: str, now: datetime) -> None:
    campaigns.stop(connection, course.id, why, now)
    book.stand_still(connection, context, course.id, now)


def _wind_up(context: Context, number: int) -> int:
    """Take some out of a stopped campaign; gives how many."""
    now = context.clock()
    with context.db.write() as connection:
        ids = campaigns.inside(connection, number, _SLICE)
        if not ids:
            return 0
        course = campaigns.get(connection, number)
        machine.stop(context, connection, ids, Stop(Status.REMOVED, course.why, now))
    return len(ids)


def _wake(context: Context, number: int) -> bool:
    """What was put off while it was paused is due again."""
    with context.db.read() as connection:
        if not campaigns.sleeps(connection, number):
            return False
    with context.db.write() as connection:
        if not campaigns.hold(connection, number).goes_on:
            return False
        woken = campaigns.wake(connection, number, context.clock(), _WOKEN)
    context.changed()
    return woken > 0


def _returns(context: Context, course: Course) -> bool:
    """Stop a campaign of which too much comes back, and tell its owner; whether it is so."""
    with context.db.read() as connection:
        back = _too_many_back(connection, course.id)
    if not back:
        return False
    now = context.clock()
    with context.db.write() as connection:
        context.flows.change(connection, now)
        course = campaigns.hold(connection, course.id)
        if not course.goes_on:
            return True
        stored = flows.get(connection, course.id)
        why = f"{back} of its mails came back, at least one in {ONE_IN}"
        _stop(connection, context, course, why, now)
        told = f"The campaign {stored.name!r} ({stored.id}) has stopped itself: {why}. Look at whom it was sent to."
        for user in [stored.owner] if stored.owner is not None else [each.id for each in users.every(connection)]:
            pulse.add(connection, user, "notice", told, now, now)
    context.changed()
    return True


def _too_many_back(connection: Connection, number: int) -> int:
    """How many mails have come back, if that is too many; else 0."""
    back = campaigns.returned(connection, number)
    return 0 if back < FEWEST or campaigns.sent_more(connection, number, back * ONE_IN) else back


def _end(context: Context, number: int) -> None:
    """Note that nothing is left to do, where that is so."""
    with context.db.read() as connection:
        if not _is_over(connection, number):
            return
    with context.db.write() as connection:
        campaigns.hold(connection, number)
        if _is_over(connection, number):
            campaigns.end(connection, number, context.clock())


def _is_over(connection: Connection, number: int) -> bool:
    course = campaigns.get(connection, number)
    planned = course.planned_at is not None or course.stopped_at is not None
    return planned and course.ended_at is None and not campaigns.inside(connection, number, 1)
