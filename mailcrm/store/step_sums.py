"""How often the nodes of flows were reached, failed, answered; and what became of the mail that they sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, NamedTuple, TypeAlias

from sqlalchemy import Connection, delete, func, select

from mailcrm.store.bulk import insert_rows
from mailcrm.store.db import Lookup, slices
from mailcrm.store.deal_figures import Instants, within
from mailcrm.store.tables import hit, outbox, step_sum, track

_UNFOLDED = timedelta(days=7)
_COLUMNS = ("flow_id", "node", "day", "what", "number")


Counts: TypeAlias = Literal["reached", "failed", "replied"]


class Counted(NamedTuple):
    """What is counted: at which node, on which day in UTC."""

    flow: int
    node: str
    day: date
    what: Counts


@dataclass(frozen=True, slots=True)
class Mailed:
    """Mail of a node that left, came back, was opened and clicked by humans."""

    sent: int = 0
    returned: int = 0
    opened: int = 0
    clicked: int = 0


def add(connection: Connection, sums: Mapping[Counted, int]) -> None:
    """Count. Rows are only added, so that no two wait for each other."""
    insert_rows(connection, step_sum, _COLUMNS, [(*key, number) for key, number in sorted(sums.items())])


def nodes_of(connection: Connection, message_ids: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Message-ID -> flow and node, of letters that flows have sent."""
    rows = _LETTERS.rows(connection, message_ids)
    return {row.message_id: (row.flow_id, row.node) for row in rows if row.flow_id is not None and row.node}


def read(
    connection: Connection, since: date | None, until: date | None
) -> Mapping[int, Mapping[str, Mapping[str, int]]]:
    """Flow -> node -> what -> how often, on these days."""
    columns = (step_sum.c.flow_id, step_sum.c.node, step_sum.c.what)
    query = select(*columns, func.sum(step_sum.c.number)).group_by(*columns)
    query = query if since is None else query.where(step_sum.c.day >= since)
    query = query if until is None else query.where(step_sum.c.day <= until)
    found: dict[int, dict[str, Counter[str]]] = {}
    for flow, node, what, number in connection.execute(query):
        found.setdefault(flow, {}).setdefault(node, Counter())[what] = int(number)
    return found


def mailed(connection: Connection, flow: int, instants: Instants) -> Mapping[str, Mailed]:
    """Node -> what became of the mail that left within these instants; of hits, as far as they are kept."""
    sent = (outbox.c.flow_id == flow, outbox.c.sent_at.is_not(None), *within(outbox.c.sent_at, instants))
    rows = connection.execute(
        select(outbox.c.node, func.count(), func.count(outbox.c.returned)).where(*sent).group_by(outbox.c.node)
    )
    numbers = {row[0] or "": (row[1], row[2]) for row in rows}
    did: dict[tuple[str, str], int] = {}
    query = (
        select(outbox.c.node, track.c.kind, func.count(outbox.c.id.distinct()))
        .select_from(outbox)
        .join(track, track.c.outbox_id == outbox.c.id)
        .join(hit, hit.c.token == track.c.token)
        .where(*sent, hit.c.grade == "human", track.c.hidden.is_(False), track.c.kind.in_(("open", "click")))
        .group_by(outbox.c.node, track.c.kind)
    )
    for node, kind, number in connection.execute(query):
        did[node or "", kind] = number
    return {
        node: Mailed(*both, did.get((node, "open"), 0), did.get((node, "click"), 0)) for node, both in numbers.items()
    }


def fold(connection: Connection, today: date) -> None:
    """Add up the rows of the days before today; older ones than a week's have been."""
    lately = (step_sum.c.day < today, step_sum.c.day >= today - _UNFOLDED)
    sums, ids = Counter[Counted](), []
    for row in connection.execute(select(step_sum).where(*lately).with_for_update(skip_locked=True)):
        sums[Counted(row.flow_id, row.node, row.day, row.what)] += row.number
        ids.append(row.id)
    if len(sums) < len(ids):
        for piece in slices(ids):
            connection.execute(delete(step_sum).where(step_sum.c.id.in_(piece)))
        add(connection, sums)


_LETTERS = Lookup(select(outbox.c.message_id, outbox.c.flow_id, outbox.c.node), outbox.c.message_id)
