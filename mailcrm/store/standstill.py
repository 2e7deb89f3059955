"""Whether everything is held: by the operator's word, or because the program was found in another place or time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from mailcrm.store.tables import enrollment, outbox, setting

NAME = "outbox.held"
"""The setting that says so."""

_PLACE, _RELEASED = "outbox.place", "outbox.released"
_BEFORE_ALL = datetime(1, 1, 2, tzinfo=UTC)
_AUTOMATIC = ("flow", "auto")


@dataclass(frozen=True, slots=True)
class Standstill:
    """Nothing leaves until somebody releases it.

    Args:
        reason: why, in words for the operator.
        flows: flows stand still too.
    """

    reason: str
    flows: bool
    at: datetime


def begin(connection: Connection, reason: str, now: datetime, *, flows: bool) -> None:
    """Hold everything. What was said before is replaced."""
    _put(connection, NAME, {"reason": reason, "flows": flows}, now)


def end(connection: Connection, now: datetime) -> bool:
    """Hold no longer; what is overdue by now may go (``oldest_due``). False if nothing was held."""
    if connection.execute(delete(setting).where(setting.c.name == NAME)).rowcount == 0:
        return False
    _put(connection, _RELEASED, True, now)
    return True


def of(connection: Connection) -> Standstill | None:
    """Whether everything is held; None: it is not."""
    row = connection.execute(select(setting.c.value, setting.c.at).where(setting.c.name == NAME)).first()
    return Standstill(row.value["reason"], row.value["flows"], row.at) if row else None


def place(connection: Connection) -> Mapping[str, Any] | None:
    """Where the program last ran: ``hosts`` and ``base_url``; None: it never did."""
    return connection.execute(select(setting.c.value).where(setting.c.name == _PLACE)).scalar()


def note_place(connection: Connection, where: Mapping[str, Any], now: datetime) -> None:
    """Note where the program runs."""
    _put(connection, _PLACE, where, now)


def oldest_due(connection: Connection) -> datetime | None:
    """Since when the mail of flows, or a timer of theirs, has been due that is due for longest; None: nothing waits.

    What was due when everything was last released is not meant.
    """
    since = connection.execute(select(setting.c.at).where(setting.c.name == _RELEASED)).scalar() or _BEFORE_ALL
    mail = select(outbox.c.due_at).where(outbox.c.state == "pending", outbox.c.kind.in_(_AUTOMATIC))
    mail = mail.where(outbox.c.due_at > since)
    timer = select(enrollment.c.due_at).where(enrollment.c.due_at > since)
    first = (
        connection.execute(mail.order_by(outbox.c.due_at).limit(1)).scalar(),
        connection.execute(timer.order_by(enrollment.c.due_at).limit(1)).scalar(),
    )
    return min(filter(None, first), default=None)


def anything_waits(connection: Connection) -> bool:
    """Whether there is mail that is to leave, or a timer of a flow."""
    mail = select(outbox.c.id).where(outbox.c.state.in_(("pending", "sending", "held")))
    timer = select(enrollment.c.id).where(enrollment.c.due_at.is_not(None))
    return any(connection.execute(query.limit(1)).first() for query in (mail, timer))


def _put(connection: Connection, name: str, value: Any, now: datetime) -> None:
    connection.execute(delete(setting).where(setting.c.name == name))
    connection.execute(insert(setting).values(name=name, value=value, at=now))
