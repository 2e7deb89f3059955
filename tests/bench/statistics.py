"""Statistics of mail: how long `mailcrm stats mail` takes over very many messages, beside plain SQL over the same."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.counting import count_due
from mailcrm.app.deal_statistics import deals
from mailcrm.app.mail_statistics import MailFigures, mail
from mailcrm.core.series import Days
from mailcrm.store import counting, tables
from mailcrm.store.bulk import insert_rows
from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from tests.bench.rows import Row, Scale
from tests.house import build
from tests.servers.postgres import Postgres

_MESSAGES = {"small": 100_000, "full": 1_000_000}
_DEALS = 20_000
_USERS = 20
_DAYS = 3 * 365
_FROM = datetime(2023, 11, 22, 8, tzinfo=UTC)
_AT_ONCE = 20_000
_TRIES = 7
_DEMANDED_MS = 200
_RATIO = {"small": 2.0, "full": 20.0}  # the peer looks at every message
_NOBODY: dict[str, list[str]] = {"to": [], "cc": []}
_WORDS = "Dzień dobry, " + "proszę o ofertę. " * 10
_MESSAGE = (
    *("id", "identity", "message_id", "thread_id", "kind", "kind_rule", "direction", "from_name", "from_email"),
    *("recipients", "subject", "date", "received_at", "stored_at", "size", "text", "historic"),
)
_WINDOW = """
WITH human AS (SELECT thread_id, direction, {month} AS month, {second} AS at FROM message WHERE kind = 'human'),
answered AS (
    SELECT month, direction, at, min(CASE WHEN direction = 'out' THEN at END) OVER (
        PARTITION BY thread_id ORDER BY at, direction ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
    ) - at AS seconds FROM human
)
"""
_PEER = {
    "SQLite": _WINDOW.format(month="substr(received_at, 1, 7)", second="unixepoch(received_at)")
    + """, ordered AS (
    SELECT month, seconds, row_number() OVER (PARTITION BY month ORDER BY seconds) AS place,
        count(seconds) OVER (PARTITION BY month) AS number
    FROM answered WHERE direction = 'in' AND seconds IS NOT NULL
), medians AS (SELECT month, avg(seconds) AS median FROM ordered
    WHERE place IN ((number + 1) / 2, (number + 2) / 2) GROUP BY month)
SELECT answered.month, sum(direction = 'in'), sum(direction = 'in' AND seconds IS NOT NULL), sum(direction = 'out'),
    medians.median
FROM answered LEFT JOIN medians ON medians.month = answered.month GROUP BY answered.month ORDER BY answered.month
""",
    "PostgreSQL": _WINDOW.format(
        month="to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM')", second="extract(epoch FROM received_at)"
    )
    + """
SELECT month, count(*) FILTER (WHERE direction = 'in'), count(seconds) FILTER (WHERE direction = 'in'),
    count(*) FILTER (WHERE direction = 'out'),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds::float) FILTER (WHERE direction = 'in')
FROM answered GROUP BY month ORDER BY month
""",
}


def rows(scale: Scale) -> Iterator[Row]:
    """On each database: the time of the figures, and how much longer plain SQL over the messages takes."""
    number = _MESSAGES[scale]
    for name, made in (("SQLite", _sqlite), ("PostgreSQL", _postgresql)):
        with made() as database, tempfile.TemporaryDirectory() as folder:
            house = _house(database, Path(folder))
            _fill(house, number)
            begun = time.perf_counter()
            while count_due(house):
                pass
            counted = number / (time.perf_counter() - begun)
            ours, found = _best(lambda house=house: mail(house, Actor(), Days()))
            half = Days(_FROM.date() + timedelta(days=100), _FROM.date() + timedelta(days=700))
            part, _ = _best(lambda house=house, half=half: mail(house, Actor(), half))
            of_deals, _ = _best(lambda house=house: deals(house, Days()))
            peer = _peer(database, name, found)
        what = f"{number:,} messages, {name}"
        shown = f"{ours:.0f} ms; some of the days {part:.0f} ms; counted before, {counted:,.0f}/s"
        yield Row(
            f"statistics of {what}", shown, f"plain SQL {peer:,.0f} ms", max(ours, part), _DEMANDED_MS, "less", "ms"
        )
        yield Row(
            f"statistics of {what}, ratio", f"{ours:.0f} ms", f"plain SQL {peer:,.0f} ms", peer / ours, _RATIO[scale]
        )
        yield Row(
            f"statistics of {_DEALS:,} deals, {name}",
            f"{of_deals:.0f} ms",
            "",
            of_deals,
            2 * _DEMANDED_MS,
            "less",
            "ms",
        )


@contextmanager
def _sqlite() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/bench.db")
        upgrade(database)
        yield database
        database.close()


@contextmanager
def _postgresql() -> Iterator[Database]:
    with Postgres() as server, server.database() as url:
        database = Database(url)
        upgrade(database)
        yield database
        database.close()


def _house(database: Database, folder: Path) -> Context:
    keys = [f"u{number}" for number in range(_USERS)]
    return build(
        database,
        folder,
        users={key: {"email": f"{key}@firma.example"} for key in keys},
        mailboxes={key: {"user": key} for key in keys},
    )


def _fill(house: Context, number: int) -> None:
    """Threads of one to seven messages, to and fro; times to answer are logarithmic; a fifth is no human's."""
    dice = random.Random(13)
    with house.db.write() as connection:
        boxes = list(connection.execute(select(tables.mailbox.c.id).order_by(tables.mailbox.c.key)).scalars())
        names = list(connection.execute(select(tables.mailbox.c.key).order_by(tables.mailbox.c.key)).scalars())
        insert_rows(
            connection,
            tables.folder,
            ("id", "mailbox_id", "name", "role", "uidvalidity", "last_uid", "backfill_uid", "modseq"),
            [(place, box, "INBOX", "inbox", 1, 0, 1, 0) for place, box in enumerate(boxes, 1)],
        )
        _fill_deals(connection, dice)
    made, thread = 0, 0
    while made < number:
        threads: list[tuple[Any, ...]] = []
        messages: list[tuple[Any, ...]] = []
        places: list[tuple[Any, ...]] = []
        while len(messages) < _AT_ONCE and made < number:
            thread += 1
            at = _FROM + timedelta(seconds=dice.randrange(_DAYS * 86_400))
            first, user = at, dice.randrange(_USERS)
            for turn in range(min(dice.randint(1, 7), number - made)):
                made += 1
                out = turn % 2 == 1
                kind = "human" if out or dice.random() < 0.8 else "bulk"
                writer = f"{names[user]}@firma.example" if out else f"k{thread % 5000}@klient.example"
                head = (
                    made,
                    f"{made:032}",
                    f"{made}@test.example",
                    thread,
                    kind,
                    "",
                    "out" if out else "in",
                    "",
                    writer,
                )
                messages.append((*head, _NOBODY, "Oferta", at, at, at, 2000, _WORDS, True))
                places.append((made, user + 1, None, ""))
                at += timedelta(seconds=int(dice.lognormvariate(9, 1.6)) + 60)
            threads.append((thread, "Oferta", first, at, "person"))
        with house.db.write() as connection:
            insert_rows(connection, tables.thread, ("id", "subject", "first_at", "last_at", "link"), threads)
            insert_rows(connection, tables.message, _MESSAGE, messages)
            insert_rows(connection, tables.location, ("message_id", "folder_id", "uid", "flags"), places)
            counting.mark(connection, [row[0] for row in threads])
    with house.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _fill_deals(connection: Any, dice: random.Random) -> None:
    insert_rows(connection, tables.pipeline, ("id", "name"), [(1, "Sales")])
    stages = [(number, 1, f"Stage {number}", number) for number in range(1, 6)]
    insert_rows(connection, tables.stage, ("id", "pipeline_id", "name", "position"), stages)
    made: list[tuple[Any, ...]] = []
    stays: list[tuple[Any, ...]] = []
    for number in range(1, _DEALS + 1):
        at = _FROM + timedelta(seconds=dice.randrange(_DAYS * 86_400))
        begun, last, status = at, dice.randint(1, 5), dice.choice(("open", "won", "lost"))
        for stage in range(1, last + 1):
            seconds = int(dice.lognormvariate(12, 1))
            left = None if stage == last and status == "open" else at + timedelta(seconds=seconds)
            stays.append((number, stage, at, left, None if left is None else seconds))
            at = left or at
        closed = None if status == "open" else at
        made.append((number, f"Deal {number}", last, status, dice.randint(1, 10**6), "PLN", 1, "test", begun, closed))
    columns = ("id", "title", "stage_id", "status", "value", "currency", "owner_id", "created_by", "created_at")
    insert_rows(connection, tables.deal, (*columns, "closed_at"), made)
    insert_rows(connection, tables.stage_stay, ("deal_id", "stage_id", "entered_at", "left_at", "seconds"), stays)


def _best(work: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds, the median of some, and what it gave."""
    times = []
    for _ in range(_TRIES):
        begun = time.perf_counter()
        found = work()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times), found


def _peer(database: Database, name: str, ours: MailFigures) -> float:
    """Milliseconds; sees that both have found the same."""
    begun = time.perf_counter()
    with database.read() as connection:
        found = connection.execute(text(_PEER[name])).all()
    took = (time.perf_counter() - begun) * 1000
    mine = [each for each in ours.by_month if each.user is None]
    theirs = [(row[0], int(row[1]), int(row[2]), int(row[3])) for row in found]
    assert [(each.month, each.received, each.replied, each.sent) for each in mine] == theirs
    for each, row in zip(mine, found, strict=True):
        assert abs((each.median or 0) - float(row[4] or 0)) <= float(row[4] or 0) / 20
    return took
