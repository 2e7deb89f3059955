"""Deletes what is stored about somebody; what concerns others too stays, without him."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, or_, select, update

from mailcrm.store import chosen_records, counting, document_records, forgetting, runs, templates
from mailcrm.store.db import slices
from mailcrm.store.tables import (
    activity,
    attachment,
    choice,
    choice_deal,
    deal,
    event,
    field_value,
    lead,
    link,
    location,
    message,
    note,
    organization,
    organization_address,
    outbox,
    participant,
    person,
    person_address,
    person_phone,
    person_tag,
    plugin_delivery,
    quarantine,
    standing_choice,
    thread,
    thread_apart,
    thread_reference,
)


@dataclass(frozen=True, slots=True)
class Mail:
    """The messages that somebody took part in: ``alone`` as the only outside party, ``shared`` with others."""

    alone: tuple[int, ...]
    shared: tuple[int, ...]


def overwrite_deleted(connection: Connection) -> None:
    """From now on this connection leaves nothing readable of what it deletes (SQLite; PostgreSQL's VACUUM does it)."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")


def persons(connection: Connection, number: int) -> list[int]:
    """The person and those that were merged into him."""
    merged = connection.execute(select(person.c.id).where(person.c.merged_into == number)).scalars()
    return [number, *merged]


def addresses(connection: Connection, numbers: Sequence[int]) -> list[str]:
    """Every address that these persons have or had."""
    query = select(person_address.c.address).distinct().where(person_address.c.person_id.in_(numbers))
    return list(connection.execute(query).scalars())


def mail(connection: Connection, numbers: Collection[int], emails: Collection[str]) -> Mail:
    """The messages of these persons and addresses; of each address, whosever it was taken to be: so all are read."""
    found: set[int] = set()
    for his in (participant.c.person_id.in_(numbers), participant.c.address.in_(emails)):
        found.update(connection.execute(select(participant.c.message_id).where(his)).scalars())
    shared: set[int] = set()
    for piece in slices(found):
        others = select(participant.c.message_id).where(
            participant.c.message_id.in_(piece),
            participant.c.address.not_in(emails),
            or_(participant.c.person_id.is_(None), participant.c.person_id.not_in(numbers)),
        )
        shared.update(connection.execute(others).scalars())
    return Mail(alone=tuple(sorted(found - shared)), shared=tuple(sorted(shared)))


def delete_messages(connection: Connection, ids: Sequence[int]) -> set[str]:
    """Delete messages and the threads that they leave empty. Gives the names of the files that they had."""
    files: set[str] = set()
    threads: set[int] = set()
    for piece in slices(ids):
        rows = connection.execute(select(message.c.thread_id, message.c.message_id).where(message.c.id.in_(piece)))
        names = []
        for row in rows:
            threads.add(row.thread_id)
            names += [row.message_id] if row.message_id else []
        query = select(attachment.c.sha256).where(attachment.c.message_id.in_(piece))
        files.update(connection.execute(query).scalars())
        for table in (attachment, location, participant, link):
            connection.execute(delete(table).where(table.c.message_id.in_(piece)))
        connection.execute(delete(message).where(message.c.id.in_(piece)))
        connection.execute(delete(thread_reference).where(thread_reference.c.reference.in_(names)))
    counting.mark(connection, threads)
    _delete_empty_threads(connection, threads)
    return files


def take_out_of(connection: Connection, ids: Sequence[int], emails: Collection[str]) -> None:
    """Take addresses out of the heads of messages that others took part in too."""
    for piece in slices(ids):
        connection.execute(
            delete(participant).where(participant.c.message_id.in_(piece), participant.c.address.in_(emails))
        )
        connection.execute(
            update(message)
            .where(message.c.id.in_(piece), message.c.from_email.in_(emails))
            .values(from_name=None, from_email=None)
        )
        columns = (message.c.id, message.c.recipients, message.c.details)
        for row in connection.execute(select(*columns).where(message.c.id.in_(piece))).all():
            recipients = {
                role: [pair for pair in pairs if pair[1] not in emails] for role, pairs in row.recipients.items()
            }
            details = {
                name: value
                for name, value in (row.details or {}).items()
                if not (isinstance(value, dict) and {value.get("email"), value.get("recipient")} & set(emails))
            }
            connection.execute(
                update(message).where(message.c.id == row.id).values(recipients=recipients, details=details or None)
            )


def delete_persons(connection: Connection, numbers: Sequence[int], emails: Collection[str]) -> None:
    """Delete persons with their notes and activities. Deals and leads stay, without them."""
    events = select(event.c.id).where(event.c.person_id.in_(numbers))
    connection.execute(delete(plugin_delivery).where(plugin_delivery.c.event_id.in_(events)))
    forgetting.letters(connection, numbers, emails)
    forgetting.words(connection, numbers, emails)
    chosen_records.forget(connection, numbers, emails)
    runs.delete_of(connection, numbers)
    for table in (event, note, activity, person_address, person_phone, person_tag, standing_choice):
        connection.execute(delete(table).where(table.c.person_id.in_(numbers)))
    for table in (deal, lead, participant):
        connection.execute(update(table).where(table.c.person_id.in_(numbers)).values(person_id=None))
    for table in (field_value, link):
        connection.execute(delete(table).where(table.c.record == "person", table.c.record_id.in_(numbers)))
    connection.execute(delete(organization_address).where(organization_address.c.address.in_(emails)))
    made = connection.execute(select(person.c.created_by).where(person.c.id.in_(numbers))).scalars().all()
    by_his_mail = organization.c.created_by.in_([each for each in made if each.startswith("mail:")])
    connection.execute(update(organization).where(by_his_mail).values(created_by="mail"))
    connection.execute(update(person).where(person.c.id.in_(numbers)).values(merged_into=None))
    connection.execute(delete(person).where(person.c.id.in_(numbers)))


def quarantined(connection: Connection) -> list[tuple[int, str]]:
    """(id, name of the file) of everything in quarantine."""
    return [(row.id, row.sha256) for row in connection.execute(select(quarantine.c.id, quarantine.c.sha256))]


def delete_quarantined(connection: Connection, ids: Iterable[int]) -> None:
    """Delete rows of the quarantine."""
    for piece in slices(ids):
        connection.execute(delete(quarantine).where(quarantine.c.id.in_(piece)))


def unreferenced(connection: Connection, files: Iterable[str]) -> set[str]:
    """Those of the files that no attachment, no quarantined message, no template and no document names."""
    left = set(files)
    left -= document_records.named(connection, left)
    for piece in slices(list(left)):
        for table in (attachment, quarantine):
            left -= set(connection.execute(select(table.c.sha256).where(table.c.sha256.in_(piece))).scalars())
    return left - templates.shown(connection, left) if left else left


def _delete_empty_threads(connection: Connection, ids: Iterable[int]) -> None:
    for piece in slices(ids):
        full = select(message.c.thread_id).where(message.c.thread_id.in_(piece))
        empty = set(piece) - set(connection.execute(full).scalars())
        while merged := _merged_into(connection, empty) - empty:
            empty |= merged
        _delete_threads(connection, sorted(empty))


def _merged_into(connection: Connection, ids: Collection[int]) -> set[int]:
    return set(connection.execute(select(thread.c.id).where(thread.c.merged_into.in_(ids))).scalars())


def _delete_threads(connection: Connection, ids: Sequence[int]) -> None:
    asked = select(choice.c.id).where(choice.c.thread_id.in_(ids))
    keys = [f"question:{number}" for number in connection.execute(asked).scalars()]
    connection.execute(delete(outbox).where(outbox.c.key.in_(keys)))
    connection.execute(delete(outbox).where(outbox.c.kind == "digest", outbox.c.state == "sent"))
    connection.execute(delete(choice_deal).where(choice_deal.c.choice_id.in_(asked)))
    mine: list[tuple[Table, ColumnElement[Any]]] = [
        (choice, choice.c.thread_id),
        (thread_reference, thread_reference.c.thread_id),
        (thread_apart, thread_apart.c.thread_id),
        (thread_apart, thread_apart.c.other_id),
    ]
    for table, column in mine:
        connection.execute(delete(table).where(column.in_(ids)))
    connection.execute(update(thread).where(thread.c.id.in_(ids)).values(merged_into=None))
    connection.execute(delete(thread).where(thread.c.id.in_(ids)))
