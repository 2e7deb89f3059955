"""Mail that our users hand in at the relay: stored to be sent, many mails in one transaction.

Automatic mail passes only with its flow and its user's live consent for it (SEQ-20); what a rep writes passes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.logins import Login
from mailcrm.app.whose import persons
from mailcrm.builtin.tracking_rule import allowed
from mailcrm.core.addresses import normalise
from mailcrm.core.letter_ids import bounce_address
from mailcrm.core.text import clean
from mailcrm.core.tracked_mail import with_tracks
from mailcrm.store import consents, flows, handed_in, outbox, tracks
from mailcrm.store.outbox import NewMail


@dataclass(frozen=True, slots=True)
class Handed:
    """A message that a user of ours hands in, checked as to its form.

    Args:
        sender: one of his own addresses.
        recipients: as they are told the next server; each once.
        content: as it goes out, lines ending in CRLF.
        original: as it came; what it is linked by.
        message_id: without ``<>``.
        flow: the flow that a program writes it for; None: it is written by hand.
        tracked: its writer wants to know of openings and clicks, it goes to one, and it may be changed for that.
    """

    login: Login
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    original: bytes
    message_id: str
    subject: str
    flow: str | None = None
    tracked: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a mail is not let through."""

    reason: str


def submit(context: Context, mails: Sequence[Handed]) -> list[Refusal | None]:
    """Store these mails to be sent, all of them or none. When this returns, what was stored survives a power cut.

    Returns:
        For each mail None, or why it was not let through.

    Raises:
        Temporary: the database is busy or away; nothing was stored.
    """
    now = context.clock()
    with context.db.write() as connection:
        fates = [_refusal(connection, mail) for mail in mails]
        passing = [mail for mail, fate in zip(mails, fates, strict=True) if fate is None]
        addresses = {normalise(each) for mail in passing for each in mail.recipients}
        whose = persons(connection, context, addresses, now)  # limits, permissions and rest are theirs
        rows = [row for mail in passing if not mail.tracked for row in _rows(connection, context, mail, whose, now)]
        handed_in.put(connection, rows, now)
        for mail in passing:
            if mail.tracked:
                (row,) = _rows(connection, context, mail, whose, now)
                _put_tracked(connection, context, mail.login, row, now)
    if passing:
        context.db.settle()
        context.changed()
    return fates


def _refusal(connection: Connection, mail: Handed) -> Refusal | None:
    """Consent is read in the transaction that stores the mail, and again when it leaves."""
    if mail.flow is None:
        return None
    flow = flows.named(connection, mail.flow)
    if flow is None:
        return Refusal("automatic mail for a flow that there is none of that name")
    if not consents.is_live(connection, flow.id, mail.login.id):
        return Refusal(f"no consent of {mail.login.key} for {flow.name}; `mailcrm consent grant` gives it")
    return None


def _put_tracked(connection: Connection, context: Context, writer: Login, row: NewMail, now: datetime) -> None:
    """Store a mail to one that tells of its opening and of clicks, where that is allowed and its form admits it."""
    config, found = context.config, None
    if allowed(connection, config, writer.key, row.person_id, {}):
        found = with_tracks(row.content, config.web.base_url, tracks.tokens(), hidden=config.tracking.hidden_link)
    content, told = found or (row.content, ())
    number = outbox.put(connection, replace(row, content=content), now)
    if number is not None:
        tracks.put(connection, number, told)


def _rows(
    connection: Connection, context: Context, mail: Handed, whose: Mapping[str, int], now: datetime
) -> list[NewMail]:
    """One for each recipient; of a mail to several the content is stored once."""
    several = len(mail.recipients) > 1
    body = outbox.put_body(connection, mail.content, now) if several else None
    flow = flows.named(connection, mail.flow) if mail.flow is not None else None
    key = f"{'auto' if flow else 'relay'}.{secrets.token_hex(12)}"
    bounces = normalise(context.config.returns.bounces or "") if flow else None  # by hand: they come to the writer
    return [
        NewMail(
            key=f"{key}.{number}",
            kind="auto" if flow else "relay",
            user_id=mail.login.id,
            message_id=mail.message_id,
            sender=mail.sender,
            recipient=recipient,
            subject=clean(mail.subject),
            content=b"" if several else mail.content,
            person_id=whose.get(normalise(recipient)),
            flow_id=flow.id if flow else None,
            envelope_from=bounce_address(context.secret, f"{key}.{number}", mail.sender, bounces),
            copy="wanted" if flow and not number else None,  # of his own mail his mail program keeps a copy
            body_id=body,
        )
        for number, recipient in enumerate(mail.recipients)
    ]
