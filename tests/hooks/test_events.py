"""Event kinds, and how events are stored."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from mailcrm import Event, hookimpl, testing
from mailcrm.app.context import Context
from mailcrm.app.emit import emit
from mailcrm.core.events import KINDS, check, type_name
from mailcrm.errors import NotFound, Refused
from mailcrm.store import events, tables
from mailcrm.store.db import Database
from mailcrm.store.events import Backlog, NewEvent
from tests.house import NOW, build


def new(key: str, kind: str = "tag.added", **data: Any) -> NewEvent:
    return NewEvent(kind, key, None, NOW, "test", data or {"tag": "vip"})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_fields_and_words_and_an_example(kind: str) -> None:
    assert KINDS[kind].name == kind
    assert KINDS[kind].label
    made = testing.event(kind)
    assert list(made.data) == list(KINDS[kind].fields)


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [
        ("mail.recieved", {}, "there is no event kind 'mail.recieved'; did you mean mail.received?"),
        ("tag.added", {"tga": "vip"}, "tag.added has no field 'tga'; did you mean tag?; it has tag"),
        ("tag.added", {}, "tag.added: the field tag is missing; give str"),
        ("tag.added", {"tag": 5}, "tag.added: the field tag is int; give str"),
        ("tag.added", {"tag": None}, "tag.added: the field tag is NoneType; give str"),
        ("mail.sent", {"message": "a@b", "thread": True}, "the field thread is bool; give int"),
        ("mail.sent", {"message": "a@b", "thread": 1, "deal": "2"}, "the field deal is str; give int | None"),
    ],
)
def test_wrong_events_are_refused_by_name(kind: str, data: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused) as caught:
        check(kind, data)
    assert why in str(caught.value)


@given(
    st.sampled_from([*KINDS, "tag.addd", ""]),
    st.dictionaries(
        st.sampled_from(["message", "thread", "deal", "tag", "stage", "until", "zzz", ""]),
        st.none() | st.integers() | st.text(st.characters(codec=None)) | st.booleans() | st.floats(),
    ),
)
def test_whatever_is_not_refused_is_complete_storable_and_stays_as_it_is(kind: str, data: dict[str, Any]) -> None:
    try:
        complete = check(kind, data)
    except Refused:
        return
    assert list(complete) == list(KINDS[kind].fields)
    assert check(kind, complete) == complete
    json.dumps(complete, ensure_ascii=False).encode()


def test_a_field_that_may_be_empty_may_be_left_out() -> None:
    assert check("mail.sent", {"thread": 1, "message": "a@b"}) == {"message": "a@b", "thread": 1, "deal": None}
    assert [type_name(kind) for kind in KINDS["mail.sent"].fields.values()] == ["str", "int", "int | None"]


def test_an_event_is_stored_once_however_often_it_comes(database: Database) -> None:
    with database.write() as connection:
        first = events.record_many(connection, [new("a"), new("b"), new("a")], [], NOW)
    with database.write() as connection:
        second = events.record_many(connection, [new("b"), new("c")], [], NOW)
        assert not events.record(connection, new("c"), [], NOW)
        assert events.record_many(connection, [], ["p"], NOW) == []
    assert len(first) == 2
    assert len(second) == 1
    with database.read() as connection:
        assert [event.id for event in events.recent(connection)] == [*second, *reversed(first)]


def test_deliveries_are_made_with_the_event_or_not_at_all(database: Database) -> None:
    class Undone(Exception):
        pass

    def store() -> None:
        with database.write() as connection:
            events.record_many(connection, [new("a"), new("b")], ["one", "two"], NOW)
            raise Undone

    with pytest.raises(Undone):
        store()
    with database.read() as connection:
        assert events.recent(connection) == []
        assert events.backlogs(connection) == {}
    with database.write() as connection:
        events.record_many(connection, [new("a"), new("b")], ["one", "two"], NOW)
        events.record_many(connection, [new("b")], ["one", "two"], NOW)  # stored before: told no second time
    with database.read() as connection:
        assert events.backlogs(connection) == {"one": Backlog(2, 0), "two": Backlog(2, 0)}


def test_many_at_once(database: Database) -> None:
    with database.write() as connection:
        ids = events.record_many(connection, [new(f"{n}") for n in range(3000)], ["one", "two"], NOW)
    assert len(set(ids)) == 3000
    with database.read() as connection:
        assert events.backlogs(connection)["two"].waiting == 3000


def test_a_long_key_and_odd_text_are_stored(database: Database) -> None:
    long = "mail.sent:" + "x" * 5000
    with database.write() as connection:
        for key in (long, long + "y", "nul\x00", "half \ud800"):
            assert events.record(connection, new(key, tag="\ud800 ż\x00 🎉"), [], NOW)
            assert not events.record(connection, new(key), [], NOW)
    with database.read() as connection:
        assert events.recent(connection)[-1].data == {"tag": "? ż\x00 🎉"}


def test_a_wrong_event_stores_nothing(database: Database) -> None:
    with database.write() as connection, pytest.raises(Refused):
        events.record_many(connection, [new("a"), new("b", "tag.added", tagg="vip")], ["one"], NOW)
    with database.read() as connection:
        assert events.recent(connection) == []


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    class Plugin:
        @hookimpl
        def on_event(self, event: Event) -> None: ...

    return build(database, tmp_path, plugins=testing.host(Plugin(), name="listener"))


def test_emit_finds_the_person_and_tells_plugins(house: Context) -> None:
    with house.db.write() as connection:
        person = connection.execute(
            insert(tables.person).values(name="Ewa Zielińska", created_by="test", created_at=NOW)
        ).inserted_primary_key[0]
    at = NOW - timedelta(days=1)
    assert emit(house, "tag.added", {"tag": "vip"}, source="user:anna", person="Ewa Zielińska", key="k", at=at)
    assert not emit(house, "tag.added", {"tag": "vip"}, source="user:anna", key="k")
    assert emit(house, "tag.added", {"tag": "vip"}, source="user:jan", key="k")  # another source, another key
    assert emit(house, "tag.removed", {"tag": "vip"}, source="user:anna")
    assert emit(house, "tag.removed", {"tag": "vip"}, source="user:anna")  # without a key: one of its own
    with house.db.read() as connection:
        (first,) = events.recent(connection, kind="tag.added", person=person)
        assert (first.person, first.at, first.source, first.data) == (person, at, "user:anna", {"tag": "vip"})
        assert len(events.recent(connection, limit=3)) == 3
        assert events.backlogs(connection) == {"listener": Backlog(waiting=4)}
    with pytest.raises(NotFound):
        emit(house, "tag.added", {"tag": "vip"}, source="user:anna", person="nobody@klient.example")


def test_a_plugin_is_not_told_what_it_told_us(house: Context) -> None:
    emit(house, "tag.added", {"tag": "vip"}, source="plugin:listener")
    with house.db.read() as connection:
        assert events.backlogs(connection) == {}
