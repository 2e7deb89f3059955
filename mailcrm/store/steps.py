"""The trace: every hop of every enrollment, kept for as long as ``retention.history`` says."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from mailcrm.core.enrollment import Step
from mailcrm.store.bulk import insert_typed_rows
from mailcrm.store.tables import step

_COLUMNS = {
    "enrollment_id": "bigint",
    "hop": "integer",
    "node": "text",
    "at": "timestamptz",
    "stimulus": "text",
    "result": "text",
    "expected": "text",
    "actual": "text",
}


def add(connection: Connection, made: Sequence[tuple[int, Step]]) -> None:
    """Store steps, each with its enrollment, in their order."""
    rows = [(number, s.hop, s.node, s.at, s.stimulus, s.result, s.expected, s.actual) for number, s in made]
    insert_typed_rows(connection, step, _COLUMNS, rows)


def of(connection: Connection, enrollment: int) -> list[Step]:
    """The steps of an enrollment, in the order in which they were made."""
    columns = [step.c[name] for name in _COLUMNS if name != "enrollment_id"]
    query = select(*columns).where(step.c.enrollment_id == enrollment).order_by(step.c.id)
    return [Step(*row) for row in connection.execute(query)]
