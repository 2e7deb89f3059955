"""The second connection to a mailbox: one at a time, and who has it for long makes way."""

from __future__ import annotations

import threading

import pytest

from mailcrm.mail.imap_faults import Away
from mailcrm.mail.imap_seats import Seats
from tests.servers.process import wait_until


def test_one_at_a_time_for_each_mailbox() -> None:
    seats = Seats(patience=0.01)
    with seats.taken("anna"), seats.taken("jan"):
        with pytest.raises(Away, match=r"mailboxes\.anna: its second connection is in use"), seats.taken("anna"):
            pytest.fail("two have it")
        assert not seats.is_wanted("anna")
    with seats.taken("anna"):
        assert not seats.is_wanted("anna")


def test_who_waits_is_seen_and_has_it_next() -> None:
    seats = Seats()
    order: list[str] = []

    def other() -> None:
        with seats.taken("anna"):
            order.append("other")

    waiting = threading.Thread(target=other)
    with seats.taken("anna"):
        waiting.start()
        wait_until(lambda: seats.is_wanted("anna"))
        assert not seats.is_wanted("jan")
        order.append("first")
    waiting.join(10)
    assert order == ["first", "other"]
    assert not seats.is_wanted("anna")


def test_a_fault_gives_it_back() -> None:
    seats = Seats(patience=0.01)
    with pytest.raises(OSError, match="cut"), seats.taken("anna"):
        raise OSError("cut")
    with seats.taken("anna"):
        pass
