"""What became of a letter, read from the program's database as another process sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from mailcrm.store import tables as t
from mailcrm.store.db import Database
from tests.demo.story import Becomes, Scene
from tests.demo.world import Place, World
from tests.servers.process import wait_until

_SECONDS = 20


@dataclass(frozen=True)
class Counts:
    """How far the story has come; the last line of a run that ends by itself."""

    messages: int
    threads: int
    persons: int
    linked: int
    choices: int
    answered: int
    sent: int
    quarantined: int
    failed: int
    campaigns: int
    documents: int


class Observer:
    """Looks into the program's database."""

    def __init__(self, world: World) -> None:
        self._db = Database(world.program.config["database"])

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def wait_for(self, scene: Scene, message_id: str, places: Sequence[Place]) -> Becomes:
        """What became of a letter, once its folders have been read up to it. Raises TimeoutError."""
        for place in places:
            wait_until(lambda place=place: self._has_read(place), seconds=_SECONDS, what=f"the reading of {scene.name}")
        with self._db.read() as connection:
            found = self._message(connection, message_id, places)
            if found is not None:
                return self._becomes(connection, found, message_id)
            put_aside = [self._is_put_aside(connection, place) for place in places]
            return Becomes("quarantine" if any(put_aside) else "not stored")

    def read(self, place: Place) -> None:
        """Wait until the program has read a folder up to this message. Raises TimeoutError."""
        wait_until(lambda: self._has_read(place), seconds=_SECONDS, what=f"the reading of {place}")

    def deal_of(self, message_id: str) -> str | None:
        """The title of the deal that the message's thread is linked to."""
        with self._db.read() as connection:
            return connection.scalar(
                select(t.deal.c.title)
                .join(t.thread, t.thread.c.deal_id == t.deal.c.id)
                .join(t.message, t.message.c.thread_id == t.thread.c.id)
                .where(t.message.c.message_id == message_id)
            )

    def counts(self) -> Counts:
        """The counts now."""
        with self._db.read() as connection:

            def count(table: t.Table, *conditions: object) -> int:
                return connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0

            return Counts(
                messages=count(t.message),
                threads=count(t.thread, t.thread.c.merged_into.is_(None)),
                persons=count(t.person, t.person.c.removed_at.is_(None)),
                linked=count(t.thread, t.thread.c.link == "linked", t.thread.c.merged_into.is_(None)),
                choices=count(t.choice),
                answered=count(t.choice, t.choice.c.state == "answered"),
                sent=count(t.outbox, t.outbox.c.state == "sent"),
                quarantined=count(t.quarantine, t.quarantine.c.stored_at.is_(None)),
                failed=count(t.outbox, t.outbox.c.state == "failed"),
                campaigns=count(t.campaign, t.campaign.c.launched_at.is_not(None)),
                documents=count(t.document),
            )

    def _has_read(self, place: Place) -> bool:
        query = (
            select(t.folder.c.last_uid, t.folder.c.backfill_uid)
            .join(t.mailbox, t.mailbox.c.id == t.folder.c.mailbox_id)
            .where(t.mailbox.c.key == place.rep, t.folder.c.name == place.folder)
        )
        with self._db.read() as connection:
            row = connection.execute(query).first()
        return row is not None and row.backfill_uid <= place.uid <= row.last_uid

    def _message(self, connection: Connection, message_id: str, places: Sequence[Place]) -> int | None:
        if not places:
            return connection.scalar(select(t.message.c.id).where(t.message.c.message_id == message_id))
        query = (
            select(t.location.c.message_id)
            .join(t.folder, t.folder.c.id == t.location.c.folder_id)
            .join(t.mailbox, t.mailbox.c.id == t.folder.c.mailbox_id)
        )
        found = {
            connection.scalar(
                query.where(
                    t.mailbox.c.key == place.rep, t.folder.c.name == place.folder, t.location.c.uid == place.uid
                )
            )
            for place in places
        }
        if len(found) > 1:
            raise RuntimeError(f"one mail in {len(places)} mailboxes became {len(found)} messages")
        return found.pop()

    def _becomes(self, connection: Connection, number: int, message_id: str) -> Becomes:
        row = connection.execute(
            select(t.message.c.kind, t.thread.c.link, t.deal.c.title)
            .join(t.thread, t.thread.c.id == t.message.c.thread_id)
            .join(t.deal, t.deal.c.id == t.thread.c.deal_id, isouter=True)
            .where(t.message.c.id == number)
        ).one()
        people = connection.execute(
            select(t.person.c.name, t.person.c.created_by)
            .join(t.link, (t.link.c.record_id == t.person.c.id) & (t.link.c.record == "person"))
            .where(t.link.c.message_id == number)
            .order_by(t.person.c.name)
        ).all()
        return Becomes(
            kind=row.kind,
            persons=tuple(each.name for each in people),
            new=tuple(each.name for each in people if each.created_by == f"mail:{message_id}"),
            deal=row.title,
            asked=row.link == "choice",
        )

    def _is_put_aside(self, connection: Connection, place: Place) -> bool:
        query = (
            select(t.quarantine.c.id)
            .join(t.mailbox, t.mailbox.c.id == t.quarantine.c.mailbox_id)
            .where(t.mailbox.c.key == place.rep, t.quarantine.c.folder == place.folder, t.quarantine.c.uid == place.uid)
        )
        return connection.scalar(query) is not None
