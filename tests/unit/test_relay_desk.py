"""The desk behind the relay: many in one transaction, one bad mail alone, linking that is caught up with."""

from __future__ import annotations

import asyncio
import smtplib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from mailcrm.app import passwords
from mailcrm.app.submit import Handed, Refusal
from mailcrm.app.submit_link import Written
from mailcrm.errors import Temporary
from mailcrm.mail.readers import Readers
from mailcrm.mail.relay import Calls, RelayRole
from mailcrm.mail.relay_desk import Desk, Fate
from mailcrm.store import tables
from mailcrm.store.db import Database
from tests.house import build
from tests.relay_kit import ANNA, EWA, HEAD


def mail(name: str, flow: str | None = None) -> Handed:
    return Handed(ANNA, ANNA.email, (EWA,), b"raw", b"raw", name, "", flow)


def handed_in(
    mails: Sequence[Handed],
    submit: Callable[[Sequence[Handed]], Sequence[Refusal | None]],
    link: Callable[[Sequence[Written]], None] = lambda _mails: None,
) -> list[Fate]:
    """All at the same moment; what became of each."""
    desk = Desk(submit, link)

    async def all_at_once() -> list[Fate]:
        return await asyncio.gather(*map(desk.hand_in, mails))

    try:
        return asyncio.run(all_at_once())
    finally:
        desk.close()


def test_what_waits_is_stored_together() -> None:
    groups: list[int] = []
    first = threading.Event()

    def submit(mails: Sequence[Handed]) -> list[Refusal | None]:
        groups.append(len(mails))
        first.wait(0.05)  # the others come meanwhile
        return [Refusal("no") if each.message_id == "7" else None for each in mails]

    fates = handed_in([mail(str(number)) for number in range(30)], submit)
    assert fates == [Refusal("no") if number == 7 else None for number in range(30)]
    assert sum(groups) == 30
    assert len(groups) <= 3


def test_one_that_breaks_the_store_is_put_back_alone() -> None:
    def submit(mails: Sequence[Handed]) -> list[Refusal | None]:
        if any(each.message_id == "bad" for each in mails):
            raise RuntimeError("what is in it")
        return [None] * len(mails)

    fates = handed_in([mail("1"), mail("bad"), mail("2")], submit)
    assert fates[0] is fates[2] is None
    assert isinstance(fates[1], Temporary)


def test_a_database_that_is_away_is_told_to_all() -> None:
    def submit(_mails: Sequence[Handed]) -> list[Refusal | None]:
        raise Temporary("away")

    assert all(isinstance(fate, Temporary) for fate in handed_in([mail("1"), mail("2")], submit))


def test_hand_written_mail_is_linked_and_what_fails_does_not_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcrm.mail.relay_desk._AGAIN", 0.01)
    tries: list[list[str]] = []
    linked: list[str] = []

    def submit(mails: Sequence[Handed]) -> list[Refusal | None]:
        return [None] * len(mails)

    def link(mails: Sequence[Written]) -> None:
        tries.append([each.sender for each in mails])
        if len(tries) == 1:
            raise Temporary("locked")
        linked.extend(each.sender for each in mails)
        raise RuntimeError("odd")

    desk = Desk(submit, link)
    done = threading.Event()

    async def go() -> None:
        await asyncio.gather(desk.hand_in(mail("1")), desk.hand_in(mail("2", flow="Offer")))
        while not linked:
            await asyncio.sleep(0.005)
        assert await desk.hand_in(mail("3")) is None
        done.set()

    asyncio.run(asyncio.wait_for(go(), 10))
    desk.close()
    assert done.is_set()
    assert linked == [ANNA.email] * 2  # not that of the flow: it is linked when it has left


def test_one_that_can_not_be_linked_keeps_no_other_from_it() -> None:
    linked: list[bytes] = []

    def link(mails: Sequence[Written]) -> None:
        if any(each.raw == b"odd" for each in mails):
            raise RuntimeError("what is in it")
        linked.extend(each.raw for each in mails)

    mails = [replace(mail(name), original=name.encode()) for name in ("1", "odd", "2")]
    assert handed_in(mails, lambda some: [None] * len(some), link) == [None] * 3
    assert linked == [b"1", b"2"]


def test_it_ends_though_linking_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more to be linked than is held, who stores waits; not beyond the end."""
    monkeypatch.setattr("mailcrm.mail.relay_desk._HELD", 1)

    def link(_mails: Sequence[Written]) -> None:
        raise Temporary("no reader starts")

    desk = Desk(lambda some: [None] * len(some), link)
    asyncio.run(desk.hand_in(mail("1")))
    closing = threading.Thread(target=desk.close, daemon=True)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()


def test_many_calls_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcrm.mail.relay._APART", 0.05)
    rung: list[int] = []

    async def go() -> None:
        calls = Calls(asyncio.get_running_loop(), lambda: rung.append(1))
        for _ in range(5):
            calls.make()
        while not rung:
            await asyncio.sleep(0)
        assert len(rung) == 1  # at once
        for _ in range(5):
            calls.make()
        await asyncio.sleep(0.2)

    asyncio.run(go())
    assert len(rung) == 2  # and once more for all that came after it


def test_from_the_socket_into_outbox_and_thread(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords.hashed, "__kwdefaults__", {"n": 2, "r": 8, "p": 1})
    house = build(database, tmp_path, relay={"listen": "127.0.0.1:0"})
    with database.read() as connection:
        number = connection.execute(select(tables.user.c.id).where(tables.user.c.key == "anna")).scalar_one()
    passwords.set_password(house, number, "battery staple")
    raw = HEAD.replace(b"Date", b"To: ewa@klient.example\r\nSubject: Oferta\r\nDate") + b"\r\nhello\r\n"

    def send(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.login("anna@firma.example", "battery staple")
            client.sendmail(ANNA.email, [EWA], raw)

    async def go() -> None:
        role = RelayRole(house, readers)
        await role.open()
        await asyncio.to_thread(send, role.port)
        await role.close(5)

    with Readers(house.config.data / "files", house.config.parsing) as readers:
        asyncio.run(go())
    with database.read() as connection:
        waiting = connection.execute(select(tables.outbox.c.recipient, tables.outbox.c.content)).one()
        thread = connection.execute(select(tables.thread.c.subject, tables.thread.c.link)).one()
    assert (waiting.recipient, bytes(waiting.content)) == (EWA, raw)
    assert tuple(thread) == ("Oferta", "person")
