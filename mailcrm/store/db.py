"""The database: engine, transactions, ids. SQLite and PostgreSQL behave alike above this file."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    Dialect,
    Engine,
    Integer,
    Select,
    Table,
    any_,
    bindparam,
    cast,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.types import TIMESTAMP, String, TypeDecorator, TypeEngine

from mailcrm.errors import Permanent, Temporary

T = TypeVar("T")

_BUSY = 30.0  # seconds that a writer waits for other processes
_LOOK = 0.0005  # seconds between two looks whether another process still writes
_PRAGMAS = (
    "synchronous=NORMAL",
    "wal_autocheckpoint=8000",  # pages: a first pass writes the same index pages again and again
    f"busy_timeout={_BUSY * 1000:.0f}",
    "foreign_keys=ON",
    "cache_size=-16384",
    "temp_store=MEMORY",
)
_LARGE = 256 << 20
"""Bytes from which on a file is read by mmap: a page here and there of a large one costs half; of a small one all would
soon be mapped, which looks like memory that is taken."""
_FOR_LARGE = (
    "mmap_size=2147418112",  # bytes: as much as SQLite can
    "cache_size=-65536",  # kB: the upper pages of all indexes of a million mails, which every mail goes through
)
_RENEWED = 3600  # seconds after which a connection is made anew: the file may be a large one by then
_IN_LIST = 900
_json = msgspec.json.Encoder().encode
_RESERVE = text("UPDATE sqlite_sequence SET seq = seq + :n WHERE name = :t RETURNING seq")
_FIRST = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:t, :n)")
_WHOLE = len('"2026-11-22T09:30:00Z"')
_EXACT, _PADDED = "+00:00", ".000000+00:00"
_JSON: Mapping[str, Any] = {
    "json_serializer": lambda value: msgspec.json.encode(value).decode(),
    "json_deserializer": msgspec.json.decode,
}


class Utc(TypeDecorator[datetime]):
    """An aware time in UTC: ``timestamptz`` on PostgreSQL, ISO 8601 text (sortable) on SQLite."""

    impl = String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column type of this database."""
        return TIMESTAMP(timezone=True) if dialect.name == "postgresql" else String(32)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """To the database; a naive time is a bug, so it is refused."""
        return _in_utc if dialect.name == "postgresql" else utc_text

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002
        """From the database."""
        return _read


@lru_cache(1_024)  # the same few times stand in many rows of a batch
def utc_text(value: datetime | None) -> str | None:
    """A time as SQLite has it; ``isoformat`` takes five times as long. Raises ValueError if it has no zone."""
    value = _in_utc(value)
    if value is None:
        return None
    text = _json(value)  # in quotes, with microseconds where there are any, and a Z at its end
    return f"{text[1:-2].decode()}{_EXACT if len(text) > _WHOLE else _PADDED}"


def _in_utc(value: datetime | None) -> datetime | None:
    if value is None or value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError(f"a time without zone: {value!r}")
    return value.astimezone(UTC)


def _read(value: Any) -> datetime | None:
    return _in_utc(datetime.fromisoformat(value) if isinstance(value, str) else value)


class Database:
    """One database. ``read`` and ``write`` are the only ways in.

    On SQLite writers queue on a lock of this process before they ask SQLite, whose own waiting is a slow poll;
    other processes are waited for by ``busy_timeout``.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._writer = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading. On SQLite what it reads is one snapshot; on PostgreSQL each query is.

        Raises:
            Temporary: the database is away.
        """
        with temporary(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def glances(self) -> Iterator[Connection]:
        """A connection for many short looks, each to end by ``rollback()``: the next one sees what was committed since.

        On PostgreSQL a look is one message to the server and back, instead of four.

        Raises:
            Temporary: the database is away.
        """
        options = {} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        with temporary(), self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed at the end of the block, rolled back if it raises.

        Raises:
            Temporary: the database is locked or away; nothing was written.
        """
        if not self.is_sqlite:
            with temporary(), self.engine.begin() as connection:
                yield connection
            return
        with self._writer, temporary(), self.engine.connect() as connection:
            connection.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection

    def settle(self) -> None:
        """Have everything that is committed survive a power cut; for what somebody is told that it is safe.

        PostgreSQL does so by itself. SQLite with ``synchronous=NORMAL`` leaves the last commits to the operating
        system: here its log is made durable, as FULL does, but while others write on.
        """
        if not self.is_sqlite:
            return
        with suppress(FileNotFoundError):  # nothing was written since the log was last emptied into the database
            handle = os.open(f"{self.engine.url.database}-wal", os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def checkpoint(self) -> None:
        """Bring SQLite's log into the database file, without keeping writers waiting: else one of them has to do it, in
        the middle of its commit, and is a tenth of a second late.

        Raises:
            Temporary: the database is away.
        """
        if not self.is_sqlite:
            return
        try:
            with closing(sqlite3.connect(self.engine.url.database or "", timeout=0)) as connection:
                connection.execute("PRAGMA synchronous=NORMAL")
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            raise Temporary(f"the database can't be used just now: {error}") from error

    def log_changed_at(self) -> int:
        """When something was last written into SQLite's log, in nanoseconds; 0 if there is none."""
        with suppress(FileNotFoundError):
            if self.is_sqlite:
                return Path(f"{self.engine.url.database}-wal").stat().st_mtime_ns
        return 0

    @contextmanager
    def rehearse(self) -> Iterator[Connection]:
        """A transaction whose work is seen inside of the block and then gone.

        On SQLite it is made in a copy, for there is one writer at a time and a rehearsal may take long.
        """
        if self.is_sqlite:
            with self._copy() as copy, copy.write() as connection:
                yield connection
            return
        with temporary(), self.engine.connect() as connection:
            transaction = connection.begin()
            try:
                yield connection
            finally:
                transaction.rollback()

    @contextmanager
    def _copy(self) -> Iterator[Database]:
        file = Path(self.engine.url.database or "")
        with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=file.parent) as folder:
            target = Path(folder) / "copy.db"
            with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
            database = Database(f"sqlite:///{target}")
            try:
                yield database
            finally:
                database.close()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def reserve(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """Ids for ``count`` new rows of ``table``, ascending, never handed out twice.

    For bulk inserts that need the ids of parents before the children are written.
    """
    if count == 0:
        return ()
    if connection.dialect.name == "postgresql":
        rows = connection.execute(
            text(f"SELECT nextval('{table.name}_id_seq') FROM generate_series(1, :n)"),  # noqa: S608 - our own name
            {"n": count},
        )
        return sorted(row[0] for row in rows)
    given = {"t": table.name, "n": count}
    last = connection.execute(_RESERVE, given).scalar()
    if last is None:
        connection.execute(_FIRST, given)
        last = count
    return range(last - count + 1, last + 1)


def insert_new(connection: Connection, table: Table, key: Sequence[str] | None = None) -> Any:
    """An INSERT that leaves rows alone that are there already.

    Args:
        key: the columns of the unique constraint that may be met; None for any.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing(index_elements=key)


class Lookup:
    """A query for many values of one column. They are one parameter, so the statement is made once and stays the same.

    Args:
        query: without the condition.
        column: what the values are compared with; to be indexed.
    """

    def __init__(self, query: Select[Any], column: Column[Any]) -> None:
        listed = func.json_each(bindparam("among", type_=String)).table_valued("value")
        self._sqlite = query.where(column.in_(select(listed.c.value)))
        self._numbers = isinstance(column.type, Integer)  # the driver takes long to write them as an array
        array = ARRAY(column.type)
        among = bindparam("among", type_=String if self._numbers else array)
        self._postgresql = query.where(column == any_(cast(among, array) if self._numbers else among))

    def rows(self, connection: Connection, values: Iterable[object], **others: object) -> Sequence[Any]:
        """The rows for these values, however many; ``others`` are further parameters of the query."""
        wanted = list(values)
        if not wanted:
            return ()
        if connection.dialect.name == "postgresql":
            among = f"{{{','.join(map(str, wanted))}}}" if self._numbers else wanted
            return connection.execute(self._postgresql, {"among": among, **others}).all()
        return connection.execute(self._sqlite, {"among": json.dumps(wanted), **others}).all()


def slices(values: Iterable[T], size: int = _IN_LIST) -> Iterator[list[T]]:
    """The values in lists short enough for an ``IN``."""
    iterator = iter(values)
    while piece := list(islice(iterator, size)):
        yield piece


@contextmanager
def temporary() -> Iterator[None]:
    """What the database can't do just now is raised as Temporary, a file that is none as Permanent; else as it is."""
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise Permanent("the file of `database` is no SQLite database; name another, or move it away") from error
        if error.connection_invalidated or (isinstance(error, OperationalError) and not _is_wrong(error.orig)):
            raise Temporary(f"the database can't be used just now: {error.orig}") from error
        raise
    except PoolTimeout as error:
        raise Temporary("the database can't be used just now: every connection is taken") from error


def _is_wrong(error: BaseException | None) -> bool:
    """Whether the statement itself is at fault: beyond a limit of PostgreSQL, or an error in it to SQLite."""
    return (getattr(error, "sqlstate", None) or "").startswith("54") or (
        getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    )


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        engine = create_engine(url, pool_size=10, max_overflow=20, pool_pre_ping=True, hide_parameters=True, **_JSON)
        event.listens_for(engine, "handle_error")(_without_rows)
        return engine
    engine = create_engine(url, hide_parameters=True, pool_recycle=_RENEWED, **_JSON)
    file = Path(engine.url.database or "")

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        _use_wal(connection)
        large = file.is_file() and file.stat().st_size > _LARGE
        for pragma in (*_PRAGMAS, *_FOR_LARGE) if large else _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        words = connection.get_execution_options().get("sqlite_begin", "BEGIN")
        raw = connection.connection.dbapi_connection
        if words == "BEGIN" or raw is None or not _begun(raw, words):
            connection.exec_driver_sql(words)

    return engine


def _begun(raw: Any, words: str) -> bool:
    """Begin a transaction as soon as other processes let us; SQLite itself would look less and less often."""
    end = time.monotonic() + _BUSY
    raw.execute("PRAGMA busy_timeout=0")
    try:
        while time.monotonic() < end:
            try:
                raw.execute(words)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    return False
                time.sleep(_LOOK)
            else:
                return True
    finally:
        raw.execute(f"PRAGMA busy_timeout={_BUSY * 1000:.0f}")
    return False


def _without_rows(context: ExceptionContext) -> None:
    """PostgreSQL shows the row that it refuses; mail has no place in an error or a log."""
    told = getattr(getattr(context.original_exception, "diag", None), "message_primary", None)
    error = context.sqlalchemy_exception
    if told and error is not None:
        context.original_exception.args = (told,)
        error.args = (f"({type(context.original_exception).__name__}) {told}", *error.args[1:])


def _use_wal(connection: sqlite3.Connection) -> None:
    """Set the journal mode. SQLite doesn't wait for that: beside a writer to a new database it is refused at once."""
    deadline = time.monotonic() + _BUSY
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
