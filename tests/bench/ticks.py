"""Flows at work: how many enrollments go one step on a second, among few and among many that wait; and one event
before ten and before a thousand active workflows."""

from __future__ import annotations

import gc
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from mailcrm.app import machine
from mailcrm.core.enrollment import Enrollment, Subject, Token, Waiting
from mailcrm.core.flow import FlowKind
from mailcrm.store import enrollments, flows
from mailcrm.store.bulk import insert_rows
from mailcrm.store.db import Database
from mailcrm.store.enrollments import New
from mailcrm.store.flows import NewFlow
from mailcrm.store.migrate import upgrade
from mailcrm.store.tables import person
from tests.bench.rows import Row, Scale
from tests.flow_kit import START, Story
from tests.servers.postgres import Postgres

_FEW = 10_000
_MANY = {"small": 100_000, "full": 1_000_000}
_DUE = 3_000
_ROUNDS = 3
_DEMANDED = {"SQLite": 20_000, "PostgreSQL": 15_000}
_WORKERS = {"SQLite": 1, "PostgreSQL": 2}
_CLAIMED = 500
_WARM = 20
_EVENTS = 150
_DAY = timedelta(days=1)
_NEVER = 10_000  # days
_FLOW = """
kind = "workflow"
name = "Waits"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = "one"
[nodes.one]
wait = "1d"
next = "two"
[nodes.two]
wait = "52w"
next = "end"
[nodes.end]
end = "all"
"""
_REACTS = """
kind = "rule"
name = "Rule {n}"
on = "tag.added"
where = {{ tag = "t{n}" }}
do = "tag.add"
with = {{ tag = "seen" }}
"""
_PEER = {
    "PostgreSQL": """
WITH due AS (SELECT id FROM enrollment WHERE due_at <= :now ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED),
moved AS (
    UPDATE enrollment e SET seq = seq + 1, due_at = :next FROM due WHERE e.id = due.id RETURNING e.id, e.seq
)
INSERT INTO step (enrollment_id, hop, node, at, stimulus, result)
SELECT id, seq, 'two', :now, 'timer', 'waits' FROM moved
""",
    "SQLite": """
UPDATE enrollment SET seq = seq + 1, due_at = :next
WHERE id IN (SELECT id FROM enrollment WHERE due_at <= :now ORDER BY due_at LIMIT :most) RETURNING id, seq
""",
}
_NOTED = "INSERT INTO step (enrollment_id, hop, node, at, stimulus, result) VALUES (?, ?, 'two', ?, 'timer', 'waits')"


@dataclass(frozen=True)
class Work:
    """What a worker process is told. It waits at ``gate``, and puts the time of its last round into ``ends``."""

    url: str
    folder: str
    now: datetime
    gate: Any
    ends: Any


def rows(scale: Scale) -> Iterator[Row]:
    """Measure."""
    for name in _DEMANDED:
        with _stories(name) as make:
            yield from _advance(name, make, scale)
            yield _react(name, make)


def _advance(name: str, make: Callable[[str], Story], scale: Scale) -> Iterator[Row]:
    few, many, apart = make("few"), make("many"), make("apart")
    _fill(few, _FEW, 1)
    _fill(many, _MANY[scale], 1)
    _fill(apart, _MANY[scale], _MANY[scale] // (_ROUNDS * _DUE))
    took: dict[str, list[float]] = {"few": [], "many": [], "apart": [], "peer": []}
    for number in range(_ROUNDS):
        took["few"].append(_timed(name, few, _ours, number))
        took["many"].append(_timed(name, many, _ours, 2 * number))
        took["peer"].append(_timed(name, many, _bare, 2 * number + 1))
        took["apart"].append(_timed(name, apart, _ours, number))
    count = _DUE - _WARM * _WORKERS[name]
    small, big, far, peer = (count / statistics.median(took[which]) for which in ("few", "many", "apart", "peer"))
    told = f"flows: enrollments a second, {_MANY[scale]:,} waiting, {name}"
    workers = f"{_WORKERS[name]} worker{'s' * (_WORKERS[name] > 1)}"
    yield Row(told, f"{big:,.0f}/s", workers, big, _DEMANDED[name], unit="/s")
    yield Row(told, f"{big:,.0f}/s", f"bare claim and update: {peer:,.0f}/s", big / peer, 0.25)
    yield Row(told, f"{big:,.0f}/s", f"at {_FEW:,}: {small:,.0f}/s", small / big, 1.2, "less")
    yield Row(
        f"{told}, each due one on a page of its own",
        f"{far:,.0f}/s",
        f"side by side: {big:,.0f}/s",
        big / far,
        2.5,
        "less",
    )


def _react(name: str, make: Callable[[str], Story]) -> Row:
    few, many = make("ten"), make("thousand")
    for story, count in ((few, 10), (many, 1_000)):
        with story.db.write() as connection:
            for number in range(count):
                new = NewFlow(FlowKind.RULE, f"Rule {number}", "person", 1, _REACTS.format(n=number))
                flows.activate(connection, flows.add(connection, new, "bench", story.now), story.now)
            story.context.flows.publish(connection, story.now)
    took: dict[str, list[float]] = {"few": [], "many": []}
    for number in range(_EVENTS):
        for which, story in (("few", few), ("many", many)):
            ewa = story.person(f"P{number}")
            story.tagged(ewa, "t7")
            begun = time.perf_counter()
            machine.run_due(story.context)
            took[which].append(time.perf_counter() - begun)
            story.run()
    small, big = (statistics.median(took[which][10:]) * 1e3 for which in ("few", "many"))
    told = f"flows: one event before 1,000 active workflows, {name}"
    return Row(told, f"{big:.2f} ms", f"before 10: {small:.2f} ms", big / small, 1.2, "less")


@contextmanager
def _stories(name: str) -> Iterator[Callable[[str], Story]]:
    """Makes databases of that kind, with nothing in them."""
    made: list[Story] = []
    with tempfile.TemporaryDirectory(prefix="mailcrm-bench-") as scratch:
        server = Postgres() if name == "PostgreSQL" else None

        def make(called: str) -> Story:
            folder = Path(scratch) / called
            folder.mkdir()
            database = Database(server.create(called) if server else f"sqlite:///{folder / 'mailcrm.db'}")
            upgrade(database)
            made.append(Story(database, folder))
            return made[-1]

        if server:
            server.__enter__()
        try:
            yield make
        finally:
            for story in made:
                story.db.close()
            if server:
                server.__exit__(None, None, None)


def _fill(story: Story, count: int, apart: int) -> None:
    """So many persons, each waiting in the flow: some for a day each, and most for years.

    Args:
        apart: 1: who entered together is due together, as a wait of the same length for all makes it; more: those of a
            day lie so far apart.
    """
    number = story.flow(_FLOW)
    with story.db.write() as connection:
        columns = ("id", "name", "created_by", "created_at")
        for start in range(1, count + 1, 10_000):
            ids = range(start, min(start + 10_000, count + 1))
            insert_rows(connection, person, columns, [(each, f"P{each}", "bench", START) for each in ids])
            enrollments.add(connection, [New(_waiting(each, number, apart), "bench") for each in ids])
    if not story.db.is_sqlite:
        with story.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _waiting(each: int, flow: int, apart: int) -> Enrollment:
    turn, rest = divmod(each - 1, apart)
    day = turn // _DUE if apart == 1 else turn % _ROUNDS
    most = _ROUNDS * _DUE * (2 if apart == 1 else 1)
    days = day if not rest and turn < most else _NEVER
    token = Token(1, "one", Waiting.WAIT, (START, 1), START + timedelta(days=days, microseconds=each), hop=1)
    passed = frozenset({"in"})
    return Enrollment(each, flow, 1, Subject(each), 1, START, tokens=(token,), passed=passed, seq=1, hop=1, born=1)


def _timed(name: str, story: Story, work: Callable[[Work], None], day: int) -> float:
    """The seconds until everything of a day is done, by as many processes as are usual."""
    url = story.db.engine.url.render_as_string(hide_password=False)
    story.db.close()
    fork = multiprocessing.get_context("fork")
    gate, ends = fork.Barrier(_WORKERS[name] + 1), fork.SimpleQueue()
    told = Work(url, story.context.config.base, START + (day + 1) * _DAY, gate, ends)
    workers = [fork.Process(target=work, args=(told,)) for _ in range(_WORKERS[name])]
    for worker in workers:
        worker.start()
    gate.wait(60)
    begun = time.perf_counter()
    last = max(ends.get() for _ in workers)
    for worker in workers:
        worker.join()
    return last - begun


def _ours(work: Work) -> None:
    story = Story(Database(work.url), Path(work.folder))
    story.now = work.now
    with story.db.read() as connection:
        story.context.flows.read(connection)
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)  # as the program has it
    machine.run_due(story.context, _WARM)  # statements are compiled once in a process
    work.gate.wait(60)
    last = time.perf_counter()
    while machine.run_due(story.context, _CLAIMED).stimuli:
        last = time.perf_counter()
    work.ends.put(last)


def _bare(work: Work) -> None:
    """The least that any such loop must do: claim, move, note."""
    database = Database(work.url)
    times = {"now": work.now, "next": work.now + timedelta(days=365)}
    given = (
        times if not database.is_sqlite else {name: at.isoformat(timespec="microseconds") for name, at in times.items()}
    )
    _move(database, given, _WARM)
    work.gate.wait(60)
    last = time.perf_counter()
    while _move(database, given, _CLAIMED):
        last = time.perf_counter()
    work.ends.put(last)


def _move(database: Database, given: Mapping[str, Any], most: int) -> int:
    with database.write() as connection:
        if not database.is_sqlite:
            return connection.execute(text(_PEER["PostgreSQL"]), {**given, "most": most}).rowcount
        done = connection.execute(text(_PEER["SQLite"]), {**given, "most": most})
        noted = [(*row, given["now"]) for row in done]
        if noted:
            connection.exec_driver_sql(_NOTED, noted)
        return len(noted)
