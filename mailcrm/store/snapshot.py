"""A database into one file and back: SQLite by its online backup, PostgreSQL by pg_dump, pg_restore and psql."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import make_url

from mailcrm.errors import Permanent, Refused, Temporary
from mailcrm.store.db import Database
from mailcrm.store.tables import metadata

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
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}", database=database)
        return
    with closing(sqlite3.connect(_file(database))) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def load(database: Database, source: Path) -> None:
    """Replace the database by the one in a file, whole or not at all.

    Raises:
        Temporary: somebody else is writing to it.
        Refused: the file is damaged, or PostgreSQL's client programs are not installed.
        Permanent: it failed.
    """
    database.close()
    if not database.is_sqlite:
        _load_postgresql(database, source)
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


def _load_postgresql(database: Database, source: Path) -> None:
    """In one transaction, with psql: pg_restore drops what it brings, but not tables that are newer than the file."""
    brought = set(
        re.findall(r"^\d+; \d+ \d+ TABLE \S+ (\S+) ", _run("pg_restore", "--list", str(source)), re.MULTILINE)
    )
    newer = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables if table.name not in brought)
    script = source.with_name(f"{source.name}.sql")
    _run("pg_restore", "--clean", "--if-exists", "--no-owner", f"--file={script}", str(source))
    drop = [f"--command=DROP TABLE IF EXISTS {newer}"] if newer else []
    options = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction")
    _run("psql", *options, *drop, f"--file={script}", database=database)


def _run(program: str, *arguments: str, database: Database | None = None) -> str:
    """Run one of PostgreSQL's client programs; what it printed."""
    path = shutil.which(program)
    if path is None:
        raise Refused(f"{program} is not installed; install PostgreSQL's client programs (Debian: postgresql-client)")
    environment, target = {**os.environ, "PGOPTIONS": "--client-min-messages=warning"}, ""
    if database is not None:
        url = make_url(database.url)
        target = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
        environment |= {"PGPASSWORD": str(url.password)} if url.password else {}
    done = subprocess.run(  # noqa: S603 - our own arguments, no shell
        [path, *arguments, *([f"--dbname={target}"] if target else [])],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[:1] or ["no reason given"]
        raise Permanent(f"{program} failed: {reason[0]}; nothing was changed")
    return done.stdout
