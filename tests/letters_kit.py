"""Letters of flows as they are a moment after the smarthost took them, without one."""

from __future__ import annotations

from sqlalchemy import update

from mailcrm.store import effects
from mailcrm.store.outbox import Stored
from mailcrm.store.tables import outbox
from tests.sequence_house import House


def taken(home: House, letter: Stored) -> None:
    """The smarthost took it, and its flow knows."""
    with home.context.db.write() as connection:
        values = {"state": "sent", "sent_at": home.now}
        connection.execute(update(outbox).where(outbox.c.id == letter.id).values(**values))
        effects.settle(connection, letter.key, home.now)
    home.run()


def sent(home: House, subject: str) -> Stored:
    """The letter of that subject, just taken."""
    home.run()
    [letter] = [each for each in home.outbox() if each.subject == subject]
    taken(home, letter)
    return letter
