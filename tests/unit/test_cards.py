"""Contact cards as they are read from both databases (GRAPH-17)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as listening
from sqlalchemy import insert

from mailcrm.app.context import Context
from mailcrm.core.card import Card, CardActivity, CardDeal
from mailcrm.core.conditions import CONDITIONS
from mailcrm.core.events import check
from mailcrm.core.model import Kind
from mailcrm.store import activities, deals, events, organizations, people, permissions, tables, tags, users
from mailcrm.store import fields as custom
from mailcrm.store.activities import About
from mailcrm.store.cards import cards
from mailcrm.store.db import Database
from tests.house import NOW, build
from tests.plans import too_much

EVERYTHING = frozenset(field.name for field in fields(Card)) - {"person"}
DAY = timedelta(days=1)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


def person(house: Context, name: str, **more: Any) -> int:
    with house.db.write() as connection:
        return people.add(connection, people.NewPerson(name, "import:a.csv", **more), NOW)


def happened(house: Context, kind: str, whom: int, at: datetime, **data: Any) -> None:
    with house.db.write() as connection:
        row = events.NewEvent(kind, f"{kind}:{whom}:{at}:{data}", whom, at, "test", check(kind, data))
        events.record(connection, row, (), NOW)


def wrote(house: Context, whom: int, direction: str, at: datetime, kind: str = "human", role: str = "from") -> None:
    with house.db.write() as connection:
        thread = connection.execute(
            insert(tables.thread)
            .values(subject="Oferta", first_at=at, last_at=at, link="none")
            .returning(tables.thread.c.id)
        ).scalar_one()
        number = connection.execute(
            insert(tables.message)
            .values(
                **dict.fromkeys(("date", "received_at", "stored_at"), at),
                identity=f"{whom}{direction}{at:%Y%m%d%H%M}"[:32],
                thread_id=thread,
                kind=kind,
                kind_rule="",
                direction=direction,
                recipients={},
                subject="Oferta",
                size=1,
                historic=True,
            )
            .returning(tables.message.c.id)
        ).scalar_one()
        values = {"message_id": number, "address": "ewa@klient.example", "role": role, "name": "", "person_id": whom}
        connection.execute(insert(tables.participant).values(values))


def card(house: Context, number: int, *needs: str) -> Card:
    with house.db.read() as connection:
        return cards(connection, [number], needs or EVERYTHING, NOW)[number]


def stage(house: Context) -> int:
    with house.db.write() as connection:
        pipeline = insert(tables.pipeline).values(name="Sales").returning(tables.pipeline.c.id)
        values = {"pipeline_id": connection.execute(pipeline).scalar_one(), "name": "Offer", "position": 1}
        number: int = connection.execute(insert(tables.stage).values(values).returning(tables.stage.c.id)).scalar_one()
        return number


def client(house: Context) -> int:
    """A person with something in every part of the card."""
    with house.db.write() as connection:
        organization = organizations.add(connection, "Klient SA", NOW, created_by="command")
        owner = users.find(connection, "anna").id
    emails = ("ewa@klient.example", "a@klient.example")
    ewa = person(house, "Ewa", emails=emails, phones=("+48 2", "+48 1"), organization=organization, owner=owner)
    at_stage = stage(house)
    with house.db.write() as connection:
        tags.add(connection, "vip", ewa, NOW)
        tags.add(connection, "Client 1", ewa, NOW)
        for name, value in {"region": "north", "visits": 7, "language": "pl", "time_zone": "America/New_York"}.items():
            custom.put(connection, "person", ewa, name, value)
        new = deals.NewDeal("Lathe", at_stage, "command", person=ewa, value=Decimal("1200.50"), currency="PLN")
        lathe = deals.add(connection, new, NOW)
        gone = deals.add(connection, deals.NewDeal("Gone", at_stage, "command", person=ewa), NOW)
        deals.change(connection, gone, removed_at=NOW)
        own = activities.add(connection, "call", About(person_id=ewa), NOW, created_by="command", due=NOW + DAY)
        of_deal = activities.add(connection, "visit", About(deal_id=lathe), NOW, created_by="command")
        activities.change(connection, of_deal, done_at=NOW - 2 * DAY)
        both = activities.add(connection, "demo", About(person_id=ewa, deal_id=lathe), NOW, created_by="command")
        removed = activities.add(connection, "call", About(person_id=ewa), NOW, created_by="command")
        activities.change(connection, removed, removed_at=NOW, done_at=NOW)
    assert (own, of_deal, both) == (1, 2, 3)
    enrolled(house, ewa, "sequence", "Warm lead", "in_progress")
    enrolled(house, ewa, "workflow", "Campaign 1", "in_progress")
    enrolled(house, ewa, "workflow", "Campaign 0", "completed")
    happened(house, "mail.opened", ewa, NOW - 5 * DAY, message="m@x")
    happened(house, "link.clicked", ewa, NOW - 4 * DAY, message="m@x", grade="human", url="https://firma.example")
    happened(house, "mail.replied", ewa, NOW - 3 * DAY, message="r@x", thread=1)
    wrote(house, ewa, "in", NOW - 3 * DAY)
    wrote(house, ewa, "out", NOW - 6 * DAY, role="to")
    return ewa


def enrolled(house: Context, whom: int, kind: str, name: str, status: str) -> None:
    with house.db.write() as connection:
        flow = connection.execute(
            insert(tables.flow)
            .values(kind=kind, name=f"{name}", item="person", version=1, created_at=NOW, changed_at=NOW)
            .returning(tables.flow.c.id)
        ).scalar_one()
        values = {"flow_id": flow, "version": 1, "subject": f"person:{whom}", "person_id": whom, "number": 1}
        values |= {"status": status, "began_at": NOW, "enrolled_by": "command", "seq": 1, "state": "{}"}
        connection.execute(insert(tables.enrollment).values(values))


def test_a_card_holds_all_that_is_known(house: Context) -> None:
    ewa = client(house)
    assert card(house, ewa) == Card(
        person=ewa,
        tags=frozenset({"vip", "Client 1"}),
        fields={
            "region": "north",
            "visits": 7,
            "language": "pl",
            "time_zone": "America/New_York",
            "name": "Ewa",
            "organization": "Klient SA",
            "owner": ("anna", "anna@firma.example"),
            "created_by": "import:a.csv",
            "email": ("ewa@klient.example", "a@klient.example"),
            "phone": ("+48 1", "+48 2"),
        },
        deals=(CardDeal(1, "Lathe", "Offer", "open", Decimal("1200.50"), "PLN"),),
        activities=(
            CardActivity(1, "call", due=NOW + DAY),
            CardActivity(2, "visit", done_at=NOW - 2 * DAY),
            CardActivity(3, "demo"),
        ),
        sequences=frozenset({"Warm lead"}),
        workflows=frozenset({"Campaign 1"}),
        opened=NOW - 5 * DAY,
        clicked=NOW - 4 * DAY,
        replied=NOW - 3 * DAY,
        last_received=NOW - 3 * DAY,
        last_sent=NOW - 6 * DAY,
        last_contact=NOW - 2 * DAY,
        language="pl",
        time_zone="America/New_York",
    )


def test_only_the_part_that_is_asked_for_is_there(house: Context) -> None:
    ewa = client(house)
    whole = card(house, ewa)
    for part in EVERYTHING:
        assert card(house, ewa, part) == Card(ewa, **{part: getattr(whole, part)})


def test_of_a_person_of_whom_nothing_is_known_the_card_is_empty(house: Context) -> None:
    assert card(house, 99) == Card(99)
    with house.db.read() as connection:
        assert cards(connection, [], EVERYTHING, NOW) == {}


def test_the_last_word_about_a_permission_counts(house: Context) -> None:
    ewa, jan, ola = (person(house, name) for name in ("Ewa", "Jan", "Ola"))
    with house.db.write() as connection:
        for whom in (ewa, jan):
            permissions.grant(connection, whom, "consent", "form", "ticked", False, "page", NOW)
        permissions.withdraw(connection, jan, "call", "said so", "user:anna", NOW)
    with house.db.read() as connection:
        found = cards(connection, [ewa, jan, ola], {"permission"}, NOW)
    assert found == {ewa: Card(ewa, permission=True), jan: Card(jan), ola: Card(ola)}


def test_every_person_gets_his_own(house: Context) -> None:
    ewa, jan = client(house), person(house, "Jan")
    with house.db.write() as connection:
        tags.add(connection, "vip", jan, NOW)
    with house.db.read() as connection:
        found = cards(connection, [jan, ewa], {"tags", "deals"}, NOW)
    assert found[jan] == Card(jan, tags=frozenset({"vip"}))
    assert found[ewa].deals


# GRAPH-17


def test_what_machines_did_and_what_is_yet_to_come_does_not_count(house: Context) -> None:
    jan = person(house, "Jan")
    for days, grade in ((9, None), (8, "human"), (7, "unknown"), (6, "machine")):
        happened(house, "mail.opened", jan, NOW - days * DAY, message="m@x", grade=grade)
        happened(house, "link.clicked", jan, NOW - days * DAY, message="m@x", grade=grade)
    happened(house, "mail.opened", jan, NOW + DAY, message="m@x", grade="human")
    happened(house, "mail.replied", jan, NOW + DAY, message="m@x", thread=1)
    wrote(house, jan, "in", NOW + DAY)
    with house.db.write() as connection:
        call = activities.add(connection, "call", About(person_id=jan), NOW, created_by="command")
        activities.change(connection, call, done_at=NOW + DAY)
    asked = card(house, jan, "opened", "clicked", "replied", "last_received", "last_contact")
    assert asked == Card(jan, opened=NOW - 8 * DAY, clicked=NOW - 8 * DAY)


def test_only_what_somebody_wrote_is_contact(house: Context) -> None:
    jan = person(house, "Jan")
    wrote(house, jan, "in", NOW - 9 * DAY)
    wrote(house, jan, "out", NOW - 8 * DAY, role="cc")
    for days, kind in enumerate(set(Kind) - {Kind.HUMAN, Kind.UNSUBSCRIBE, Kind.CALENDAR}, 1):
        wrote(house, jan, "in", NOW - days * DAY / 10, kind=kind)
    wrote(house, jan, "in", NOW - DAY, role="bounced")
    asked = card(house, jan, "last_received", "last_sent", "last_contact")
    assert asked == Card(jan, last_received=NOW - 9 * DAY, last_sent=NOW - 8 * DAY, last_contact=NOW - 8 * DAY)


def test_a_language_that_is_no_text_is_not_known(house: Context) -> None:
    jan = person(house, "Jan")
    with house.db.write() as connection:
        custom.put(connection, "person", jan, "language", 7)
    assert card(house, jan, "language") == Card(jan)


@contextmanager
def statements(house: Context) -> Iterator[list[tuple[str, Any]]]:
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            found.append((statement, parameters))

    listening.listen(house.db.engine, "before_cursor_execute", note)
    yield found
    listening.remove(house.db.engine, "before_cursor_execute", note)


def test_many_persons_cost_as_many_queries_as_one(house: Context) -> None:
    several = [client(house)] + [person(house, f"Jan {number}") for number in range(40)]
    with statements(house) as found, house.db.read() as connection:
        cards(connection, several[:1], EVERYTHING, NOW)
        for_one = [statement for statement, _ in found]
        found.clear()
        cards(connection, [*several, *range(1000, 3000)], EVERYTHING, NOW)
        assert [statement for statement, _ in found] == for_one
        assert len(for_one) == 15
        found.clear()
        for condition in CONDITIONS.values():
            cards(connection, several, condition.needs, NOW)
        assert len(found) <= 2 * len(CONDITIONS)


def test_no_query_reads_a_whole_table(migrated_sqlite: Path, tmp_path: Path) -> None:
    house = build(Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}"), tmp_path)
    ewa = client(house)
    with statements(house) as found:
        card(house, ewa)
    faults = too_much(house.db, list(found), small=())
    house.db.close()
    assert faults == []
