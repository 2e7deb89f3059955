"""A database into one file and back: SQLite by its online backup, PostgreSQL by pg_dump and pg_restore."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import make_url

from mailcrm.errors import Permanent, Refused, Temporary
from mailcrm.store.db import Database

Kind = Literal["sqlite", "postgresql"]


def kind(database: Database) -> Kind:
    """Which of the two it is."""
    return "sqlite" if database.is_sqlite else "postgresql"


def dump(database: Database, target: Path) -> None:
    """Write the database as of now into a new file; others may go on reading and writing.

    Raises:
        Refused: pg_dump is not installed.
        Permanent: it failed.
    """
    if not database.is_sqlite:
        _run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"], database)
        return
    with closing(sqlite3.connect(_file(database))) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def load(database: Database, source: Path) -> None:
    """Replace the database by the one in a file, whole or not at all.

    Raises:
        Temporary: somebody else is writing to it.
        Refused: the file is damaged, or pg_restore is not installed.
        Permanent: it failed.
    """
    database.close()
    if not database.is_sqlite:
        _run("pg_restore", ["--clean", "--if-exists", "--no-owner", "--single-transaction", str(source)], database)
        return
    _check(source)
    try:
        with closing(sqlite3.connect(source)) as copy, closing(sqlite3.connect(_file(database), timeout=30)) as target:
            copy.backup(target)
    except sqlite3.OperationalError as error:
        raise Temporary(f"the database can't be replaced just now: {error}; stop `mailcrm run` first") from None


def file_of(database: Database) -> Path | None:
    """The file of a SQLite database; None for PostgreSQL."""
    return _file(database) if database.is_sqlite else None


def _check(source: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as found:
            answer = found.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        answer = str(error)
    if answer != "ok":
        raise Refused(f"the database in the backup is damaged ({answer}); nothing was changed; take another backup")


def _file(database: Database) -> Path:
    name = make_url(database.url).database
    if not name or name == ":memory:":
        raise Refused("a database in memory can't be backed up; set database to a file")
    return Path(name)


def _run(program: str, arguments: Sequence[str], database: Database) -> None:
    path = shutil.which(program)
    if path is None:
        raise Refused(f"{program} is not installed; install PostgreSQL's client programs (Debian: postgresql-client)")
    url = make_url(database.url)
    target = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    done = subprocess.run(  # noqa: S603 - our own arguments, no shell
        [path, *arguments, f"--dbname={target}"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[:1] or ["no reason given"]
        raise Permanent(f"{program} failed: {reason[0]}; nothing was changed")
