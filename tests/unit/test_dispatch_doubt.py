"""Mail of which nobody knows whether it left, or that is gone or odd itself: never lost, never twice without need."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, update

from mailcrm.app import notes, outcomes
from mailcrm.app.context import Context
from mailcrm.app.dispatch import BATCH, dispatch
from mailcrm.app.handover import Ambiguous, Parcel, Report
from mailcrm.errors import Temporary
from mailcrm.store import leaving, outbox, tables
from mailcrm.store.db import Database
from mailcrm.store.leaving import Leaving
from mailcrm.store.outbox import NewMail
from tests.house import NOW
from tests.sequence_house import MAIL, House
from tests.sequence_house import house as furnished
from tests.transports import Taker

Result = tuple[Leaving, outcomes.Outcome]
EWA = "ewa@klient.example"


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    return furnished(database, tmp_path)


@pytest.fixture
def house(home: House) -> Context:
    return home.context


def put(house: Context, *names: str, to: str = EWA, message_id: str | None = None, flow: int | None = None) -> None:
    """Mail of Anna's: by hand, or by a program for a flow."""
    kind = "relay" if flow is None else "auto"
    content = b"Subject: x\r\n\r\nx\r\n"
    with house.db.write() as connection:
        user = connection.execute(select(tables.user.c.id).where(tables.user.c.key == "anna")).scalar_one()
        for name in names:
            named = message_id or f"{name}@x.example"
            mail = NewMail(name, kind, user, named, "anna@firma.example", to, name, content, flow_id=flow)
            assert outbox.put(connection, mail, NOW)


def states(house: Context) -> dict[str, str]:
    with house.db.read() as connection:
        return {each.key: each.state for each in outbox.listed(connection)}


def later(house: Context, **span: float) -> Context:
    return replace(house, clock=lambda: NOW + timedelta(**span))


@dataclass
class InSent:
    """Everything lies in Sent."""

    asked: list[str] = field(default_factory=list)

    def filed(self, route: str, user: str | None, message_id: str) -> bool | None:
        self.asked.append(message_id)
        return True


def test_a_copy_that_the_mail_program_keeps_is_no_sign_that_the_server_took_it(house: Context) -> None:
    """Who hands in mail by hand keeps his own copy in Sent, whatever became of the mail."""
    put(house, "hand")
    dispatch(house, Taker({EWA: Ambiguous("the connection broke")}))
    taker = Taker()
    assert dispatch(later(house, seconds=30), taker, InSent()).sent == 1
    assert taker.given == [EWA]


def test_the_copy_of_a_mail_to_several_does_not_tell_who_got_it(home: House) -> None:
    flow = home.apply(MAIL)
    home.consent()
    put(home.context, "a", flow=flow)
    put(home.context, "b1", message_id="b@x.example", flow=flow)
    put(home.context, "b2", message_id="b@x.example", to="jan@klient.example", flow=flow)
    broken = Ambiguous("the connection broke")
    assert home.send(Taker({"jan@klient.example": broken, EWA: broken})).delayed == 3
    home.pass_(seconds=30)
    taker, look = Taker(), InSent()
    assert dispatch(home.context, taker, look).sent == 3
    assert (sorted(taker.given), look.asked) == ([EWA, "jan@klient.example"], ["a@x.example"])


class Torn:
    """Was handed a mail, and the beat fails before the answer comes."""

    def deliver(self, route: str, parcels: Iterator[Parcel], report: Report, beat: Callable[[], None]) -> None:
        assert next(parcels)
        raise Temporary("the database is locked")


def test_what_was_handed_over_when_the_database_went_away_is_in_doubt(house: Context) -> None:
    put(house, "a", "b")
    assert dispatch(house, Torn()).delayed == 2
    with house.db.read() as connection:
        doubt = {row.key: row.doubt for row in connection.execute(select(tables.outbox.c.key, tables.outbox.c.doubt))}
    assert doubt == {"a": True, "b": False}


def test_one_that_can_not_be_noted_has_none_sent_again_that_was_noted_with_it(
    house: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(house, "a", "odd", "b")

    def picky(connection: Connection, context: Context, results: Sequence[Result], now: datetime) -> tuple[int, int]:
        if any(mail.key == "odd" for mail, _ in results):
            raise RuntimeError("what is in it")
        return outcomes.note(connection, context, results, now)

    monkeypatch.setattr(notes, "note", picky)
    with pytest.raises(RuntimeError):
        dispatch(house, Taker())
    assert states(house) == {"a": "sent", "odd": "sending", "b": "sent"}


def test_a_claim_that_meets_a_deadlock_stops_nothing_that_is_on_its_way(
    house: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(house, *(f"n{number}" for number in range(BATCH + 5)))
    claim, met, claims = leaving.claim, threading.Event(), [0]

    def torn(*args: Any, **more: Any) -> list[Leaving]:
        claims[0] += 1
        if claims[0] == 2:
            met.set()
            raise Temporary("deadlock detected")
        return claim(*args, **more)

    taker = Taker()
    taker.before = lambda: None if len(taker.taken) < BATCH - 10 else _assert(met.wait(10))
    monkeypatch.setattr(leaving, "claim", torn)
    assert dispatch(house, taker).sent == BATCH + 5


def _assert(true: bool) -> None:
    assert true


def test_a_mail_that_is_erased_while_it_waits_for_its_turn_stops_no_other(home: House) -> None:
    flow = home.apply(MAIL)
    home.consent()
    put(home.context, "a", "b", "c", flow=flow)

    def erase() -> None:
        with home.context.db.write() as connection:
            connection.execute(delete(tables.outbox).where(tables.outbox.c.key == "b"))

    assert home.send(Taker(before=erase)).sent == 2
    assert states(home.context) == {"a": "sent", "c": "sent"}


def test_a_domain_of_any_length_is_counted(home: House) -> None:
    put(home.context, "a", to=f"a@{'x' * 290}.example", flow=home.apply(MAIL))
    home.consent()
    assert home.send(Taker()).sent == 1
    assert home.send(Taker()).sent == 0


def test_a_mail_whose_words_are_kept_no_more_is_not_tried_again(house: Context) -> None:
    put(house, "kept", "gone")
    with house.db.write() as connection:
        connection.execute(update(tables.outbox).values(state="failed"))
        connection.execute(update(tables.outbox).where(tables.outbox.c.key == "gone").values(content=b""))
        assert outbox.retry(connection, None, NOW) == 1
    assert states(house) == {"kept": "pending", "gone": "failed"}
