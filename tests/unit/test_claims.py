"""Whom a worker takes is read in the order of an index, whoever else is in the table."""

from __future__ import annotations

import shutil
from pathlib import Path

from mailcrm.store import claims
from mailcrm.store.claims import Pending
from mailcrm.store.db import Database
from tests import house
from tests.plans import explained, statements


def test_sqlite_sorts_nothing_to_find_who_waits_longest(migrated_sqlite: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    with statements(database) as found, database.read() as connection:
        claims.pending(connection, house.NOW)
        claims.claim(connection, house.NOW, 500, Pending(events=True, told=True, timers=True, alone=True))
    plans = [step for asked in found.values() for step in explained(database, *asked)]
    database.close()
    assert len(found) == 6
    assert [step for step in plans if "TEMP B-TREE" in step or "person_id" in step] == []
    assert sum("ix_enrollment_due_alone" in step for step in plans) == 2
