"""The database: what is temporary, what is not, and who waits for whom."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis.strategies import datetimes, timezones
from sqlalchemy import func, insert, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from mailcrm.errors import Temporary
from mailcrm.store import db, tables
from mailcrm.store.db import Database, Utc, reserve, utc_text
from mailcrm.store.migrate import upgrade

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def put(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(insert(tables.setting).values(name=name, value=1, at=NOW))


def count(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(tables.setting)) or 0


def test_a_rehearsal_is_seen_inside_and_gone_after(database: Database) -> None:
    put(database, "before")
    with database.rehearse() as connection:
        connection.execute(insert(tables.setting).values(name="rehearsed", value=1, at=NOW))
        assert connection.scalar(select(func.count()).select_from(tables.setting)) == 2
    assert count(database) == 1


def test_others_write_while_something_is_rehearsed(database: Database) -> None:
    with database.rehearse() as connection:
        connection.execute(insert(tables.setting).values(name="rehearsed", value=1, at=NOW))
        put(database, "meanwhile")
    assert count(database) == 1


def test_a_failed_block_writes_nothing(database: Database) -> None:
    twice = [{"name": "x", "value": 1, "at": NOW}] * 2
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(insert(tables.setting), twice)
    assert count(database) == 0


def test_too_few_connections_are_temporary(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.engine.pool, "_timeout", 0.01)
    with pytest.raises(Temporary, match="every connection is taken"):
        take_many(database)


def test_a_new_database_is_opened_beside_one_who_writes_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("mailcrm.store.db.time.sleep", lambda _: other.execute("COMMIT"))
        database = Database(f"sqlite:///{tmp_path / 'new.db'}")
        with database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        database.close()


def test_a_fault_of_the_statement_is_not_temporary(database: Database) -> None:
    with pytest.raises((OperationalError, ProgrammingError)), database.read() as connection:
        connection.exec_driver_sql("SELECT 1 FROM nowhere")


def take_many(database: Database) -> None:
    with ExitStack() as held:
        for _ in range(100):
            held.enter_context(database.read())


def test_what_no_wait_can_mend_is_not_temporary(postgres_url: str) -> None:
    database = Database(postgres_url)
    upgrade(database)
    endless = "".join(chr(0x4E00 + (n * 7919) % 20000) for n in range(4000))
    with database.write() as connection:
        thread = tables.thread.insert().values(subject="", first_at=NOW, last_at=NOW, link="none")
        number = connection.execute(thread.returning(tables.thread.c.id)).scalar_one()
    with pytest.raises(OperationalError, match="index row"), database.write() as connection:
        connection.execute(insert(tables.thread_reference).values(reference=endless, thread_id=number))
    with pytest.raises(ProgrammingError), database.read() as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")
    database.close()


def test_reserved_ids_are_handed_out_once(database: Database) -> None:
    with database.write() as connection:
        first = list(reserve(connection, tables.thread, 3))
        values = {"subject": "", "first_at": NOW, "last_at": NOW, "link": "none"}
        made = connection.execute(insert(tables.thread).values(**values).returning(tables.thread.c.id)).scalar_one()
        second = list(reserve(connection, tables.thread, 2))
    assert len({*first, made, *second}) == 6
    assert sorted(first) == first
    assert max(first) < made < min(second)


@given(datetimes(timezones=timezones()))
@example(datetime(1, 1, 1, tzinfo=UTC))
@example(datetime(2026, 11, 22, 9, 30, tzinfo=ZoneInfo("Europe/Warsaw")))
def test_a_time_is_text_that_sorts_and_reads_back(at: datetime) -> None:
    try:
        here = at.astimezone(UTC)
    except OverflowError:
        return  # before the year 1, or after 9999
    text = utc_text(at)
    assert text == here.isoformat(timespec="microseconds")
    assert Utc().result_processor(sqlite.dialect(), None)(text) == here


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without zone"):
        utc_text(datetime(2026, 11, 22))


def test_the_log_is_brought_into_the_file_beside_one_who_writes(tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    upgrade(database := Database(f"sqlite:///{file}"))
    try:
        with database.write() as connection:
            connection.execute(text("CREATE TABLE heavy (content BLOB)"))
            connection.execute(text("INSERT INTO heavy VALUES (zeroblob(2000000))"))
        before, size = database.log_changed_at(), file.stat().st_size
        with database.write() as connection:
            connection.execute(text("INSERT INTO heavy VALUES ('1')"))
            database.checkpoint()  # he holds nobody up, and is not held up
        assert file.stat().st_size > size + 2_000_000
        assert database.log_changed_at() > before
    finally:
        database.close()


def test_a_database_that_can_t_be_read_is_not_emptied_into(tmp_path: Path) -> None:
    (tmp_path / "test.db").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    with pytest.raises(Temporary):
        database.checkpoint()
    assert database.log_changed_at() == 0


def test_nothing_is_to_be_brought_anywhere_on_postgresql(postgres_url: str) -> None:
    database = Database(postgres_url)
    database.checkpoint()
    assert database.log_changed_at() == 0


def test_a_large_file_is_mapped_and_a_small_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mapped() -> int:
        database = Database(f"sqlite:///{tmp_path / 'test.db'}")
        with database.read() as connection:
            size = int(connection.exec_driver_sql("PRAGMA mmap_size").scalar_one())
        database.close()
        return size

    upgrade(database := Database(f"sqlite:///{tmp_path / 'test.db'}"))
    database.close()
    assert mapped() == 0
    monkeypatch.setattr(db, "_LARGE", 1_000)
    assert mapped() > 1 << 30


def test_a_writer_goes_on_as_soon_as_another_process_has_written(tmp_path: Path) -> None:
    """SQLite itself looks less and less often: a wait of 50 ms would end after 20 more."""
    upgrade(database := Database(f"sqlite:///{tmp_path / 'test.db'}"))
    waits = []
    try:
        with closing(sqlite3.connect(tmp_path / "test.db", isolation_level=None, check_same_thread=False)) as other:
            for name in "abcde":
                done: list[float] = []
                other.execute("BEGIN IMMEDIATE")
                writing = threading.Thread(
                    target=lambda name=name, done=done: (put(database, name), done.append(monotonic()))
                )
                writing.start()
                writing.join(0.05)
                assert not done
                other.execute("COMMIT")
                freed = monotonic()
                writing.join()
                waits.append(done[0] - freed)
        assert min(waits) < 0.005
        with database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
    finally:
        database.close()


def test_who_waits_in_vain_is_told_that_it_is_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(database := Database(f"sqlite:///{tmp_path / 'test.db'}"))
    monkeypatch.setattr(db, "_BUSY", 0.05)
    try:
        with closing(sqlite3.connect(tmp_path / "test.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Temporary, match="locked"):
                put(database, "a")
    finally:
        database.close()
