"""What servers say to dispatch, and by whom mail leaves: routes, senders held, doubt, copies."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from mailcrm.app import holding
from mailcrm.app.dispatch import dispatch
from mailcrm.app.handover import Ambiguous, Parcel, RecipientRefused, Report, SenderRefused, Unsigned
from mailcrm.core.enrollment import Status
from mailcrm.errors import LoginFailed, Refused, Temporary
from mailcrm.store import leaving, outbox, sender_holds, suppressions, tables
from mailcrm.store.db import Database
from tests.house import SETTINGS
from tests.sequence_house import MAIL, House, house
from tests.transports import Taker

OWN = {"host": "smtp.firma.example", "login": "anna@firma.example"}


def made(database: Database, folder: Path, **settings: Any) -> House:
    home = house(database, folder, **settings)
    home.apply(MAIL)
    home.consent()
    return home


@pytest.fixture
def database(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    """SQLite alone: what is asked of PostgreSQL is in ``test_dispatch_plans``."""
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    yield database
    database.close()


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    return made(database, tmp_path)


def enrolled(home: House, name: str = "ewa", **more: Any) -> Any:
    item = home.deal(name, home.person(email=f"{name}@klient.example"), **more)
    home.enroll(item)
    home.run()
    return item


def of_jan(home: House) -> None:
    """A second sequence, in Jan's name; that he is asked for his consent is no matter here."""
    home.apply(MAIL, "Other", owner="jan")
    home.consent("jan", "Other")
    enrolled(home, "a")
    home.enroll(home.deal("b", home.person(email="b@klient.example")), name="Other")
    home.run()
    with home.context.db.write() as connection:
        connection.execute(tables.outbox.delete().where(tables.outbox.c.kind != "flow"))


def states(home: House) -> dict[str, str]:
    return {each.recipient.partition("@")[0]: each.state for each in home.outbox()}


def returned(home: House) -> list[str | None]:
    with home.context.db.read() as connection:
        return list(connection.execute(select(tables.outbox.c.returned)).scalars())


# --- what a server refuses ---


@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.10"])
def test_an_address_that_does_not_exist_fails_and_is_suppressed(home: House, status: str) -> None:
    item = enrolled(home)
    home.work(Taker({"ewa@klient.example": RecipientRefused(f"550 {status} nobody", status)}))
    assert (states(home), home.status(item)) == ({"ewa": "failed"}, Status.FAILED)
    assert returned(home) == ["address"]  # what a bounce would have said later
    with home.context.db.read() as connection:
        [found] = suppressions.every(connection, home.now)
    assert (found.address, found.reason, status in found.detail) == ("ewa@klient.example", "bounce", True)


def test_another_refusal_of_a_recipient_suppresses_nobody(home: House) -> None:
    enrolled(home)
    home.work(Taker({"ewa@klient.example": RecipientRefused("550 5.2.1 not now", "5.2.1")}))
    with home.context.db.read() as connection:
        assert (states(home), suppressions.every(connection, home.now)) == ({"ewa": "failed"}, [])
    assert returned(home) == [None]


@pytest.mark.parametrize(("status", "returns"), [("5.4.5", True), ("5.7.1", False), ("", False)])
def test_a_sender_who_is_refused_is_held_and_told_once_and_nothing_fails(
    home: House, status: str, returns: bool
) -> None:
    items = [enrolled(home, name) for name in ("a", "b")]
    refusal = SenderRefused(f"550 {status} over quota", status)
    done = home.send(Taker({f"{name}@klient.example": refusal for name in ("a", "b")}))
    assert (done.sent, done.failed, states(home)) == (0, 0, {"a": "held", "b": "held"})
    assert {home.status(item) for item in items} == {Status.IN_PROGRESS}
    assert [entry.kind for entry in home.pulse() if entry.kind == "notice"] == ["notice"]
    taker = Taker()
    home.pass_(hours=1)
    home.work(taker)
    assert (taker.taken, states(home)) == ([], {"a": "held", "b": "held"})  # looked at, and held again
    home.pass_(days=1)
    home.work(taker)
    assert len(taker.taken) == (2 if returns else 0)  # a day's quota comes back by itself
    if not returns:
        assert holding.release_sender(home.context, "anna") == 2
        home.work(taker)
        assert len(taker.taken) == 2
    with pytest.raises(Refused, match="no mail of jan"):
        holding.release_sender(home.context, "jan")


def test_the_hold_of_one_sender_is_not_anothers(home: House) -> None:
    of_jan(home)
    taker = Taker({"a@klient.example": SenderRefused("550 5.7.1 no", "5.7.1")})
    home.send(taker)
    assert taker.given == ["b@klient.example"]


def test_mail_of_the_program_itself_is_tried_again_where_its_sender_is_refused(home: House) -> None:
    with home.context.db.write() as connection:
        mail = outbox.NewMail(
            "q", "question", home.anna.id, "q@x", "crm@firma.example", "anna@firma.example", "q", b"x"
        )
        outbox.put(connection, mail, home.now)
    home.send(Taker({"anna@firma.example": SenderRefused("550 5.7.1 no", "5.7.1")}))
    [row] = home.outbox()
    assert (row.state, row.attempts) == ("pending", 1)
    with home.context.db.read() as connection:
        assert sender_holds.every(connection, home.now) == []


# --- doubt ---


@dataclass
class Looked:
    """Sent folders that answer so."""

    answer: bool | None
    asked: list[tuple[str, str | None, str]] = field(default_factory=list)

    def filed(self, route: str, user: str | None, message_id: str) -> bool | None:
        self.asked.append((route, user, message_id))
        return self.answer


@pytest.mark.parametrize(("answer", "again"), [(True, 0), (False, 1), (None, 1)])
def test_in_doubt_it_is_looked_for_in_sent_and_else_sent_again_soon(
    home: House, answer: bool | None, again: int
) -> None:
    item = enrolled(home)
    home.send(Taker({"ewa@klient.example": Ambiguous("the connection broke")}))
    [row] = home.outbox()
    assert row.state == "pending"
    assert row.due_at - home.now <= timedelta(seconds=30)
    home.pass_(seconds=30)
    look, taker = Looked(answer), Taker()
    dispatch(home.context, taker, look)
    home.run()
    assert look.asked == [("smarthost", "anna", row.message_id)]
    assert (len(taker.taken), states(home), home.status(item)) == (again, {"ewa": "sent"}, Status.COMPLETED)


def test_who_died_while_handing_over_leaves_doubt(home: House) -> None:
    enrolled(home)
    with home.context.db.write() as connection:
        assert leaving.claim(connection, home.now, 10)
    home.pass_(seconds=31)
    look, taker = Looked(True), Taker()
    dispatch(home.context, taker, look)
    assert (len(look.asked), taker.taken, states(home)) == (1, [], {"ewa": "sent"})


def test_an_answer_is_no_doubt(home: House) -> None:
    enrolled(home)
    home.send(Taker({"ewa@klient.example": Temporary("451 busy")}))
    home.pass_(seconds=30)
    look = Looked(True)
    dispatch(home.context, Taker(), look)
    assert (look.asked, states(home)) == ([], {"ewa": "sent"})


def test_what_can_not_be_signed_waits_for_who_mends_it_and_is_not_given_up(home: House) -> None:
    enrolled(home)
    home.send(Taker({"ewa@klient.example": Unsigned("dkim.key")}))
    [row] = home.outbox()
    assert (row.state, row.attempts, row.due_at - home.now) == ("pending", 0, timedelta(minutes=15))


# --- routes ---


@dataclass
class Routes:
    """Takes mail; ``meet`` routes are served only when all of them are at it."""

    meet: threading.Barrier | None = None
    down: dict[str, Exception] = field(default_factory=dict)
    taken: list[tuple[str, Parcel]] = field(default_factory=list)

    def deliver(self, route: str, parcels: Iterator[Parcel], report: Report, _beat: Callable[[], None]) -> None:
        if route in self.down:
            raise self.down[route]
        for parcel in parcels:
            if self.meet is not None:
                self.meet.wait(20)
            self.taken.append((route, parcel))
            report(parcel, "ok")


def two_routes(database: Database, folder: Path) -> House:
    """Anna has a server of her own; Jan's mail goes by the smarthost."""
    boxes = {**SETTINGS["mailboxes"], "anna": {"user": "anna", "submission": OWN}}
    home = made(database, folder, mailboxes=boxes, smarthost={"host": "relay.firma.example"})
    of_jan(home)
    return home


def test_each_route_is_served_at_the_same_time(database: Database, tmp_path: Path) -> None:
    home = two_routes(database, tmp_path)
    routes = Routes(threading.Barrier(2))
    assert home.send(routes).sent == 2
    assert sorted((route, parcel.user, parcel.sender) for route, parcel in routes.taken) == [
        ("anna", "anna", "anna@firma.example"),
        ("smarthost", "jan", "jan@firma.example"),
    ]


def test_one_route_that_is_down_holds_up_no_other(database: Database, tmp_path: Path) -> None:
    home = two_routes(database, tmp_path)
    routes = Routes(down={"anna": LoginFailed("535 wrong password")})
    done = home.send(routes)
    assert (done.sent, done.delayed, states(home)) == (1, 1, {"a": "pending", "b": "sent"})
    assert [entry.text for entry in home.pulse() if "535" in entry.text]  # anna can mend it, and is told
    home.pass_(minutes=15)
    home.work(Routes())
    assert states(home) == {"a": "held", "b": "sent"}


@pytest.mark.parametrize(("admins", "told"), [((), ["anna", "jan"]), (("jan",), ["jan"])])
def test_who_can_mend_the_smarthosts_login_is_told_once(
    database: Database, tmp_path: Path, admins: tuple[str, ...], told: list[str]
) -> None:
    home = made(database, tmp_path)
    config = home.context.config
    people = {
        key: msgspec.structs.replace(each, permissions=("admin",) * (key in admins))
        for key, each in config.users.items()
    }
    home.context = replace(home.context, config=msgspec.structs.replace(config, users=people))
    enrolled(home)
    for _ in range(2):
        assert home.send(Taker(down=LoginFailed("535 wrong password"))).delayed == 1
        home.pass_(minutes=16)
    lines = [each for key in ("anna", "jan") for each in home.pulse(key) if "refuses our login" in each.text]
    assert [each.user for each in lines] == told
    assert home.send(Taker()).sent == 1


def test_what_waits_behind_a_route_that_is_down_is_not_claimed_batch_after_batch(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailcrm.app.dispatch.BATCH", 2)
    home = made(database, tmp_path)
    for number in range(5):
        enrolled(home, f"p{number}")
    taker = Taker(down=LoginFailed("535 wrong password"))
    done = home.send(taker)
    assert (done.sent, done.delayed) == (0, 5)
    assert len(taker.routes) == 1
    assert {(each.state, each.attempts) for each in home.outbox()} == {("pending", 0)}


def test_a_batch_after_the_other_goes_over_one_delivery_or_few(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcrm.app.dispatch.BATCH", 2)
    for number in range(5):
        enrolled(home, f"p{number}")
    taker = Taker()
    assert home.send(taker).sent == 5
    assert sorted(taker.given) == sorted(f"p{number}@klient.example" for number in range(5))


# --- envelopes and copies ---


@pytest.mark.parametrize(("kept", "wanted"), [("auto", "wanted"), ("append", "wanted"), ("server", None)])
def test_a_copy_is_wanted_where_the_server_does_not_file_it(
    database: Database, tmp_path: Path, kept: str, wanted: str | None
) -> None:
    box = {"user": "anna", "host": "imap.firma.example", "login": "anna", "password": "x"}
    boxes = {**SETTINGS["mailboxes"], "anna": {**box, "submission": {**OWN, "sent_copy": kept}}}
    home = made(database, tmp_path, mailboxes=boxes)
    with home.context.db.write() as connection:
        connection.execute(tables.mailbox.update().values(alive_at=home.now, state="active"))
    enrolled(home)
    home.send(Taker())
    with home.context.db.read() as connection:
        row = connection.execute(tables.outbox.select()).one()
    assert (row.state, row.copy, row.domain) == ("sent", wanted, "klient.example")


def test_the_envelope_is_the_senders_unless_it_is_given(home: House) -> None:
    with home.context.db.write() as connection:
        for name, given in (("a", None), ("b", "bounces+7@firma.example"), ("c", "")):
            mail = (name, "notice", None, f"{name}@x", "crm@firma.example", f"{name}@firma.example", "s", b"x")
            outbox.put(connection, outbox.NewMail(*mail, envelope_from=given), home.now)
    taker = Taker()
    home.send(taker)
    assert [parcel.sender for parcel in taker.taken] == ["crm@firma.example", "bounces+7@firma.example", ""]
