"""Takes in what was found in a mailbox: messages, links, choices, events and the cursor, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from mailcrm.app import absence, answers, drafts, responses, returned, wishes
from mailcrm.app import answered as answered_runs
from mailcrm.app.context import Context
from mailcrm.app.items import Item, Setting, item_of
from mailcrm.app.linker import Linker
from mailcrm.app.mail_events import events_of
from mailcrm.app.refused import keep
from mailcrm.core import linking
from mailcrm.core.drafts import is_unsent
from mailcrm.core.model import Arrival, Batch, Known, Unreadable
from mailcrm.core.threads import identity_of
from mailcrm.errors import MailcrmError
from mailcrm.store import events, lookup, mailboxes, messages, users

log = logging.getLogger(__name__)
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch.

    Args:
        stored: new messages; ``linked`` of them went to a deal.
        known: places where a message was found that is stored already, or from another place of the same batch.
        skipped: mail among ourselves, bounces of our own mail, private threads: not stored.
        quarantined: messages that could not be read or stored.
    """

    stored: int = 0
    linked: int = 0
    known: int = 0
    skipped: int = 0
    quarantined: int = 0
    persons: int = 0
    choices: int = 0
    answered: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def ingest(context: Context, batch: Batch) -> Outcome:
    """Store and link a batch; all of it and its cursor, or nothing. A message that can't be stored is put aside.

    Safe to repeat: a message that is there already only gets a further location.

    Raises:
        Temporary: the database is busy or away; the batch may come again.
    """
    try:
        return ingest_whole(context, batch)
    except MailcrmError:
        raise
    except Exception as error:
        log.exception("%s of mailbox %s: not stored at once; now one by one", batch.folder or "mail", batch.mailbox)
        return _one_by_one(context, batch, error)


def ingest_whole(context: Context, batch: Batch) -> Outcome:
    """As ``ingest``, but raises whatever a message causes."""
    context.blobs.settle(_files(batch))
    for attempt in range(_TRIES):
        try:
            with context.db.write() as connection:
                outcome = _ingest(connection, context, batch)
            break
        except IntegrityError:  # another process stored one of these a moment ago: look again
            if attempt == _TRIES - 1:
                raise
    if batch.arrivals or batch.flags:
        context.changed()
    return outcome


def _one_by_one(context: Context, batch: Batch, error: Exception) -> Outcome:
    """Store each message by itself, then the cursor together with those that were refused.

    If all are refused, it is not their fault, and the batch waits for whoever mends the cause.
    """
    total = Outcome()
    refused: list[Arrival] = []
    for arrival in batch.arrivals:
        try:
            total += ingest_whole(context, replace(batch, arrivals=(arrival,), cursor=None, vanished=(), flags={}))
        except MailcrmError:
            raise
        except Exception as fault:
            if not isinstance(arrival.content, tuple):
                raise
            log.warning("a message of %s is put aside: %s", arrival.received_at, fault)
            refused.append(replace(arrival, content=keep(context, arrival.content, fault)))
    if len(refused) == len(batch.arrivals) > 1:
        raise error
    return total + ingest_whole(context, replace(batch, arrivals=tuple(refused)))


def _files(batch: Batch) -> set[str]:
    """The stored files that the batch names."""
    contents = [arrival.content for arrival in batch.arrivals]
    unread = {content.sha256 for content in contents if isinstance(content, Unreadable)}
    return unread | {
        each.sha256 for content in contents if isinstance(content, tuple) for each in content[0].attachments
    }


def preview(context: Context, batches: Iterable[Batch]) -> Outcome:
    """What ``ingest`` would do with these batches: the same, in one transaction that is rolled back."""
    total = Outcome()
    with context.db.rehearse() as connection:
        for batch in batches:
            total += _ingest(connection, context, batch)
    return total


def _ingest(connection: Connection, context: Context, batch: Batch) -> Outcome:
    now = context.clock()
    setting = _setting(connection, context, batch)
    if batch.vanished:
        mailboxes.vanish(connection, setting.folder_id, batch.vanished, now)
    if batch.flags:
        mailboxes.reflag(connection, setting.folder_id, batch.flags)
    if not batch.arrivals and not batch.flags:
        return Outcome()
    quarantined = sum(
        messages.put_aside(
            connection, setting.mailbox_id, batch.folder, arrival.uid, arrival.received_at, arrival.content, now
        )
        for arrival in batch.arrivals
        if isinstance(arrival.content, Unreadable)
    )
    mails = [arrival for arrival in batch.arrivals if not is_unsent(batch.role, arrival.flags)]
    places = [(identity, arrival) for arrival in mails if (identity := _identity(arrival)) is not None]
    first: dict[str, Arrival] = {}
    for identity, arrival in places:
        first.setdefault(identity, arrival)
    stored = lookup.messages(connection, first)
    linker = Linker(context, connection, setting, now)
    relocated = _relocate(linker, places, stored)
    items: list[Item] = []
    answered = 0
    fresh_mail = {identity: arrival for identity, arrival in first.items() if identity not in stored}
    back = returned.take(connection, context, fresh_mail, now)
    skipped = len(back.own)
    for identity, arrival in fresh_mail.items():
        if identity in back.own or not isinstance(arrival.content, tuple):
            continue
        message, reading = arrival.content
        if answers.by_mail(connection, context, batch, message, reading, now):
            answered += 1
            continue
        item = item_of(context, setting, batch, arrival, message, reading, identity)
        if item.forwarded or linking.has_outside_party(message, reading, item.direction, context.ours):
            items.append(item)
        else:
            skipped += 1
            answers.unsure_forward(connection, context, batch, arrival, message, now)
    if items:
        linker.prepare(items)
        for item in items:
            linker.add(item)
    if len(places) > len(first):
        _same_batch_twice(linker, places, first)
    linker.finish()
    if relocated and batch.cursor is not None:
        mailboxes.forget_stale(connection, setting.folder_id, relocated)
    happened = [
        event
        for linked in linker.linked
        for event in events_of(
            linked, linker.threads.live(linked.thread), back.persons.get(linked.item.identity, ()), now
        )
    ]
    events.record_quietly(connection, happened, context.plugins.implementers("on_event"), now)
    drafts.fulfil(connection, context, batch, linker.linked, now)
    absence.hold(connection, context, happened, now)
    wishes.take(connection, context, linker.linked, now)
    wishes.warn(connection, context, linker.linked, now)
    answered_runs.stop(connection, context, linker.linked)
    responses.take(connection, linker.linked)
    responses.count(connection, linker.linked, now)
    answered += answers.by_mark(connection, context, batch, setting.folder_id, now)
    fresh = {linked.item.identity for linked in linker.linked}
    return Outcome(
        stored=len(linker.linked),
        linked=sum(linked.deal is not None for linked in linker.linked),
        known=sum(identity in stored or identity in fresh for identity, _ in places) - len(fresh),
        skipped=skipped + linker.skipped,
        quarantined=quarantined,
        persons=len(linker.people.created),
        choices=len(linker.threads.questions),
        answered=answered,
    )


def _setting(connection: Connection, context: Context, batch: Batch) -> Setting:
    state = mailboxes.find(connection, batch.mailbox)
    folder_id = mailboxes.open_folder(connection, state.id, batch.folder, batch.role, batch.cursor)
    configured = context.config.mailboxes.get(batch.mailbox)
    people = (
        tuple(context.config.users) if answers.is_drop_box(context, batch) else configured.people if configured else ()
    )
    ids = users.ids(connection, people)
    return Setting(
        mailbox_id=state.id,
        folder_id=folder_id,
        role=batch.role,
        users=ids,
        members=tuple(ids[key] for key in configured.people if key in ids) if configured else (),
        policy=configured.create_persons if configured else "received+sent",
    )


def _identity(arrival: Arrival) -> str | None:
    if isinstance(arrival.content, Known):
        return arrival.content.identity
    return None if isinstance(arrival.content, Unreadable) else identity_of(arrival.content[0])


def _relocate(linker: Linker, places: Sequence[tuple[str, Arrival]], stored: dict[str, tuple[int, int]]) -> list[int]:
    """Note one more place for messages that are stored already; gives their ids."""
    if not stored:
        return []
    here = messages.located(linker.connection, linker.setting.folder_id, [row[0] for row in stored.values()])
    again: set[int] = set()
    for identity, arrival in places:
        if identity not in stored:
            continue
        message_id = stored[identity][0]
        again.add(message_id)
        if (message_id, arrival.uid) not in here:
            here.add((message_id, arrival.uid))
            linker.rows.location(message_id, linker.setting.folder_id, arrival.uid, arrival.flags)
    return sorted(again)


def _same_batch_twice(linker: Linker, places: Sequence[tuple[str, Arrival]], first: dict[str, Arrival]) -> None:
    """A message that lies twice in one folder is one message with two places."""
    ids = {linked.item.identity: linked.id for linked in linker.linked}
    for identity, arrival in places:
        if identity in ids and first[identity] is not arrival and arrival.uid is not None:
            linker.rows.location(ids[identity], linker.setting.folder_id, arrival.uid, arrival.flags)
