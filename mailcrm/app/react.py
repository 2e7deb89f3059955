"""Tells plugins what happened: after the commit, at least once, each plugin for itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from mailcrm.app.context import Context
from mailcrm.plugins import PluginFailed
from mailcrm.store import events
from mailcrm.store.events import Delivery

_BATCH = 50
_ROUND_SECONDS = 10.0
_LEASE = timedelta(minutes=2)  # longer than a round and the last call that it began
_PAUSES = (timedelta(seconds=30), timedelta(minutes=5))  # after the first and the second failure; then it is parked


def deliver_due(context: Context, limit: int = 500) -> int:
    """Tell every plugin with ``on_event`` what is due for it, the plugins side by side.

    A round ends after some ten seconds (and the calls then under way), whatever is left. Safe to run in several
    processes, and to be killed: what was being told is told again when its claim has run out, after two minutes.

    Args:
        limit: how many events a plugin is told at most.

    Returns:
        How many calls were made; 0 means that nothing is due.

    Raises:
        Temporary: the database is locked or away.
    """
    names = [name for name in context.plugins.implementers("on_event") if not context.plugins.is_off(name)]
    if not names:
        return 0
    with context.db.read() as connection:
        names = events.due(connection, names, context.clock())
    if not names:
        return 0
    until = time.monotonic() + _ROUND_SECONDS
    with ThreadPoolExecutor(len(names), thread_name_prefix="react") as pool:
        return sum(pool.map(lambda name: _serve(context, name, limit, until), names))


def _serve(context: Context, plugin: str, limit: int, until: float) -> int:
    told = 0
    while told < limit and (claimed := _claim(context, plugin, min(_BATCH, limit - told))):
        made = _tell(context, plugin, claimed, until)
        told += made
        if made < len(claimed):
            break
    return told


def _claim(context: Context, plugin: str, limit: int) -> Sequence[Delivery]:
    with context.db.write() as connection:
        return events.claim(connection, plugin, context.clock(), _LEASE, limit)


def _tell(context: Context, plugin: str, claimed: Sequence[Delivery], until: float) -> int:
    done: list[Delivery] = []
    failures: list[tuple[Delivery, str]] = []
    for delivery in claimed:
        if context.plugins.is_off(plugin) or time.monotonic() >= until:
            break
        if delivery.attempts > len(_PAUSES) + 1:
            failures.append((delivery, "the program ended each time this plugin was told of it"))
            continue
        try:
            context.plugins.deliver(plugin, delivery.event)
        except PluginFailed as error:
            failures.append((delivery, str(error)))
        else:
            done.append(delivery)
    made = len(done) + len(failures)
    now = context.clock()
    with context.db.write() as connection:
        events.delivered(connection, done)
        events.release(connection, claimed[made:], now)
        for delivery, reason in failures:
            pause = _PAUSES[delivery.attempts - 1] if delivery.attempts <= len(_PAUSES) else None
            events.failed(connection, delivery, reason, now + pause if pause else None)
    return made
