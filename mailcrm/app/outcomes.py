"""What became of a mail that was to leave, and how that is noted: in the outbox, for its flow, for its sender."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.handover import SMARTHOST, Ambiguous, RecipientRefused, SenderRefused, Unreachable, Unsigned
from mailcrm.config import Config
from mailcrm.core import spans
from mailcrm.core.addresses import normalise
from mailcrm.errors import ConfigError, LoginFailed, MailcrmError, Temporary
from mailcrm.store import effects, leaving, pulse, sender_holds, suppressions, users
from mailcrm.store.clearance import SENDER, Hindrance, Verdict
from mailcrm.store.leaving import OURS, Leaving, Over, PutBack
from mailcrm.store.limits import AUTOMATIC, counted_domain
from mailcrm.store.outbox import ALL

FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=20), timedelta(hours=1)
OLDEST, FEWEST_TRIES = timedelta(days=5), 20
BLOCKED_DELAY, LOGIN_DELAY = timedelta(minutes=1), timedelta(minutes=15)
_QUOTA = "5.4.5"  # as Gmail says it: a day's sending limit is reached
_QUOTA_DELAY = timedelta(days=1)
_HELD_DELAY = timedelta(minutes=15)
FLOW = "flow"
"""The kind of mail that flows send: its key is that of their effect."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """A server took it. ``answer`` is what it said; ``copy``: we are to put one into the sender's Sent folder."""

    answer: str
    copy: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """It will never leave.

    Args:
        refused: by a rule of ours. withdrawn: by who wanted it.
        gone: there is no such address, so nothing is sent there again.
    """

    reason: str
    refused: bool = False
    withdrawn: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """It is tried later; ``holds_sender``: no mail in his name leaves, until the time or (None) he is released."""

    row: PutBack
    holds_sender: bool = False
    until: datetime | None = None


Outcome: TypeAlias = Sent | Failed | Later


def of_answer(mail: Leaving, said: str | MailcrmError, now: datetime, copy: bool) -> Outcome:
    """What a server's answer means for a mail, or what kept us from getting one."""
    if isinstance(said, str):
        return Sent(said, copy)
    reason = str(said)
    match said:
        case Unreachable():
            return later(mail, now + BLOCKED_DELAY, reason)
        case ConfigError() | LoginFailed() | Unsigned():
            return later(mail, now + LOGIN_DELAY, reason)
        case SenderRefused() if mail.kind not in OURS and mail.user_id is not None:
            until = now + _QUOTA_DELAY if said.status == _QUOTA else None
            row = PutBack(mail.id, "held", mail.due_at, reason, False, SENDER, until or now + _HELD_DELAY, mail.doubt)
            return Later(row, holds_sender=True, until=until)
        case Temporary() | SenderRefused():
            return _again(mail, now, reason, doubt=mail.doubt or isinstance(said, Ambiguous))
        case RecipientRefused():
            return Failed(reason, gone=said.unknown)
        case _:
            return Failed(reason)


def of_hindrance(mail: Leaving, why: Hindrance) -> Outcome:
    """What a reason of our own means for a mail."""
    match why.verdict:
        case Verdict.REFUSE:
            return Failed(why.reason, refused=True)
        case Verdict.WITHDRAW:
            return Failed(why.reason, withdrawn=True)
        case Verdict.HOLD:
            return Later(PutBack(mail.id, "held", mail.due_at, why.reason, False, why.held_for, why.until, mail.doubt))
        case Verdict.WAIT:
            if why.until is None:
                return Later(PutBack(mail.id, "held", mail.due_at, why.reason, False, ALL, None, mail.doubt))
            return later(mail, why.until, why.reason)


def later(mail: Leaving, at: datetime, reason: str) -> Later:
    """It was not tried, and is to be then."""
    return Later(PutBack(mail.id, "pending", at, reason, False, doubt=mail.doubt))


def delay(attempts: int, spread: float) -> timedelta:
    """How long to wait after that many tries: doubling from 20 s to an hour, spread by a fifth each way.

    Args:
        spread: from 0 to 1.
    """
    doubled = FIRST_DELAY * (1 << min(attempts - 1, 12))
    return min(doubled, LONGEST_DELAY) * (0.8 + 0.4 * spread)


def note(
    connection: Connection, context: Context, results: Sequence[tuple[Leaving, Outcome]], now: datetime
) -> tuple[int, int]:
    """Note what became of claimed mails, and tell the flows that wanted them; one transaction.

    Returns:
        How many were sent, and how many failed: those that another process has taken over are left to it.
    """
    ours = leaving.still_ours(connection, {mail.id: mail.attempts for mail, _ in results})
    mine = [(mail, outcome) for mail, outcome in results if mail.id in ours]
    sent = [(mail, outcome) for mail, outcome in mine if isinstance(outcome, Sent)]
    failed = [(mail, outcome) for mail, outcome in mine if isinstance(outcome, Failed)]
    put_back = [(mail, outcome) for mail, outcome in mine if isinstance(outcome, Later)]
    leaving.sent(connection, [(mail.id, *_noted(mail, outcome)) for mail, outcome in sent], now)
    leaving.over(connection, [_over(mail, end) for mail, end in failed])
    leaving.put_back(connection, [outcome.row for _, outcome in put_back])
    for mail, end in failed:
        _tell(connection, context, mail, end, now)
    effects.carried_out(connection, [mail.key for mail, _ in sent if mail.kind == FLOW], now)
    pulse.close(connection, [mail.key for mail, _ in (*sent, *failed) if mail.kind == FLOW], now)
    for mail, outcome in put_back:
        if outcome.holds_sender and mail.user_id is not None:
            hold_sender(connection, mail.user_id, outcome.row.reason, now, outcome.until)
    return len(sent), len(failed)


def hold_sender(connection: Connection, user_id: int, reason: str, now: datetime, until: datetime | None) -> None:
    """Hold a sender's mail, and tell him the first time."""
    if sender_holds.put(connection, user_id, reason, now, until):
        text = f"Your outgoing mail is held: {reason}. When that is mended: mailcrm outbox release --sender USER"
        pulse.add(connection, user_id, "notice", text, now, now)
        log.warning("the mail of user %s is held: %s", user_id, reason)


def smarthost_refused(connection: Connection, config: Config, now: datetime) -> None:
    """Tell administrators (where there are none, everybody) that it refuses our login, unless they were told."""
    admins = [key for key, each in config.users.items() if "admin" in each.permissions]
    for number in users.ids(connection, admins or list(config.users)).values():
        pulse.remind(connection, number, "All mail by the smarthost waits: it refuses our login (`mailcrm check`)", now)


def wants_copy(config: Config, route: str, mail: Leaving, user: str | None) -> bool:
    """Whether we are to put a copy into the sender's Sent folder; the relay says so of what is handed in there."""
    if mail.kind != FLOW or user is None:
        return False
    server = config.smarthost if route == SMARTHOST else config.mailboxes[route].submission
    if server is None or server.sent_copy == "server":
        return False
    return any(box.host and box.user == user for box in config.mailboxes.values())


def _again(mail: Leaving, now: datetime, reason: str, *, doubt: bool) -> Outcome:
    """Put off, or given up after five days."""
    if now - mail.since > OLDEST and mail.attempts >= FEWEST_TRIES:
        return Failed(f"given up after {mail.attempts} tries: {reason}")
    spread = random.random()  # noqa: S311 - against many mails coming back at one moment, not a secret
    return Later(PutBack(mail.id, "pending", now + delay(mail.attempts, spread), reason, True, doubt=doubt))


def _noted(mail: Leaving, sent: Sent) -> tuple[str, str | None, str | None]:
    domain = counted_domain(mail.recipient) if mail.kind in AUTOMATIC else None
    return sent.answer, domain, "wanted" if sent.copy else None


def _over(mail: Leaving, end: Failed) -> Over:
    return Over(mail.id, "withdrawn" if end.withdrawn else "failed", end.reason, "address" if end.gone else None)


def _tell(connection: Connection, context: Context, mail: Leaving, end: Failed, now: datetime) -> None:
    """The flow that wanted it, or else the one in whose name it was; and nothing is sent to an address that is none."""
    log.warning("mail %s to %s is not sent: %s", mail.id, mail.recipient, end.reason)
    if mail.kind == FLOW:
        effects.settle(connection, mail.key, now, end.reason, refused=end.refused)
    elif mail.kind not in OURS and mail.user_id is not None and not end.withdrawn:
        text = f"Your mail to {mail.recipient} was not sent: {mail.subject} ({end.reason})"
        pulse.add(connection, mail.user_id, "notice", text, now, now)
    if end.gone and mail.kind not in OURS and (address := normalise(mail.recipient)):
        until = spans.after(now, context.config.returns.gone, UTC)
        source = f"outbox:{mail.id}"
        suppressions.add(connection, context.secret, address, "bounce", end.reason, source, now, until)
