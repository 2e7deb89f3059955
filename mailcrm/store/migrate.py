"""Brings a database to the newest schema (Alembic), whichever version wrote it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text

from mailcrm.errors import Refused
from mailcrm.store.db import Database

_FOLDER = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Apply the migrations that are missing, each in a transaction. Does nothing on a current database.

    Raises:
        Refused: a newer version of the program has written it.
    """
    known = sorted(path.stem.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py"))
    with database.read() as connection:
        current = _current(connection)
    if current == known[-1]:
        return
    if current is not None and current not in known:
        raise Refused(f"the database was written by a newer version (its schema is {current}); update the program")
    with database.write() as connection:
        _run(connection)


def _current(connection: Connection) -> str | None:
    """The migration that was applied last; None for an empty database."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _run(connection: Connection) -> None:
    from alembic import command  # here, since it takes long to import and is seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
