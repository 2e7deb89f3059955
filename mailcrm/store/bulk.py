"""Inserts many rows at once. SQLAlchemy writes the statement and converts the values; its work per row is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table, insert

Convert = Callable[[Any], Any]


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows whose values stand in the order of ``columns``; columns not named get the database's default."""
    _insert(connection, table, columns, rows, "")


def insert_new_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """``insert_rows`` that leaves rows alone that are there already."""
    _insert(connection, table, columns, rows, " ON CONFLICT DO NOTHING")


def _insert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], ending: str
) -> None:
    if not rows:
        return
    statement, converters = _prepared(connection.dialect, table, tuple(columns))
    given = list(zip(*rows, strict=True))
    cells = [given[at] if convert is None else map(convert, given[at]) for at, convert in converters]
    connection.exec_driver_sql(statement + ending, list(zip(*cells, strict=True)))


@lru_cache(200)
def _prepared(
    dialect: Dialect, table: Table, columns: tuple[str, ...]
) -> tuple[str, tuple[tuple[int, Convert | None], ...]]:
    """The statement in the driver's own words; for each of its values, the place in ``columns`` and the conversion."""
    compiled = insert(table).inline().compile(dialect=dialect, column_keys=list(columns))
    statement = str(compiled)
    if compiled.positional:
        names = list(compiled.positiontup or ())
    else:
        names = sorted(columns, key=lambda name: statement.index(f"%({name})s"))
        for name in names:
            statement = statement.replace(f"%({name})s", "%s", 1)
    return statement, tuple((columns.index(n), table.c[n].type._cached_bind_processor(dialect)) for n in names)
