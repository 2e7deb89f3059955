"""Several processes take in the same mail at once (PostgreSQL; on SQLite there is one writer at a time)."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.core.model import Batch
from mailcrm.errors import Temporary
from mailcrm.store import messages, tables
from mailcrm.store.db import Database
from tests.house import NOW, batch, build, mail
from tests.servers.process import wait_until
from tests.unit.test_ingest import count, rows

DEADLINE = 60


@pytest.fixture
def houses(_postgres_copy: str, tmp_path: Path) -> Iterator[list[Context]]:
    databases = [Database(_postgres_copy) for _ in range(3)]
    yield [build(database, tmp_path) for database in databases]
    for database in databases:
        database.close()


def until_stored(house: Context, batches: list[Batch], faults: list[Exception]) -> None:
    for each in batches:
        for _ in range(50):
            try:
                ingest(house, each)
                break
            except Temporary:
                continue
            except Exception as error:
                faults.append(error)
                return
        else:
            faults.append(Temporary("never stored"))


def test_the_same_mail_from_three_processes_is_stored_once(houses: list[Context]) -> None:
    chance = random.Random(7)
    story = [
        mail(n, sender=f"p{n % 9}@klient.example", replies_to=tuple(chance.sample(range(60), k=n % 3)))
        for n in range(60)
    ]
    faults: list[Exception] = []
    threads = []
    for house, box in zip(houses, ("anna", "jan", "office"), strict=True):
        mine = chance.sample(story, k=len(story))
        batches = [batch(*mine[start : start + 7], mailbox=box) for start in range(0, len(mine), 7)]
        threads.append(threading.Thread(target=until_stored, args=(house, batches, faults)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert not faults
    house = houses[0]
    assert (count(house, tables.message), count(house, tables.location), count(house, tables.person)) == (60, 180, 9)
    merged = {row.id for row in rows(house, tables.thread) if row.merged_into is not None}
    held = {row.thread_id for table in (tables.message, tables.thread_reference) for row in rows(house, table)}
    assert not held & merged
    assert parted(house) == components(story)
    assert set(Counter(row.message_id for row in rows(house, tables.link) if row.record == "person").values()) == {1}
    assert count(house, tables.quarantine) == 0


def test_a_thread_that_another_process_joins_meanwhile_takes_no_mail(houses: list[Context]) -> None:
    one, other, _ = houses
    ingest(one, batch(mail(1), mail(2)))
    first, second = sorted(row.id for row in rows(one, tables.thread))
    done = threading.Event()

    def reply() -> None:
        ingest(other, batch(mail(3, replies_to=(2,)), mailbox="jan"))
        done.set()

    replying = threading.Thread(target=reply)
    with one.db.write() as connection:
        messages.join_threads(connection, second, first, NOW)
        replying.start()
        assert wait_until(lambda: done.is_set() or waits_for_a_lock(houses[2].db))
    replying.join(DEADLINE)
    assert done.is_set()
    assert parted(one) == {frozenset({"1@test.example", "2@test.example", "3@test.example"})}


def waits_for_a_lock(database: Database) -> bool:
    with database.read() as connection:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(connection.scalar(text(waiting)))


def parted(house: Context) -> set[frozenset[str]]:
    """Message-IDs by thread."""
    found: dict[int, set[str]] = {}
    with house.db.read() as connection:
        for row in connection.execute(select(tables.message.c.thread_id, tables.message.c.message_id)):
            found.setdefault(row.thread_id, set()).add(row.message_id)
    return {frozenset(each) for each in found.values()}


def components(story: list) -> set[frozenset[str]]:  # type: ignore[type-arg]
    """Message-IDs that any chain of references connects."""
    groups: list[set[str]] = []
    for each in story:
        mine = {each.message_id, *each.references}
        for group in [group for group in groups if group & mine]:
            groups.remove(group)
            mine |= group
        groups.append(mine)
    ids = {each.message_id for each in story}
    return {frozenset(group & ids) for group in groups}
