"""Consent asked of a rep by mail, and his answer (SEQ-21): as good as at the command line, and noted as a reply."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from mailcrm.app.acting import Actor
from mailcrm.app.ask import mail_to, our_address
from mailcrm.app.consenting import KINDS
from mailcrm.app.context import Context
from mailcrm.app.flow_remarks import senders
from mailcrm.app.proof import proven
from mailcrm.core import questions
from mailcrm.core.addresses import domain_of
from mailcrm.core.consent_mail import ConsentReference, Reason, consent_id, consent_letter, mail_key, read_consent
from mailcrm.core.model import REPLIES, Message, Reading
from mailcrm.errors import Refused
from mailcrm.store import consents, flows, outbox, users
from mailcrm.store.flows import StoredFlow
from mailcrm.store.last_words import last_word
from mailcrm.store.users import StoredUser

log = logging.getLogger(__name__)


def ask(context: Context, actor: Actor, name: str, user: str | None = None) -> list[str]:
    """Ask for consent by mail: of one user, or of all in whose name a flow would send without it.

    Each is asked once, until he says something.

    Args:
        name: of the flow, or its id. user: key, e-mail or id.

    Returns:
        The keys of those who were asked now.

    Raises:
        Refused: the user consents already, or has no address here.
        NotFound: no such flow or user.
    """
    with context.db.write() as connection:
        stored = flows.find(connection, name, KINDS)
        whom = users.find(connection, user) if user else None
        if whom is not None and consents.is_live(connection, stored.id, whom.id):
            raise Refused(f"{whom.key} consents to automatic mail of {stored.name!r} already")
        if whom is not None and (whom.disabled or whom.key not in context.config.users):
            raise Refused(f"{whom.key} is disabled or not configured, and sends nothing")
        asked = ask_lacking(connection, context, stored, actor, [whom] if whom else None)
    if asked:
        context.changed()
    return asked


def ask_of(context: Context, actor: Actor, number: int) -> list[str]:
    """As ``ask``, of all who lack it, by the flow's number: its name may be a campaign's too (CAMP-3)."""
    with context.db.write() as connection:
        asked = ask_lacking(connection, context, flows.get(connection, number), actor)
    if asked:
        context.changed()
    return asked


def ask_lacking(
    connection: Connection,
    context: Context,
    stored: StoredFlow,
    actor: Actor,
    whom: Sequence[StoredUser] | None = None,
) -> list[str]:
    """As ``ask``, in the caller's transaction.

    Args:
        whom: None: all who lack it, but for who acts: he is told at once.
    """
    now = context.clock()
    if whom is None:
        whom = [each for each in _lacking(connection, context, stored) if each.id != actor.id]
    by = context.config.users[actor.user.key].name if actor.user and actor.user.key in context.config.users else ""
    asked = []
    for user in whom:
        reference = ConsentReference(stored.id, user.id, last_word(connection, stored.id, user.id))
        if _tell(connection, context, user, stored.name, reference, "ask", now, by or "mailcrm"):
            asked.append(user.key)
    return asked


def answer(
    connection: Connection,
    context: Context,
    reference: ConsentReference,
    message: Message,
    reading: Reading,
    *,
    via: Literal["sent", "reply"],
    mailbox_key: str | None,
    now: datetime,
) -> bool:
    """Take a mail as the answer to the question that it refers to, in the caller's transaction.

    Args:
        reference: from ``consent_reference``, so the token's signature is right.
        via, mailbox_key: see ``choose.answer_by_mail``.

    Returns:
        True if something was noted. Whoever answered unclearly, too late or unproved is told by mail, once.
    """
    user = next((each for each in users.every(connection) if each.id == reference.user), None)
    sender = context.ours.user(message.from_.email) if message.from_ else None
    flow = next((each for each in flows.every(connection, KINDS) if each.id == reference.flow), None)
    if reading.kind not in REPLIES or user is None or flow is None or user.disabled:
        return False
    if sender != user.key:
        log.warning("an answer about consent to %r did not come from whom it was asked of", flow.name)
        return False
    if not proven(context, message, sender, via, mailbox_key):
        log.warning("an answer about consent to %r lacks the DMARC pass that linking.authserv_id asks for", flow.name)
        _tell(connection, context, user, flow.name, reference, "unproven", now)
        return False
    said = read_consent(reading.reply_text or message.text)
    last = last_word(connection, flow.id, user.id)
    if last != reference.last:
        if said is not None and said != consents.is_live(connection, flow.id, user.id):
            _tell(connection, context, user, flow.name, reference, "late", now)
        return False
    if said is None:
        _tell(connection, context, user, flow.name, reference, "unclear", now)
        return False
    consents.record(connection, flow.id, user.id, now, granted=said, by=f"user:{user.key}", via="reply")
    outbox.withdraw(connection, [mail_key("ask", reference)], "answered by mail")
    log.info("%s %s automatic mail of %r by mail", user.key, "consents to" if said else "withdraws", flow.name)
    noted = ConsentReference(flow.id, user.id, last_word(connection, flow.id, user.id))
    _tell(connection, context, user, flow.name, noted, "granted" if said else "withdrawn", now)
    return True


def _lacking(connection: Connection, context: Context, stored: StoredFlow) -> Iterable[StoredUser]:
    compiled = context.flows.read(connection).current(stored.id)
    keys = consents.lacking(connection, stored.id, senders(connection, compiled.flow, stored.owner)) if compiled else []
    known = {each.key: each for each in users.every(connection) if not each.disabled}
    return [known[key] for key in keys if key in known and key in context.config.users]


def _tell(
    connection: Connection,
    context: Context,
    user: StoredUser,
    flow: str,
    reference: ConsentReference,
    reason: Reason,
    now: datetime,
    by: str = "",
) -> bool:
    """Write to him; False if he was written to for this reason since anything was said."""
    rep = context.config.users[user.key]
    given = questions.language(rep.language, rep.time_zone)
    letter = consent_letter(reason, name=rep.name, sender=rep.email, flow=flow, by=by, given=given)
    sender = our_address(context.config, rep)
    message_id = consent_id(context.secret, reference, domain_of(sender), label="" if reason == "ask" else reason)
    kind = "question" if reason == "ask" else "notice"
    mail = mail_to(mail_key(reason, reference), kind, user.id, message_id, sender, rep, letter, now)
    return outbox.put(connection, mail, now) is not None
