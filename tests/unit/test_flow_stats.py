"""What happened in flows, step by step, and stays known after their traces are gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, select

from mailcrm.app.flow_statistics import Step, flows
from mailcrm.core.series import Days, Series
from mailcrm.store import step_sums, tables
from mailcrm.store.db import Database
from mailcrm.store.step_sums import Counted
from tests.sequence_house import MAIL, House, house
from tests.servers import Sink
from tests.unit.test_sequences_reply import LATER, answer, arrives

EVER = Days()


@pytest.fixture
def home(database: Database, tmp_path: Path, sink: Sink) -> House:
    made = house(database, tmp_path, sink)
    made.apply(MAIL + LATER)
    made.consent()
    return made


def steps(home: House, days: Days = EVER, owner: int | None = None) -> dict[str, Step]:
    return {each.step: each for each in flows(home.context, days, owner).steps}


def opened(home: House, grade: str) -> None:
    """The first mail was opened, twice."""
    with home.context.db.write() as connection:
        left = select(func.min(tables.outbox.c.id)).where(tables.outbox.c.node == "step-1")
        mail = connection.execute(left).scalar_one()
        token = f"{mail:032}"
        known = connection.execute(select(tables.track.c.token).where(tables.track.c.token == token)).first()
        if known is None:
            row = {"token": token, "outbox_id": mail, "kind": "open", "position": 0}
            connection.execute(insert(tables.track).values(**row))
        hit = {"token": token, "at": home.now, "grade": grade, "reasons": "", "agent": ""}
        connection.execute(insert(tables.hit), [hit, hit])


# DATA-13
def test_each_step_says_what_became_of_it(home: House, sink: Sink) -> None:
    one, two = home.deal("Pompy"), home.deal("Dach")
    home.enroll(one, two)
    home.work()
    opened(home, "machine")
    assert steps(home)["step-1"].opened == 0
    opened(home, "human")
    home.pass_(days=1)
    arrives(home, answer(home, sink))
    home.work()
    home.pass_(days=3)
    home.work()
    found = steps(home)
    first = found["step-1"]
    assert (first.flow, first.kind, first.does) == ("Warm", "sequence", "mail.send")
    assert (first.reached, first.sent, first.opened, first.replied, first.failed) == (2, 2, 1, 1, 0)
    assert found["end"].does == "end"
    lines = {each.series: each for each in flows(home.context, EVER).series}
    reached = tuple((each.step, each.reached) for each in found.values())
    assert lines["reached"] == Series("reached", "runs", reached, flow="Warm")
    assert [point for point in lines["failed"].points if point[1]] == []
    for name, number in (("sent", 2), ("opened", 1), ("replied", 1)):
        assert lines[f"mail {name}"].points[0] == ("step-1", number)


def test_a_run_that_fails_is_counted_where_it_failed(home: House) -> None:
    home.consent(granted=False)
    home.enroll(home.deal("Pompy"))
    home.work()
    first = steps(home)["step-1"]
    assert (first.reached, first.sent, first.failed) == (1, 0, 1)


def test_only_some_days_and_only_some_ones_flows(home: House) -> None:
    home.enroll(home.deal("Pompy"))
    home.work()
    today = home.now.date()
    assert steps(home, Days(today, today))["step-1"].sent == 1
    assert steps(home, Days(today + timedelta(days=1))) == {}
    with home.context.db.read() as connection:
        owner = connection.execute(select(tables.flow.c.owner_id)).scalar_one()
    assert steps(home, owner=owner)
    assert steps(home, owner=(owner or 0) + 1) == {}


def test_figures_stay_when_the_trace_is_gone(home: House) -> None:
    home.enroll(home.deal("Pompy"))
    home.work()
    before = steps(home)
    with home.context.db.write() as connection:
        connection.execute(delete(tables.step))
    assert steps(home) == before


def test_a_step_of_an_earlier_version_is_shown_last(home: House) -> None:
    home.enroll(home.deal("Pompy"))
    home.work()
    with home.context.db.write() as connection:
        flow = connection.execute(select(tables.flow.c.id)).scalar_one()
        step_sums.add(connection, {Counted(flow, "step-9", home.now.date(), "reached"): 3})
    last = flows(home.context, EVER).steps[-1]
    assert (last.step, last.does, last.reached) == ("step-9", "", 3)


def test_many_rows_of_a_day_are_added_up_without_a_change_of_the_sums(database: Database) -> None:
    today = date(2026, 11, 22)
    with database.write() as connection:
        for days in (0, 1, 1, 1, 2, 2):
            at = today - timedelta(days=days)
            step_sums.add(connection, {Counted(1, "a", at, "reached"): 2, Counted(1, "b", at, "failed"): 1})
        before = step_sums.read(connection, None, None)
        step_sums.fold(connection, today)
        step_sums.fold(connection, today)
        assert step_sums.read(connection, None, None) == before == {1: {"a": {"reached": 12}, "b": {"failed": 6}}}
        assert connection.execute(select(func.count()).select_from(tables.step_sum)).scalar_one() == 6


def test_a_second_answer_in_a_conversation_is_not_one_to_the_letter(home: House, sink: Sink) -> None:
    home.enroll(home.deal("Pompy"))
    home.work()
    home.pass_(days=1)
    reply = answer(home, sink)
    arrives(home, reply)
    letter = reply.in_reply_to[0]
    later = replace(reply, message_id="later@test.example", in_reply_to=("mine@firma.example",), references=(letter,))
    arrives(home, later)
    assert steps(home)["step-1"].replied == 1
