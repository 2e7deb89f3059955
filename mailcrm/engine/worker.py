"""The worker: looks for what is due and has DBOS run it, several jobs side by side.

The rows of our own tables are the truth: a job that is lost with its process is only a look that somebody else takes.
"""

from __future__ import annotations

import logging
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from dbos import DBOS, DBOSConfig, SetWorkflowTimeout
from sqlalchemy import Engine, create_engine, event

from mailcrm.app.context import Context
from mailcrm.app.handover import Filed, Transport
from mailcrm.engine.jobs import Job, jobs
from mailcrm.errors import MailcrmError
from mailcrm.store import wake

VERSION = "1"  # of the jobs, not of the program: one that was begun before an upgrade is taken up after it
_PAUSE = 5.0  # seconds after a job that failed
_TURN = 2.0  # seconds of rounds in one job: to begin one costs milliseconds
_BREATH = 0.005  # seconds between two looks, however often somebody rings
_LONGEST = 600.0  # seconds that a job may take by DBOS's reckoning
_END = 10  # seconds that jobs under way have to end
_KEPT = timedelta(hours=1)
_OVER = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_AT_A_TIME = 500
log = logging.getLogger("mailcrm")


class Bell(Protocol):
    """Wakes the worker."""

    def ring(self) -> None:
        """Something may be due."""

    def wait(self, seconds: float) -> bool:
        """Sleep until somebody rings, at most so long; whether somebody did."""


class Worker:
    """The jobs of one process. There can be one at a time: DBOS is one for each process.

    Args:
        faults: what is wrong now, by job; kept up to date.
        filed: see ``dispatch``.
    """

    def __init__(
        self,
        context: Context,
        transport: Transport,
        bell: Bell,
        faults: dict[str, str],
        filed: Filed | None = None,
    ) -> None:
        self._context, self._bell, self._faults = context, bell, faults
        self._jobs = jobs(context, transport, filed)
        self._busy: set[str] = set()
        self._look_at = dict.fromkeys((job.name for job in self._jobs), 0.0)
        self._not_before = dict(self._look_at)

    def run(self, stopping: threading.Event) -> None:
        """Work until ``stopping`` is set (and the bell rung); what has begun is finished."""
        engine = _engine(self._context)
        deaf = threading.Event()
        listener = threading.Thread(target=self._listen, args=(deaf,), name="calls")
        DBOS(config=_config(engine))
        try:
            started = {job.name: DBOS.workflow(name=job.name)(self._workflow(job)) for job in self._jobs}
            forget = DBOS.workflow(name="forget")(_forget)
            DBOS.launch()
            DBOS.apply_schedules([{"schedule_name": "forget", "workflow_fn": forget, "schedule": "23 * * * *"}])
            listener.start()
            while not stopping.is_set():
                self._look(started)
                # One that is under way rings when it ends, if it is to be looked at again.
                idle = [at for name, at in self._look_at.items() if name not in self._busy]
                if self._bell.wait(min(idle, default=time.monotonic() + _PAUSE) - time.monotonic()):
                    self._look_at |= dict.fromkeys((job.name for job in self._jobs if job.rung), 0.0)
                stopping.wait(_BREATH)
        finally:
            deaf.set()
            if listener.is_alive():
                listener.join()
            DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=_END)
            engine.dispose()

    def _listen(self, deaf: threading.Event) -> None:
        """Other processes call when they have made something due; on SQLite nobody can, and looks must do."""
        if not self._context.db.is_sqlite:
            wake.listen(self._context.db, self._bell.ring, deaf)

    def _look(self, started: Mapping[str, Callable[[], None]]) -> None:
        """Begin every job that has something to do and is not under way."""
        for job in self._jobs:
            now = time.monotonic()
            if job.name in self._busy or now < self._look_at[job.name]:
                continue
            self._look_at[job.name] = max(now + job.every, self._not_before[job.name])
            with self._guarded(job):
                if now >= self._not_before[job.name] and job.is_due():
                    self._busy.add(job.name)
                    with SetWorkflowTimeout(_LONGEST):
                        DBOS.start_workflow(started[job.name])

    def _workflow(self, job: Job) -> Callable[[], None]:
        def workflow() -> None:
            again = False
            try:
                with self._guarded(job):
                    until = time.monotonic() + _TURN
                    while (again := job.round()) and time.monotonic() < until:
                        pass
                    self._faults.pop(f"worker {job.name}", None)
            finally:
                self._busy.discard(job.name)
            if again or self._look_at[job.name] == 0.0:  # somebody rang meanwhile
                self._bell.ring()

        return workflow

    @contextmanager
    def _guarded(self, job: Job) -> Iterator[None]:
        """A job that fails is tried again after a pause, and what is wrong is told."""
        try:
            yield
        except Exception as error:
            self._busy.discard(job.name)
            self._not_before[job.name] = time.monotonic() + _PAUSE
            self._faults[f"worker {job.name}"] = str(error)
            if isinstance(error, MailcrmError):
                log.warning("%s: %s", job.name, error)
            else:
                log.exception("%s failed", job.name)


def _forget(_at: datetime, _context: Any) -> None:
    """Delete what DBOS remembers of jobs that are long over."""
    before = (datetime.now(UTC) - _KEPT).isoformat()
    while over := DBOS.list_workflows(
        status=_OVER, end_time=before, limit=_AT_A_TIME, load_input=False, load_output=False
    ):
        DBOS.delete_workflows([each.workflow_id for each in over])


def _config(engine: Engine) -> DBOSConfig:
    return {
        "name": "mailcrm",
        "application_version": VERSION,
        "executor_id": socket.gethostname(),  # stable: what a process leaves undone is taken up by the next one here
        "log_level": "ERROR",
        "system_database_url": engine.url.render_as_string(hide_password=False),
        "system_database_engine": engine,
        "use_listen_notify": False,
    }


def _engine(context: Context) -> Engine:
    """Where DBOS remembers its jobs: on PostgreSQL a schema of the database, else a file beside it.

    A file of its own, so that jobs and mail don't wait for each other. What it loses with the power is only looks.
    """
    if not context.db.is_sqlite:
        return create_engine(context.db.url, pool_size=5, max_overflow=10, pool_pre_ping=True)
    file = Path(context.db.engine.url.database or "mailcrm.db").with_suffix(".jobs")
    engine = create_engine(f"sqlite:///{file}")

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=OFF"):
            connection.execute(f"PRAGMA {pragma}")
        if sqlite3.sqlite_version_info < (3, 42):
            # On Python >= 3.12 DBOS asks for unixepoch('subsec'), which an older SQLite answers with NULL.
            connection.create_function("unixepoch", 1, lambda _subsec: time.time())

    return engine
