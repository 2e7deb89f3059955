"""Whatever handing mail over asks of the database is found by an index, however long the outbox is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailcrm.app import holding
from mailcrm.app.handover import RecipientRefused, SenderRefused
from mailcrm.errors import Temporary
from mailcrm.store.db import Database
from tests.house import SETTINGS
from tests.sequence_house import MAIL
from tests.transports import Taker
from tests.unit.test_clearance import WATCHED, by_hand, enrolled, made
from tests.unit.test_ingest_plans import SMALL, statements


@pytest.fixture
def database(migrated_sqlite: Path, tmp_path: Path) -> Database:
    file = tmp_path / "test.db"
    file.write_bytes(migrated_sqlite.read_bytes())
    return Database(f"sqlite:///{file}")


def test_no_query_reads_a_whole_table(database: Database, tmp_path: Path) -> None:
    every = ("per_person_day", "per_person_week", "per_sender_day", "per_domain_hour", "warm_up", "colleague_days")
    boxes = {**SETTINGS["mailboxes"], "jan": {**WATCHED, "user": "jan"}}
    home = made(database, tmp_path, limits=dict.fromkeys(every, 5), mailboxes=boxes)
    home.apply(MAIL, "Other", owner="jan")
    home.consent("jan", "Other")
    refusals = {
        "gone@klient.example": RecipientRefused("550 5.1.1", "5.1.1"),
        "later@klient.example": Temporary("451"),
        "held@klient.example": SenderRefused("550 5.7.1", "5.7.1"),
    }
    for address in ("ewa@klient.example", "a@klient.example", *refusals):
        enrolled(home, address, address)
    home.enroll(home.deal("b", home.person(email="b@klient.example")), name="Other")
    by_hand(home)
    home.run()
    with statements(database) as found:
        home.send(Taker(refusals))
        holding.look(home.context, "one")
        holding.hold_all(home.context, "stop", flows=False)
        home.send(Taker())
        holding.release(home.context)
        holding.release_sender(home.context, "anna")
        home.pass_(minutes=20)
        home.send(Taker(down=Temporary("away")))
    assert len(found) > 40
    faults = []
    with database.read() as connection:
        for statement, parameters in found.values():
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            scanned = {match[1] for row in plan if (match := re.fullmatch(r"SCAN (\w+)(?: LEFT-JOIN)?", row[3]))}
            faults += [(name, statement) for name in scanned - SMALL - {"sender_hold"} if not name.startswith("anon_")]
    database.close()
    assert faults == []
