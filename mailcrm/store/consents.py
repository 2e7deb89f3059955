"""Consents of senders: who lets which flow send mail in his name. Only ever added to; the last row counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, insert, select

from mailcrm.store.tables import consent, flow, user


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user said about a flow, and when.

    Args:
        by: who said it: ``user:anna``. via: ``command``, ``page``, ``api`` or ``reply``.
    """

    flow: str
    user: str
    granted: bool
    at: datetime
    by: str
    via: str


def record(
    connection: Connection, flow_id: int, user_id: int, now: datetime, *, granted: bool, by: str, via: str
) -> None:
    """Note that a user grants his consent to a flow, or withdraws it."""
    values = {"flow_id": flow_id, "user_id": user_id, "granted": granted, "at": now, "by": by, "via": via}
    connection.execute(insert(consent).values(**values))


def is_live(connection: Connection, flow_id: int, user_id: int) -> bool:
    """Whether the last word of this user about this flow is consent."""
    return bool(connection.execute(select(_last(consent.c.flow_id == flow_id, consent.c.user_id == user_id))).scalar())


def lacking(connection: Connection, flow_id: int, users: Iterable[int]) -> list[str]:
    """Keys of those of these users who do not let the flow send in their name."""
    wanted = sorted(set(users))
    live = _last(consent.c.flow_id == flow_id, consent.c.user_id == user.c.id)
    query = select(user.c.key).where(user.c.id.in_(wanted), live.is_not(True)).order_by(user.c.key)
    return list(connection.execute(query).scalars())


def history(connection: Connection, flow_id: int | None = None, user_id: int | None = None) -> list[Consent]:
    """All that was said about a flow, or about all, the newest first."""
    query = (
        select(flow.c.name, user.c.key, consent.c.granted, consent.c.at, consent.c.by, consent.c.via)
        .select_from(consent)
        .join(flow, flow.c.id == consent.c.flow_id)
        .join(user, user.c.id == consent.c.user_id)
        .order_by(consent.c.id.desc())
    )
    if flow_id is not None:
        query = query.where(consent.c.flow_id == flow_id)
    if user_id is not None:
        query = query.where(consent.c.user_id == user_id)
    return [Consent(*row) for row in connection.execute(query)]


def last(connection: Connection, flow_id: int, user_id: int) -> Consent | None:
    """The last word of this user about this flow."""
    return next(iter(history(connection, flow_id, user_id)), None)


def _last(*whose: ColumnElement[bool]) -> ColumnElement[bool]:
    """The last word, as a subquery of a query over ``flow`` or ``user``."""
    query = select(consent.c.granted).where(*whose).order_by(consent.c.id.desc()).limit(1)
    return query.correlate(flow, user).scalar_subquery()
