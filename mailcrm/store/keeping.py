"""What has been kept for longer than it is to be kept: dropped in pieces, so that no sweep holds up others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Select, and_, delete, exists, func, insert, or_, select, update

from mailcrm.core.enrollment import Status
from mailcrm.store.tables import (
    draft,
    effect,
    enrollment,
    hit,
    location,
    message,
    outbox,
    pulse,
    quarantine,
    reaction,
    setting,
    step,
    thread,
)

_SWEPT = "retention.swept"


def swept_at(connection: Connection) -> datetime | None:
    """When the last sweep was."""
    return connection.execute(select(setting.c.at).where(setting.c.name == _SWEPT)).scalar()


def note_swept(connection: Connection, now: datetime) -> None:
    """Note that a sweep was made."""
    connection.execute(delete(setting).where(setting.c.name == _SWEPT))
    connection.execute(insert(setting).values(name=_SWEPT, value=True, at=now))


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows that are past their time, among many that have to stay: found while others write, then dropped.

    Args:
        key: what they are told apart by, ascending as they came.
        due: asks for their keys.
    """

    key: Column[int]
    due: Select[int]

    def after(self, connection: Connection, key: int, limit: int) -> Sequence[int]:
        """The keys of the next ones beyond a key, up to so many: nothing is read twice, however much has to stay."""
        return connection.execute(self.due.where(self.key > key).order_by(self.key).limit(limit)).scalars().all()

    def among(self, keys: Collection[int]) -> Select[int]:
        """Those of the rows that are past their time still: since they were found, anything may have happened."""
        return self.due.where(self.key.in_(keys))


def unlinked_texts(before: datetime) -> Kept:
    """Mail with a text that is linked to nobody and was stored before a time."""
    text = or_(message.c.text.is_not(None), message.c.reply_text.is_not(None))
    query = select(message.c.id).join(thread, thread.c.id == message.c.thread_id)
    return Kept(message.c.id, query.where(thread.c.link == "none", message.c.stored_at < before, text))


def drop_texts(connection: Connection, mails: Select[int]) -> int:
    """Delete the texts of mail; its heads stay."""
    blank = {"text": None, "reply_text": None}
    return connection.execute(update(message).where(message.c.id.in_(mails)).values(blank)).rowcount


def drop_quarantined(connection: Connection, before: datetime, limit: int) -> list[str]:
    """Delete quarantined mail that was put aside before a time; gives the names of its files."""
    due = select(quarantine.c.id, quarantine.c.sha256).where(quarantine.c.at < before).limit(limit)
    rows = connection.execute(due).all()
    connection.execute(delete(quarantine).where(quarantine.c.id.in_([row.id for row in rows])))
    return [row.sha256 for row in rows]


def drop_steps(connection: Connection, before: datetime, limit: int) -> int:
    """Delete steps of flows' traces that were taken before a time; what became of each enrollment stays."""
    due = select(step.c.id).where(step.c.at < before).limit(limit)
    return connection.execute(delete(step).where(step.c.id.in_(due))).rowcount


def drop_hits(connection: Connection, before: datetime, limit: int) -> int:
    """Delete openings and clicks of before a time, with their reasons; the events that tell of them stay."""
    due = select(hit.c.id).where(hit.c.at < before, hit.c.due_at.is_(None)).limit(limit)
    return connection.execute(delete(hit).where(hit.c.id.in_(due))).rowcount


def letters(before: datetime) -> Kept:
    """Mail with a text that left before a time, and that nobody needs for a copy."""
    nobodys = or_(outbox.c.copy.is_(None), outbox.c.copy != "wanted")
    has_text = or_(func.length(outbox.c.content) > 0, outbox.c.body_id.is_not(None))
    sent = and_(outbox.c.sent_at < before, outbox.c.state + "" == "sent")  # by no index, but in their order
    return Kept(outbox.c.id, select(outbox.c.id).where(sent, nobodys, has_text))


def drop_letters(connection: Connection, mails: Select[int]) -> int:
    """Forget the text of mail that left; that it left stays."""
    blank = {"content": b"", "body_id": None}
    return connection.execute(update(outbox).where(outbox.c.id.in_(mails)).values(blank)).rowcount


def drop_reactions(connection: Connection, before: datetime, limit: int) -> int:
    """Delete what flows have reacted to before a time; the events stay, without what caused them."""
    over = reaction.c.pending.is_(False) & (reaction.c.at < before)
    due = select(reaction.c.event_id).where(over).limit(limit)
    return connection.execute(delete(reaction).where(reaction.c.event_id.in_(due))).rowcount


def effects(before: datetime) -> Kept:
    """What runs that ended before a time wanted done outside.

    What has become a letter, a draft or a line for a rep stays with it.
    """
    line = (pulse.c.enrollment_id == effect.c.enrollment_id) & (pulse.c.effect_key == effect.c.key)  # has an index
    theirs = (outbox.c.key == effect.c.key, draft.c.effect_key == effect.c.key, line)
    query = (
        select(effect.c.id)
        .join(enrollment, enrollment.c.id == effect.c.enrollment_id)
        .where(enrollment.c.status != Status.IN_PROGRESS.value, enrollment.c.ended_at < before)
        .where(or_(effect.c.told, effect.c.state == "withdrawn"))
        .where(*(~exists().where(each) for each in theirs))
    )
    return Kept(effect.c.id, query)


def drop_effects(connection: Connection, wanted: Select[int]) -> int:
    """Delete what runs wanted done outside."""
    return connection.execute(delete(effect).where(effect.c.id.in_(wanted))).rowcount


def expunged(before: datetime) -> Kept:
    """Messages that were gone from every folder before a time. Mail from files and LMTP never goes."""
    gone = and_(func.count() == func.count(location.c.gone_at), func.max(location.c.gone_at) < before)
    return Kept(location.c.message_id, select(location.c.message_id).group_by(location.c.message_id).having(gone))
