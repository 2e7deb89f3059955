"""How long it takes to tell what came of a large campaign, in sum and for each recipient, whatever its mails weigh."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta

from sqlalchemy import select, update

from mailcrm.app import launching, planning, results
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.store.bulk import insert_rows
from mailcrm.store.tables import enrollment, outbox, recipient
from tests.bench.campaigns import _databases, _open, _prepare
from tests.bench.rows import Row, Scale
from tests.campaign_house import CampaignHouse
from tests.house import NOW

_RECIPIENTS = {"small": 20_000, "full": 100_000}
_LETTER = b"x" * 4_000
_COLUMNS = (
    *("key", "kind", "message_id", "sender", "recipient", "subject", "content", "state"),
    *("due_at", "created_at", "sent_at", "flow_id", "node", "recipient_id", "doubt"),
)


def rows(scale: Scale) -> Iterator[Row]:
    """Measure."""
    count = _RECIPIENTS[scale]
    for name in ("SQLite", "PostgreSQL"):
        with _databases(name) as make:
            url = make("results")
            number = _prepare(url, count)
            house = _open(url)
            _mailed(house, number)
            summed = min(_timed(results.sums, house, number) for _ in range(3))
            listed = _timed(lambda *asked: deque(results.of(*asked), maxlen=0), house, number)
            house.db.close()
        told = f"campaigns: results of {count:,}"
        yield Row(f"{told}, in sum, {name}", f"{summed * 1000:.0f} ms", "one look", summed, 0.5, "less", "s")
        yield Row(
            f"{told}, each, {name}", f"{count / listed:,.0f}/s", "pages of 1,000", count / listed, 10_000, unit="/s"
        )


def _mailed(house: CampaignHouse, number: int) -> None:
    """Launched, planned, and its mails sent: a third of them opened."""
    launching.launch(house.context, Actor(), str(number))
    while planning.plan_round(house.context, number) is not None:
        pass
    with house.db.read() as connection:
        found = connection.execute(select(recipient.c.id, recipient.c.address).order_by(recipient.c.id)).all()
    for start in range(0, len(found), 5_000):
        with house.db.write() as connection:
            insert_rows(connection, outbox, _COLUMNS, [_row(number, *each) for each in found[start : start + 5_000]])
    with house.db.write() as connection:
        connection.execute(update(enrollment).values(status="completed", ended_at=NOW, due_at=None))
        connection.execute(update(recipient).where(recipient.c.id % 3 == 0).values(opened_at=NOW))
    house.db.settle()


def _row(flow: int, each: int, address: str) -> tuple[object, ...]:
    head = (f"{each}.1.0", "flow", f"s.{each}.1.0@firma.example", "anna@firma.example", address)
    sent = NOW + timedelta(seconds=each % 60)
    return (*head, "Spring", _LETTER, "sent", NOW, NOW, sent, flow, "campaign", each, False)


def _timed(what: Callable[[Context, str], object], house: CampaignHouse, number: int) -> float:
    begun = time.perf_counter()
    what(house.context, str(number))
    return time.perf_counter() - begun
