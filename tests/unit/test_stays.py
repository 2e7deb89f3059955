"""How long deals stand in which stage: noted by whatever opens, moves, closes, reopens and imports them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from mailcrm.app import deals, importing
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.import_file import prepare
from mailcrm.core.columns import Subject
from mailcrm.store import tables
from mailcrm.store.db import Database
from mailcrm.store.migrations import past_stays
from tests.house import NOW, build
from tests.unit.test_ingest import add_person

ANYBODY = Actor()
DAY = timedelta(days=1)
Stood = list[tuple[int, str, int, int | None]]


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


def on(house: Context, day: int) -> Context:
    return replace(house, clock=lambda: NOW + day * DAY)


def stood(house: Context) -> Stood:
    """Deal, stage, day of coming, and of leaving."""
    stay, stage = tables.stage_stay, tables.stage
    query = select(stay, stage.c.name).join(stage).order_by(stay.c.deal_id, stay.c.entered_at, stay.c.id)
    with house.db.read() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        assert row.seconds == (None if row.left_at is None else (row.left_at - row.entered_at).total_seconds())
    return [(row.deal_id, row.name, _day(row.entered_at), row.left_at and _day(row.left_at)) for row in rows]


def _day(at: Any) -> int:
    return int((at - NOW) / DAY)


def story(house: Context) -> tuple[int, int]:
    person = add_person(house, "ewa@klient.example")
    one = deals.add(house, ANYBODY, "Dach", person=person)
    deals.move(on(house, 2), ANYBODY, one, "Offer")
    deals.close(on(house, 5), ANYBODY, one, won=True)
    two = deals.add(on(house, 1), ANYBODY, "Pompy", person=person, stage="Meeting")
    deals.close(on(house, 3), ANYBODY, two, won=False)
    return one, two


# DATA-13
def test_every_way_of_a_deal_is_noted(house: Context) -> None:
    one, two = story(house)
    deals.reopen(on(house, 10), two)
    deals.move(on(house, 11), ANYBODY, two, "Offer")
    assert stood(house) == [
        (one, "New", 0, 2),
        (one, "Offer", 2, 5),
        (two, "Meeting", 1, 3),
        (two, "Meeting", 10, 11),
        (two, "Offer", 11, None),
    ]


def test_an_imported_deal_stands_where_it_stands_since_it_was_made(house: Context, tmp_path: Path) -> None:
    file = tmp_path / "deals.csv"
    file.write_text(
        "Title,Stage,Status,Created,Closed,Email\n"
        "Dach,Offer,won,2026-11-02,2026-11-12,ewa@klient.example\n"
        "Pompy,Meeting,open,2026-11-12,,ewa@klient.example\n"
    )
    with house.db.write() as connection:
        from mailcrm.store import pipelines

        pipelines.ensure_default(connection)
    done = importing.run(house, prepare(file, Subject.DEALS))
    assert done.counts["created"] == 2, done
    assert [(stage, left is not None) for _, stage, _, left in stood(house)] == [("Offer", True), ("Meeting", False)]
    with house.db.read() as connection:
        seconds = connection.execute(select(tables.stage_stay.c.seconds).order_by(tables.stage_stay.c.id)).scalars()
        assert list(seconds) == [10 * 86_400, None]
    importing.run(house, prepare(file, Subject.DEALS))
    assert len(stood(house)) == 2


def test_a_database_that_did_not_keep_them_has_them_from_its_log(house: Context) -> None:
    story(house)
    kept = stood(house)
    with house.db.write() as connection:
        connection.execute(delete(tables.stage_stay))
        past_stays.fill(connection)
    assert stood(house) == kept


def test_what_the_log_does_not_tell_is_made_of_the_deal_itself(house: Context) -> None:
    one, two = story(house)
    deals.reopen(on(house, 10), two)
    with house.db.write() as connection:
        connection.execute(delete(tables.stage_stay))
        connection.execute(delete(tables.event).where(tables.event.c.kind != "deal.lost"))
        past_stays.fill(connection)
    assert stood(house) == [
        (one, "Offer", 0, 5),  # when it was moved is not known
        (two, "Meeting", 1, 3),
        (two, "Meeting", 3, None),  # nor when it was opened again
    ]


def test_a_time_that_runs_backwards_gives_no_negative_stay(house: Context) -> None:
    person = add_person(house, "ewa@klient.example")
    one = deals.add(house, ANYBODY, "Dach", person=person)
    deals.close(replace(house, clock=lambda: datetime(2020, 1, 1, tzinfo=UTC)), ANYBODY, one, won=True)
    assert stood(house) == [(one, "New", 0, 0)]
