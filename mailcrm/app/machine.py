"""Runs flows: takes subjects of whom something is due, and gives them what is pending in the order of its time.

Safe to run in several processes, and to be killed anywhere: a round is one transaction, and what it was about is still
there if it is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailcrm.app.admission import admit
from mailcrm.app.advancing import Round
from mailcrm.app.context import Context
from mailcrm.app.ledger import Ledger, SeatKey
from mailcrm.app.stepping import StepFailed, Stepper
from mailcrm.builtin.changes import CHANGES, WAITING
from mailcrm.builtin.hands import Change
from mailcrm.core.enrollment import Enrol, Place, Stop, Subject
from mailcrm.errors import Temporary
from mailcrm.store import claims, effects, enrollments, reactions
from mailcrm.store.claims import Claim

_TRIES = 10  # as many of one subject's flows may be at fault at once
_PUT_OFF = timedelta(hours=1)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a round did.

    Args:
        subjects: how many were taken, ``stimuli``: how many events, timers and ended actions they were given.
        more: something else may be due: call again.
    """

    subjects: int = 0
    stimuli: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class Entered:
    """What came of enrolling: the enrollment's id, or why not."""

    enrollment: int | None
    why_not: str = ""


def run_due(context: Context, limit: int = 500, changes: Mapping[str, Change] = CHANGES) -> Ran:
    """One round of what is due at the context's clock.

    Args:
        limit: about how many subjects are taken.
        changes: what is done in the transaction itself, by the action's name.

    Raises:
        Temporary: the database is locked or away.
    """
    now = context.clock()
    with context.db.read() as connection:  # on SQLite a claim keeps every other writer waiting
        due = claims.pending(connection, now)
    if not any(due):
        return Ran()
    claim = Claim()
    try:
        with context.db.write() as connection:
            claim = claims.claim(connection, now, limit, due)
            ran = _round(context, connection, claim, now, changes)
    except Exception as error:
        if isinstance(error, Temporary) and not isinstance(error, enrollments.Stale):
            raise
        # Whatever it is, it concerns one of them: found out one by one.
        log.debug("a round is made anew, subject by subject: %s", error)
        ran = _one_by_one(context, claim, now, changes)
    if ran.stimuli:
        context.changed()  # mail to be sent, actions to be carried out, plugins to be told
    return ran


def enter(
    context: Context,
    connection: Connection,
    flow: int,
    subjects: Sequence[Subject],
    *,
    by: str,
    at: datetime,
    chain: tuple[Place, ...] = (),
    changes: Mapping[str, Change] = CHANGES,
) -> list[Entered]:
    """Put subjects into a flow, in a transaction of the caller's, and let them go as far as they can.

    Args:
        by: who does it (``user:anna``).
        at: now; aware.
        chain: what caused it, where a flow did.

    Returns:
        For each subject what came of it.

    Raises:
        Refused: the rules of the flow are against it (``admission``).
        Temporary: the database is away.
    """
    persons = [subject.person for subject in subjects if subject.person is not None]
    enrollments.lock(connection, persons)
    stepper = _stepper(context, connection, persons, at, changes)
    compiled = stepper.flows.current(flow)
    if compiled is None:
        return [Entered(None, "it can't be read any more; is a plugin missing?") for _ in subjects]
    admit(connection, context.config, compiled.stored, compiled.flow, subjects)
    for found in enrollments.inside(connection, persons):
        stepper.sit(found)
    entered = []
    for subject in subjects:
        seat = stepper.seat(flow, subject)
        decision = stepper.decide(seat, Enrol(at, chain), at)
        if decision.enrollment is None or decision.enrollment is seat.live:
            why = decision.steps[-1].result.removeprefix("ignored: ") if decision.steps else "it lets nobody in"
            entered.append(Entered(None, why))
            continue
        stepper.follow(seat, decision, by)
        entered.append(Entered(decision.enrollment.id))
    stepper.close()
    return entered


def stop(
    context: Context,
    connection: Connection,
    ids: Iterable[int],
    why: Stop,
    changes: Mapping[str, Change] = CHANGES,
) -> int:
    """End enrollments in a transaction of the caller's, and withdraw what they have pending.

    Returns:
        How many were in progress.

    Raises:
        Temporary: the database is away.
    """
    found = enrollments.with_ids(connection, ids)
    persons = {each.subject.person for each in found if each.subject.person is not None}
    if connection.dialect.name == "postgresql":
        enrollments.lock(connection, persons)
        enrollments.lock_alone(connection, [each.id for each in found])
        found = enrollments.with_ids(connection, [each.id for each in found])  # a worker may have moved them
    stepper = _stepper(context, connection, persons, why.at, changes)
    for seat in [stepper.sit(each) for each in found]:
        stepper.take(seat, why, why.at)
    stepper.close()
    return len(found)


def _stepper(
    context: Context, connection: Connection, persons: Iterable[int], at: datetime, changes: Mapping[str, Change]
) -> Stepper:
    known = context.flows.read(connection)
    return Stepper(context, Ledger(connection, at), known, changes, _at_once(changes), set(persons), lambda: at)


def _at_once(changes: Mapping[str, Change]) -> frozenset[str]:
    return frozenset(changes) - WAITING


def _round(
    context: Context,
    connection: Connection,
    claim: Claim,
    now: datetime,
    changes: Mapping[str, Change],
    failed: Mapping[SeatKey, str] | None = None,
) -> Ran:
    taken = Round(context, connection, claim, now, changes, _at_once(changes))
    for key, reason in (failed or {}).items():
        taken.fail(key, reason)
    taken.run()
    return Ran(len(claim.persons) + len(claim.alone), taken.stimuli, claim.full or taken.cut_short)


def _one_by_one(context: Context, claim: Claim, now: datetime, changes: Mapping[str, Change]) -> Ran:
    """Each subject in a transaction of its own: one that fails holds up no other."""
    stimuli = 0
    subjects = [(number, False) for number in claim.persons] + [(number, True) for number in claim.alone]
    for number, alone in subjects:
        stimuli += _one(context, number, alone, now, changes)
    return Ran(len(subjects), stimuli, more=bool(subjects))


def _one(context: Context, number: int, alone: bool, now: datetime, changes: Mapping[str, Change]) -> int:
    """One subject; a flow whose step raises fails for it, and the others go on."""
    failed: dict[SeatKey, str] = {}
    claim = Claim(alone=(number,)) if alone else Claim(persons=(number,))
    problem = "its steps raise again and again"
    for _ in range(_TRIES):
        try:
            with context.db.write() as connection:
                if not claims.claim_one(connection, number, alone=alone):
                    return 0
                return _round(context, connection, claim, now, changes, failed).stimuli
        except StepFailed as error:
            if error.key in failed:
                break
            log.warning("flow %s fails for %s: %s", *error.key, error.reason, exc_info=error.__cause__)
            failed[error.key] = error.reason
        except enrollments.Stale:
            continue
        except Temporary:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            log.exception("what is due of %s %s is put off", "enrollment" if alone else "person", number)
            break
    with suppress(Temporary), context.db.write() as connection:
        _shelve(connection, claim, now, problem)
    return 0


def _shelve(connection: Connection, claim: Claim, now: datetime, problem: str) -> None:
    """Nothing can be done for this subject: its events are passed over, its timers are looked at again later."""
    reactions.handled(connection, [each.event.id for each in reactions.pending(connection, claim.persons)])
    effects.told(connection, [done.key for _, done in effects.ended(connection, claim.persons, claim.alone)])
    enrollments.put_off(connection, claim.persons, claim.alone, now, now + _PUT_OFF)
    log.error("flows passed over what was due of %s: %s", claim, problem)
