"""Patience at the relay's door: growing, per place, and over after a while."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from mailcrm.mail.relay_door import Door, Locked, Patience
from tests.relay_kit import ANNA, PASSWORD, OnePassword


@dataclass
class Time:
    now: float = 1_000.0
    slept: list[float] = field(default_factory=list)

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(asyncio, "sleep", made.sleep)
    return made


def test_each_failure_is_answered_later_until_nothing_is_checked(time: Time) -> None:
    door = Door(OnePassword(), Patience(address_tries=6), clock=time.read)

    async def guess() -> None:
        for _ in range(6):
            assert await door.log_in("192.0.2.1", "anna", "wrong") is None
        with pytest.raises(Locked):
            await door.log_in("192.0.2.1", "anna", PASSWORD)
        assert await door.log_in("192.0.2.2", "anna", PASSWORD) == ANNA  # others are not meant
        time.now += 901
        assert await door.log_in("192.0.2.1", "anna", PASSWORD) == ANNA

    asyncio.run(guess())
    assert time.slept == [1, 2, 4, 8, 8, 8]


def test_an_ipv6_network_is_one_place(time: Time) -> None:
    door = Door(OnePassword(), Patience(address_tries=2, address_connections=2), clock=time.read)

    async def guess() -> None:
        for address in ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2%eth0"):
            await door.log_in(address, "anna", "wrong")
        with pytest.raises(Locked):
            await door.log_in("2001:db8::1:0:0:0:3", "anna", PASSWORD)
        assert await door.log_in("2001:db8:0:2::1", "anna", PASSWORD) == ANNA

    asyncio.run(guess())
    assert [door.enter(f"2001:db8::{number}") for number in range(3)] == [True, True, False]
    door.leave("2001:db8::7")
    assert door.enter("2001:db8::8")
    assert door.enter("::ffff:192.0.2.1")


def test_there_is_room_for_so_many(time: Time) -> None:
    door = Door(OnePassword(), Patience(connections=3, address_connections=2), clock=time.read)
    assert [door.enter("192.0.2.1"), door.enter("192.0.2.1"), door.enter("192.0.2.1")] == [True, True, False]
    assert [door.enter("192.0.2.2"), door.enter("192.0.2.3")] == [True, False]
    door.leave("192.0.2.1")
    assert door.enter("192.0.2.3")
