"""How often plugins failed, on both databases."""

from __future__ import annotations

from datetime import timedelta

from mailcrm.store import faults
from mailcrm.store.db import Database
from mailcrm.store.faults import Faults
from tests.house import NOW


def test_failures_add_up_and_the_last_one_is_known(database: Database) -> None:
    with database.read() as connection:
        assert faults.known(connection) == {}
    later = NOW + timedelta(hours=1)
    for counted, now in (({"shop": (2, "first"), "other": (1, "x")}, NOW), ({"shop": (3, "last")}, later)):
        with database.write() as connection:
            faults.add(connection, counted, now)
    with database.read() as connection:
        assert faults.known(connection) == {
            "shop": Faults(5, "last", later.isoformat()),
            "other": Faults(1, "x", NOW.isoformat()),
        }
