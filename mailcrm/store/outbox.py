"""Outgoing mail: stored with what caused it, listed, held, released, withdrawn.

A row is ``pending`` until a process claims it, ``sending`` while it is handed over, then ``sent``, ``failed``, or
``pending`` again until its next try (``store.leaving``). ``held`` ones wait for somebody, or for a reason to pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, insert, literal, or_, select, true, update

from mailcrm.errors import NotFound
from mailcrm.store.db import Database, insert_new, slices
from mailcrm.store.leaving import BODY, OURS, RELEASED
from mailcrm.store.tables import outbox, outbox_body

CLOCKS_DIFFER = timedelta(minutes=5)
"""By how much a mail server's clock may be behind ours."""

ALL = "all"
"""``held_for`` of what is held because everything is."""

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
        recipient_id: of a campaign.
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
    recipient_id: int | None = None
    envelope_from: str | None = None
    copy: str | None = None
    body_id: int | None = None


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
    values = {
        "key": mail.key,
        "kind": mail.kind,
        "user_id": mail.user_id,
        "message_id": mail.message_id,
        "sender": mail.sender,
        "recipient": mail.recipient,
        "subject": mail.subject,
        "content": mail.content,
        "state": "pending",
        "due_at": max(now, mail.due_at or now),
        "scheduled_at": mail.due_at,
        "created_at": now,
        "person_id": mail.person_id,
        "flow_id": mail.flow_id,
        "node": mail.node,
        "recipient_id": mail.recipient_id,
        "envelope_from": mail.envelope_from,
        "copy": mail.copy,
        "body_id": mail.body_id,
    }
    return connection.execute(insert_new(connection, outbox).returning(outbox.c.id), values).scalar()


def put_body(connection: Connection, content: bytes, now: datetime) -> int:
    """Store a message that goes to many, once. Returns its id, for ``NewMail.body_id``."""
    values = {"content": content, "created_at": now}
    return int(connection.execute(insert(outbox_body).values(**values).returning(outbox_body.c.id)).scalar_one())


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

    None leaves before the time that it was put there for; of which nothing is kept but that it was sent stays failed.
    """
    states = ("failed",) if ids is None else ("failed", "pending")
    values = {**_let_go(now), "attempts": 0, "claimed_at": None, "returned": None}
    there = or_(func.length(outbox.c.content) > 0, outbox.c.body_id.is_not(None))
    return _change(connection, ids, states, values, there)


def hold(connection: Connection, ids: Sequence[int] | None) -> int:
    """Keep waiting mails back until they are released; None is all. Returns how many."""
    values = {"state": "held", "held_for": "hand" if ids else ALL, "release_at": None}
    if ids:
        values["reason"] = "by hand; `mailcrm outbox release ID` lets it go"
    return _change(connection, ids, ("pending",), values)


def release(connection: Connection, ids: Sequence[int], now: datetime) -> int:
    """Let held mails go, as soon as they are due, also while everything is held. Returns how many."""
    return _change(connection, ids, ("held",), {**_let_go(now), "held_for": RELEASED})


def release_all(connection: Connection, now: datetime, *, held_for: str | None = None, user: int | None = None) -> int:
    """Let all held mails go; those that are held for one reason, or those of one user. Returns how many."""
    held = outbox.c.state == "held"
    if held_for is not None:
        held &= outbox.c.held_for == held_for
    if user is not None:
        held &= (outbox.c.user_id == user) & outbox.c.kind.not_in(OURS)
    return connection.execute(update(outbox).where(held).values(**_let_go(now))).rowcount


def hold_new(connection: Connection) -> int:
    """While everything is held, so is what was put here since. Returns how many."""
    waiting = (outbox.c.state == "pending") & outbox.c.held_for.is_distinct_from(RELEASED)
    return connection.execute(update(outbox).where(waiting).values(state="held", held_for=ALL)).rowcount


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


def counts_in(database: Database, state: str) -> int:
    """How many mails there are in one state."""
    with database.read() as connection:
        return counts(connection).get(state, 0)


def why_held(connection: Connection, limit: int) -> Mapping[str, int]:
    """The most frequent reasons for which mail is held, each with the number of mails."""
    number = func.count().label("number")
    query = select(outbox.c.reason, number).where(outbox.c.state == "held", outbox.c.reason.is_not(None))
    rows = connection.execute(query.group_by(outbox.c.reason).order_by(number.desc(), outbox.c.reason).limit(limit))
    return {row.reason: row.number for row in rows}


def put_since(connection: Connection, user_id: int, kind: str, since: datetime) -> int:
    """How many mails of a kind a user was sent, or is about to be, since that time."""
    query = select(func.count()).where(outbox.c.user_id == user_id, outbox.c.kind == kind, outbox.c.created_at >= since)
    # One by one, for so they have an index; what leaves meanwhile counts twice rather than not at all.
    lately = (outbox.c.sent_at.is_(None), outbox.c.sent_at >= since)
    return sum(connection.execute(query.where(each)).scalar_one() for each in lately)


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
    BODY,
)


def _let_go(now: datetime) -> Mapping[str, Any]:
    due_at = case((outbox.c.scheduled_at > now, outbox.c.scheduled_at), else_=literal(now, outbox.c.due_at.type))
    return {"state": "pending", "held_for": None, "release_at": None, "due_at": due_at, "reason": None}


def _change(
    connection: Connection,
    ids: Sequence[int] | None,
    states: Sequence[str],
    values: Mapping[str, object],
    which: ColumnElement[bool] | None = None,
) -> int:
    changed = update(outbox).where(outbox.c.state.in_(states), true() if which is None else which).values(**values)
    if ids is None:
        return connection.execute(changed).rowcount
    return sum(connection.execute(changed.where(outbox.c.id.in_(piece))).rowcount for piece in slices(ids))
