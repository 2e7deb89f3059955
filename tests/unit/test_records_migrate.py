"""The schema: migrated once, current afterwards, and never taken from a newer version."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from mailcrm.errors import Refused
from mailcrm.store import migrate, tables
from mailcrm.store.db import Database


def test_the_newest_migration_is_the_one_that_the_names_tell(database: Database) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    with database.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == (
            ScriptDirectory.from_config(config).get_current_head()
        )


def test_the_migrations_make_the_tables_that_the_program_knows(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_a_newer_database_is_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Refused, match="newer version"):
        migrate.upgrade(database)


def test_a_program_that_upgrades_its_database_is_not_left_with_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    script = (
        "import sys; from mailcrm.store import migrate; from mailcrm.store.db import Database;"
        f"migrate.ensure_current(Database({url!r})); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    database = Database(url)
    with database.read() as connection:
        assert migrate.applied(connection) == migrate.known()[-1]
    database.close()


def test_a_current_database_costs_no_process(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("subprocess.run")
    migrate.ensure_current(database)


def test_the_migrations_write_the_same_statements_as_the_tables(tmp_path: Path) -> None:
    """Partial indexes, defaults, WITHOUT ROWID: what Alembic's comparison does not see."""
    migrated, created = (Database(f"sqlite:///{tmp_path / name}") for name in ("migrated.db", "created.db"))
    migrate.upgrade(migrated)
    with created.write() as connection:
        tables.metadata.create_all(connection)
    assert _statements(migrated) == _statements(created)


def _statements(database: Database) -> dict[str, list[str]]:
    """What SQLite has kept of each table and index, whatever the order of columns and constraints."""
    query = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'")
    with database.read() as connection:
        found = {name: sorted(re.split(r",?\s*\n\s*|, ", sql)) for name, sql in connection.execute(query)}
    database.close()
    return found
