"""How much there is of what: for operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from mailcrm.store import choices, outbox
from mailcrm.store.tables import mailbox, message, quarantine


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts. ``quarantined`` are messages that still can't be read; ``mailboxes`` are states by mailbox key."""

    messages: int
    quarantined: int
    choices: Mapping[str, int]
    outbox: Mapping[str, int]
    mailboxes: Mapping[str, str]


def read(connection: Connection) -> Figures:
    """The figures of this moment."""
    unreadable = select(func.count()).select_from(quarantine).where(quarantine.c.stored_at.is_(None))
    return Figures(
        messages=connection.execute(select(func.count()).select_from(message)).scalar_one(),
        quarantined=connection.execute(unreadable).scalar_one(),
        choices=choices.counts(connection),
        outbox=outbox.counts(connection),
        mailboxes={row[0]: row[1] for row in connection.execute(select(mailbox.c.key, mailbox.c.state))},
    )
