"""Mail that leaves: claimed in batches under a lease, and what became of each.

Who claims a mail holds it while its state is ``sending`` and its count of attempts stays the same: whoever takes it
over when the lease has run out counts one more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, or_, select, true, update

from mailcrm.store.bulk import update_rows
from mailcrm.store.db import Lookup, slices
from mailcrm.store.tables import outbox, outbox_body

LEASE = timedelta(seconds=30)
"""How long a claim holds. Who has more to do renews it."""

OURS = ("question", "digest", "notice")
"""Kinds of mail that the program itself writes to its users."""

RELEASED = "released"
"""``held_for`` of a waiting mail that leaves though everything is held."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A mail that this process may hand over until its lease ends.

    Args:
        envelope_from: None: ``sender``.
        due_at: when this try was due; ``since``: when it was first to leave.
        attempts: how often it was tried; this time counts.
        doubt: at an earlier try it was perhaps taken.
    """

    id: int
    key: str
    kind: str
    user_id: int | None
    person_id: int | None
    flow_id: int | None
    node: str | None
    message_id: str
    sender: str
    recipient: str
    subject: str
    content: bytes
    envelope_from: str | None
    due_at: datetime
    since: datetime
    attempts: int
    doubt: bool


@dataclass(frozen=True, slots=True)
class PutBack:
    """A claimed mail that did not leave.

    Args:
        state: ``pending``, or ``held`` with why (``held_for``) and when it is looked at anew (``release_at``).
        tried: this try counts.
        doubt: it was perhaps taken.
    """

    id: int
    state: str
    due_at: datetime
    reason: str
    tried: bool
    held_for: str | None = None
    release_at: datetime | None = None
    doubt: bool = False


def claim(
    connection: Connection,
    now: datetime,
    limit: int,
    *,
    only: Collection[int] | None = None,
    without: Collection[int] = (),
    released: bool = False,
) -> list[Leaving]:
    """Take up to ``limit`` mails: those that are due, whose hold is over, or whose claim has run out. To be committed.

    Args:
        only: of these users alone; None: anybody's, and the program's own mail.
        without: not of these users.
        released: those alone that are to leave though everything is held.
    """
    mine = _mine(only, without)
    if released:
        mine = and_(mine, outbox.c.held_for == RELEASED)
    mails: list[Leaving] = []
    for due in _DUE:
        if (room := limit - len(mails)) > 0:
            # SKIP LOCKED lets several processes claim side by side; SQLite has one writer and leaves the clause out.
            chosen = (due if mine is _ANYBODYS else due.where(mine)).limit(room)
            for row in connection.execute(chosen, {"now": now, "lease_over": now - LEASE}):
                *told, state, attempts, doubt = row
                mails.append(Leaving(*(*told, attempts + 1, doubt or state == "sending")))
    claimed = [("sending", now, None, mail.attempts, mail.doubt, mail.id) for mail in mails]
    update_rows(connection, outbox, ("state", "claimed_at", "release_at", "attempts", "doubt"), claimed)
    return sorted(mails, key=lambda mail: (mail.due_at, mail.id))


def rewrite(connection: Connection, number: int, content: bytes) -> None:
    """What a claimed mail says is from now on this."""
    connection.execute(update(outbox).where(outbox.c.id == number).values(content=content))


def renew(connection: Connection, mails: Mapping[int, int], now: datetime) -> set[int]:
    """Lengthen the lease of claimed mails.

    Args:
        mails: id -> attempts.

    Returns:
        The ids of those that are still ours.
    """
    kept: set[int] = set()
    for piece in slices(mails):
        sending = update(outbox).where(outbox.c.id.in_(piece), outbox.c.state == "sending").values(claimed_at=now)
        rows = connection.execute(sending.returning(outbox.c.id, outbox.c.attempts))
        kept |= {row.id for row in rows if row.attempts == mails[row.id]}
    return kept


def still_ours(connection: Connection, mails: Mapping[int, int]) -> set[int]:
    """Those of the mails (id -> attempts) that nobody else has taken over, locked until the transaction ends."""
    return {row.id for row in _STILL_SENDING.rows(connection, mails) if row.attempts == mails[row.id]}


def sent(connection: Connection, mails: Sequence[tuple[int, str, str | None, str | None]], now: datetime) -> None:
    """The server took these mails.

    Args:
        mails: id, its answer, the recipient's domain of automatic mail, and ``wanted`` where we are to put a copy into
            the sender's Sent folder.
    """
    columns = ("state", "sent_at", "claimed_at", "held_for", "doubt", "reason", "domain")
    rows = [("sent", now, None, None, False, answer, domain, number) for number, answer, domain, _ in mails]
    update_rows(connection, outbox, columns, rows)
    if wanted := [{"number": number, "wanted": copy} for number, _, _, copy in mails if copy is not None]:
        connection.execute(_OF_ONE.values(copy=func.coalesce(outbox.c.copy, bindparam("wanted"))), wanted)


@dataclass(frozen=True, slots=True)
class Over:
    """A mail that does not leave.

    Args:
        state: ``failed`` or ``withdrawn``.
        returned: the server said at once what else a bounce tells (``outbox.returned``).
    """

    id: int
    state: str
    reason: str
    returned: str | None = None


def over(connection: Connection, mails: Sequence[Over]) -> None:
    """These mails are refused for good, or withdrawn by who wanted them."""
    if mails:
        rows = [{"number": each.id, "end": each.state, "why": each.reason, "back": each.returned} for each in mails]
        told: dict[str, Any] = {"state": bindparam("end"), "reason": bindparam("why"), "returned": bindparam("back")}
        connection.execute(_OF_ONE.values(**told, claimed_at=None, held_for=None), rows)


def put_back(connection: Connection, mails: Sequence[PutBack]) -> None:
    """These mails are to be tried later."""
    if not mails:
        return
    rows = [
        {
            "number": each.id,
            "to": each.state,
            "due": each.due_at,
            "why": each.reason,
            "untried": 0 if each.tried else 1,
            "hold": each.held_for,
            "look": each.release_at,
            "unsure": each.doubt,
        }
        for each in mails
    ]
    values = {
        "state": bindparam("to"),
        "due_at": bindparam("due"),
        "claimed_at": None,
        "reason": bindparam("why"),
        "attempts": outbox.c.attempts - bindparam("untried", type_=outbox.c.attempts.type),
        "held_for": bindparam("hold"),
        "release_at": bindparam("look"),
        "doubt": bindparam("unsure"),
    }
    connection.execute(_OF_ONE.values(**values), rows)


def put_off(
    connection: Connection,
    now: datetime,
    until: datetime,
    reason: str,
    *,
    only: Collection[int] | None = None,
    without: Collection[int] = (),
) -> int:
    """What is due of these users waits until later. Returns how many mails that are; see ``claim``."""
    waiting = and_(outbox.c.state == "pending", outbox.c.due_at <= now, _mine(only, without))
    return connection.execute(update(outbox).where(waiting).values(due_at=until, reason=reason)).rowcount


def next_due(connection: Connection) -> datetime | None:
    """When there is something to claim next: a mail is due, a hold or a claim runs out. None if nothing waits."""
    waiting, looked_at, oldest = connection.execute(_NEXT).one()
    return min(filter(None, (waiting, looked_at, oldest and oldest + LEASE)), default=None)


def waits_for(connection: Connection, what: str) -> set[int]:
    """The users whose mail is held for that reason, and looked at anew by and by."""
    query = select(outbox.c.user_id).where(_LOOKED_AT, outbox.c.held_for == what, outbox.c.user_id.is_not(None))
    return set(connection.execute(query.distinct()).scalars())


def look_again(connection: Connection, users: Iterable[int], what: str, now: datetime) -> None:
    """What is held of these users for that reason is looked at anew now."""
    for piece in slices(users):
        held = and_(_LOOKED_AT, outbox.c.held_for == what, outbox.c.user_id.in_(piece))
        connection.execute(update(outbox).where(held).values(release_at=now))


def in_flight(connection: Connection) -> Sequence[Any]:
    """Mail that is being handed over: id, kind, user_id, person_id, recipient."""
    columns = (outbox.c.id, outbox.c.kind, outbox.c.user_id, outbox.c.person_id, outbox.c.recipient)
    return connection.execute(select(*columns).where(outbox.c.state == "sending")).all()


def alone(connection: Connection, message_id: str) -> bool:
    """Whether no more than one mail has this Message-ID."""
    query = select(outbox.c.id).where(outbox.c.message_id == message_id).limit(2)
    return len(connection.execute(query).all()) < 2


def _mine(only: Collection[int] | None, without: Collection[int]) -> ColumnElement[bool]:
    if only is not None:
        return and_(outbox.c.kind.not_in(OURS), outbox.c.user_id.in_(sorted(only)))
    if not without:
        return _ANYBODYS
    of_others = outbox.c.user_id.not_in(sorted(without))
    return or_(outbox.c.kind.in_(OURS), outbox.c.user_id.is_(None), of_others)


_ANYBODYS = true()
_LOOKED_AT = and_(outbox.c.state == "held", outbox.c.release_at.is_not(None))
_OF_ONE = update(outbox).where(outbox.c.id == bindparam("number"))
BODY = case(
    (outbox.c.body_id.is_(None), outbox.c.content),
    else_=select(outbox_body.c.content).where(outbox_body.c.id == outbox.c.body_id).scalar_subquery(),
)
"""The whole message, wherever it lies."""
_LEAVING = select(
    *(outbox.c[name] for name in ("id", "key", "kind", "user_id", "person_id", "flow_id", "node", "message_id")),
    *(outbox.c.sender, outbox.c.recipient, outbox.c.subject, BODY, outbox.c.envelope_from, outbox.c.due_at),
    *(func.coalesce(outbox.c.scheduled_at, outbox.c.created_at), outbox.c.state, outbox.c.attempts, outbox.c.doubt),
)
_now, _lease_over = (bindparam(name, type_=outbox.c.due_at.type) for name in ("now", "lease_over"))
# One after the other, so that each goes by its index.
_DUE = tuple(
    _LEAVING.where(due).order_by(outbox.c.due_at, outbox.c.id).with_for_update(skip_locked=True, of=outbox)
    for due in (
        and_(outbox.c.state == "sending", outbox.c.claimed_at < _lease_over),
        and_(_LOOKED_AT, outbox.c.release_at <= _now),
        and_(outbox.c.state == "pending", outbox.c.due_at <= _now),
    )
)
_NEXT = select(
    select(func.min(outbox.c.due_at)).where(outbox.c.state == "pending").scalar_subquery(),
    select(func.min(outbox.c.release_at)).where(_LOOKED_AT).scalar_subquery(),
    select(func.min(outbox.c.claimed_at)).where(outbox.c.state == "sending").scalar_subquery(),
)
_STILL_SENDING = Lookup(
    select(outbox.c.id, outbox.c.attempts).where(outbox.c.state == "sending").with_for_update(), outbox.c.id
)
