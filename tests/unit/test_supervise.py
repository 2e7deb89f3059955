"""What commands and first looks decide about mailboxes is carried out, and no server is stormed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text

from mailcrm.app.context import Context
from mailcrm.errors import LoginFailed
from mailcrm.mail.imap_account import State
from mailcrm.store import mailboxes
from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from mailcrm.store.ownership import Ownership
from mailcrm.supervise import Supervisor
from tests.house import build
from tests.servers.process import wait_until


@dataclass
class Watcher:
    """Notes what it is told."""

    state: State = State.WATCHING
    told: list[str] = field(default_factory=list)

    def pause(self, mailbox: str) -> None:
        self.told.append(f"pause {mailbox}")

    def resume(self, mailbox: str) -> None:
        self.told.append(f"resume {mailbox}")

    def states(self) -> Mapping[str, tuple[State, str]]:
        return {"anna": (self.state, "")}


@dataclass
class Drafts:
    """Notes whose drafts are looked after."""

    waiting: frozenset[str] = frozenset()
    tended: list[str] = field(default_factory=list)
    fault: Exception | None = None

    def busy(self) -> frozenset[str]:
        return self.waiting

    def tend(self, mailbox: str) -> int:
        self.tended.append(mailbox)
        if self.fault:
            raise self.fault
        self.waiting -= {mailbox}
        return 1


@dataclass
class Office:
    """A supervisor of the mailbox ``anna`` with all that it is given."""

    context: Context
    watcher: Watcher = field(default_factory=Watcher)
    drafts: Drafts = field(default_factory=Drafts)
    looks: list[str] = field(default_factory=list)
    fault: Exception | None = None
    now: float = 1000.0
    going_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.going_on.set()
        self.ownership = Ownership(self.context.db, self.context.config.data / "locks")
        self.supervisor = Supervisor(
            self.context,
            self.watcher,
            {"anna"},
            self.ownership,
            look=self.look,
            offer=lambda _: 0,
            drafts=self.drafts,
            clock=lambda: self.now,
        )

    def look(self, key: str) -> None:
        self.looks.append(key)
        self.going_on.wait(10)
        if self.fault:
            raise self.fault
        self.set("active")

    def set(self, state: str) -> None:
        with self.context.db.write() as connection:
            mailboxes.set_state(connection, "anna", state, reason="because")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    upgrade(database)
    office = Office(build(database, tmp_path))
    yield office
    office.supervisor.close()
    office.ownership.close()
    database.close()


def test_a_new_mailbox_is_looked_into_and_then_read(office: Office) -> None:
    office.supervisor.round()
    assert wait_until(lambda: not office.supervisor._looking)
    office.supervisor.round()
    assert (office.looks, office.watcher.told) == (["anna"], ["resume anna"])


def test_nobody_looks_before_the_watcher_is_let_in(office: Office) -> None:
    office.watcher.state = State.WAITING
    for _ in range(3):
        office.supervisor.round()
    assert office.looks == []
    office.watcher.state = State.WATCHING
    office.supervisor.round()
    assert wait_until(lambda: office.looks == ["anna"])


def test_a_look_that_goes_on_is_not_begun_again(office: Office) -> None:
    office.going_on.clear()
    for _ in range(3):
        office.supervisor.round()
        office.now += 100
    office.going_on.set()
    assert wait_until(lambda: not office.supervisor._looking)
    assert office.looks == ["anna"]


@pytest.mark.parametrize("fault", [LoginFailed("no"), KeyError("odd")])
def test_a_look_that_failed_is_told_and_made_anew_after_a_pause(office: Office, fault: Exception) -> None:
    office.fault = fault
    for _ in range(5):
        office.supervisor.round()
        assert wait_until(lambda: not office.supervisor._looking)
    assert len(office.looks) == 1
    assert "first look failed" in office.supervisor.faults["anna"]
    office.now, office.fault = office.now + 61, None
    office.supervisor.round()
    assert wait_until(lambda: not office.supervisor._looking)
    assert (len(office.looks), office.supervisor.faults) == (2, {})


def test_pause_and_resume_of_another_process_are_carried_out_once(office: Office) -> None:
    office.set("active")
    office.supervisor.round()
    for state in ("paused", "active", "paused"):
        office.set(state)
        office.supervisor.round()
        office.supervisor.round()
    assert office.watcher.told == ["pause anna", "resume anna", "pause anna"]


def test_a_mailbox_that_was_paused_before_it_was_looked_into_is_looked_into(office: Office) -> None:
    office.watcher.state = State.PAUSED
    for state in ("new", "paused", "new"):
        office.set(state)
        office.supervisor.round()
    assert (office.looks, office.watcher.told) == ([], ["pause anna", "resume anna"])
    office.watcher.state = State.WATCHING
    office.supervisor.round()
    assert wait_until(lambda: office.looks == ["anna"])


def test_a_mailbox_that_was_paused_before_the_start_is_left_alone(office: Office) -> None:
    office.set("paused")
    office.supervisor.round()
    assert office.watcher.told == ["pause anna"]


def test_a_mailbox_of_another_process_is_taken_over_when_that_ends(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    upgrade(database)
    context = build(database, tmp_path)
    other = Ownership(database, context.config.data / "locks")
    assert other.take("anna")
    office = Office(context)
    office.set("active")
    office.supervisor.round()
    assert (office.watcher.told, office.supervisor.owned) == (["pause anna"], frozenset())
    other.close()
    office.now += 11
    office.supervisor.round()
    assert (office.watcher.told, office.supervisor.owned) == (["pause anna", "resume anna"], frozenset({"anna"}))
    office.supervisor.close()
    office.ownership.close()
    database.close()


def test_what_a_broken_connection_held_is_lost_and_taken_again(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    database = Database(request.getfixturevalue("_postgres_copy"))
    office = Office(build(database, tmp_path))
    office.set("active")
    office.supervisor.round()
    with database.write() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"))
    assert wait_until(lambda: not held(database))
    office.supervisor.round()
    assert office.watcher.told == ["pause anna", "resume anna"]
    assert held(database)
    office.supervisor.close()
    office.ownership.close()
    database.close()


def held(database: Database) -> bool:
    with database.read() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")))


def test_drafts_are_looked_after_where_the_mailbox_is_ours(office: Office) -> None:
    office.set("active")
    office.drafts.waiting = frozenset({"anna", "jan"})
    office.supervisor.round()
    assert wait_until(lambda: not office.supervisor._tending)
    assert (office.drafts.tended, office.drafts.waiting) == (["anna"], {"jan"})


def test_three_refused_logins_for_drafts_pause_the_mailbox(office: Office) -> None:
    office.set("active")
    office.drafts.waiting, office.drafts.fault = frozenset({"anna"}), LoginFailed("the login was refused")
    for times in (1, 2, 3):
        office.supervisor.round()
        assert wait_until(lambda: not office.supervisor._tending)
        assert len(office.drafts.tended) == times
        with office.context.db.read() as connection:
            state = mailboxes.find(connection, "anna")
        assert state.state == ("paused" if times == 3 else "active")
    assert "the login was refused" in str(state.reason)
    office.supervisor.round()
    assert office.watcher.told[-1] == "pause anna"


def test_drafts_that_fail_hold_nothing_up(office: Office) -> None:
    office.set("active")
    office.drafts.waiting, office.drafts.fault = frozenset({"anna"}), LoginFailed("no")
    office.supervisor.round()
    assert wait_until(lambda: not office.supervisor._tending)
    office.supervisor.round()
    assert wait_until(lambda: office.drafts.tended == ["anna", "anna"])
