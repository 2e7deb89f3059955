"""What SQLite would read for a statement: whole tables, or by an index nearly as much."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from mailcrm.store.db import Database

SMALL = frozenset({"sqlite_sequence", "user", "mailbox", "folder", "stage", "pipeline", "setting"})


@contextmanager
def statements(database: Database) -> Iterator[dict[str, Any]]:
    """The statements that are executed in the block, each with the parameters of one execution."""
    found: dict[str, Any] = {}

    def note(_c: Any, _k: Any, statement: str, parameters: Any, _x: Any, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            found[re.sub(r"\bIN \([^)]*\)", "IN", statement)] = (statement, parameters[0] if many else parameters)

    event.listen(database.engine, "before_cursor_execute", note)
    yield found
    event.remove(database.engine, "before_cursor_execute", note)


def too_much(
    database: Database, asked: Iterable[tuple[str, Any]], *, small: Collection[str] = SMALL
) -> list[tuple[str, str]]:
    """(what is read, for which statement), for all that grows with what is stored. ``small`` tables may be read."""
    faults = []
    for statement, parameters in asked:
        for step in explained(database, statement, parameters):
            scan = re.fullmatch(r"SCAN (\w+)(?: LEFT-JOIN)?", step)
            whole = scan and scan[1] not in small and not scan[1].startswith(("anon_", "json_each"))
            if whole or _loose(step, statement, parameters):
                faults.append((step, statement))
    return faults


def explained(database: Database, statement: str, parameters: Any) -> list[str]:
    """The steps in which SQLite would execute the statement."""
    with database.read() as connection:
        return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]


def _loose(step: str, statement: str, parameters: Collection[Any]) -> bool:
    """Whether an index is used that leaves nearly everything: all links to persons, all strangers, all held mail."""
    return (
        "ix_link_record (record=?)" in step
        or ("ix_participant_person_id" in step and "person_id IS NULL" in statement)
        or ("ix_outbox_due (state=?)" in step and "release_at IS NOT NULL" in statement and "sending" not in parameters)
    )
