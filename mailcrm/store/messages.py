"""Writes what a batch brought: messages, where they lie, whom they concern, what they are linked to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mailcrm.core.addresses import without_dots, without_tag
from mailcrm.core.linking import Match, Party
from mailcrm.core.model import Address, Attachment, Direction, Message, Reading, Unreadable
from mailcrm.store.db import slices
from mailcrm.store.lookup import ThreadState
from mailcrm.store.tables import (
    attachment,
    choice,
    link,
    location,
    message,
    participant,
    person,
    person_address,
    quarantine,
    thread,
    thread_apart,
    thread_reference,
)

Row = dict[str, Any]
LONGEST_TEXT = 1_000_000
_ORDER = (person, person_address, message, location, participant, attachment, link)


@dataclass(slots=True)
class Rows:
    """Rows to be inserted, collected while a batch is linked and written in one go.

    Args:
        now: when they are stored.
    """

    now: datetime
    tables: dict[Table, list[Row]] = field(default_factory=lambda: {table: [] for table in _ORDER})

    def person(
        self, person_id: int, address: Address, name: str, organization: int | None, owner: int | None, by: str
    ) -> None:
        """A person and his first address."""
        self.tables[person].append(
            {
                "id": person_id,
                "name": clean(name),
                "organization_id": organization,
                "owner_id": owner,
                "created_by": by,
                "created_at": self.now,
            }
        )
        self.tables[person_address].append(
            {
                "person_id": person_id,
                "address": address.email,
                "canonical": canonical(address.email),
                "is_primary": True,
            }
        )

    def message(
        self,
        message_id: int,
        identity: str,
        thread_id: int,
        content: Message,
        reading: Reading,
        direction: Direction,
        author: Address | None,
        received_at: datetime,
        *,
        historic: bool,
        text: str,
        reply_text: str,
        details: Mapping[str, Any] | None,
    ) -> None:
        """A message and its attachments."""
        kept = clean(text)
        reply = clean(reply_text)
        self.tables[message].append(
            {
                "id": message_id,
                "identity": identity,
                "message_id": clean(content.message_id) if content.message_id else None,
                "thread_id": thread_id,
                "kind": reading.kind.value,
                "kind_rule": reading.rule,
                "direction": direction.value,
                "from_name": clean(author.name) if author else None,
                "from_email": author.email if author else None,
                "recipients": {"to": _pairs(content.to), "cc": _pairs(content.cc)},
                "subject": clean(content.subject),
                "date": content.date or received_at,
                "received_at": received_at,
                "stored_at": self.now,
                "size": content.size,
                "text": kept,
                "reply_text": None if reply == kept else reply,
                "historic": historic,
                "details": details,
            }
        )
        for file in content.attachments:
            self.attachment(message_id, file)

    def attachment(self, message_id: int, file: Attachment) -> None:
        """A file of a message."""
        self.tables[attachment].append(
            {
                "message_id": message_id,
                "name": clean(file.name),
                "type": clean(file.type),
                "size": file.size,
                "sha256": file.sha256,
                "inline": file.inline,
            }
        )

    def location(self, message_id: int, folder_id: int, uid: int | None, flags: Sequence[str]) -> None:
        """Where a message lies."""
        self.tables[location].append(
            {"message_id": message_id, "folder_id": folder_id, "uid": uid, "flags": " ".join(flags)}
        )

    def participant(self, message_id: int, party: Party, person_id: int | None) -> None:
        """An outside party of a message, known as a person or not."""
        self.tables[participant].append(
            {
                "message_id": message_id,
                "address": party.address.email,
                "role": party.role,
                "name": clean(party.address.name),
                "person_id": person_id,
            }
        )

    def link(self, message_id: int, record: str, match: Match) -> None:
        """That a message belongs to a record, and why."""
        self.tables[link].append(
            {
                "message_id": message_id,
                "record": record,
                "record_id": match.record,
                "rule": match.rule,
                "evidence": clean(match.evidence)[:500],
            }
        )

    def write(self, connection: Connection) -> None:
        """Insert everything."""
        for table, rows in self.tables.items():
            if rows:
                connection.execute(insert(table), rows)


def canonical(email: str) -> str:
    """The form in which Gmail's dots and everybody's tags do not count."""
    return without_dots(without_tag(email))


def clean(text: str) -> str:
    """Text that both databases can hold: no NUL, no lone surrogates, not endless."""
    if "\0" in text:
        text = text.replace("\0", "")
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text[:LONGEST_TEXT]


def write_threads(connection: Connection, states: Iterable[ThreadState]) -> None:
    """Insert new threads and update changed ones."""
    fresh: list[Row] = []
    changed: list[Row] = []
    for state in states:
        row = {
            "subject": clean(state.subject),
            "first_at": state.first_at,
            "last_at": state.last_at,
            "organization_id": state.organization,
            "deal_id": state.deal,
            "link": state.link,
        }
        if state.is_new:
            fresh.append({"id": state.id, **row})
        elif state.changed:
            changed.append({"thread": state.id, **row})
    if fresh:
        connection.execute(insert(thread), fresh)
    if changed:
        connection.execute(update(thread).where(thread.c.id == bindparam("thread")), changed)


def write_references(connection: Connection, references: Mapping[str, int]) -> None:
    """Remember ids that are new, each with its thread."""
    rows = [{"reference": clean(reference), "thread_id": thread} for reference, thread in references.items()]
    if rows:
        connection.execute(insert(thread_reference), rows)


def join_threads(connection: Connection, gone: int, into: int, now: datetime) -> None:
    """Make two threads one: everything of ``gone`` belongs to ``into``; the row stays and says where it went."""
    connection.execute(update(message).where(message.c.thread_id == gone).values(thread_id=into))
    connection.execute(update(thread_reference).where(thread_reference.c.thread_id == gone).values(thread_id=into))
    connection.execute(
        update(link)
        .where(link.c.record == "thread", link.c.record_id == gone)
        .values(record_id=into, rule="joined", evidence=f"was thread {gone}")
    )
    withdrawn = {"state": "withdrawn", "answered_at": now, "answered_by": f"thread {gone} joined thread {into}"}
    has_choice = select(choice.c.id).where(choice.c.thread_id == into, choice.c.state == "open").exists()
    connection.execute(
        update(choice).where(choice.c.thread_id == gone, choice.c.state == "open", has_choice).values(**withdrawn)
    )
    connection.execute(update(choice).where(choice.c.thread_id == gone).values(thread_id=into))
    connection.execute(
        delete(thread_apart).where((thread_apart.c.thread_id == gone) | (thread_apart.c.other_id == gone))
    )
    connection.execute(update(thread).where(thread.c.merged_into == gone).values(merged_into=into))
    connection.execute(update(thread).where(thread.c.id == gone).values(merged_into=into, link="none", deal_id=None))


def adopt(connection: Connection, addresses: Mapping[str, int]) -> None:
    """Link stored mail of addresses that have just become persons."""
    found = [
        row
        for piece in slices(addresses)
        for row in connection.execute(
            select(participant.c.message_id, participant.c.address, message.c.thread_id)
            .join(message, message.c.id == participant.c.message_id)
            .where(participant.c.address.in_(piece), participant.c.person_id.is_(None))
        )
    ]
    if not found:
        return
    connection.execute(
        update(participant)
        .where(participant.c.message_id == bindparam("m"), participant.c.address == bindparam("a"))
        .values(person_id=bindparam("p")),
        [{"m": row[0], "a": row[1], "p": addresses[row[1]]} for row in found],
    )
    links = {
        (row[0], addresses[row[1]]): {
            "message_id": row[0],
            "record": "person",
            "record_id": addresses[row[1]],
            "rule": "address",
            "evidence": f"{row[1]}, known since later mail",
        }
        for row in found
    }
    connection.execute(insert_new(connection, link), list(links.values()))
    for piece in slices({row[2] for row in found}):
        connection.execute(update(thread).where(thread.c.id.in_(piece), thread.c.link == "none").values(link="person"))


def put_aside(
    connection: Connection,
    mailbox_id: int,
    folder_name: str,
    uid: int | None,
    received_at: datetime,
    content: Unreadable,
    now: datetime,
) -> bool:
    """Note a message that could not be read; False if it was noted before."""
    key = content.sha256 if content.size else sha256(f"{folder_name}\0{uid}\0{received_at}".encode()).hexdigest()
    row = connection.execute(
        insert_new(connection, quarantine)
        .values(
            mailbox_id=mailbox_id,
            folder=folder_name,
            uid=uid,
            key=key,
            received_at=received_at,
            sha256=content.sha256,
            size=content.size,
            reason=clean(content.reason),
            at=now,
        )
        .returning(quarantine.c.id)
    ).first()
    return row is not None


def located(connection: Connection, folder_id: int, ids: Iterable[int]) -> set[tuple[int, int | None]]:
    """(message, uid) of those of the messages that lie in the folder."""
    query = select(location.c.message_id, location.c.uid).where(location.c.folder_id == folder_id)
    return {
        (row[0], row[1])
        for piece in slices(ids)
        for row in connection.execute(query.where(location.c.message_id.in_(piece)))
    }


def threads_at(connection: Connection, folder_id: int, uids: Iterable[int]) -> dict[int, int]:
    """UID -> thread, of the messages that lie in the folder."""
    query = (
        select(location.c.uid, message.c.thread_id)
        .join(message, message.c.id == location.c.message_id)
        .where(location.c.folder_id == folder_id)
    )
    return {
        row[0]: row[1] for piece in slices(uids) for row in connection.execute(query.where(location.c.uid.in_(piece)))
    }


def insert_new(connection: Connection, table: Table) -> Any:
    """An INSERT that leaves rows alone that are there already."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def _pairs(addresses: Iterable[Address]) -> list[tuple[str, str]]:
    return [(clean(address.name), address.email) for address in addresses]
