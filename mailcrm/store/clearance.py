"""Why mail may not leave now: every reason, for a whole batch at once.

What a reason does: it refuses (the mail fails, and its flow's run), withdraws, holds until it has passed, or makes the
mail wait until a time. For mail to ourselves only the hold of everything counts, and that of a sender for what he hands
in by himself: all others are about automatic mail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, or_, select

from mailcrm.config import Config
from mailcrm.core.addresses import normalise
from mailcrm.core.tokens import keyed_hash
from mailcrm.store import absences, limits, rest, standstill, suppressions
from mailcrm.store.campaigns import parked
from mailcrm.store.db import Lookup
from mailcrm.store.leaving import OURS, RELEASED
from mailcrm.store.limits import AUTOMATIC, Asked
from mailcrm.store.tables import (
    campaign,
    consent,
    effect,
    enrollment,
    event,
    flow,
    outbox,
    permission,
    reaction,
    sender_hold,
    setting,
    suppression,
    user,
)

SENDER, MAILBOX, WRITTEN = "sender", "mailbox", "written"
"""What a mail may be held for (``outbox.held_for``)."""

LOOK = timedelta(minutes=1)
"""How soon a mail that waits for something without a time is looked at anew."""

_ANSWER = timedelta(seconds=20)
_HELD_SENDER = timedelta(minutes=15)


class Verdict(Enum):
    """What a reason does to a mail."""

    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    HOLD = "hold"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a mail may not leave.

    Args:
        until: when it is looked at anew, of one that is held or waits; None: when everything is released.
        held_for: of one that is held: SENDER, MAILBOX or WRITTEN.
    """

    verdict: Verdict
    reason: str
    until: datetime | None = None
    held_for: str | None = None


def hindrances(
    connection: Connection, config: Config, secret: bytes, ids: Sequence[int], now: datetime
) -> Mapping[int, Hindrance]:
    """Which of these mails may not leave now.

    Args:
        ids: in the outbox, of any kind, in the order in which they are to leave.
    """
    rows = _ROWS.rows(connection, ids)
    found = _said(connection, config, secret, rows, now)
    free = {row.id: row for row in rows if row.id not in found and row.kind in AUTOMATIC}
    left = [free[number] for number in ids if number in free]
    for look in (_stale, _written, _away, _at_rest):
        if left:
            found |= look(connection, config, left, now)
            left = [row for row in left if row.id not in found]
    return found | _too_many(connection, config, left, ids, now)


def said(
    connection: Connection, config: Config, secret: bytes, number: int, recipient: str, now: datetime
) -> Hindrance | None:
    """``hindrances`` by what somebody may have said a moment ago, for one mail: a last look at the instant of sending.

    In one statement, for every mail is looked at so.
    """
    address = normalise(recipient) or recipient
    row = connection.execute(_ONE, {"number": number, "hash": keyed_hash(secret, address), "now": now}).first()
    if row is None:
        return Hindrance(Verdict.WITHDRAW, "it is not there any more")
    if (hindrance := _spoken(row, config, now)) is None and row.kind in AUTOMATIC and row.unwanted is not None:
        hindrance = _unwanted(address, row.unwanted)
    return hindrance


def _said(
    connection: Connection, config: Config, secret: bytes, rows: Iterable[Any], now: datetime
) -> dict[int, Hindrance]:
    found: dict[int, Hindrance] = {}
    asked: dict[int, str] = {}
    for row in rows:
        hindrance = _spoken(row, config, now)
        if hindrance is not None:
            found[row.id] = hindrance
        elif row.kind in AUTOMATIC:
            asked[row.id] = normalise(row.recipient) or row.recipient
    unwanted = suppressions.among(connection, secret, asked.values(), now) if asked else {}
    for number, address in asked.items():
        if (why := unwanted.get(address)) is not None:
            found[number] = _unwanted(address, why.reason)
    return found


def _spoken(row: Any, config: Config, now: datetime) -> Hindrance | None:
    """What somebody has said, but for suppression."""
    return _everything(row) or (_of_flow(row, config, now) if row.kind in AUTOMATIC else _of_sender(row, now))


def _unwanted(address: str, reason: str) -> Hindrance:
    return Hindrance(Verdict.REFUSE, f"{address} gets no automatic mail ({reason}); see `mailcrm suppression list`")


def _everything(row: Any) -> Hindrance | None:
    held = row.everything and row.held_for != RELEASED
    return Hindrance(Verdict.WAIT, "everything is held; `mailcrm outbox release` lets it go") if held else None


def _of_sender(row: Any, now: datetime) -> Hindrance | None:
    in_force = row.hold is not None and (row.until is None or row.until > now) and row.kind not in OURS
    if not in_force:
        return None
    return Hindrance(Verdict.HOLD, f"{row.sender} is held: {row.hold}", row.until or now + _HELD_SENDER, SENDER)


def _of_flow(row: Any, config: Config, now: datetime) -> Hindrance | None:
    """The first that counts: what ended the run, then what was said for good, then what passes."""
    if row.kind == "flow" and row.effect != "waiting":
        return Hindrance(Verdict.WITHDRAW, "its flow does not wait for it any more")
    if row.stopped is not None:
        return Hindrance(Verdict.WITHDRAW, f"the campaign was stopped: {row.campaign_why}")
    if row.paused is not None:
        return Hindrance(
            Verdict.WAIT, "the campaign is paused; `mailcrm campaign launch` lets it go on", parked(row.campaign)
        )
    if row.disabled is not None:
        return Hindrance(Verdict.REFUSE, f"{row.sender} is disabled")
    if row.sender is not None and row.sender not in config.users:
        text = (
            f"{row.sender} is not in config.toml any more; put users.{row.sender} back, or `mailcrm user disable` him"
        )
        return Hindrance(Verdict.HOLD, text, now + _HELD_SENDER, SENDER)
    if row.kind == "flow" and row.answered:
        return Hindrance(Verdict.WAIT, "flows are to be told of an answer first", now + _ANSWER)
    if not row.consent:
        return Hindrance(Verdict.REFUSE, f"no consent of {row.sender} for {row.flow or 'a flow that is gone'}")
    if row.permission is False:
        return Hindrance(Verdict.REFUSE, f"{row.recipient} has withdrawn his permission")
    if config.require_permission and not row.permission:
        text = "no permission is recorded; `mailcrm permission grant` records one (require_permission)"
        return Hindrance(Verdict.REFUSE, f"{row.recipient}: {text}")
    return _of_sender(row, now)


def _stale(connection: Connection, config: Config, rows: Sequence[Any], now: datetime) -> dict[int, Hindrance]:
    """He may have been answered already, and nobody has looked."""
    known = rest.stale(connection, config, {row.sender for row in rows}, now)
    return {
        row.id: Hindrance(Verdict.HOLD, known[row.sender], now + LOOK, MAILBOX) for row in rows if row.sender in known
    }


def _written(connection: Connection, config: Config, rows: Sequence[Any], now: datetime) -> dict[int, Hindrance]:
    """One of us has just written to him by hand: what goes by itself waits."""
    found: dict[int, Hindrance] = {}
    lately = rest.written(connection, config, _persons(rows), now)
    for row in rows:
        for mail in lately.get(row.person, ()):
            if mail.at > now - rest.BY_HAND:
                text = f"{mail.user or 'one of us'} wrote to {row.recipient} on {mail.at:%Y-%m-%d %H:%M}Z"
                found[row.id] = Hindrance(Verdict.HOLD, text, mail.at + rest.BY_HAND, WRITTEN)
                break
            days = timedelta(days=config.limits.colleague_days or 0)
            if mail.user != row.sender and mail.at > now - days:
                text = f"{mail.user or 'a colleague'} wrote to {row.recipient} on {mail.at:%Y-%m-%d} (colleague_days)"
                found[row.id] = Hindrance(Verdict.WAIT, text, mail.at + days)
                break
    return found


def _away(connection: Connection, config: Config, rows: Sequence[Any], now: datetime) -> dict[int, Hindrance]:
    back = absences.back(connection, _persons(rows), now, config.returns.away)
    return {
        row.id: Hindrance(Verdict.WAIT, f"{row.recipient} is away until {back[row.person]:%Y-%m-%d}", back[row.person])
        for row in rows
        if row.person in back
    }


def _at_rest(_connection: Connection, config: Config, rows: Sequence[Any], now: datetime) -> dict[int, Hindrance]:
    opening = rest.opening(config, {row.sender for row in rows}, now)
    return {
        row.id: Hindrance(Verdict.WAIT, f"{row.sender} is not at work", opening[row.sender])
        for row in rows
        if row.sender in opening
    }


def _too_many(
    connection: Connection, config: Config, rows: Sequence[Any], batch: Collection[int], now: datetime
) -> dict[int, Hindrance]:
    mails = [Asked(row.id, row.user_id, row.person, row.recipient) for row in rows]
    beyond = limits.beyond(connection, config.limits, mails, batch, now)
    return {number: Hindrance(Verdict.WAIT, f"limits.{name}", until) for number, (name, until) in beyond.items()}


def _persons(rows: Iterable[Any]) -> Collection[int]:
    return {row.person for row in rows if row.person is not None}


def _last(column: ColumnElement[bool], number: ColumnElement[int], *whose: ColumnElement[bool]) -> ColumnElement[bool]:
    """The last word, as a subquery."""
    query = select(column).where(*whose).order_by(number.desc()).limit(1)
    return query.correlate(outbox, enrollment).scalar_subquery()


_flow_id = func.coalesce(outbox.c.flow_id, enrollment.c.flow_id)
_person_id = func.coalesce(outbox.c.person_id, enrollment.c.person_id)
_answered = (
    select(1)
    .where(reaction.c.person_id == _person_id, reaction.c.pending.is_(True))
    .where(event.c.id == reaction.c.event_id, event.c.kind == "mail.replied")
    .correlate(outbox, enrollment)
    .exists()
)
_consent = _last(consent.c.granted, consent.c.id, consent.c.flow_id == _flow_id, consent.c.user_id == outbox.c.user_id)
_permission = _last(permission.c.granted, permission.c.id, permission.c.person_id == _person_id)
_QUERY: Select[Any] = (
    select(
        outbox.c.id,
        outbox.c.kind,
        outbox.c.user_id,
        outbox.c.recipient,
        outbox.c.held_for,
        _person_id.label("person"),
        flow.c.name.label("flow"),
        user.c.key.label("sender"),
        user.c.disabled_at.label("disabled"),
        effect.c.state.label("effect"),
        _consent.label("consent"),
        _permission.label("permission"),
        _answered.label("answered"),
        sender_hold.c.reason.label("hold"),
        sender_hold.c.until.label("until"),
        select(1).where(setting.c.name == standstill.NAME).exists().label("everything"),
        campaign.c.flow_id.label("campaign"),
        campaign.c.paused_at.label("paused"),
        campaign.c.stopped_at.label("stopped"),
        campaign.c.why.label("campaign_why"),
    )
    .select_from(outbox)
    .join(effect, effect.c.key == outbox.c.key, isouter=True)
    .join(enrollment, enrollment.c.id == effect.c.enrollment_id, isouter=True)
    .join(flow, flow.c.id == _flow_id, isouter=True)
    .join(campaign, campaign.c.flow_id == _flow_id, isouter=True)
    .join(user, user.c.id == outbox.c.user_id, isouter=True)
    .join(sender_hold, sender_hold.c.user_id == outbox.c.user_id, isouter=True)
)
_ROWS = Lookup(_QUERY, outbox.c.id)
_in_force = or_(
    suppression.c.expires_at.is_(None), suppression.c.expires_at > bindparam("now", type_=suppression.c.at.type)
)
_suppressed = (
    select(suppression.c.reason)
    .where(suppression.c.hash == bindparam("hash"), suppression.c.lifted_at.is_(None), _in_force)
    .order_by(suppression.c.id)
    .limit(1)
    .scalar_subquery()
)
_ONE = _QUERY.add_columns(_suppressed.label("unwanted")).where(outbox.c.id == bindparam("number"))
