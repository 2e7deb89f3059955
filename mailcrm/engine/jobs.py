"""The worker's jobs: each does a round of what is due, and tells whether another is to follow at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mailcrm.app import campaign_ends, counting
from mailcrm.app.ask import ask_due
from mailcrm.app.context import Context
from mailcrm.app.dispatch import dispatch
from mailcrm.app.drafts import remind_overdue
from mailcrm.app.handover import Filed, Transport
from mailcrm.app.machine import run_due
from mailcrm.app.perform import perform_due
from mailcrm.app.react import deliver_due
from mailcrm.app.retention import sweep_due
from mailcrm.app.tracking import judge_due
from mailcrm.store import choices, claims, effects, events, leaving, standstill, tracks

_LOOK = 0.1  # seconds: another process can't call
_CALLED = 0.5  # seconds: it can (store.wake), but a call may be lost


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of work.

    Args:
        is_due: whether there is something to do; cheap.
        round: does some of it; True: another round is to follow at once.
        every: seconds between two looks when nobody rang.
        rung: a ring makes it be looked at.
    """

    name: str
    is_due: Callable[[], bool]
    round: Callable[[], bool]
    every: float
    rung: bool = True


def jobs(context: Context, transport: Transport, filed: Filed | None = None) -> list[Job]:
    """Everything that the worker does. Each is safe to be killed, and to be done by several processes at once."""
    return [
        Job(
            "flows",
            lambda: _flows_due(context),
            lambda: run_due(context).more,
            _LOOK if context.db.is_sqlite else _CALLED,
        ),
        Job(
            "campaigns",
            lambda: campaign_ends.is_due(context),
            lambda: campaign_ends.tend(context),
            1.0,
            rung=False,
        ),
        Job("actions", lambda: _actions_due(context), lambda: _actions(context), 1.0),
        Job("mail", lambda: _mail_due(context), lambda: _mail(context, transport, filed), 1.0),
        Job("hits", lambda: _hits_due(context), lambda: judge_due(context) > 0, 1.0),
        Job("plugins", lambda: _plugins_due(context), lambda: deliver_due(context) > 0, 1.0),
        Job("statistics", lambda: counting.is_due(context), lambda: _statistics(context), 2.0, rung=False),
        Job("questions", lambda: _questions_due(context), lambda: ask_due(context) > 0, 5.0),
        Job("sweep", lambda: True, lambda: _sweep(context), 600.0, rung=False),
    ]


def _flows_due(context: Context) -> bool:
    with context.db.read() as connection:
        return any(claims.pending(connection, context.clock())) and not _stands(connection)


def _actions_due(context: Context) -> bool:
    with context.db.read() as connection:
        return _past(effects.next_due(connection), context) and not _stands(connection)


def _stands(connection: Connection) -> bool:
    """Flows stand still (``app.holding``)."""
    held = standstill.of(connection)
    return held is not None and held.flows


def _actions(context: Context) -> bool:
    done = perform_due(context)
    return bool(done.done or done.failed)


def _mail_due(context: Context) -> bool:
    with context.db.read() as connection:
        return _past(leaving.next_due(connection), context)


def _mail(context: Context, transport: Transport, filed: Filed | None) -> bool:
    done = dispatch(context, transport, filed)
    return bool(done.sent or done.failed)


def _hits_due(context: Context) -> bool:
    with context.db.read() as connection:
        return _past(tracks.next_due(connection), context)


def _plugins_due(context: Context) -> bool:
    names = [name for name in context.plugins.implementers("on_event") if not context.plugins.is_off(name)]
    if not names:
        return False
    with context.db.read() as connection:
        return bool(events.due(connection, names, context.clock()))


def _statistics(context: Context) -> bool:
    """Counting can wait: while mail is leaving, it takes little of the time in which nobody else writes."""
    return counting.count_due(context) > 0 and not _mail_due(context)


def _questions_due(context: Context) -> bool:
    with context.db.read() as connection:
        return bool(choices.unasked(connection))


def _sweep(context: Context) -> bool:
    sweep_due(context)
    remind_overdue(context)
    return False


def _past(due: datetime | None, context: Context) -> bool:
    return due is not None and due <= context.clock()
