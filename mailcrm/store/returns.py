"""Letters that came back: which they were, and what is noted of them in the outbox."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select, update

from mailcrm.store.db import slices
from mailcrm.store.tables import effect, enrollment, outbox

LETTERS = ("flow", "relay", "auto")
"""Kinds of mail that goes out to others."""

_TAKEN = ("sent", "sending")  # a process may die between the hand-over and its note


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter of ours that a server took.

    Args:
        user: in whose name it was sent.
        person: the recipient, where it is known who that is.
        run: the enrollment that it is of.
        waits: its hand-over is not noted yet.
    """

    id: int
    key: str
    message_id: str
    recipient: str
    subject: str
    user: int | None
    person: int | None
    run: int | None
    waits: bool


def with_ids(connection: Connection, message_ids: Iterable[str]) -> list[Letter]:
    """Letters by Message-ID, those that came back before too."""
    return [each for piece in slices(message_ids) for each in _letters(connection, outbox.c.message_id.in_(piece))]


def with_keys(connection: Connection, keys: Iterable[str]) -> list[Letter]:
    """Letters by the key of the action that wrote them."""
    return [each for piece in slices(keys) for each in _letters(connection, outbox.c.key.in_(piece))]


def note(connection: Connection, letter: Letter, fault: str, reason: str, at: datetime) -> bool:
    """A letter came back at that time. False if that was noted before, or it has not left."""
    left = (outbox.c.id == letter.id) & outbox.c.returned.is_(None) & outbox.c.state.in_(_TAKEN)
    values = {
        "state": "failed",
        "sent_at": func.coalesce(outbox.c.sent_at, literal(at, outbox.c.sent_at.type)),
        "claimed_at": None,
        "reason": reason,
        "returned": fault,
    }
    return connection.execute(update(outbox).where(left).values(**values)).rowcount > 0


def count(connection: Connection, letter: Letter, fault: str, since: datetime) -> int:
    """How many letters to the same address, sent since that time, came back by this fault."""
    query = select(func.count()).where(
        outbox.c.recipient == letter.recipient, outbox.c.returned == fault, outbox.c.sent_at >= since
    )
    return int(connection.execute(query).scalar_one())


_LETTERS: Select[Any] = (
    select(
        outbox.c.id,
        outbox.c.key,
        outbox.c.message_id,
        outbox.c.recipient,
        outbox.c.subject,
        outbox.c.user_id,
        func.coalesce(outbox.c.person_id, enrollment.c.person_id),
        enrollment.c.id,
        outbox.c.state == "sending",
    )
    .select_from(outbox)
    .join(effect, effect.c.key == outbox.c.key, isouter=True)
    .join(enrollment, enrollment.c.id == effect.c.enrollment_id, isouter=True)
    .where(outbox.c.kind.in_(LETTERS), outbox.c.state.in_((*_TAKEN, "failed")))
)


def _letters(connection: Connection, which: ColumnElement[bool]) -> list[Letter]:
    return [Letter(*row) for row in connection.execute(_LETTERS.where(which))]
