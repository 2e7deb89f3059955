"""Writes what a batch brought: messages, where they lie, whom they concern, what they are linked to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, literal, select, update

from mailcrm.core.addresses import without_dots, without_tag
from mailcrm.core.linking import Match, Party
from mailcrm.core.model import REPLIES, Address, Attachment, Direction, Message, Reading, Unreadable
from mailcrm.core.text import clean
from mailcrm.store import counting
from mailcrm.store.bulk import insert_rows, update_rows
from mailcrm.store.db import Lookup, insert_new, slices
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

Row = tuple[Any, ...]
_COLUMNS: dict[Table, tuple[str, ...]] = {  # in the order in which they are written
    person: ("id", "name", "organization_id", "owner_id", "created_by", "created_at"),
    person_address: ("person_id", "address", "canonical", "is_primary"),
    message: (
        *("id", "identity", "message_id", "thread_id", "kind", "kind_rule", "direction", "from_name", "from_email"),
        *(
            "recipients",
            "subject",
            "date",
            "received_at",
            "stored_at",
            "size",
            "text",
            "reply_text",
            "historic",
            "details",
        ),
    ),
    location: ("message_id", "folder_id", "uid", "flags"),
    participant: ("message_id", "address", "role", "name", "person_id"),
    attachment: ("message_id", "name", "type", "size", "sha256", "inline"),
    link: ("message_id", "record", "record_id", "rule", "evidence"),
}

_THREAD, _KIND = (_COLUMNS[message].index(name) for name in ("thread_id", "kind"))
_TAKEN = Lookup(select(location.c.uid).where(location.c.folder_id == bindparam("folder")), location.c.uid)


@dataclass(slots=True)
class Rows:
    """Rows to be inserted, collected while a batch is linked and written in one go.

    Args:
        now: when they are stored.
    """

    now: datetime
    tables: dict[Table, list[Row]] = field(default_factory=lambda: {table: [] for table in _COLUMNS})

    def person(
        self, person_id: int, address: Address, name: str, organization: int | None, owner: int | None, by: str
    ) -> None:
        """A person and his first address."""
        self.tables[person].append((person_id, clean(name), organization, owner, clean(by), self.now))
        self.tables[person_address].append((person_id, address.email, canonical(address.email), True))

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
        without: Collection[str] = (),
    ) -> None:
        """A message and its attachments; its recipients but for those ``without`` whom it is to be stored."""
        self.tables[message].append(
            (
                message_id,
                identity,
                clean(content.message_id) if content.message_id else None,
                thread_id,
                reading.kind.value,
                clean(reading.rule),
                direction.value,
                clean(author.name) if author else None,
                author.email if author else None,
                {"to": _pairs(content.to, without), "cc": _pairs(content.cc, without)},
                clean(content.subject),
                content.date or received_at,
                received_at,
                self.now,
                content.size,
                text,
                None if reply_text == text else reply_text,
                historic,
                details,
            )
        )
        for file in content.attachments:
            self.attachment(message_id, file)

    def attachment(self, message_id: int, file: Attachment) -> None:
        """A file of a message."""
        row = (message_id, clean(file.name), clean(file.type), file.size, file.sha256, file.inline)
        self.tables[attachment].append(row)

    def location(self, message_id: int, folder_id: int, uid: int | None, flags: Sequence[str]) -> None:
        """Where a message lies."""
        self.tables[location].append((message_id, folder_id, uid, " ".join(flags)))

    def participant(self, message_id: int, party: Party, person_id: int | None) -> None:
        """An outside party of a message, known as a person or not."""
        row = (message_id, party.address.email, party.role, clean(party.address.name), person_id)
        self.tables[participant].append(row)

    def link(self, message_id: int, record: str, match: Match) -> None:
        """That a message belongs to a record, and why."""
        row = (message_id, record, match.record, match.rule, clean(match.evidence)[:500])
        self.tables[link].append(row)

    def write(self, connection: Connection) -> None:
        """Insert everything. A place that is taken was given to another message by a server that counts anew."""
        by_folder: dict[int, list[int]] = defaultdict(list)
        for _, folder_id, uid, _ in self.tables[location]:
            if uid is not None:
                by_folder[folder_id].append(uid)
        for folder_id, uids in by_folder.items():
            vacate(connection, folder_id, uids, self.now)
        for table, rows in self.tables.items():
            insert_rows(connection, table, _COLUMNS[table], rows)
        new = {row[0] for row in self.tables[message]}
        counting.mark(connection, (row[_THREAD] for row in self.tables[message] if row[_KIND] in REPLIES))
        counting.mark_of(connection, sorted({row[0] for row in self.tables[location]} - new))


def canonical(email: str) -> str:
    """The form in which Gmail's dots and everybody's tags do not count."""
    return without_dots(without_tag(email))


def write_threads(connection: Connection, states: Iterable[ThreadState]) -> None:
    """Insert new threads and update changed ones."""
    fresh: list[Row] = []
    changed: list[Row] = []
    for state in states:
        subject = clean(state.subject)
        row = (subject, state.first_at, state.last_at, state.organization, state.deal, state.link, state.id)
        if state.is_new:
            fresh.append(row)
        elif state.changed:
            changed.append(row)
    columns = ("subject", "first_at", "last_at", "organization_id", "deal_id", "link")
    insert_rows(connection, thread, (*columns, "id"), fresh)
    update_rows(connection, thread, columns, changed)


def write_references(connection: Connection, references: Mapping[str, int]) -> None:
    """Remember ids that are new, each with its thread."""
    insert_rows(connection, thread_reference, ("reference", "thread_id"), list(references.items()))


def join_threads(connection: Connection, gone: int, into: int, now: datetime) -> list[int]:
    """Make two threads one: everything of ``gone`` belongs to ``into``; the row stays and says where it went.

    Of two deals that of ``into`` stays. Of two open choices the older thread's stays; none stays open where one of the
    threads has a deal.

    Returns:
        The ids of the choices that are withdrawn.
    """
    connection.execute(update(message).where(message.c.thread_id == gone).values(thread_id=into))
    counting.mark(connection, (gone, into))
    connection.execute(update(thread_reference).where(thread_reference.c.thread_id == gone).values(thread_id=into))
    connection.execute(
        update(link)
        .where(link.c.record == "thread", link.c.record_id == gone)
        .values(record_id=into, rule="joined", evidence=f"was thread {gone}")
    )
    withdrawn = _withdraw_choices(connection, gone, into, now)
    connection.execute(update(choice).where(choice.c.thread_id == gone).values(thread_id=into))
    _keep_apart(connection, gone, into)
    connection.execute(update(thread).where(thread.c.merged_into == gone).values(merged_into=into))
    _share_deal(connection, gone, into)
    connection.execute(update(thread).where(thread.c.id == gone).values(merged_into=into, link="none", deal_id=None))
    return withdrawn


def _share_deal(connection: Connection, gone: int, into: int) -> None:
    """Every message of the thread belongs to its deal, and to no other, but for what a plugin refused to link."""
    found = select(thread.c.id, thread.c.deal_id).where(thread.c.id.in_((gone, into)), thread.c.deal_id.is_not(None))
    deals = {row.id: row.deal_id for row in connection.execute(found)}
    if not deals:
        return
    deal = deals.get(into, deals.get(gone))
    connection.execute(update(thread).where(thread.c.id == into).values(deal_id=deal, link="linked"))
    mine = select(message.c.id).where(message.c.thread_id == into)
    other = link.c.record_id != deal
    connection.execute(delete(link).where(link.c.record == "deal", link.c.message_id.in_(mine), other))
    values = (message.c.id, literal("deal"), literal(deal), literal("joined"), literal(f"thread {gone} joined it"))
    lacking = select(*values).where(message.c.thread_id == into, ~_vetoed())
    columns = ["message_id", "record", "record_id", "rule", "evidence"]
    connection.execute(insert_new(connection, link).from_select(columns, lacking))


def _withdraw_choices(connection: Connection, gone: int, into: int, now: datetime) -> list[int]:
    linked = select(thread.c.id).where(thread.c.id.in_((gone, into)), thread.c.deal_id.is_not(None))
    open_ = select(choice.c.id).where(choice.c.thread_id == into, choice.c.state == "open")
    ending: ColumnElement[bool]
    if connection.execute(linked).first() is not None:
        ending = choice.c.thread_id.in_((gone, into))
    elif connection.execute(open_).first() is not None:
        ending = choice.c.thread_id == gone
    else:
        return []
    values = {"state": "withdrawn", "answered_at": now, "answered_by": f"thread {gone} joined thread {into}"}
    ended = update(choice).where(ending, choice.c.state == "open").values(**values).returning(choice.c.id)
    return list(connection.execute(ended).scalars())


def _keep_apart(connection: Connection, gone: int, into: int) -> None:
    """What was split from a thread stays apart from the one that it joined."""
    his = (thread_apart.c.thread_id == gone) | (thread_apart.c.other_id == gone)
    others = {each for row in connection.execute(select(thread_apart).where(his)) for each in row} - {gone, into}
    connection.execute(delete(thread_apart).where(his))
    if others:
        rows = [{"thread_id": min(into, other), "other_id": max(into, other)} for other in sorted(others)]
        connection.execute(insert_new(connection, thread_apart), rows)


def adopt(connection: Connection, addresses: Mapping[str, int]) -> None:
    """Link stored mail of addresses that have just become persons, but for what a plugin refused to link."""
    found = [
        row
        for piece in slices(addresses)
        for row in connection.execute(
            select(participant.c.message_id, participant.c.address, message.c.thread_id)
            .join(message, message.c.id == participant.c.message_id)
            .where(participant.c.address.in_(piece), participant.c.person_id.is_(None), ~_vetoed())
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


def vacate(connection: Connection, folder_id: int, uids: Iterable[int], now: datetime) -> None:
    """These places in a folder belong to no message any more."""
    taken = [row[0] for row in _TAKEN.rows(connection, uids, folder=folder_id)]
    for piece in slices(taken):
        mine = (location.c.folder_id == folder_id) & location.c.uid.in_(piece)
        connection.execute(update(location).where(mine).values(uid=None, gone_at=now))


def _vetoed() -> ColumnElement[bool]:
    """True for a message that a plugin refused to link."""
    return select(1).where(link.c.message_id == message.c.id, link.c.record == "veto").exists()


def _pairs(addresses: Iterable[Address], without: Collection[str]) -> list[tuple[str, str]]:
    return [(clean(address.name), address.email) for address in addresses if address.email not in without]
