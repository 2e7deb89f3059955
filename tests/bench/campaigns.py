"""How fast a launched campaign is planned, beside a bare loop that inserts the same rows; and in how much memory."""

from __future__ import annotations

import gc
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, Table, select, text

from mailcrm.app import launching, members, planning
from mailcrm.app.acting import Actor
from mailcrm.core.definitions import Chosen
from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from mailcrm.store.tables import enrollment, recipient, step
from tests.bench.rows import Row, Scale
from tests.campaign_house import MAILING, CampaignHouse, fill
from tests.house import NOW
from tests.servers.postgres import Postgres

_MEMBERS = {"small": 20_000, "full": 100_000}
_DEMANDED = 10_000  # members a second
_WRITTEN = (recipient, enrollment, step)


def rows(scale: Scale) -> Iterator[Row]:
    """Measure."""
    count = _MEMBERS[scale]
    for name in ("SQLite", "PostgreSQL"):
        with _databases(name) as make:
            seconds, cpu, early, late, written = _ours(make("ours"), count)
            ours, bare = count / seconds, count / _bare(make("bare"), count, written)
        told = f"campaigns: members planned a second, {count:,}, {name}"
        yield Row(told, f"{ours:,.0f}/s", "1 planner", ours, _DEMANDED, unit="/s")
        if name == "SQLite":  # where all of it is done by the planner itself
            yield Row(
                f"{told}, of CPU", f"{count / cpu:,.0f}/s", "whatever else runs", count / cpu, _DEMANDED, unit="/s"
            )
        yield Row(told, f"{ours:,.0f}/s", f"bare inserts of the same rows: {bare:,.0f}/s", ours / bare, 0.25)
        at = f"{late / 2**20:.0f} MB", f"after half: {early / 2**20:.0f} MB"
        yield Row(f"campaigns: memory once all {count:,} are planned, {name}", *at, late / early, 1.1, "less")


def _ours(url: tuple[str, Path], count: int) -> tuple[float, float, int, int, list[Sequence[Any]]]:
    """Seconds, and of CPU; memory after half of them and after all; the rows that were written."""
    number = _prepare(url, count)
    house = _open(url)
    launching.launch(house.context, Actor(), str(number))
    house.db.close()
    spawn = multiprocessing.get_context("spawn")
    told = spawn.SimpleQueue()
    planner = spawn.Process(target=_plan, args=(url, number, count, told))
    planner.start()
    planner.join()
    if planner.exitcode:
        raise RuntimeError("the planner failed")
    seconds, cpu, early, late = told.get()
    with house.db.read() as connection:
        found = [connection.execute(select(table).order_by(table.c.id)).all() for table in _WRITTEN]
    house.db.close()
    if len(found[1]) != count:
        raise RuntimeError(f"{len(found[1])} of {count} were planned")
    return seconds, cpu, early, late, found


def _plan(url: tuple[str, Path], number: int, count: int, told: Any) -> None:
    house = _open(url)
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)  # as the program has it
    process, early, done = psutil.Process(), 0, 0
    begun, used = time.perf_counter(), time.process_time()
    while (planned := planning.plan_round(house.context, number)) is not None:
        done += planned.members
        early = early or (process.memory_info().rss if done * 2 >= count else 0)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    told.put((seconds, cpu, early, process.memory_info().rss))


def _bare(url: tuple[str, Path], count: int, written: Sequence[Sequence[Any]]) -> float:
    """Seconds that the same rows take, inserted by the driver alone in transactions of the same size."""
    _prepare(url, count)
    database = Database(url[0])
    with database.engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        sqlite = database.is_sqlite
        statements = [_insert(connection, table, "?" if sqlite else "%s") for table in _WRITTEN]
        converted = [_converted(connection, table, rows) for table, rows in zip(_WRITTEN, written, strict=True)]
        begun = time.perf_counter()
        for start in range(0, count, planning.ROUND):
            cursor = raw.cursor()
            cursor.execute("BEGIN" if sqlite else "SELECT 1")
            for statement, rows in zip(statements, converted, strict=True):
                cursor.executemany(statement, rows[start : start + planning.ROUND])
            raw.commit()
        seconds = time.perf_counter() - begun
    database.close()
    return seconds


def _insert(connection: Connection, table: Table, mark: str) -> str:
    names, marks = ", ".join(column.name for column in table.c), ", ".join(mark for _ in table.c)
    name = connection.dialect.identifier_preparer.format_table(table)
    return f"INSERT INTO {name} ({names}) VALUES ({marks})"


def _converted(connection: Connection, table: Table, found: Sequence[Any]) -> list[tuple[Any, ...]]:
    convert: list[Callable[[Any], Any]] = [
        column.type._cached_bind_processor(connection.dialect) or (lambda value: value) for column in table.c
    ]
    return [tuple(each(value) for each, value in zip(convert, row, strict=True)) for row in found]


def _prepare(url: tuple[str, Path], count: int) -> int:
    """Persons of whom all were chosen for a campaign that is ready; gives its id."""
    house = _open(url)
    fill(house.db, count, NOW, companies=count // 10)
    house.template()
    number = house.campaign(MAILING)
    members.add(house.context, Actor(), str(number), Chosen(persons=("all",)))
    if not house.db.is_sqlite:
        with house.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    house.db.close()
    return number


def _open(url: tuple[str, Path]) -> CampaignHouse:
    return CampaignHouse(Database(url[0]), url[1])


@contextmanager
def _databases(name: str) -> Iterator[Callable[[str], tuple[str, Path]]]:
    """Makes databases of that kind, with nothing in them; gives URL and folder."""
    with tempfile.TemporaryDirectory(prefix="mailcrm-bench-") as scratch:
        server = Postgres() if name == "PostgreSQL" else None

        def make(called: str) -> tuple[str, Path]:
            folder = Path(scratch) / called
            folder.mkdir()
            url = server.create(called) if server else f"sqlite:///{folder / 'mailcrm.db'}"
            database = Database(url)
            upgrade(database)
            database.close()
            return url, folder

        if server:
            server.__enter__()
        try:
            yield make
        finally:
            if server:
                server.__exit__(None, None, None)
