"""Whatever handing mail over asks of the database is found by an index, however long the outbox is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from mailcrm.app import holding
from mailcrm.app.handover import RecipientRefused, SenderRefused
from mailcrm.errors import Temporary
from mailcrm.store import suppressions, tables
from mailcrm.store.db import Database
from tests.house import SETTINGS
from tests.sequence_house import MAIL, House
from tests.transports import Taker
from tests.unit.test_clearance import WATCHED, by_hand, enrolled, made
from tests.unit.test_ingest_plans import SMALL, statements

EVERY = ("per_person_day", "per_person_week", "per_sender_day", "per_domain_hour", "warm_up", "colleague_days")
REFUSALS = {
    "gone@klient.example": RecipientRefused("550 5.1.1", "5.1.1"),
    "later@klient.example": Temporary("451"),
    "held@klient.example": SenderRefused("550 5.7.1", "5.7.1"),
}


def prepared(database: Database, folder: Path) -> House:
    """Mail of all fates, due."""
    boxes = {**SETTINGS["mailboxes"], "jan": {**WATCHED, "user": "jan"}}
    home = made(database, folder, limits=dict.fromkeys(EVERY, 5), mailboxes=boxes)
    home.apply(MAIL, "Other", owner="jan")
    home.consent("jan", "Other")
    for address in ("ewa@klient.example", "a@klient.example", "b@klient.example", *REFUSALS, "much@klient.example"):
        enrolled(home, address, address)
    home.enroll(home.deal("c", home.person(email="c@klient.example")), name="Other")
    home.run()
    by_hand(home)
    with database.write() as connection:
        connection.execute(tables.outbox.delete().where(tables.outbox.c.kind != "flow"))
        suppressions.add(connection, home.context.secret, "b@klient.example", "manual", "", "x", home.now)
    return home


def happens(home: House) -> None:
    """All that may be done about them."""
    home.send(Taker(REFUSALS))
    assert [(row.recipient.partition("@")[0], row.state) for row in home.outbox()] == [
        *(("ewa", "held"), ("a", "sent"), ("b", "failed"), ("gone", "failed"), ("later", "pending")),
        *(("held", "held"), ("much", "sent"), ("c", "held")),
    ]
    holding.look(home.context, "one")
    home.pass_(minutes=1)
    holding.hold_all(home.context, "stop", flows=False)
    home.send(Taker())
    holding.release(home.context)
    holding.release_sender(home.context, "anna")
    home.pass_(minutes=20)
    home.send(Taker())
    states = {row.recipient.partition("@")[0]: row.state for row in home.outbox()}
    assert (states["later"], states["held"], states["ewa"], states["c"]) == ("sent", "sent", "held", "held")


def test_no_query_reads_a_whole_table(migrated_sqlite: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    home = prepared(database, tmp_path)
    with statements(database) as found:
        happens(home)
    assert len(found) > 40
    faults = []
    with database.read() as connection:
        for statement, parameters in found.values():
            if statement.endswith("FROM outbox ORDER BY outbox.id"):
                continue  # the test's own look at everything
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            scanned = {match[1] for row in plan if (match := re.fullmatch(r"SCAN (\w+)(?: LEFT-JOIN)?", row[3]))}
            faults += [(name, statement) for name in scanned - SMALL - {"sender_hold"} if not name.startswith("anon_")]
    database.close()
    assert faults == []


def test_postgresql_gives_every_mail_the_same_fate(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    database = Database(request.getfixturevalue("_postgres_copy"))
    happens(prepared(database, tmp_path))
    database.close()
