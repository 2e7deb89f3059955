"""Makes a large database out of a small one: every row of mail, person and event again and again, under other ids."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Connection, Table, func, insert, literal, select
from sqlalchemy.sql.elements import ColumnElement

from mailcrm.store import tables

# Rows that stand alone (users, mailboxes, folders, pipelines) are not multiplied.
_TABLES = (
    tables.organization, tables.organization_domain, tables.person, tables.person_address, tables.thread,
    tables.thread_reference, tables.message, tables.location, tables.participant, tables.attachment, tables.link,
    tables.event,
)  # fmt: skip
_NAMES = frozenset(table.name for table in _TABLES)
# Text that must differ from copy to copy, because it is unique, or is what mail is looked up by.
_DISTINCT = frozenset(
    {
        "organization_domain.domain", "person_address.address", "person_address.canonical",
        "thread_reference.reference", "message.identity", "message.message_id", "message.from_email",
        "participant.address", "event.key",
    }
)  # fmt: skip


def multiply(connection: Connection, copies: int) -> None:
    """Add ``copies`` copies of what is there."""
    step = 1 + max(
        connection.execute(select(func.max(table.c.id))).scalar() or 0 for table in _TABLES if "id" in table.c
    )
    for number in range(1, copies + 1):
        for table, highest in _sources(connection, step):
            values = [_value(table, column, number, step) for column in table.columns]
            rows = select(*values)
            if highest is not None:
                rows = rows.where(highest < step)
            connection.execute(insert(table).from_select([column.name for column in table.columns], rows))


def _sources(connection: Connection, step: int) -> Iterator[tuple[Table, ColumnElement[int] | None]]:
    """Each table, and the column that tells an original from a copy."""
    for table in _TABLES:
        if "id" in table.c:
            yield table, table.c.id
        else:
            yield table, next(column for column in table.columns if _is_moved(table, column))


def _is_moved(table: Table, column: Column[int]) -> bool:
    target = next((key.column.table.name for key in column.foreign_keys), None)
    return column.name == "id" or target in _NAMES or (table is tables.link and column.name == "record_id")


def _value(table: Table, column: Column[int], number: int, step: int) -> ColumnElement[object]:
    if _is_moved(table, column):
        return (column + number * step).label(column.name)
    if f"{table.name}.{column.name}" == "message.identity":
        return (func.substr(column, 1, 22) + literal(f"{number:010d}")).label(column.name)
    if f"{table.name}.{column.name}" in _DISTINCT:
        return (literal(f"{number}.") + column).label(column.name)
    if f"{table.name}.{column.name}" == "location.uid":
        return (column + number * step).label(column.name)
    return column
