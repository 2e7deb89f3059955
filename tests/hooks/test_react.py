"""Plugins are told of events after the commit, at least once, each for itself."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.event import listen, remove

from mailcrm import App, Event, hookimpl, testing
from mailcrm.app import react
from mailcrm.app.context import Context
from mailcrm.app.react import deliver_due
from mailcrm.app.start import start
from mailcrm.plugins import PluginHost
from mailcrm.plugins.find import Found, Place
from mailcrm.store import events
from mailcrm.store.db import Database
from mailcrm.store.events import Backlog, NewEvent
from mailcrm.store.migrate import upgrade
from tests.house import NOW, build


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def go(self, **time: float) -> None:
        self.now += timedelta(**time)


class Listener:
    """Remembers what it was told; fails while ``fault`` is set."""

    def __init__(self, fault: Callable[[Event], None] = lambda event: None) -> None:
        self.fault = fault
        self.told: list[int] = []

    @hookimpl
    def on_event(self, event: Event) -> None:
        self.told.append(event.id)
        self.fault(event)


def house(database: Database, folder: Path, clock: Clock, **plugins: object) -> Context:
    host = PluginHost(answer_seconds=0.3, work_seconds=0.3)
    for name, plugin in plugins.items():
        host.add(Found(name, Place.FOLDER, "given", lambda plugin=plugin: plugin))
    return replace(build(database, folder, plugins=host), clock=clock)


def happen(context: Context, count: int = 1, plugins: list[str] | None = None) -> list[int]:
    with context.db.write() as connection:
        rows = [
            NewEvent("tag.added", f"{time.monotonic()} {n}", None, NOW, "test", {"tag": str(n)}) for n in range(count)
        ]
        names = context.plugins.implementers("on_event") if plugins is None else plugins
        return events.record_many(connection, rows, names, context.clock())


def backlog(context: Context, plugin: str) -> Backlog:
    with context.db.read() as connection:
        return events.backlogs(connection).get(plugin, Backlog())


def fail(event: Event) -> None:
    raise RuntimeError(f"no {event.id}")


def test_each_plugin_is_told_each_event_once_and_in_order(database: Database, tmp_path: Path) -> None:
    one, two = Listener(), Listener()
    context = house(database, tmp_path, Clock(), one=one, two=two)
    ids = happen(context, 120)
    assert deliver_due(context) == 240
    assert one.told == two.told == ids
    assert deliver_due(context) == 0
    assert backlog(context, "one") == Backlog()


def test_the_limit_is_for_each_plugin(database: Database, tmp_path: Path) -> None:
    one = Listener()
    context = house(database, tmp_path, Clock(), one=one)
    ids = happen(context, 70)
    assert deliver_due(context, limit=60) == 60
    assert deliver_due(context, limit=60) == 10
    assert one.told == ids


def test_nobody_listens(database: Database, tmp_path: Path) -> None:
    context = house(database, tmp_path, Clock())
    happen(context)
    assert deliver_due(context) == 0


def test_three_failures_park_that_event_for_that_plugin(database: Database, tmp_path: Path) -> None:
    clock, good = Clock(), Listener()
    bad = Listener(lambda event: fail(event) if event.id == ids[1] else None)
    context = house(database, tmp_path, clock, bad=bad, good=good)
    ids = happen(context, 3)
    assert deliver_due(context) == 6
    assert good.told == bad.told == ids
    assert deliver_due(context) == 0  # not at once
    clock.go(seconds=29)
    assert deliver_due(context) == 0
    clock.go(seconds=1)
    assert deliver_due(context) == 1
    clock.go(seconds=299)
    assert deliver_due(context) == 0
    clock.go(seconds=1)
    assert deliver_due(context) == 1
    clock.go(days=365)
    assert deliver_due(context) == 0
    assert bad.told == [*ids, ids[1], ids[1]]
    assert backlog(context, "bad") == Backlog(waiting=0, parked=1)
    with context.db.read() as connection:
        ((event, error),) = events.parked(connection, "bad")
    assert (event.id, error) == (ids[1], f"bad failed in on_event: RuntimeError: no {ids[1]}")
    happen(context)
    assert deliver_due(context) == 2  # others, and other events, go on


def test_a_parked_event_can_be_taken_up_again(database: Database, tmp_path: Path) -> None:
    clock, bad = Clock(), Listener(fail)
    context = house(database, tmp_path, clock, bad=bad)
    (parked,) = happen(context)
    for _ in range(3):
        deliver_due(context)
        clock.go(minutes=10)
    assert backlog(context, "bad") == Backlog(parked=1)
    bad.fault = lambda event: None
    with context.db.write() as connection:
        assert events.retry(connection, "another", clock.now) == 0
        assert events.retry(connection, "bad", clock.now) == 1
    assert deliver_due(context) == 1
    assert bad.told == [parked] * 4
    assert backlog(context, "bad") == Backlog()


def test_a_hang_switches_the_plugin_off_and_keeps_what_is_due_for_it(database: Database, tmp_path: Path) -> None:
    clock, good = Clock(), Listener()
    hangs = Listener(lambda event: threading.Event().wait() and None)
    context = house(database, tmp_path, clock, hangs=hangs, good=good)
    ids = happen(context, 3)
    assert deliver_due(context) == 4  # one call to the one that hung
    assert good.told == ids
    assert hangs.told == ids[:1]
    clock.go(days=1)
    happen(context)
    assert deliver_due(context) == 1
    assert backlog(context, "hangs") == Backlog(waiting=4)
    after_restart = house(database, tmp_path, clock, hangs=(cured := Listener()), good=good)
    assert deliver_due(after_restart) == 4
    assert sorted(cured.told)[:3] == ids


def test_coroutines_are_run_to_their_end_or_time_limit(database: Database, tmp_path: Path) -> None:
    told: list[int] = []

    class Async:
        @hookimpl
        async def on_event(self, event: Event) -> None:
            await asyncio.sleep(60 if event.data["tag"] == "1" else 0.001)
            told.append(event.id)

    context = house(database, tmp_path, Clock(), one=Async())
    ids = happen(context, 3)
    assert deliver_due(context) == 3
    assert told == [ids[0], ids[2]]
    assert backlog(context, "one") == Backlog(waiting=1)


def test_a_slow_plugin_ends_its_round_in_time_and_goes_on_in_the_next(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(react, "_ROUND_SECONDS", 0.15)
    slow, quick = Listener(lambda event: time.sleep(0.1)), Listener()
    context = house(database, tmp_path, Clock(), slow=slow, quick=quick)
    ids = happen(context, 10)
    deliver_due(context)
    assert quick.told == ids
    assert 0 < len(slow.told) < 10
    while deliver_due(context):
        pass
    assert slow.told == ids  # none twice, none left out, in order


def test_a_plugin_that_was_removed_stops_nobody(database: Database, tmp_path: Path) -> None:
    one = Listener()
    context = house(database, tmp_path, Clock(), one=one)
    happen(context, 2, plugins=["one", "removed"])
    assert deliver_due(context) == 2
    assert backlog(context, "removed") == Backlog(waiting=2)


def test_two_workers_tell_nothing_twice(database: Database, tmp_path: Path) -> None:
    listeners = [Listener(), Listener()]
    clock = Clock()
    contexts = [house(Database(database.url), tmp_path, clock, one=listener) for listener in listeners]
    ids = happen(contexts[0], 400)
    ready = threading.Barrier(2)

    def work(context: Context) -> None:
        ready.wait(10)
        while deliver_due(context, limit=30):
            pass

    threads = [threading.Thread(target=work, args=(context,)) for context in contexts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(listeners[0].told + listeners[1].told) == ids
    for context in contexts:
        context.db.close()


PLUGIN = """
import os, signal
from pathlib import Path
from mailcrm import Event, hookimpl

LOG = Path(__file__).with_name("told.log")
FATAL = Path(__file__).with_name("fatal")

@hookimpl
def on_event(event: Event) -> None:
    with LOG.open("a") as log:
        log.write(f"{event.id}\\n")
    if FATAL.exists() and FATAL.read_text() == str(event.id):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def plugin_file(tmp_path: Path) -> Path:
    file = tmp_path / "plugins" / "logger.py"
    file.parent.mkdir()
    file.write_text(textwrap.dedent(PLUGIN))
    return file


def worker(context: Context, plugin_file: Path, minutes: int) -> subprocess.Popen[bytes]:
    url = context.db.engine.url.render_as_string(hide_password=False)
    given = [url, str(plugin_file.parent), str(plugin_file), str(minutes)]
    return subprocess.Popen([sys.executable, "-m", "tests.hooks.worker", *given], env=os.environ)


def told(plugin_file: Path) -> list[int]:
    log = plugin_file.with_name("told.log")
    return [int(line) for line in log.read_text().splitlines() if line] if log.exists() else []


def test_kill_9_while_telling_loses_nothing(database: Database, tmp_path: Path, plugin_file: Path) -> None:
    context = house(database, tmp_path, Clock())
    ids = happen(context, 300, plugins=["logger"])
    for minutes, reached in ((0, 20), (3, 110)):
        process = worker(context, plugin_file, minutes)
        deadline = time.monotonic() + 30
        while len(told(plugin_file)) < reached and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert worker(context, plugin_file, 6).wait(30) == 0
    counts = Counter(told(plugin_file))
    assert sorted(counts) == ids
    assert max(counts.values()) <= 3
    assert backlog(context, "logger") == Backlog()


def test_an_event_that_kills_the_process_is_parked_and_no_other_suffers(
    database: Database, tmp_path: Path, plugin_file: Path
) -> None:
    context = house(database, tmp_path, Clock())
    ids = happen(context, 4, plugins=["logger"])
    plugin_file.with_name("fatal").write_text(str(ids[1]))
    codes = [worker(context, plugin_file, 3 * run).wait(30) for run in range(4)]
    assert codes == [-signal.SIGKILL, -signal.SIGKILL, -signal.SIGKILL, 0]
    assert backlog(context, "logger") == Backlog(parked=1)
    counts = Counter(told(plugin_file))
    assert counts[ids[1]] == 3
    assert set(counts) == set(ids)
    with context.db.read() as connection:
        ((event, error),) = events.parked(connection, "logger")
    assert event.id == ids[1]
    assert "the program ended each time" in error


def test_on_start_gives_a_folder_the_time_and_a_way_to_emit(database: Database, tmp_path: Path) -> None:
    apps: list[App] = []

    class Plugin:
        @hookimpl
        async def on_start(self, app: App) -> None:
            apps.append(app)
            app.emit("tag.added", {"tag": "started"}, key="1")

    listener = Listener()
    context = house(database, tmp_path, Clock(), starter=Plugin(), listener=listener)
    start(context)
    start(context)
    assert deliver_due(context) == 1  # one key, one event
    assert apps[0].now() == NOW
    assert apps[0].folder == context.config.data / "plugins" / "starter"
    assert apps[0].folder.is_dir()
    with context.db.read() as connection:
        (event,) = events.recent(connection)
    assert (event.source, event.data) == ("plugin:starter", {"tag": "started"})


def test_a_plugin_may_emit_while_it_is_told(database: Database, tmp_path: Path) -> None:
    class Chain:
        @hookimpl
        def on_start(self, app: App) -> None:
            self.app = app

        @hookimpl
        def on_event(self, event: Event) -> None:
            self.app.emit("tag.removed", dict(event.data), key=f"{event.id}")

    listener = Listener()
    context = house(database, tmp_path, Clock(), chain=Chain(), listener=listener)
    start(context)
    happen(context)
    while deliver_due(context):
        pass
    assert len(listener.told) == 2
    assert testing.event("tag.removed").kind in {event.kind for event in _recent(context)}


def _recent(context: Context) -> list[Event]:
    with context.db.read() as connection:
        return events.recent(connection)


def test_a_long_backlog_costs_nothing_more(tmp_path: Path) -> None:
    """Every statement of a round finds its rows by an index (scans were once 7x slower at 200,000)."""
    database = Database(f"sqlite:///{tmp_path / 'plan.db'}")
    upgrade(database)
    context = house(database, tmp_path, Clock(), one=Listener(lambda event: fail(event) if event.id == 2 else None))
    happen(context, 60)
    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "plugin_delivery" in statement and not statement.startswith("EXPLAIN"):
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[-1] for row in rows)

    listen(database.engine, "before_cursor_execute", explain)
    assert deliver_due(context) == 60
    remove(database.engine, "before_cursor_execute", explain)
    database.close()
    assert any("SEARCH plugin_delivery" in plan for plan in plans)
    assert not [plan for plan in plans if "SCAN" in plan]
