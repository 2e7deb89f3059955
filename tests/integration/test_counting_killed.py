"""Counting mail that is killed, and done by several at once, ends in the sums of one that was left in peace."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from mailcrm.app.counting import count_due
from mailcrm.app.ingest import ingest
from mailcrm.core.model import FolderRole
from mailcrm.store import counting, tables
from mailcrm.store.db import Database
from tests.house import batch, build, mail

_KILLS = 2
_COUNTS = """
import sys
from pathlib import Path
from mailcrm.app.counting import count_due
from mailcrm.store.db import Database
from tests.house import build
house = build(Database(sys.argv[1]), Path(sys.argv[2]))
print("begins", flush=True)
while True:
    count_due(house, 1)
"""


def test_killed_again_and_again_it_counts_each_mail_once(database: Database, tmp_path: Path) -> None:  # DATA-13
    house = build(database, tmp_path)
    for number in range(0, 120, 40):
        many = range(number, number + 40)
        asked = [mail(f"c{each}", subject=f"{each}", age=timedelta(hours=each + 9)) for each in many]
        ours = {"sender": "anna@firma.example", "to": "ewa@klient.example"}
        answers = [mail(f"a{each}", **ours, replies_to=(f"c{each}",), age=timedelta(hours=each)) for each in many]
        ingest(house, batch(*asked))
        ingest(house, batch(*answers, role=FolderRole.SENT))
    command = [sys.executable, "-c", _COUNTS, database.engine.url.render_as_string(hide_password=False), str(tmp_path)]
    killed = 0
    while _left(house) and killed < _KILLS:
        begun = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        for each in begun:
            assert each.stdout is not None
            assert each.stdout.readline()
        time.sleep(0.02 + killed * 0.01)  # somewhere in the middle
        for each in begun:
            each.kill()
            each.communicate()
        killed += 1
    while count_due(house):
        pass
    sums = _sums(house)
    assert sum(row.received for row in sums if row.span == "month" and row.user_id == 0) == 120
    with database.write() as connection:
        for table in (tables.mail_sum, tables.thread_count):
            connection.execute(delete(table))
        counting.mark_all(connection)
    while count_due(house):
        pass
    assert _sums(house) == sums


def _left(house: Any) -> int:
    with house.db.read() as connection:
        return counting.pending(connection, 1_000)


def _sums(house: Any) -> list[Any]:
    order = (tables.mail_sum.c.span, tables.mail_sum.c.first_day, tables.mail_sum.c.user_id)
    with house.db.read() as connection:
        return list(connection.execute(select(tables.mail_sum).order_by(*order)))
