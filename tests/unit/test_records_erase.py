"""Erasing and exporting a person, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from mailcrm.app import activities, deals, erasing, exporting, pages, persons, record_shapes
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.core.model import Arrival, Attachment, Unreadable
from mailcrm.errors import Refused
from mailcrm.store import people, tables, unwanted
from mailcrm.store.activities import About
from mailcrm.store.db import Database
from mailcrm.store.scope import Scope
from mailcrm.store.visible import Viewer
from tests.house import NOW, batch, build, mail

ALL = Viewer(mailboxes=None)
EWA = "ewa@klient.example"


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


def attached(house: Context, name: str, content: bytes) -> Attachment:
    sha256, size = house.blobs.put(content)
    return Attachment(name=name, type="text/plain", size=size, sha256=sha256)


def everything(house: Context) -> str:
    """All rows of all tables as text."""
    with house.db.read() as connection:
        return "\n".join(
            str(tuple(row)) for table in tables.metadata.sorted_tables for row in connection.execute(select(table))
        )


@pytest.fixture
def ewa(house: Context) -> int:
    """A person with mail of her own, mail shared with a colleague, a deal, a note, an activity and quarantined mail."""
    own = replace(
        mail(1, subject="Secret roof", text="My roof leaks"), attachments=(attached(house, "a", b"only hers"),)
    )
    common = replace(
        mail(2, sender="Olaf <olaf@klient.example>", to="anna@firma.example", text="We both", subject="Both"),
        attachments=(attached(house, "b", b"in both"),),
    )
    hers_too = replace(mail(3, text="Again"), attachments=(attached(house, "b", b"in both"),))
    answer = mail(4, sender="anna@firma.example", to="Ewa Z. <ewa@klient.example>, Olaf <olaf@klient.example>")
    ingest(house, batch(own, common, hers_too, answer))
    raw, size = house.blobs.put(b"broken mail of EWA@Klient.example")
    other, _ = house.blobs.put(b"broken mail of somebody")
    for name in (raw, other):
        broken = Arrival(uid=None, received_at=NOW, content=Unreadable("too deep", name, size))
        ingest(house, replace(batch(), arrivals=(broken,)))
    with house.db.read() as connection:
        number = int(connection.execute(people.ids(search=EWA)).scalar_one())
    actor = Actor()
    persons.add_tag(house, actor, "vip", number)
    deals.add(house, actor, "Dach", person=number)
    activities.add_note(house, actor, "Ewa likes red", About(person_id=number))
    activities.add(house, actor, "call", About(person_id=number), note="ask Ewa")
    return number


def test_erasing_leaves_nothing_but_keyed_hashes(house: Context, ewa: int) -> None:
    assert "ewa" in everything(house).lower()
    erased = erasing.erase(house, ewa)
    assert erased == erasing.Erased(addresses=1, messages=2, anonymised=1, files=2, quarantined=1)
    left = everything(house)
    assert "ewa" not in left.lower().replace("mail:", "")
    assert "roof" not in left
    for kept in ("Dach", "We both", "olaf@klient.example"):
        assert kept in left
    files = {path.read_bytes() for path in house.blobs.folder.rglob("*") if path.is_file()}
    assert files == {b"in both", b"broken mail of somebody"}


def test_what_was_erased_stays_away(house: Context, ewa: int) -> None:
    erasing.erase(house, ewa)
    before = everything(house)
    again = [mail(1, subject="Secret roof"), mail(9), mail(10, sender="Ewa <ewa+crm@klient.example>")]
    outcome = ingest(house, batch(*again))
    assert (outcome.stored, outcome.persons) == (0, 0)
    assert everything(house) == before
    both = mail(11, sender="anna@firma.example", to=f"{EWA}, olaf@klient.example")
    assert ingest(house, batch(both)).persons == 0

    with pytest.raises(Refused, match="was erased on 2026-11-22; if its owner has since agreed"):
        persons.add(house, Actor(), "Ewa", emails=[EWA])
    number = persons.add(house, Actor(), "Ewa", emails=[EWA], though_erased=True)
    assert ingest(house, batch(mail(12))).stored == 1
    with house.db.read() as connection:
        assert record_shapes.persons(connection, [number])[0].emails == [EWA]


def test_a_restored_person_is_erased_again(house: Context, ewa: int) -> None:
    with house.db.write() as connection:  # as if a backup from before the erasure had been restored
        unwanted.remember(connection, house.secret, [EWA], "undone", NOW - timedelta(days=1))
        unwanted.remember(connection, house.secret, [EWA], "erased", NOW)
        unwanted.remember(connection, house.secret, ["olaf@klient.example"], "undone", NOW)
    assert erasing.obey(house) == 1
    assert erasing.obey(house) == 0
    with house.db.read() as connection:
        names = {
            person.name
            for person in record_shapes.persons(connection, connection.execute(people.ids()).scalars().all())
        }
    assert names == {"Olaf"}


def test_an_address_that_is_nobodys_is_erased_too(house: Context) -> None:
    ingest(house, batch(mail(1, headers={"list-id": ("news",)})))
    erased = erasing.erase(house, None, [EWA])
    assert (erased.addresses, erased.messages) == (1, 1)


# DATA-20
def test_an_export_holds_everything(house: Context, ewa: int) -> None:
    with house.db.read() as connection:
        record = exporting.export(connection, ewa)
        files = pages.files(connection, Scope("person", ewa), ALL)
    assert (record["name"], record["emails"], record["tags"]) == ("Ewa Zielińska", [EWA], ["vip"])
    assert [each["text"] for each in record["messages"]].count("My roof leaks") == 1
    assert len(record["messages"]) == 3
    assert [each.text for each in record["notes"]] == ["Ewa likes red"]
    assert {each["kind"] for each in record["events"]} >= {"mail.received", "tag.added", "deal.created"}
    assert [each["address"] for each in record["addresses"]] == [EWA]
    assert {file.name for file in files} == {"a", "b"}
