"""Everything held: the kill switch, another place, long overdue, after a restore; the fault of a process that dies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection

from mailcrm.app import holding
from mailcrm.app.work import work
from mailcrm.core.enrollment import Status
from mailcrm.store import outbox, standstill
from mailcrm.store.db import Database
from tests.sequence_house import CALL, MAIL, House, house
from tests.transports import Interrupted, Taker


@pytest.fixture
def database(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    """SQLite alone: what is asked of PostgreSQL is in ``test_dispatch_plans``."""
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    yield database
    database.close()


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    made = house(database, tmp_path)
    made.apply(MAIL + CALL + 'after = "3d"\n')
    made.consent()
    return made


def enrolled(home: House, name: str = "ewa") -> Any:
    item = home.deal(name, home.person(email=f"{name}@klient.example"))
    home.enroll(item)
    home.run()
    return item


def stop(home: House) -> None:
    holding.hold_all(home.context, "stop", flows=False)


def states(home: House) -> list[str]:
    return [each.state for each in home.outbox()]


def test_the_kill_switch_holds_what_waits_and_what_is_still_to_come(home: House) -> None:
    enrolled(home, "a")
    assert holding.hold_all(home.context, "held by anna", flows=False) == 1
    enrolled(home, "b")
    taker = Taker()
    home.work(taker)
    assert (taker.taken, states(home)) == ([], ["held", "held"])
    home.pass_(days=1)
    home.work(taker)
    assert holding.release(home.context) == 2
    home.work(taker)
    assert (len(taker.taken), states(home)) == (2, ["sent", "sent"])
    assert holding.release(home.context) is None


def test_it_works_between_pick_up_and_hand_over(home: House) -> None:
    item = enrolled(home)
    taker = Taker()
    home.send(Interrupted(taker, lambda: stop(home)))
    assert (taker.taken, states(home), home.status(item)) == ([], ["held"], Status.IN_PROGRESS)
    holding.release(home.context)
    home.work(taker)
    assert len(taker.taken) == 1


def test_one_mail_may_be_released_while_everything_is_held(home: House) -> None:
    enrolled(home, "a")
    enrolled(home, "b")
    holding.hold_all(home.context, "stop", flows=False)
    with home.context.db.write() as connection:
        assert outbox.release(connection, [home.outbox()[1].id], home.now) == 1
    taker = Taker()
    home.work(taker)
    assert (taker.given, states(home)) == (["b@klient.example"], ["held", "sent"])


def test_what_was_held_by_hand_stays_so_when_everything_is_released(home: House) -> None:
    enrolled(home, "a")
    enrolled(home, "b")
    with home.context.db.write() as connection:
        outbox.hold(connection, [home.outbox()[0].id])
    holding.hold_all(home.context, "stop", flows=False)
    assert holding.release(home.context) == 1
    taker = Taker()
    home.work(taker)
    assert taker.given == ["b@klient.example"]
    assert holding.release_all(home.context) == 1
    home.work(taker)
    assert len(taker.given) == 2


def test_in_another_place_everything_is_held_until_it_is_released(home: House) -> None:
    assert holding.look(home.context, "one") is None
    enrolled(home)
    assert holding.look(home.context, "one") is None
    held = holding.look(home.context, "two")
    assert held is not None
    assert (held.flows, "another host (two)" in held.reason) == (True, True)
    taker = Taker()
    home.work(taker)
    assert taker.taken == []
    holding.release(home.context)
    assert holding.look(home.context, "two") is None
    assert holding.look(home.context, "one") is None  # known by now: several may share one database
    home.work(taker)
    assert len(taker.taken) == 1


def test_under_another_address_everything_is_held_too(home: House) -> None:
    holding.look(home.context, "one")
    enrolled(home)
    web = msgspec.structs.replace(home.context.config.web, base_url="https://test.firma.example")
    home.context = replace(home.context, config=msgspec.structs.replace(home.context.config, web=web))
    held = holding.look(home.context, "one")
    assert held is not None
    assert "https://test.firma.example" in held.reason


def test_where_nothing_waits_nothing_is_held(home: House) -> None:
    holding.look(home.context, "one")
    assert holding.look(home.context, "two") is None


@pytest.mark.parametrize(("hours", "held"), [(24, False), (25, True)])
def test_what_is_long_overdue_starts_held(home: House, hours: int, held: bool) -> None:
    enrolled(home)
    holding.look(home.context, "one")
    home.pass_(hours=hours)
    assert (holding.look(home.context, "one") is not None) is held


def test_overdue_timers_stand_still_until_they_are_released(home: House) -> None:
    item = enrolled(home)
    home.work(Taker())
    home.pass_(days=5)  # the call was due two days ago
    assert holding.look(home.context, "one") is not None
    assert work(home.context, Taker()).steps == 0
    assert (home.activities(), home.status(item)) == ([], Status.IN_PROGRESS)
    holding.release(home.context)
    assert holding.look(home.context, "one") is None  # somebody has looked at it
    assert work(home.context, Taker()).steps > 0
    assert len(home.activities()) == 1


class Died(BaseException):
    """As if the process were killed."""


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_process_that_dies_anywhere_loses_no_mail_and_no_step(
    home: House, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Killed at its n-th write: claimed, perhaps handed over, not noted; what is left is done by another."""
    for name in ("a", "b"):
        enrolled(home, name)
    write, left = home.context.db.write, [after]

    @contextmanager
    def mortal() -> Iterator[Connection]:
        left[0] -= 1
        with write() as connection:
            yield connection
            if left[0] <= 0:
                raise Died  # nothing of this transaction is kept

    taker = Taker()
    monkeypatch.setattr(home.context.db, "write", mortal)
    try:
        home.send(taker)
    except Died:
        monkeypatch.undo()
    monkeypatch.undo()
    home.pass_(seconds=31)
    home.work(taker)
    assert states(home) == ["sent", "sent"]
    assert {parcel.recipient for parcel in taker.taken} == {"a@klient.example", "b@klient.example"}
    assert len(taker.taken) <= 4  # at most the mails in flight leave twice
    with home.context.db.read() as connection:
        assert standstill.of(connection) is None


def test_a_lost_note_is_told_by_an_error(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    enrolled(home)

    def broken(*_args: object) -> None:
        raise RuntimeError("a fault in the note")

    monkeypatch.setattr("mailcrm.app.notes.note", broken)
    with pytest.raises(RuntimeError, match="a fault in the note"):
        home.send(Taker())
    monkeypatch.undo()
    home.pass_(seconds=31)
    home.work(Taker())
    assert states(home) == ["sent"]
    assert home.now - timedelta(days=1) < home.outbox()[0].due_at
