"""Whatever handing mail over asks of the database is found by an index, however long the outbox is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mailcrm.app import holding
from mailcrm.app.handover import RecipientRefused, SenderRefused
from mailcrm.errors import Temporary
from mailcrm.store import copies, outbox, runs, suppressions, tables
from mailcrm.store.db import Database
from tests.house import NOW, SETTINGS
from tests.plans import SMALL, explained, statements, too_much
from tests.sequence_house import MAIL, House
from tests.transports import Taker
from tests.unit.test_clearance import WATCHED, by_hand, enrolled, made

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
    asked = [
        each for each in found.values() if not each[0].endswith("FROM outbox ORDER BY outbox.id")
    ]  # the test's own
    faults = too_much(database, asked, small={*SMALL, "sender_hold"})
    database.close()
    assert faults == []


def test_copies_notices_and_what_is_merged_are_found_by_an_index(migrated_sqlite: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    with statements(database) as found, database.write() as connection:
        copies.senders(connection, NOW)
        copies.wanted(connection, ["anna", "jan"], NOW)
        outbox.put_since(connection, 1, "notice", NOW)
        runs.twice(connection, "person", 1, 2)
        runs.move(connection, "deal", 1, 2)
    steps = [step for asked in found.values() for step in explained(database, *asked)]
    database.close()
    assert sum("outbox USING INDEX ix_outbox_copy" in step for step in steps) == 2
    assert sum("ix_outbox_user_id_sent_at (user_id=? AND sent_at" in step for step in steps) == 2
    assert [
        step for step in steps if "enrollment" in step and "person_id=" not in step and "deal_id=" not in step
    ] == []


def test_postgresql_gives_every_mail_the_same_fate(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    database = Database(request.getfixturevalue("_postgres_copy"))
    happens(prepared(database, tmp_path))
    database.close()
