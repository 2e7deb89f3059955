"""Outgoing mail: stored with what caused it, claimed in batches, handed over at least once.

A row is ``pending`` until a process claims it, ``sending`` while it is handed over, then ``sent``, ``failed``, or
``pending`` again until its next try. A claim is a lease: the rows of a process that died are claimed anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, insert, or_, select, update

from mailcrm.errors import NotFound
from mailcrm.store.db import insert_new, slices
from mailcrm.store.tables import outbox, outbox_body

LEASE = timedelta(seconds=30)
"""How long a claim holds. Longer than one hand-over takes; who has more to do renews it."""

CLOCKS_DIFFER = timedelta(minutes=5)
"""By how much a mail server's clock may be behind ours."""

_TAKEN = ("sent", "sending")  # a process may die between the hand-over and its note
_TO_OURSELVES = ("question", "digest", "notice", "test")


@dataclass(frozen=True, slots=True)
class NewMail:
    """A mail to be sent.

    Args:
        key: what makes it one and the same however often it is put here.
        kind: question | digest | notice | test (to ourselves) | flow | relay | auto; see the table.
        user_id: to whom; of kinds ``flow``, ``relay`` and ``auto``: in whose name.
        message_id: without ``<>``; the same at every try, so that a receiver can tell a repetition.
        content: the whole message, lines ending in CRLF; empty: it lies in ``body_id``.
        due_at: when it is to leave; None: as soon as possible.
        person_id: the recipient, where he is a person of ours.
        flow_id, node: what sends it.
        envelope_from: where bounces go; None: to ``sender``.
        copy: ``wanted`` where we are to put it into the sender's Sent folder.
        body_id: from ``put_body``, for one mail to many.
    """

    key: str
    kind: str
    user_id: int | None
    message_id: str
    sender: str
    recipient: str
    subject: str
    content: bytes
    due_at: datetime | None = None
    person_id: int | None = None
    flow_id: int | None = None
    node: str | None = None
    envelope_from: str | None = None
    copy: str | None = None
    body_id: int | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail that this process may hand over until its lease ends.

    Args:
        attempts: how often it was tried; this time counts.
        since: when it was first to leave.
    """

    id: int
    key: str
    kind: str
    sender: str
    recipient: str
    content: bytes
    attempts: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """A mail as listings show it; ``reason`` is the server's or our own last word about it."""

    id: int
    key: str
    kind: str
    message_id: str
    sender: str
    recipient: str
    subject: str
    state: str
    attempts: int
    reason: str | None
    due_at: datetime
    created_at: datetime
    sent_at: datetime | None
    content: bytes


def put(connection: Connection, mail: NewMail, now: datetime) -> int | None:
    """Store a mail to be sent. Returns its id; None if one with its key is there already."""
    return connection.execute(
        insert_new(connection, outbox)
        .values(
            key=mail.key,
            kind=mail.kind,
            user_id=mail.user_id,
            message_id=mail.message_id,
            sender=mail.sender,
            recipient=mail.recipient,
            subject=mail.subject,
            content=mail.content,
            state="pending",
            due_at=max(now, mail.due_at or now),
            scheduled_at=mail.due_at,
            created_at=now,
            person_id=mail.person_id,
            flow_id=mail.flow_id,
            node=mail.node,
            envelope_from=mail.envelope_from,
            copy=mail.copy,
            body_id=mail.body_id,
        )
        .returning(outbox.c.id)
    ).scalar()


def put_body(connection: Connection, content: bytes, now: datetime) -> int:
    """Store a message that goes to many, once. Returns its id, for ``NewMail.body_id``."""
    values = {"content": content, "created_at": now}
    return int(connection.execute(insert(outbox_body).values(**values).returning(outbox_body.c.id)).scalar_one())


def claim(connection: Connection, now: datetime, limit: int) -> list[Claimed]:
    """Take up to ``limit`` due mails, oldest first, and those whose claim has run out. The caller commits."""
    due = or_(
        and_(outbox.c.state == "pending", outbox.c.due_at <= now),
        and_(outbox.c.state == "sending", outbox.c.claimed_at < now - LEASE),
    )
    # SKIP LOCKED lets several processes claim side by side; SQLite has one writer and leaves the clause out.
    chosen = select(outbox.c.id).where(due).order_by(outbox.c.due_at, outbox.c.id).limit(limit)
    rows = connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(chosen.with_for_update(skip_locked=True).scalar_subquery()))
        .values(state="sending", claimed_at=now, attempts=outbox.c.attempts + 1)
        .returning(
            outbox.c.id,
            outbox.c.key,
            outbox.c.kind,
            outbox.c.sender,
            outbox.c.recipient,
            case((outbox.c.body_id.is_(None), outbox.c.content), else_=_body),
            outbox.c.attempts,
            func.coalesce(outbox.c.scheduled_at, outbox.c.created_at),
        )
    )
    return sorted((Claimed(*row) for row in rows), key=lambda mail: mail.id)


def renew(connection: Connection, ids: Sequence[int], claimed_at: datetime, now: datetime) -> set[int]:
    """Lengthen the lease of claimed mails. Returns the ids of those that are still ours."""
    kept: set[int] = set()
    for piece in slices(ids):
        held = _held(piece, claimed_at)
        kept |= set(
            connection.execute(update(outbox).where(held).values(claimed_at=now).returning(outbox.c.id)).scalars()
        )
    return kept


def sent(connection: Connection, mail_id: int, claimed_at: datetime, now: datetime, answer: str) -> bool:
    """The server took the mail; ``answer`` is what it said. False if the claim was lost to another process."""
    values = {"state": "sent", "sent_at": now, "claimed_at": None, "reason": answer}
    return connection.execute(update(outbox).where(_held([mail_id], claimed_at)).values(**values)).rowcount > 0


def again(connection: Connection, mail_id: int, claimed_at: datetime, due_at: datetime, reason: str) -> None:
    """It failed for now: try again at ``due_at``."""
    values = {"state": "pending", "due_at": due_at, "claimed_at": None, "reason": reason}
    connection.execute(update(outbox).where(_held([mail_id], claimed_at)).values(**values))


def unclaim(connection: Connection, ids: Sequence[int], claimed_at: datetime, due_at: datetime, reason: str) -> None:
    """Give mails back that were not tried, since something stands in the way of them all."""
    values = {"state": "pending", "due_at": due_at, "claimed_at": None, "reason": reason}
    for piece in slices(ids):
        connection.execute(
            update(outbox).where(_held(piece, claimed_at)).values(**values, attempts=outbox.c.attempts - 1)
        )


def failed(connection: Connection, mail_id: int, claimed_at: datetime, reason: str, *, withdrawn: bool = False) -> bool:
    """It is refused for good, or ``withdrawn`` by who wanted it. False if the claim was lost to another process."""
    values = {"state": "withdrawn" if withdrawn else "failed", "claimed_at": None, "reason": reason}
    return connection.execute(update(outbox).where(_held([mail_id], claimed_at)).values(**values)).rowcount > 0


def returned(connection: Connection, reasons: Mapping[str, str], back: Mapping[str, datetime]) -> set[str]:
    """Mail that the server took came back. Safe to repeat. Only mail to ourselves is meant: the rest is correspondence.

    Args:
        reasons: why, by Message-ID.
        back: when, by Message-ID. What came back before the mail was sent (again) is about an earlier try.

    Returns:
        Those of the ids that are of mail in the outbox, whatever became of it.
    """
    known: set[str] = set()
    query = select(outbox.c.id, outbox.c.message_id, outbox.c.state, outbox.c.sent_at)
    for piece in slices(reasons):
        named = (outbox.c.message_id.in_(piece), outbox.c.kind.in_(_TO_OURSELVES))
        for row in connection.execute(query.where(*named)).all():
            known.add(row.message_id)
            old = row.sent_at is not None and back[row.message_id] < row.sent_at - CLOCKS_DIFFER
            if row.state in _TAKEN and not old:
                gone = (outbox.c.id == row.id) & outbox.c.state.in_(_TAKEN)
                values = {"state": "failed", "claimed_at": None, "reason": reasons[row.message_id]}
                connection.execute(update(outbox).where(gone).values(**values))
    return known


def withdraw(connection: Connection, keys: Iterable[str], reason: str) -> None:
    """Take mails back that did not leave yet."""
    for piece in slices(keys):
        waiting = outbox.c.key.in_(piece) & outbox.c.state.in_(("pending", "held"))
        connection.execute(update(outbox).where(waiting).values(state="withdrawn", reason=reason))


def retry(connection: Connection, ids: Sequence[int] | None, now: datetime) -> int:
    """Try failed and waiting mails at once, with all their tries anew; None is all failed ones. Returns how many.

    None leaves before the time that it was put there for.
    """
    states = ("failed",) if ids is None else ("failed", "pending")
    due_at = case((outbox.c.scheduled_at > now, outbox.c.scheduled_at), else_=now)
    values = {"state": "pending", "due_at": due_at, "attempts": 0, "claimed_at": None, "returned": None}
    return _change(connection, ids, states, values)


def hold(connection: Connection, ids: Sequence[int] | None) -> int:
    """Keep waiting mails back until they are released; None is all. Returns how many."""
    return _change(connection, ids, ("pending",), {"state": "held"})


def release(connection: Connection, ids: Sequence[int] | None) -> int:
    """Let held mails go, as soon as they are due; None is all. Returns how many."""
    return _change(connection, ids, ("held",), {"state": "pending"})


def listed(connection: Connection, state: str | None = None) -> list[Stored]:
    """All mails, or those in one state, oldest first."""
    query = _stored.order_by(outbox.c.id)
    rows = connection.execute(query.where(outbox.c.state == state) if state else query)
    return [Stored(*row) for row in rows]


def get(connection: Connection, mail_id: int) -> Stored:
    """One mail. Raises NotFound."""
    row = connection.execute(_stored.where(outbox.c.id == mail_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no mail {mail_id} in the outbox; `mailcrm outbox list` shows them")
    return Stored(*row)


def counts(connection: Connection) -> Mapping[str, int]:
    """How many mails there are in each state."""
    return {row[0]: row[1] for row in connection.execute(select(outbox.c.state, func.count()).group_by(outbox.c.state))}


def put_since(connection: Connection, user_id: int, kind: str, since: datetime) -> int:
    """How many mails of a kind a user was sent, or is about to be, since that time."""
    query = select(func.count()).where(outbox.c.user_id == user_id, outbox.c.kind == kind, outbox.c.created_at >= since)
    return int(connection.execute(query).scalar_one())


def next_due(connection: Connection) -> datetime | None:
    """When there is something to claim next: a waiting mail is due, or a claim runs out. None if nothing waits."""
    waiting = select(func.min(outbox.c.due_at)).where(outbox.c.state == "pending")
    claimed = select(func.min(outbox.c.claimed_at)).where(outbox.c.state == "sending")
    due = connection.execute(waiting).scalar()
    oldest = connection.execute(claimed).scalar()
    freed = oldest + LEASE if oldest else None
    return min(due, freed) if due and freed else due or freed


_body = select(outbox_body.c.content).where(outbox_body.c.id == outbox.c.body_id).scalar_subquery()
_stored: Select[Any] = select(
    outbox.c.id,
    outbox.c.key,
    outbox.c.kind,
    outbox.c.message_id,
    outbox.c.sender,
    outbox.c.recipient,
    outbox.c.subject,
    outbox.c.state,
    outbox.c.attempts,
    outbox.c.reason,
    outbox.c.due_at,
    outbox.c.created_at,
    outbox.c.sent_at,
    case((outbox.c.body_id.is_(None), outbox.c.content), else_=_body),
)


def _held(ids: Sequence[int], claimed_at: datetime) -> ColumnElement[bool]:
    """Compare and set: another process may have taken over a claim that ran out."""
    return and_(outbox.c.id.in_(ids), outbox.c.state == "sending", outbox.c.claimed_at == claimed_at)


def _change(
    connection: Connection, ids: Sequence[int] | None, states: Sequence[str], values: Mapping[str, object]
) -> int:
    changed = update(outbox).where(outbox.c.state.in_(states)).values(**values)
    if ids is None:
        return connection.execute(changed).rowcount
    return sum(connection.execute(changed.where(outbox.c.id.in_(piece))).rowcount for piece in slices(ids))
