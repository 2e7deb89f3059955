"""Brings a database to the newest schema (Alembic), whichever version wrote it.

Programs call ``ensure_current``. Alembic's modules would stay in memory for as long as they run, so it works in a child
process (this module, called as a program), and only where there is work.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from mailcrm import errors
from mailcrm.errors import MailcrmError, Permanent, Refused, Temporary
from mailcrm.store.db import Database

_FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x6D61696C63726D  # names our advisory lock on PostgreSQL
_COMMAND = (sys.executable, "-P", "-m", "mailcrm.store.migrate")


def ensure_current(database: Database) -> None:
    """Bring the database to the newest schema. Of several processes that do so at once one works, the others wait.

    Raises:
        Refused: a newer version of the program has written it.
        Temporary: it is locked or away; nothing was changed.
        Permanent: a migration failed; nothing was changed.
    """
    with database.read() as connection:
        if is_current(connection):
            return
    if database.engine.url.database in (None, "", ":memory:"):
        upgrade(database)
    else:
        _upgrade_apart(database)


def upgrade(database: Database) -> None:
    """As ``ensure_current``, always in this process.

    Raises:
        Refused, Temporary, Permanent: as ``ensure_current``.
    """
    with database.read() as connection:
        if is_current(connection):
            return
    try:
        with database.write() as connection:  # on SQLite there is no other writer then
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            if not is_current(connection):  # another process may have been first
                _run(connection)
    except DBAPIError as error:
        reason = str(error.orig).partition("\n")[0]
        raise Permanent(f"the database could not be upgraded: {reason}; nothing was changed in it") from error


def known() -> tuple[str, ...]:
    """The schemas of this version and of those before it, oldest first."""
    return tuple(sorted(path.stem.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py")))


def is_current(connection: Connection) -> bool:
    """Whether it has the newest schema. Raises Refused: a newer version of the program has written it."""
    current, schemas = applied(connection), known()
    if current is not None and current not in schemas:
        raise Refused(
            f"the database was written by a newer version of mailcrm (its schema is {current}, this version knows "
            f"{schemas[-1]}); install that version again, or point `database` to an empty one and `mailcrm db restore` "
            "a backup made by this version"
        )
    return current == schemas[-1]


def applied(connection: Connection) -> str | None:
    """The migration that was applied last; None for an empty database."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _upgrade_apart(database: Database) -> None:
    home = str(Path(__file__).parents[2])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            _COMMAND,
            input=database.url.encode(),  # everybody may read a process's arguments, and this may hold a password
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            check=False,
        )
    except OSError as error:
        raise Temporary(f"can't start a process to upgrade the database: {error}") from error
    if done.stdout:
        kind, message = msgspec.json.decode(done.stdout, type=tuple[str, str])
        raise getattr(errors, kind)(message)
    if done.returncode:
        raise Permanent(f"the database could not be upgraded (exit code {done.returncode}); nothing was changed in it")


def _main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends us
    database = Database(sys.stdin.read())
    try:
        upgrade(database)
    except MailcrmError as error:
        print(msgspec.json.encode((type(error).__name__, str(error))).decode())
        return 1
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(_main())
