"""What belongs to a record is found by indexes, however much is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import Select, select
from sqlalchemy.dialects import sqlite

from mailcrm.store import activities, deals, leads, people, reading
from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from mailcrm.store.scope import Noun, Scope
from mailcrm.store.tables import message
from mailcrm.store.visible import Viewer

ANNA = Viewer(mailboxes=frozenset({"anna"}), own=frozenset({"anna"}))


def whole_tables(database: Database, query: Select[Any]) -> list[str]:
    """The tables that SQLite would read from end to end for this query."""
    compiled = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    with database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
        return [row[3] for row in plan if row[3].startswith("SCAN")]


@pytest.fixture
def empty(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    upgrade(database)
    return database


@pytest.mark.parametrize("noun", get_args(Noun))
def test_what_belongs_to_a_record_is_found_by_index(empty: Database, noun: Noun) -> None:
    scope = Scope(noun, 7)
    queries: list[Select[Any]] = [
        activities.ids(scope=scope),
        activities.note_ids(scope=scope),
        scope.deals(),
        scope.leads(),
        scope.persons(),
        select(message.c.id).where(scope.messages(), ANNA.sees()),
        reading.thread_ids(ANNA, scope=scope),
        reading.message_ids(ANNA, scope=scope),
    ]
    for query in queries:
        tables = {line.split()[1] for line in whole_tables(empty, query)}
        assert not tables & {"activity", "note", "deal", "lead", "person", "message", "participant", "thread"}, query
    empty.close()


def test_lists_of_one_owner_or_person_are_found_by_index(empty: Database) -> None:
    for query in (
        people.ids(organization=7),
        deals.ids(person=7),
        deals.ids(organization=7),
        deals.ids(stage_id=7),
        leads.ids(person=7),
        activities.ids(assignee=7),
        reading.message_ids(ANNA, in_thread=7),
    ):
        tables = {line.split()[1] for line in whole_tables(empty, query)}
        assert not tables & {"activity", "deal", "lead", "person", "message"}, query
    empty.close()
