"""What a flow's run has written to its person so far: for replies in one thread, and for mail found in Sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from mailcrm.core.threads import key_of
from mailcrm.store.db import Lookup
from mailcrm.store.tables import draft, effect, enrollment, message, outbox, participant, pulse, thread_reference

_OF_FLOWS = Lookup(select(outbox.c.message_id).where(outbox.c.kind.in_(("flow", "auto"))), outbox.c.message_id)
_SUBJECTS = Lookup(  # of the threads that these mails are in, for a Message-ID itself has no index
    select(message.c.message_id, message.c.subject).join(
        thread_reference, thread_reference.c.thread_id == message.c.thread_id
    ),
    thread_reference.c.reference,
)


@dataclass(frozen=True, slots=True)
class Written:
    """A mail that left. ``message_id`` is without ``<>``."""

    message_id: str
    subject: str


def by_run(connection: Connection, number: int) -> list[Written]:
    """The mail of an enrollment, the oldest first: what it sent by itself, and the drafts that its rep sent."""
    own = (
        select(effect.c.ended_at, outbox.c.message_id, outbox.c.subject)
        .select_from(effect)
        .join(outbox, outbox.c.key == effect.c.key)
        .where(effect.c.enrollment_id == number, outbox.c.sent_at.is_not(None))  # one that came back was written, too
    )
    # A draft's effect ended at the time of the mail that it became.
    drafts = (
        select(effect.c.ended_at, message.c.message_id, message.c.subject)
        .select_from(effect)
        .join(enrollment, enrollment.c.id == effect.c.enrollment_id)
        .join(pulse, and_(pulse.c.effect_key == effect.c.key, pulse.c.enrollment_id == effect.c.enrollment_id))
        .join(participant, participant.c.person_id == enrollment.c.person_id)
        .join(message, and_(message.c.id == participant.c.message_id, message.c.date == effect.c.ended_at))
        .where(effect.c.enrollment_id == number, pulse.c.kind == "draft", effect.c.state == "done")
        .where(message.c.direction == "out", message.c.message_id.is_not(None))
    )
    # Of one that lay in his Drafts it is known which mail it became, whatever its Date, and before that is read.
    placed = (
        select(effect.c.ended_at, draft.c.message_id, draft.c.subject)
        .select_from(effect)
        .join(draft, draft.c.effect_key == effect.c.key)
        .where(effect.c.enrollment_id == number, draft.c.state == "sent", effect.c.state == "done")
    )
    sent = {tuple(row) for row in connection.execute(placed)}
    subjects = dict(_SUBJECTS.rows(connection, (key_of(message_id) for _, message_id, _ in sent)))
    rows = {(at, message_id, subjects.get(message_id, subject)) for at, message_id, subject in sent}
    rows |= {tuple(row) for query in (own, drafts) for row in connection.execute(query)}
    return [Written(message_id, subject) for _, message_id, subject in sorted(rows)]


def of_flows(connection: Connection, message_ids: Iterable[str]) -> set[str]:
    """Those of these Message-IDs that are of mail that went by itself: a flow's, or a program's for one."""
    return {row.message_id for row in _OF_FLOWS.rows(connection, message_ids)}
