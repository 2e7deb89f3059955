"""Puts questions to reps into the outbox: a few a day one by one, the rest in one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from mailcrm.app.context import Context
from mailcrm.config import Config, User
from mailcrm.core import questions
from mailcrm.core.addresses import domain_of, normalise
from mailcrm.core.choices import LETTERS, digest_id, page_token, question_id
from mailcrm.core.model import Message
from mailcrm.core.questions import Letter, Question, Ways
from mailcrm.store import choices, outbox, tables
from mailcrm.store.outbox import NewMail

DIGEST_HOUR = time(16, 0)
"""From when on, in the rep's time zone, the day's digest is sent: late enough to hold a day's questions."""

NOTICES_A_DAY = 10
"""To one user about mail to the drop-box: whoever writes in his name can't flood him."""


def ask_due(context: Context) -> int:
    """Put every question that is due into the outbox, each with its mark in one transaction.

    Returns:
        How many mails were put there.
    """
    with context.db.read() as connection:
        waiting = choices.unasked(connection)
    if not waiting:
        return 0
    with context.db.write() as connection:
        count = sum(_ask(context, connection, user_id) for user_id in waiting)
    if count:
        context.changed()
    return count


def drop_box(config: Config) -> str | None:
    """The address that mail to the CRM is sent to: that of LMTP, or of the mailbox that serves as drop-box."""
    if config.lmtp and config.lmtp.drop_box:
        return normalise(config.lmtp.drop_box) or None
    logins = (normalise(mailbox.login) for mailbox in config.mailboxes.values() if mailbox.drop_box)
    return next((login for login in logins if login), None)


def page_of(context: Context, question: Question) -> str:
    """The address of the page that answers a choice."""
    base = context.config.web.base_url.rstrip("/")
    return f"{base}/q/{page_token(context.secret, question.id, question.nonce)}"


def notify(context: Context, connection: Connection, question: Question, reason: str, now: datetime) -> bool:
    """Tell the rep who is asked why his answer was not used, at most once a choice and reason.

    Args:
        reason: see ``questions.notice_mail``.

    Returns:
        False if he was told before, or nobody is asked.
    """
    user = context.config.users.get(question.user or "")
    if user is None:
        return False
    language = questions.language(user.language, user.time_zone)
    letter = questions.notice_mail(_localised(question, user), page_of(context, question), reason, language)
    sender = our_address(context.config, user)
    message_id = question_id(context.secret, question.id, question.nonce, domain_of(sender), label=reason)
    user_id = _user_id(connection, question.user or "")
    mail = mail_to(f"notice:{reason}:{question.id}", "notice", user_id, message_id, sender, user, letter, now)
    return outbox.put(connection, mail, now) is not None


def tell_unreadable_forward(connection: Connection, context: Context, message: Message, now: datetime) -> bool:
    """Tell one of ours that his mail to the drop-box could not be understood; a few times a day at most.

    Returns:
        False if he is not told: not one of ours, told about this mail before, or told often enough today.
    """
    key = context.ours.user(message.from_.email) if message.from_ else None
    user = context.config.users.get(key or "")
    user_id = _user_id(connection, key or "")
    if user is None or user_id is None:
        return False
    if outbox.put_since(connection, user_id, "notice", now - timedelta(days=1)) >= NOTICES_A_DAY:
        return False
    letter = questions.forward_mail(message.subject, questions.language(user.language, user.time_zone))
    sender = our_address(context.config, user)
    seed = f"{user_id} {message.message_id} {message.date} {message.subject}"
    name = hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:32]
    mail = mail_to(f"forward:{name}", "notice", user_id, f"f.{name}@{domain_of(sender)}", sender, user, letter, now)
    return outbox.put(connection, mail, now) is not None


def _ask(context: Context, connection: Connection, user_id: int) -> int:
    """Ask one user what is due. His row is locked, so that two processes do not each ask their three."""
    now = context.clock()
    key = connection.execute(select(tables.user.c.key).where(tables.user.c.id == user_id).with_for_update()).scalar()
    user = context.config.users.get(key or "")
    waiting = choices.unasked(connection).get(user_id, [])
    if user is None or not waiting:
        return 0
    local = now.astimezone(ZoneInfo(user.time_zone))
    midnight = datetime.combine(local.date(), time(), local.tzinfo).astimezone(UTC)
    left = context.config.linking.questions_a_day - outbox.put_since(connection, user_id, "question", midnight)
    found = choices.load(connection, waiting)
    single, rest = waiting[: max(0, left)], waiting[max(0, left) :]
    for choice_id in single:
        outbox.put(connection, _question(context, user_id, user, found[choice_id], now), now)
    digests = 0
    if rest and local.time() >= DIGEST_HOUR and not outbox.put_since(connection, user_id, "digest", midnight):
        rest = rest[: len(LETTERS)]
        outbox.put(connection, _digest(context, user_id, user, [found[each] for each in rest], now), now)
        digests = 1
    else:
        rest = []
    choices.mark_asked(connection, [*single, *rest], now)
    return len(single) + digests


def question_key(choice_id: int) -> str:
    """The outbox key of a question's mail."""
    return f"question:{choice_id}"


def _question(context: Context, user_id: int, user: User, question: Question, now: datetime) -> NewMail:
    sender = our_address(context.config, user)
    language = questions.language(user.language, user.time_zone)
    ways = _ways(context.config, question.user or "", page_of(context, question))
    letter = questions.question_mail(_localised(question, user), user.name, ways, language)
    message_id = question_id(context.secret, question.id, question.nonce, domain_of(sender))
    return mail_to(question_key(question.id), "question", user_id, message_id, sender, user, letter, now)


def _digest(context: Context, user_id: int, user: User, asked: Sequence[Question], now: datetime) -> NewMail:
    sender = our_address(context.config, user)
    pages = [(_localised(question, user), page_of(context, question)) for question in asked]
    letter = questions.digest_mail(pages, user.name, questions.language(user.language, user.time_zone))
    ids = [question.id for question in asked]
    message_id = digest_id(context.secret, user_id, ids, domain_of(sender))
    return mail_to(f"digest:{user_id}:{ids[0]}", "digest", user_id, message_id, sender, user, letter, now)


def mail_to(
    key: str, kind: str, user_id: int | None, message_id: str, sender: str, user: User, letter: Letter, now: datetime
) -> NewMail:
    """A mail to one of ours as it goes out. It says what it is (RFC 3834), so that nothing answers it by itself."""
    message = EmailMessage(policy=SMTP)
    headers = {
        "From": f"mailcrm <{sender}>",
        "To": user.email,
        "Reply-To": sender,
        "Subject": letter.subject,
        "Date": format_datetime(now),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "X-Mailcrm-Choice": kind,
    }
    for name, value in headers.items():
        message[name] = value
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    # Relays such as SES give a new Message-ID; a reply then carries back what stands in References. Both are written
    # here because the standard library would break a digest's long id into encoded words.
    ids = f"Message-ID: <{message_id}>\r\nReferences: <{message_id}>\r\n".encode("ascii")
    return NewMail(key, kind, user_id, message_id, sender, user.email, letter.subject, ids + bytes(message))


def our_address(config: Config, user: User) -> str:
    """The drop-box, so that a reply reaches us; without one the rep himself: his reply is found in his Sent."""
    return drop_box(config) or user.email


def _ways(config: Config, user_key: str, page: str) -> Ways:
    own = [mailbox for mailbox in config.mailboxes.values() if user_key in mailbox.people and mailbox.host]
    return Ways(page, any(each.choice_keywords for each in own), any(each.choice_folders for each in own))


def _localised(question: Question, user: User) -> Question:
    return replace(question, date=question.date.astimezone(ZoneInfo(user.time_zone)))


def _user_id(connection: Connection, key: str) -> int | None:
    return connection.execute(select(tables.user.c.id).where(tables.user.c.key == key)).scalar()
