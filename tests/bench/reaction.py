"""A worker with nothing to do: what it costs, and how soon an event that another process stores has its action."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psutil

from mailcrm.app.context import Context
from mailcrm.app.emit import emit
from mailcrm.core.flow import FlowKind
from mailcrm.main import build
from mailcrm.store import fields, flows, people
from mailcrm.store.flows import NewFlow
from mailcrm.store.people import NewPerson
from tests.bench.rows import Row, Scale, quantile
from tests.servers.postgres import Postgres
from tests.servers.process import wait_until

_EVENTS = {"small": 100, "full": 400}
_WARM_UP = 10
_IDLE = {"small": 15.0, "full": 60.0}  # seconds
_RULE = """
kind = "rule"
name = "Notes the tag"
on = "tag.added"
do = "field.set"
with = { field = "seen", value = "yes" }
"""


def rows(scale: Scale) -> Iterator[Row]:
    """Measure."""
    for name in ("SQLite", "PostgreSQL"):
        with _running(name) as (context, process):
            took = _reactions(context, _EVENTS[scale] + _WARM_UP)[_WARM_UP:]
            idle = _idle(process, _IDLE[scale]) * 100
        p99 = quantile(took, 0.99) * 1e3
        ours = f"p50 {quantile(took, 0.5) * 1e3:.0f} ms, p99 {p99:.0f} ms"
        yield Row(f"flows: event of another process to action, {name}", ours, "stored", p99, 150, "less", "ms")
        yield Row(f"flows: idle worker, {name}", f"{idle:.1f} %", "one core", idle, 3, "less", "%")


@contextmanager
def _running(name: str) -> Iterator[tuple[Context, psutil.Process]]:
    """A worker of its own process on a fresh database, and our own view of that."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailcrm-bench-")))
        url = f"sqlite:///{folder}/mailcrm.db"
        if name == "PostgreSQL":
            url = stack.enter_context(stack.enter_context(Postgres()).database())
        config = folder / "config.toml"
        config.write_text(f'database = "{url}"\n[users.anna]\nemail = "anna@firma.example"\n')
        context = build(config)
        stack.callback(context.db.close)
        now = context.clock()
        with context.db.write() as connection:
            new = NewFlow(FlowKind.RULE, "Notes the tag", "person", 1, _RULE)
            flows.activate(connection, flows.add(connection, new, "bench", now), now)
            context.flows.publish(connection, now)
        process = psutil.Popen([sys.executable, "-m", "tests.bench.ours_worker", str(config)], stdout=subprocess.PIPE)
        stack.callback(_end, process)
        process.stdout.readline()
        yield context, process


def _end(process: psutil.Popen) -> None:
    process.terminate()
    process.wait(30)


def _reactions(context: Context, count: int) -> list[float]:
    """For each of so many events the seconds from its commit until the field is set."""
    took = []
    for number in range(count):
        with context.db.write() as connection:
            person = people.add(connection, NewPerson(f"P{number}", "bench"), context.clock())
        time.sleep(random.uniform(0.05, 0.25))  # nobody's clock is kept step with
        emit(context, "tag.added", {"tag": "vip"}, source="bench", person=str(person))
        begun = time.perf_counter()
        wait_until(partial(_is_noted, context, person), seconds=30, what="the action")
        took.append(time.perf_counter() - begun)
    return took


def _is_noted(context: Context, person: int) -> bool:
    with context.db.read() as connection:
        return "seen" in fields.of(connection, "person", [person]).get(person, {})


def _idle(process: psutil.Process, seconds: float) -> float:
    """The share of one core that it takes."""
    before, begun = process.cpu_times(), time.perf_counter()
    time.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / (time.perf_counter() - begun)
