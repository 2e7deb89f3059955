"""Answers a choice: by mail, keyword, folder, page or command. The first answer wins, the others are told so."""

from __future__ import annotations

import hmac
import logging
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from mailcrm.app.ask import notify, question_key
from mailcrm.app.context import Context
from mailcrm.app.proof import proven
from mailcrm.core.choices import Answer, AnswerReference, deal_of_folder, read_answer, read_digest
from mailcrm.core.model import REPLIES, Message, Reading
from mailcrm.core.questions import Candidate, Question
from mailcrm.errors import Refused
from mailcrm.store import choices, outbox

log = logging.getLogger(__name__)


def choose(context: Context, choice_id: int, deal: int | None, *, always: bool = False, by: str, via: str) -> Question:
    """Answer a choice in a transaction of its own.

    Args:
        deal: the id of one of its deals; None is "none of them".
        always: the person's later threads go to this deal too, until it closes.
        by: who answers: a user's key.
        via: ``page`` or ``command``.

    Returns:
        The choice as it is now.

    Raises:
        NotFound: no such choice.
        Refused: it was settled before, or the deal is not one of its open ones; nothing was changed.
    """
    now = context.clock()
    with context.db.write() as connection:
        question = choices.get(connection, choice_id)
        if question.state != "open":
            raise Refused(f"choice {choice_id} is settled: {described(question)}; nothing was changed")
        offered = [candidate.deal for candidate in question.candidates if candidate.open]
        if deal is not None and deal not in offered:
            known = ", ".join(map(str, offered)) or "none is open any more"
            raise Refused(
                f"deal {deal} is not one of choice {choice_id}'s open deals: {known}; `none` is an answer too"
            )
        if deal is None and always:
            raise Refused('"always" needs a deal; without it, "none" answers for this thread')
        if not _settle(connection, question, deal, always, by=by, via=via, now=now):
            raise Refused(f"choice {choice_id} was answered by somebody else this moment; nothing was changed")
        question = choices.get(connection, choice_id)
    context.changed()
    return question


def answer_by_mail(
    connection: Connection,
    context: Context,
    reference: AnswerReference,
    message: Message,
    reading: Reading,
    *,
    via: Literal["sent", "reply"],
    mailbox_key: str | None = None,
    now: datetime,
) -> int:
    """Take a mail as the answer to the questions that it refers to, in the caller's transaction.

    Args:
        reference: from ``answer_reference``, so the token's signature is right.
        via: ``sent`` if the mail was read over IMAP in a Sent folder, which proves who wrote it if the mailbox is
            that user's; ``reply`` if it came in as mail.
        mailbox_key: the mailbox it was found in.

    Returns:
        How many choices it answered. Whoever answered unclearly, too late or unproved is told by mail, once.
    """
    sender = context.ours.user(message.from_.email) if message.from_ else None
    found = choices.load(connection, reference.choices)
    asked = [found[each] for each in reference.choices if each in found]
    if reading.kind not in REPLIES or len(asked) != len(reference.choices):
        return 0
    if reference.nonce is not None and not hmac.compare_digest(asked[0].nonce, reference.nonce):
        return 0
    if sender is None or any(question.user != sender for question in asked):
        log.warning("an answer to choice %s did not come from whom it was asked of", reference.choices)
        return 0
    if not proven(context, message, sender, via, mailbox_key):
        log.warning("an answer to choice %s lacks the DMARC pass that linking.authserv_id asks for", reference.choices)
        notify(context, connection, asked[0], "unproven", now)
        return 0
    text = reading.reply_text or message.text
    numbers = [[candidate.number for candidate in question.candidates] for question in asked]
    if not reference.digest:
        answer = read_answer(text, numbers[0])
        return int(_take(context, connection, asked[0], answer, by=sender, via=via, now=now))
    read = read_digest(text, numbers)
    count = 0
    for position, question in enumerate(asked):
        if position in read.answers or position in read.unclear:
            given = read.answers.get(position)
            count += _take(context, connection, question, given, by=sender, via=via, now=now)
    still_open = [question for question in asked if question.state == "open"]
    if not read.answers and not read.unclear and still_open:
        notify(context, connection, still_open[0], "unclear", now)
    return count


def answer_by_keyword(
    connection: Connection, context: Context, thread_id: int, number: int, mailbox_key: str, now: datetime
) -> bool:
    """Take the keyword ``$crm<number>`` on one of the thread's messages as the answer. True if it answered."""
    found = _open_choice(connection, context, thread_id, mailbox_key)
    if found is None:
        return False
    question, by = found
    return _take(context, connection, question, Answer(number), by=by, via="keyword", now=now)


def answer_by_folder(
    connection: Connection, context: Context, thread_id: int, folder: str, mailbox_key: str, now: datetime
) -> bool:
    """Take a message that lies in the folder ``CRM/<folder>`` as the answer for its thread. True if it answered.

    Args:
        folder: the deal's id, alone or before its title, or its title alone.
    """
    found = _open_choice(connection, context, thread_id, mailbox_key)
    if found is None:
        return False
    question, by = found
    wanted = " ".join(folder.casefold().split())
    titled = [each.deal for each in question.candidates if " ".join(each.title.casefold().split()) == wanted]
    deal = titled[0] if len(titled) == 1 else deal_of_folder(folder)
    if deal is None or not choices.is_open(connection, deal):
        return False
    return _settle(connection, question, deal, False, by=by, via="folder", now=now)


def deal_closed(connection: Connection, deal_id: int, now: datetime) -> None:
    """A deal was won, lost or removed, in this transaction: it drops out of every open choice.

    One that is left is offered, not taken. A choice of which none is left is withdrawn.
    """
    choices.forget_standing(connection, deal_id)
    found = choices.load(connection, choices.with_candidate(connection, deal_id))
    empty = [question.id for question in found.values() if not question.open_numbers]
    choices.withdraw(connection, empty, why="no deal of it is open any more", now=now)
    outbox.withdraw(connection, [question_key(each) for each in empty], "no deal of it is open any more")


def described(question: Question) -> str:
    """What was answered and by whom, on one line."""
    if question.state == "answered":
        what = "none" if question.answer is None else f"deal {question.answer}"
        return f"{question.answered_by} chose {what} by {question.answered_via}"
    return f"withdrawn: {question.answered_by}" if question.state == "withdrawn" else "open"


def _open_choice(
    connection: Connection, context: Context, thread_id: int, mailbox_key: str
) -> tuple[Question, str] | None:
    """The thread's open choice and who answers it here; None if there is none, or it is not his to answer."""
    choice_id = choices.of_thread(connection, thread_id)
    mailbox = context.config.mailboxes.get(mailbox_key)
    if choice_id is None or mailbox is None:
        return None
    question = choices.get(connection, choice_id)
    if question.user is None:
        return question, mailbox.people[0] if len(mailbox.people) == 1 else mailbox_key
    return (question, question.user) if question.user in mailbox.people else None


def _take(
    context: Context,
    connection: Connection,
    question: Question,
    answer: Answer | None,
    *,
    by: str,
    via: str,
    now: datetime,
) -> bool:
    """Settle the choice by what was answered, or tell the rep why not."""
    candidate = _candidate(question, answer)
    deal = candidate.deal if candidate else None
    if answer is None or (candidate is None and answer.number != 0):
        reason = "unclear" if question.state == "open" else ""
    elif question.state == "answered":
        reason = "" if question.answer == deal else "late"
    elif question.state == "withdrawn":
        reason = "withdrawn"
    elif candidate is not None and not candidate.open:
        reason = "closed"
    else:
        return _settle(connection, question, deal, answer.always, by=by, via=via, now=now)
    if reason:
        notify(context, connection, question, reason, now)
    return False


def _candidate(question: Question, answer: Answer | None) -> Candidate | None:
    wanted = answer.number if answer else 0
    return next((candidate for candidate in question.candidates if candidate.number == wanted), None)


def _settle(
    connection: Connection, question: Question, deal: int | None, always: bool, *, by: str, via: str, now: datetime
) -> bool:
    """Everything that an answer changes. False if another one was first."""
    if not choices.settle(connection, question.id, deal, by=by, via=via, now=now):
        return False
    evidence = f"{by} chose deal {deal} by {via} at {now:%Y-%m-%dT%H:%M:%SZ}"
    choices.link_thread(connection, question.thread, deal, rule="choice", evidence=evidence)
    if always and deal is not None:
        choices.stand(connection, question.thread, deal, now)
    outbox.withdraw(connection, [question_key(question.id)], f"answered by {via}")
    return True
