"""Hands the outbox over to the smarthost: at least once, with the same Message-ID at every try."""

from __future__ import annotations

import logging
import random
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.errors import ConfigError, LoginFailed, MailcrmError, Permanent, Temporary
from mailcrm.store import consents, effects, outbox, pulse
from mailcrm.store.outbox import Claimed

BATCH = 50
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=20), timedelta(hours=1)
OLDEST, FEWEST_TRIES = timedelta(days=5), 20
BLOCKED_DELAY, LOGIN_DELAY = timedelta(minutes=1), timedelta(minutes=15)
_RENEW = outbox.LEASE / 3
_NOTES = 3
FLOW = "flow"
"""The kind of mail that flows send: its key is that of their effect."""

log = logging.getLogger(__name__)


class Unreachable(Temporary):
    """The server can't be reached, or takes nothing from us now: that is no mail's fault."""


class Session(Protocol):
    """A connection to a server that takes mail."""

    def send(self, sender: str, recipient: str, content: bytes) -> str:
        """Hand one mail over, within 20 seconds.

        Returns:
            What the server answered.

        Raises:
            Temporary: it may be taken later.
            Permanent: it is refused for good.
            Unreachable: nothing can be sent now.
            ConfigError, LoginFailed: nothing can be sent until somebody changes something.
        """


class Transport(Protocol):
    """A way for mail to leave."""

    def session(self) -> AbstractContextManager[Session]:
        """A session for a batch. Entering it may raise what ``Session.send`` raises; then it concerns every mail."""


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What became of the mails that were due."""

    sent: int = 0
    failed: int = 0
    delayed: int = 0
    reason: str | None = None


def dispatch(context: Context, transport: Transport) -> Dispatched:
    """Hand over everything that is due. Safe to run in several processes.

    Returns:
        How many were sent, failed for good, or have to wait, and the last reason for waiting.
    """
    total = Dispatched()
    while claim := _claim(context):
        done = _batch(context, transport, claim) if claim.mails else Dispatched()
        total = Dispatched(
            total.sent + done.sent,
            total.failed + claim.refused + done.failed,
            total.delayed + done.delayed,
            done.reason or total.reason,
        )
        if not claim.more:
            break
    if total.sent or total.failed:
        context.changed()  # flows go on
    return total


def delay(attempts: int, spread: float) -> timedelta:
    """How long to wait after that many tries: doubling from 20 s to an hour, spread by a fifth each way.

    Args:
        spread: from 0 to 1.
    """
    doubled = FIRST_DELAY * (1 << min(attempts - 1, 12))
    return min(doubled, LONGEST_DELAY) * (0.8 + 0.4 * spread)


@dataclass(frozen=True, slots=True)
class _Claim:
    """Mails that this process may hand over. ``more``: there may be others."""

    mails: list[Claimed]
    at: datetime
    refused: int
    more: bool


def _claim(context: Context) -> _Claim | None:
    now = context.clock()
    with context.db.read() as connection:
        due = outbox.next_due(connection)
    if due is None or due > now:
        return None
    with context.db.write() as connection:
        mails = outbox.claim(connection, now, BATCH)
        cleared, refused = _cleared(connection, mails, now, now)
    return _Claim(cleared, now, refused, len(mails) == BATCH) if mails else None


def _cleared(
    connection: Connection, mails: list[Claimed], claimed_at: datetime, now: datetime
) -> tuple[list[Claimed], int]:
    """Those that may leave now, and how many never may.

    A flow's mail without its sender's consent fails here, and its run with it (SEQ-25). One whose person has answered
    waits until flows know it.
    """
    refused = 0
    found = consents.hindrances(connection, [mail.id for mail in mails if mail.kind == FLOW])
    for mail in mails:
        if mail.id in found:
            reason, withdrawn = found[mail.id].reason, found[mail.id].withdrawn
            if found[mail.id].passing:
                outbox.unclaim(connection, [mail.id], claimed_at, now + FIRST_DELAY, reason)
                continue
            refused += 1
            if outbox.failed(connection, mail.id, claimed_at, reason, withdrawn=withdrawn):
                _settle(connection, mail, now, reason, refused=not withdrawn)
                log.warning("mail %s to %s is not sent: %s", mail.id, mail.recipient, reason)
    return [mail for mail in mails if mail.id not in found], refused


def _settle(connection: Connection, mail: Claimed, now: datetime, problem: str = "", *, refused: bool = False) -> None:
    """Tell the flow that wanted the mail, in the transaction that notes what became of it."""
    if mail.kind == FLOW:
        effects.settle(connection, mail.key, now, problem, refused=refused)
        pulse.close(connection, [mail.key], now)


def _batch(context: Context, transport: Transport, claim: _Claim) -> Dispatched:
    """Hand over what was claimed; each result is committed before the next mail is begun."""
    waiting = {mail.id: mail for mail in claim.mails}
    claimed_at = claim.at
    sent = failed = delayed = 0
    reason: str | None = None
    try:
        with transport.session() as session:
            for mail in claim.mails:
                claimed_at = _renew(context, waiting, claimed_at)
                if mail.id not in waiting:
                    continue
                may, refused = _still_cleared(context, mail, claimed_at)
                if not may:
                    failed += refused
                    del waiting[mail.id]
                    continue
                try:
                    answer = session.send(mail.sender, mail.recipient, mail.content)
                except (ConfigError, LoginFailed, Unreachable):
                    raise
                except Temporary as error:
                    reason, delayed = str(error), delayed + 1
                    failed += _again(context, mail, claimed_at, str(error))
                except Permanent as error:
                    failed += 1
                    with context.db.write() as connection:
                        if outbox.failed(connection, mail.id, claimed_at, str(error)):
                            _settle(connection, mail, context.clock(), str(error))
                    log.warning("mail %s to %s is refused: %s", mail.id, mail.recipient, error)
                else:
                    sent += 1
                    del waiting[mail.id]  # whatever becomes of the note: it is not to be given back
                    _note_sent(context, mail, claimed_at, answer)
                waiting.pop(mail.id, None)
    except MailcrmError as error:
        pause = LOGIN_DELAY if isinstance(error, LoginFailed) else BLOCKED_DELAY
        reason, delayed = str(error), delayed + len(waiting)
        log.warning("%s mails wait: %s", len(waiting), error)
        with context.db.write() as connection:
            outbox.unclaim(connection, list(waiting), claimed_at, context.clock() + pause, str(error))
    return Dispatched(sent, failed, delayed, reason)


def _note_sent(context: Context, mail: Claimed, claimed_at: datetime, answer: str) -> None:
    """Note that the server took a mail. Without the note it would be sent again, so it is tried more than once."""
    for left in reversed(range(_NOTES)):
        try:
            with context.db.write() as connection:
                now = context.clock()
                if outbox.sent(connection, mail.id, claimed_at, now, answer):
                    _settle(connection, mail, now)
        except Temporary:
            if not left:
                raise
        else:
            return


def _still_cleared(context: Context, mail: Claimed, claimed_at: datetime) -> tuple[list[Claimed], int]:
    """Consent is read again at the moment of sending: it may have been withdrawn since the claim (SEQ-27)."""
    if mail.kind != FLOW:
        return [mail], 0
    with context.db.write() as connection:
        return _cleared(connection, [mail], claimed_at, context.clock())


def _again(context: Context, mail: Claimed, claimed_at: datetime, reason: str) -> int:
    """Put off, or given up after five days; 1 if given up."""
    now = context.clock()
    with context.db.write() as connection:
        if now - mail.since > OLDEST and mail.attempts >= FEWEST_TRIES:
            problem = f"given up after {mail.attempts} tries: {reason}"
            if outbox.failed(connection, mail.id, claimed_at, problem):
                _settle(connection, mail, now, problem)
            return 1
        spread = random.random()  # noqa: S311 - against many mails coming back at one moment, not a secret
        outbox.again(connection, mail.id, claimed_at, now + delay(mail.attempts, spread), reason)
    return 0


def _renew(context: Context, waiting: dict[int, Claimed], claimed_at: datetime) -> datetime:
    """Keep the lease while a long batch goes on; mails that were lost to another process are left to it."""
    now = context.clock()
    if now - claimed_at < _RENEW:
        return claimed_at
    with context.db.write() as connection:
        kept = outbox.renew(connection, list(waiting), claimed_at, now)
    for lost in waiting.keys() - kept:
        del waiting[lost]
    return now
