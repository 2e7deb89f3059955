"""What recipients of campaigns did with their mail, noted when they first did it.

Kept with the recipient: hits are deleted after a while, and sums of many must not cost a look at every letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, bindparam, or_, select, update

from mailcrm.store.db import Lookup
from mailcrm.store.tables import recipient

What = Literal["opened", "clicked", "replied", "unsubscribed"]


def note(connection: Connection, what: What, when: Mapping[int, datetime]) -> None:
    """Recipients, by id, did it at these times; of several the first counts."""
    if not when:
        return
    column = recipient.c[f"{what}_at"]
    first = or_(column.is_(None), column > bindparam("at", type_=column.type))
    statement = update(recipient).where(recipient.c.id == bindparam("number"), first)
    rows = [{"number": number, "at": at} for number, at in sorted(when.items())]
    connection.execute(statement.values({column: bindparam("at", type_=column.type)}), rows)


def of_runs(connection: Connection, runs: Iterable[int]) -> Mapping[int, int]:
    """The recipients whose runs these are, by run; a run of another flow is left out."""
    return {row.enrollment_id: row.id for row in _OF_RUNS.rows(connection, set(runs))}


_OF_RUNS = Lookup(
    select(recipient.c.enrollment_id, recipient.c.id).where(recipient.c.enrollment_id.is_not(None)),
    recipient.c.enrollment_id,
)
