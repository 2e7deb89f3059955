"""What a message costs in a large database, compared with a small one: the same new mail into both, in turn."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.config import Parsing
from mailcrm.core.model import Arrival, Batch, Cursor, FolderRole
from mailcrm.mail.counting import Counting
from mailcrm.mail.read import read
from mailcrm.main import build
from tests.bench.mails import Mail, mails
from tests.bench.multiply import multiply
from tests.bench.rows import Row, Scale

_BASE = 10_000
_LARGE = {"small": 100_000, "full": 1_000_000}
_BATCH = 200
_BATCHES = 60
_CONFIG = (
    'domains = ["firma.example"]\n[users.anna]\nemail = "anna@firma.example"\n'
    '[mailboxes.anna]\nuser = "anna"\n[linking]\nfirst_sight = 1000000\n'
)


def rows(scale: Scale) -> Iterator[Row]:
    """Measure."""
    large = _LARGE[scale]
    made = list(mails(_BASE + _BATCH * _BATCHES, now=datetime.now(UTC)))
    with tempfile.TemporaryDirectory(prefix="mailcrm-bench-") as scratch:
        few = _database(Path(scratch) / "few")
        for batch in _batches(made[:_BASE], 0):
            ingest(few, batch)
        few.db.close()
        shutil.copytree(Path(scratch) / "few", Path(scratch) / "many")
        _enlarge(Path(scratch) / "many", large // _BASE - 1)
        few, many = _database(Path(scratch) / "few"), _database(Path(scratch) / "many")
        costs = _compare(few, many, list(_batches(made[_BASE:], 50 * large)))
        few.db.close()
        many.db.close()
    small, big = (statistics.median(cost) * 1e6 for cost in costs)
    name = f"scale: a message at {large:,} stored ones"
    yield Row(name, f"{big:.0f} µs", f"at {_BASE:,}: {small:.0f} µs", big / small, 1.2, "less")


def _database(folder: Path) -> Context:
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(_CONFIG)
    return build(folder / "config.toml")


def _enlarge(folder: Path, copies: int) -> None:
    """Closed afterwards, since a large database is opened in another way; and on the disk, not on its way there."""
    context = _database(folder)
    with context.db.write() as connection:
        multiply(connection, copies)
    with context.db.read() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    context.db.close()
    os.sync()


def _batches(made: Sequence[Mail], first: int) -> Iterator[Batch]:
    """The mail as read, in the order in which it arrived; Sent and INBOX apart."""
    sink, limits = Counting(), Parsing()
    for folder, role in (("Sent", FolderRole.SENT), ("INBOX", FolderRole.INBOX)):
        here = [mail for mail in made if mail.sent is (role is FolderRole.SENT)]
        for start in range(0, len(here), _BATCH):
            arrivals = tuple(
                Arrival(first + number, mail.at, read(mail.raw, sink, limits))
                for number, mail in enumerate(here[start : start + _BATCH], start + 1)
            )
            yield Batch("anna", folder, role, arrivals, Cursor(1, first + start + len(arrivals)))


def _compare(few: Context, many: Context, batches: Sequence[Batch]) -> tuple[list[float], list[float]]:
    """Seconds a message in each, batch by batch; which goes first alternates."""
    costs: tuple[list[float], list[float]] = [], []
    for number, batch in enumerate(batches):
        both = [(few, costs[0]), (many, costs[1])]
        for context, cost in both if number % 2 else reversed(both):
            start = time.perf_counter()
            outcome = ingest(context, batch)
            cost.append((time.perf_counter() - start) / len(batch.arrivals))
            if outcome.stored + outcome.skipped != len(batch.arrivals):
                raise RuntimeError(f"{outcome.stored} of {len(batch.arrivals)} messages were stored")
    return costs
