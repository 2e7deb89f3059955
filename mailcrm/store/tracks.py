"""Tokens of mails, and what was done with them: who opened, who clicked, who unsubscribed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, insert, select

from mailcrm.core.tracked import Track
from mailcrm.store.tables import permission, track


def tokens() -> Iterator[str]:
    """Tokens without end, 128 random bits each."""
    while True:
        yield secrets.token_hex(16)


def put(connection: Connection, outbox_id: int, tracks: Sequence[Track]) -> None:
    """Keep the tokens of a mail in the outbox, in the transaction that puts it there."""
    if tracks:
        connection.execute(
            insert(track),
            [
                {
                    "token": each.token,
                    "outbox_id": outbox_id,
                    "kind": each.kind,
                    "url": each.url,
                    "position": each.position,
                    "hidden": each.hidden,
                }
                for each in tracks
            ],
        )


def permitted(connection: Connection, person: int) -> bool:
    """Whether the last word about a person is a permission that covers openings and clicks."""
    query = select(permission.c.granted & permission.c.tracking).where(permission.c.person_id == person)
    return bool(connection.execute(query.order_by(permission.c.id.desc()).limit(1)).scalar())
