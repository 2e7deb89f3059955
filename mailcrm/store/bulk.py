"""Writes many rows at once. SQLAlchemy writes the statement and converts the values; its work per row is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias

from sqlalchemy import Connection, Dialect, Table, bindparam, insert, update
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.sql.compiler import SQLCompiler

Convert: TypeAlias = Callable[[Any], Any]
Converters: TypeAlias = tuple[tuple[int, Convert | None], ...]
"""For each value of a statement, its place in the row and the conversion."""
Prepared: TypeAlias = tuple[str, Converters]
"""A statement in the driver's own words."""

_PACK = 50
"""So many rows SQLite gets in one statement: one for each costs a sixth more."""


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows whose values stand in the order of ``columns``; columns not named get the database's default."""
    _insert(connection, table, columns, rows, "")


def insert_typed_rows(
    connection: Connection, table: Table, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """``insert_rows`` where PostgreSQL is told the types of the columns, and the rows come as COPY has them.

    Args:
        columns: name -> PostgreSQL's type.
    """
    if rows and connection.dialect.name == "postgresql":
        _copy(connection, f"COPY {table.name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)", columns, rows)
        return
    insert_rows(connection, table, tuple(columns), rows)


def _copy(connection: Connection, statement: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]]) -> None:
    driver: Any = connection.connection.dbapi_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


def insert_new_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """``insert_rows`` that leaves rows alone that are there already."""
    _insert(connection, table, columns, rows, " ON CONFLICT DO NOTHING")


def update_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Set these columns in the rows with these ids; each row's id stands last, after the values."""
    if rows:
        _execute(connection, _prepared_update(connection.dialect, table, tuple(columns)), rows)


def _insert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], ending: str
) -> None:
    if not rows:
        return
    statement, converters = _prepared_insert(connection.dialect, table, tuple(columns))
    packed = len(rows) // _PACK * _PACK if connection.dialect.name == "sqlite" else 0
    if packed:
        head, values = statement.split(" VALUES ")
        pack = f"{head} VALUES {', '.join([values] * _PACK)}{ending}"
        cells = list(chain.from_iterable(_converted(converters, rows[:packed])))
        width = len(converters) * _PACK
        connection.exec_driver_sql(pack, [tuple(cells[at : at + width]) for at in range(0, len(cells), width)])
    if packed < len(rows):
        _execute(connection, (statement + ending, converters), rows[packed:])


def _execute(connection: Connection, prepared: Prepared, rows: Sequence[tuple[Any, ...]]) -> None:
    statement, converters = prepared
    connection.exec_driver_sql(statement, list(_converted(converters, rows)))


def _converted(converters: Converters, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    given = list(zip(*rows, strict=True))
    return zip(*(given[at] if convert is None else map(convert, given[at]) for at, convert in converters), strict=True)


@lru_cache(200)
def _prepared_insert(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> Prepared:
    compiled = insert(table).inline().compile(dialect=dialect, column_keys=list(columns))
    return _in_the_drivers_words(compiled, dialect, table, columns, columns)


@lru_cache(50)
def _prepared_update(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> Prepared:
    changed = update(table).where(table.c.id == bindparam("this", type_=table.c.id.type))
    compiled = changed.compile(dialect=dialect, column_keys=list(columns))
    return _in_the_drivers_words(compiled, dialect, table, (*columns, "this"), (*columns, "id"))


def _in_the_drivers_words(
    compiled: Compiled, dialect: Dialect, table: Table, given: tuple[str, ...], columns: tuple[str, ...]
) -> Prepared:
    """``given`` names the values as ``compiled`` does; ``columns`` are theirs, in the same order."""
    statement = str(compiled)
    if isinstance(compiled, SQLCompiler) and compiled.positional:
        names = list(compiled.positiontup or ())
    else:
        names = sorted(given, key=lambda name: statement.index(f"%({name})s"))
        for name in names:
            statement = statement.replace(f"%({name})s", "%s", 1)
    places = [given.index(name) for name in names]
    return statement, tuple((at, table.c[columns[at]].type._cached_bind_processor(dialect)) for at in places)
