"""Carries out what flows want done outside: at least once, with the same key at every try."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from mailcrm.app.context import Context
from mailcrm.app.outcomes import FEWEST_TRIES, OLDEST, delay
from mailcrm.app.reach import FlowReach
from mailcrm.errors import Permanent, Temporary
from mailcrm.store import effects
from mailcrm.store.effects import Claimed

BATCH = 20
SECONDS = 30.0
"""How long one action may take; less than a claim's lease."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Performed:
    """What became of the actions that were due."""

    done: int = 0
    failed: int = 0
    delayed: int = 0


def perform_due(context: Context, seconds: float = SECONDS) -> Performed:
    """Carry out the actions that are due, some side by side. Safe to run in several processes, and to be killed.

    Args:
        seconds: how long one may take.

    Raises:
        Temporary: the database is locked or away.
    """
    now = context.clock()
    with context.db.read() as connection:
        due = effects.next_due(connection)
    if due is None or due > now:
        return Performed()
    with context.db.write() as connection:
        claimed = effects.claim(connection, now, BATCH)
    results = asyncio.run(_all(context, claimed, seconds)) if claimed else []
    if results:
        context.changed()  # flows go on
    return Performed(results.count("done"), results.count("failed"), results.count("delayed"))


async def _all(context: Context, claimed: list[Claimed], seconds: float) -> list[str]:
    return await asyncio.gather(*(_one(context, each, seconds) for each in claimed))


async def _one(context: Context, claimed: Claimed, seconds: float) -> str:
    """One action; what became of it is stored at once."""
    effect = claimed.effect
    known = context.registry.actions.get(effect.name)
    try:
        if known is None or known.run is None:
            raise Temporary(f"there is no action {effect.name}; is its plugin there?")
        reach = FlowReach(context, effect, claimed.subject, context.plugins.owner_of(effect.name))
        with _in_time(effect.name, seconds):
            async with asyncio.timeout(seconds):
                await known.run(reach, effect)
    except Temporary as error:
        return await asyncio.to_thread(_again, context, claimed, str(error))
    except Permanent as error:
        problem = str(error)
    except Exception as error:  # a plugin's action may raise anything
        log.warning("the action %s (%s) raised", effect.name, effect.key, exc_info=error)
        problem = f"{effect.name} raised {type(error).__name__}: {error}"[:500]
    else:
        problem = ""
    await asyncio.to_thread(_settle, context, effect.key, problem)
    return "failed" if problem else "done"


@contextmanager
def _in_time(name: str, seconds: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise Temporary(f"{name} was not done within {seconds:g} s") from None


def _settle(context: Context, key: str, problem: str) -> None:
    now = context.clock()
    with context.db.write() as connection:
        effects.settle(connection, key, now, problem)


def _again(context: Context, claimed: Claimed, reason: str) -> str:
    """Put off; given up after five days."""
    now = context.clock()
    if _is_hopeless(claimed, now):
        _settle(context, claimed.effect.key, f"given up after {claimed.attempts} tries: {reason}")
        return "failed"
    spread = random.random()  # noqa: S311 - against many coming back at one moment, not a secret
    with context.db.write() as connection:
        effects.again(connection, claimed, now + delay(claimed.attempts, spread), reason)
    return "delayed"


def _is_hopeless(claimed: Claimed, now: datetime) -> bool:
    return now - claimed.effect.at > OLDEST and claimed.attempts >= FEWEST_TRIES
