"""Consents of senders: who lets which flow send mail in his name. Only ever added to; the last row counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, insert, select

from mailcrm.store.db import slices
from mailcrm.store.tables import consent, effect, enrollment, event, flow, outbox, reaction, user


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


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a mail of a flow may not leave.

    Args:
        withdrawn: its run has ended or gone on without it.
        passing: an answer of its person is still to be taken, which may end its run.
    """

    key: str
    reason: str
    withdrawn: bool = False
    passing: bool = False


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


def history(connection: Connection, flow_id: int, user_id: int | None = None) -> list[Consent]:
    """All that was said about a flow, the newest first."""
    query = (
        select(flow.c.name, user.c.key, consent.c.granted, consent.c.at, consent.c.by, consent.c.via)
        .select_from(consent)
        .join(flow, flow.c.id == consent.c.flow_id)
        .join(user, user.c.id == consent.c.user_id)
        .where(consent.c.flow_id == flow_id)
        .order_by(consent.c.id.desc())
    )
    rows = connection.execute(query if user_id is None else query.where(consent.c.user_id == user_id))
    return [Consent(*row) for row in rows]


def hindrances(connection: Connection, mails: Iterable[int]) -> Mapping[int, Hindrance]:
    """Which of these mails may not leave now, and why: of flows those whose sender's consent is not live.

    Args:
        mails: ids in the outbox, of any kind; those of no flow are never hindered.
    """
    found: dict[int, Hindrance] = {}
    live = _last(consent.c.flow_id == flow.c.id, consent.c.user_id == outbox.c.user_id)
    answered = (
        select(1)
        .where(reaction.c.person_id == enrollment.c.person_id, reaction.c.pending.is_(True))
        .where(event.c.id == reaction.c.event_id, event.c.kind == "mail.replied")
        .correlate(enrollment)
        .exists()
    )
    query = (
        select(outbox.c.id, outbox.c.key, flow.c.name, user.c.key, user.c.disabled_at, effect.c.state, live, answered)
        .select_from(outbox)
        .join(effect, effect.c.key == outbox.c.key, isouter=True)
        .join(enrollment, enrollment.c.id == effect.c.enrollment_id, isouter=True)
        .join(flow, flow.c.id == enrollment.c.flow_id, isouter=True)
        .join(user, user.c.id == outbox.c.user_id, isouter=True)
        .where(outbox.c.kind == "flow")
    )
    for piece in slices(mails):
        for number, key, name, sender, disabled, state, granted, answers in connection.execute(
            query.where(outbox.c.id.in_(piece))
        ):
            if state != "waiting":
                found[number] = Hindrance(key, "its flow does not wait for it any more", withdrawn=True)
            elif disabled is not None:
                found[number] = Hindrance(key, f"{sender} is disabled")
            elif answers:
                found[number] = Hindrance(key, "flows are to be told of an answer first", passing=True)
            elif not granted:
                found[number] = Hindrance(key, f"no consent of {sender} for {name}")
    return found


def _last(*whose: ColumnElement[bool]) -> ColumnElement[bool]:
    """The last word, as a subquery of a query over ``flow``, ``outbox`` or ``user``."""
    query = select(consent.c.granted).where(*whose).order_by(consent.c.id.desc()).limit(1)
    return query.correlate(flow, outbox, user).scalar_subquery()
