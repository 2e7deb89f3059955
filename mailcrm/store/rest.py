"""When automatic mail had better rest: after mail by hand, out of hours, while the sender's own mailbox is not read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, or_, select

from mailcrm.config import Config
from mailcrm.core.addresses import normalise
from mailcrm.store.db import slices
from mailcrm.store.limits import AUTOMATIC
from mailcrm.store.tables import effect, enrollment, event, mailbox, message, outbox, user

BY_HAND = timedelta(days=2)
"""So long after one of us has written to a person, nothing goes to him by itself."""

STALE = timedelta(minutes=15)
"""How long a mailbox may not have been read."""

_SENT = "mail.sent"


@dataclass(frozen=True, slots=True)
class Written:
    """A mail that one of us wrote by hand; ``user`` is his key, where it is known."""

    at: datetime
    user: str | None


def stale(connection: Connection, config: Config, users: Collection[str], now: datetime) -> Mapping[str, str]:
    """Those of these users (by key) whose own mailbox is not read, and why not. One without a server never is stale."""
    boxes = {user: _boxes(config, user) for user in users}
    query = select(mailbox.c.key, mailbox.c.state, mailbox.c.refusals, mailbox.c.alive_at)
    rows = {
        row.key: row
        for piece in slices({key for keys in boxes.values() for key in keys})
        for row in connection.execute(query.where(mailbox.c.key.in_(piece)))
    }
    faults = {key: fault for key, row in rows.items() if (fault := _fault(row, now))}
    return {user: faults[key] for user, keys in boxes.items() for key in keys if key in faults}


def written(
    connection: Connection, config: Config, persons: Collection[int], now: datetime
) -> Mapping[int, Sequence[Written]]:
    """Mail by hand to these persons in the last two days (``colleague_days``, if that is longer), the newest first.

    A letter that a flow asked its rep to send is the flow's own.
    """
    since = now - max(BY_HAND, timedelta(days=config.limits.colleague_days or 0))
    sent: list[tuple[int, datetime, str]] = []
    threads: set[int] = set()
    handed: list[tuple[int, datetime, str | None]] = []
    for piece in slices(persons):
        about = event.c.person_id.in_(piece) & (event.c.kind == _SENT) & (event.c.at > since) & (event.c.at <= now)
        for row in connection.execute(select(event.c.person_id, event.c.at, event.c.data).where(about)):
            sent.append((row.person_id, row.at, str(row.data.get("message"))))
            threads.add(int(row.data.get("thread") or 0))
        relay = (
            select(outbox.c.person_id, outbox.c.created_at, user.c.key)
            .join(user, user.c.id == outbox.c.user_id)
            .where(outbox.c.person_id.in_(piece), outbox.c.kind == "relay", outbox.c.created_at > since)
            .where(or_(outbox.c.sent_at > since, outbox.c.sent_at.is_(None)), outbox.c.state != "failed")
        )
        handed += [(row[0], row[1], row[2]) for row in connection.execute(relay)]
    own = _of_flows(connection, {each[2] for each in sent}) if sent else set()
    drafts = _drafts(connection, {each[0] for each in sent}, since) if sent else set()
    authors = _authors(connection, config, threads) if sent else {}
    found: defaultdict[int, list[Written]] = defaultdict(list)
    for person, at, message_id in sent:
        if message_id not in own and (person, at) not in drafts:
            found[person].append(Written(at, authors.get(message_id)))
    for person, at, key in handed:
        found[person].append(Written(at, key))
    return {person: sorted(mails, key=lambda mail: mail.at, reverse=True) for person, mails in found.items()}


def opening(config: Config, users: Collection[str], now: datetime) -> Mapping[str, datetime]:
    """Those of these users (by key) who are not at work now, and when they will be."""
    found = {}
    for key in users:
        hours = config.users[key].hours() if key in config.users else None
        if hours is not None and (opens := hours.opening(now)) > now:
            found[key] = opens
    return found


def _boxes(config: Config, user: str) -> list[str]:
    """His own mailboxes on servers; without one, those that he shares."""
    own = [key for key, box in config.mailboxes.items() if box.host and box.user == user]
    return own or [key for key, box in config.mailboxes.items() if box.host and user in box.members]


def _fault(row: Any, now: datetime) -> str:
    if row.state in ("paused", "waiting"):
        return f"the mailbox {row.key} is {row.state}; `mailcrm mailbox resume {row.key}`"
    if row.refusals:
        return f"the mailbox {row.key} could not be logged in to; `mailcrm mailbox test {row.key}` says why"
    if row.alive_at is None:
        return f"the mailbox {row.key} has not been read yet; `mailcrm sync` reads it"
    if row.alive_at < now - STALE:
        return f"the mailbox {row.key} was last read on {row.alive_at:%Y-%m-%d %H:%M}Z; `mailcrm sync` reads it"
    return ""


def _of_flows(connection: Connection, message_ids: Collection[str]) -> set[str]:
    query = select(outbox.c.message_id).where(outbox.c.kind.in_(AUTOMATIC))
    return {
        each
        for piece in slices(message_ids)
        for each in connection.execute(query.where(outbox.c.message_id.in_(piece))).scalars()
    }


def _drafts(connection: Connection, persons: Collection[int], since: datetime) -> set[tuple[int | None, datetime]]:
    """Whom drafts of flows went to, and when: their effects ended at the time of the mail that each became."""
    query = (
        select(enrollment.c.person_id, effect.c.ended_at)
        .join_from(enrollment, effect)
        .where(effect.c.name == "draft.create", effect.c.state == "done", effect.c.ended_at > since)
    )
    return {
        (row[0], row[1])
        for piece in slices(persons)
        for row in connection.execute(query.where(enrollment.c.person_id.in_(piece)))
    }


def _authors(connection: Connection, config: Config, threads: Collection[int]) -> Mapping[str, str]:
    """Message-ID -> key of the user who wrote it, of all our mail in these threads."""
    addresses = {
        normalise(address): key
        for key, each in config.users.items()
        for address in (each.email, *each.aliases)
        if normalise(address)
    }
    query = select(message.c.message_id, message.c.from_email).where(message.c.direction == "out")
    rows = [row for piece in slices(threads) for row in connection.execute(query.where(message.c.thread_id.in_(piece)))]
    return {row[0]: addresses[row[1]] for row in rows if row[1] in addresses}
