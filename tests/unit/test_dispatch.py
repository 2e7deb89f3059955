"""The outbox: claims, leases, tries, and what a smarthost may say; on both databases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.dispatch import BATCH, dispatch
from mailcrm.app.handover import Unreachable
from mailcrm.app.outcomes import delay
from mailcrm.errors import ConfigError, LoginFailed, MailcrmError, Permanent, Temporary
from mailcrm.store import leaving, outbox
from mailcrm.store.db import Database
from mailcrm.store.outbox import NewMail, Stored
from tests.house import NOW, build
from tests.on_disk import synced
from tests.servers.process import wait_until
from tests.transports import Taker


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


def at(house: Context, later: timedelta) -> Context:
    return replace(house, clock=lambda: NOW + later)


def new(name: str) -> NewMail:
    return NewMail(
        key=name, kind="notice", user_id=None, message_id=f"{name}@x.example", sender="crm@firma.example",
        recipient=f"{name}@firma.example", subject=name, content=b"Subject: x\r\n\r\nx\r\n",
    )  # fmt: skip


def put(house: Context, *names: str, created: datetime = NOW) -> None:
    with house.db.write() as connection:
        for name in names:
            assert outbox.put(connection, new(name), created) is not None


def stored(house: Context) -> dict[str, Stored]:
    with house.db.read() as connection:
        return {each.key: each for each in outbox.listed(connection)}


def states(house: Context) -> dict[str, str]:
    return {key: each.state for key, each in stored(house).items()}


def test_what_is_due_is_sent_once(house: Context) -> None:
    names = [f"n{number}" for number in range(BATCH + 10)]
    put(house, *names)
    transport = Taker()
    assert dispatch(house, transport).sent == BATCH + 10
    assert sorted(transport.given) == sorted(f"{name}@firma.example" for name in names)
    assert dispatch(house, transport).sent == 0
    assert set(states(house).values()) == {"sent"}
    assert stored(house)["n0"].reason == "2.0.0 taken"
    assert {each.content for each in transport.taken} == {b"Subject: x\r\n\r\nx\r\n"}


def test_what_comes_one_by_one_leaves_in_groups(house: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        put(house, "third", "fourth")

    monkeypatch.setattr("mailcrm.app.dispatch.time", SimpleNamespace(monotonic=time.monotonic, sleep=pause))
    put(house, "first")
    transport = Taker(before=lambda: put(house, "second") if not transport.taken else None)
    assert dispatch(house, transport).sent == 4
    assert len(transport.routes) == 2
    assert len(pauses) == 1
    assert 0 < pauses[0] <= 0.1


def test_the_same_key_is_put_once(house: Context) -> None:
    put(house, "a")
    with pytest.raises(AssertionError):
        put(house, "a")


def test_one_body_serves_many_mails(house: Context) -> None:
    with house.db.write() as connection:
        body = outbox.put_body(connection, b"Subject: all\r\n\r\nAll.\r\n", NOW)
        for name in ("a", "b"):
            outbox.put(connection, replace(new(name), content=b"", body_id=body), NOW)
    transport = Taker()
    assert dispatch(house, transport).sent == 2
    assert [each.content for each in transport.taken] == [b"Subject: all\r\n\r\nAll.\r\n"] * 2
    assert stored(house)["a"].content == b"Subject: all\r\n\r\nAll.\r\n"


def test_one_mails_fault_does_not_concern_the_others(house: Context) -> None:
    put(house, "good", "later", "never", "good2")
    faults: dict[str, MailcrmError] = {
        "later@firma.example": Temporary("451 busy"),
        "never@firma.example": Permanent("550 unknown"),
    }
    done = dispatch(house, Taker(faults))
    assert (done.sent, done.failed, done.delayed, done.reason) == (2, 1, 1, "451 busy")
    assert states(house) == {"good": "sent", "later": "pending", "never": "failed", "good2": "sent"}
    later = stored(house)["later"]
    assert (later.attempts, later.reason) == (1, "451 busy")
    assert timedelta(seconds=15) < later.due_at - NOW < timedelta(seconds=25)  # at most 30 s, also where unclear
    transport = Taker()
    assert dispatch(house, transport).sent == 0
    assert dispatch(at(house, timedelta(seconds=30)), transport).sent == 1


@pytest.mark.parametrize("fault", [ConfigError("no [smarthost]"), LoginFailed("wrong"), Unreachable("refused")])
def test_where_nothing_can_be_sent_mail_waits_with_the_reason(house: Context, fault: MailcrmError) -> None:
    put(house, "a", "b")
    done = dispatch(house, Taker(down=fault))
    assert (done.sent, done.delayed, done.reason) == (0, 2, str(fault))
    assert {(each.state, each.attempts, each.reason) for each in stored(house).values()} == {("pending", 0, str(fault))}
    again = Taker()
    assert dispatch(at(house, timedelta(seconds=30)), again).sent == 0  # nobody is pestered
    assert dispatch(at(house, timedelta(minutes=15)), again).sent == 2


def test_a_connection_that_breaks_leaves_the_rest_for_later(house: Context) -> None:
    put(house, "a", "b", "c")
    done = dispatch(house, Taker({"b@firma.example": Unreachable("gone")}))
    assert (done.sent, done.delayed) == (1, 2)
    assert states(house) == {"a": "sent", "b": "pending", "c": "pending"}


def test_after_five_days_of_trying_it_is_given_up(house: Context) -> None:
    put(house, "a", created=NOW - timedelta(days=6))
    transport = Taker({"a@firma.example": Temporary("451 busy")})
    now = timedelta()
    while states(house)["a"] == "pending":
        dispatch(at(house, now), transport)
        now += timedelta(hours=2)
    mail = stored(house)["a"]
    assert (mail.state, mail.attempts) == ("failed", 20)
    assert mail.reason == "given up after 20 tries: 451 busy"
    with house.db.write() as connection:
        assert outbox.retry(connection, [mail.id], NOW) == 1
    assert (stored(house)["a"].state, stored(house)["a"].attempts) == ("pending", 0)


def test_tries_become_rarer_up_to_one_an_hour() -> None:
    waits = [delay(attempt, 0.5) for attempt in range(1, 40)]
    assert waits[0] == timedelta(seconds=20)
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(hours=1)
    assert delay(1, 0.0) < delay(1, 1.0) < timedelta(seconds=30)


def test_what_is_held_waits_until_it_is_released(house: Context) -> None:
    put(house, "a", "b")
    with house.db.write() as connection:
        assert outbox.hold(connection, None) == 2
    assert dispatch(house, Taker()).sent == 0
    with house.db.write() as connection:
        assert outbox.release(connection, [stored(house)["a"].id], NOW) == 1
    dispatch(house, Taker())
    assert states(house) == {"a": "sent", "b": "held"}


def test_what_is_claimed_is_on_disk_before_any_of_it_leaves(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or after a power cut what a server took would leave again, without a look into Sent."""
    house = build(sqlite, tmp_path)
    put(house, "a", "b")
    on_disk = synced(monkeypatch)
    seen: list[int] = []
    assert dispatch(house, Taker(before=lambda: seen.append(len(on_disk)))).sent == 2
    assert seen == [1, 1]
    assert on_disk == [f"{tmp_path}/test.db-wal"]
    assert dispatch(house, Taker()).sent == 0
    assert len(on_disk) == 1  # nothing was claimed


def test_a_dead_process_claim_runs_out(house: Context) -> None:
    put(house, "a")
    with house.db.write() as connection:
        assert len(leaving.claim(connection, NOW, 10)) == 1
    transport = Taker()
    assert dispatch(at(house, timedelta(seconds=29)), transport).sent == 0
    assert dispatch(at(house, timedelta(seconds=31)), transport).sent == 1


def test_a_long_batch_keeps_its_claim(house: Context) -> None:
    """Another process finds nothing to take over while this one is slow."""
    put(house, "a", "b", "c", "d", "e")
    clock = [NOW]
    slow = replace(house, clock=lambda: clock[0])
    other = Taker()

    def wait() -> None:
        clock[0] += timedelta(seconds=15)
        assert dispatch(slow, other).sent == 0

    transport = Taker(before=wait)
    assert dispatch(slow, transport).sent == 5
    assert (len(transport.given), other.given) == (5, [])


def test_a_claim_taken_over_is_left_alone(house: Context) -> None:
    """Whoever wakes up after his claim ran out does not touch the mail again, nor its new state."""
    put(house, "a", "b")
    clock = [NOW]
    slow = replace(house, clock=lambda: clock[0])
    other = Taker()

    def sleep() -> None:
        if clock[0] == NOW:
            clock[0] += timedelta(minutes=5)
            assert dispatch(slow, other).sent == 2

    transport = Taker(before=sleep)
    dispatch(slow, transport)
    assert transport.given == ["a@firma.example"]  # under way when it fell asleep; b was not handed over again
    assert set(states(house).values()) == {"sent"}


def test_two_processes_claim_different_mails(house: Context) -> None:
    put(house, *(f"n{number}" for number in range(20)))
    with house.db.write() as first:
        mine = leaving.claim(first, NOW, 10)
        if not house.db.is_sqlite:  # SQLite has one writer at a time
            with house.db.write() as second:
                theirs = leaving.claim(second, NOW, 20)
            assert not {mail.id for mail in mine} & {mail.id for mail in theirs}
            assert len(theirs) == 10
    assert len(mine) == 10


_WORKER = """
import sys, pathlib
from dataclasses import replace
from datetime import timedelta
from mailcrm.app.dispatch import dispatch
from mailcrm.store.db import Database
from tests.house import NOW, build
class Slow:
    def deliver(self, route, parcels, report, beat):
        for parcel in parcels:
            print(parcel.recipient, flush=True)
            sys.stdin.readline()
            report(parcel, "ok")
house = build(Database(sys.argv[1]), pathlib.Path(sys.argv[2]))
dispatch(house, Slow())
"""


def test_nothing_is_lost_when_a_process_is_killed(house: Context, tmp_path: Path) -> None:
    put(house, "a", "b", "c")
    url = house.db.engine.url.render_as_string(hide_password=False)
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, url, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdin
    assert worker.stdout
    assert worker.stdout.readline() == "a@firma.example\n"
    worker.stdin.write("\n")
    worker.stdin.flush()
    assert worker.stdout.readline() == "b@firma.example\n"  # handed over, and killed before it is noted
    wait_until(lambda: states(house) == {"a": "sent", "b": "sending", "c": "sending"}, what="the first one's commit")
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    transport = Taker()
    assert dispatch(at(house, timedelta(seconds=31)), transport).sent == 2
    assert transport.given == ["b@firma.example", "c@firma.example"]


def test_a_mail_that_left_is_not_sent_again_since_the_database_was_away_for_a_moment(
    house: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(house, "a", "b")
    write, away = house.db.write, [False]

    @contextmanager
    def flickers() -> Iterator[Connection]:
        if away[0]:
            away[0] = False
            raise Temporary("deadlock detected")
        with write() as connection:
            yield connection

    def leave() -> None:
        away[0] = True

    transport = Taker(before=leave)
    monkeypatch.setattr(house.db, "write", flickers)
    assert dispatch(house, transport).sent == 2
    assert dispatch(at(house, timedelta(hours=1)), transport).sent == 0
    assert (transport.given, states(house)) == (["a@firma.example", "b@firma.example"], {"a": "sent", "b": "sent"})
