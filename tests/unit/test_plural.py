"""Counts in words."""

from mailcrm.core.plural import counted


def test_one_and_several() -> None:
    assert [counted(number, "mail waits", "mails wait") for number in (0, 1, 2)] == [
        "0 mails wait",
        "1 mail waits",
        "2 mails wait",
    ]
    assert (counted(1, "event"), counted(12_000, "event")) == ("1 event", "12,000 events")
