"""Fixtures that all suites share: private servers and fresh databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from tests.servers import Dovecot, Postfix, Sink
from tests.servers.postgres import Postgres
from tests.servers.pymap import Pymap

# A loaded machine, or the first run that builds the tables of Unicode, is slow; that is no fault.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for this test process."""
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """An empty PostgreSQL database."""
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows, to be copied: quicker than migrating each."""
    file = tmp_path_factory.mktemp("migrated") / "mailcrm.db"
    database = Database(f"sqlite:///{file}")
    upgrade(database)
    database.close()
    return file


@pytest.fixture(scope="session")
def _migrated_postgres(postgres: Postgres) -> str:
    """The name of a database that others are copied from: quicker than migrating each."""
    database = Database(postgres.create("migrated"))
    upgrade(database)
    database.close()
    return "migrated"


@pytest.fixture
def _postgres_copy(postgres: Postgres, _migrated_postgres: str) -> Iterator[str]:
    with postgres.database(template=_migrated_postgres) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind, with all tables and no rows."""
    if request.param == "sqlite":
        file: Path = request.getfixturevalue("migrated_sqlite")
        database = Database(f"sqlite:///{shutil.copy(file, tmp_path / 'test.db')}")
    else:
        database = Database(request.getfixturevalue("_postgres_copy"))
    yield database
    database.close()


@pytest.fixture
def sqlite(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    """SQLite alone, with all tables and no rows."""
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def _sink() -> Iterator[Sink]:
    with Sink() as server:
        yield server


@pytest.fixture
def sink(_sink: Sink) -> Sink:
    """A smarthost that keeps what it is sent; empty and willing at the start of each test."""
    _sink.forget()
    return _sink


@pytest.fixture(scope="session")
def pymap() -> Iterator[Pymap]:
    """An IMAP server without CONDSTORE; take a mailbox of your own by ``pymap.new_user()``."""
    with Pymap() as server:
        yield server


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """Dovecot for the ``servers`` suite; take a mailbox of your own by ``dovecot.new_user()``."""
    with Dovecot() as server:
        yield server


@pytest.fixture
def postfix(dovecot: Dovecot, sink: Sink) -> Iterator[Postfix]:
    """Postfix that delivers ``firma.example`` into Dovecot and relays everything else to the sink."""
    with Postfix(routes={"firma.example": dovecot.lmtp_port}, relay=sink.port) as server:
        yield server
