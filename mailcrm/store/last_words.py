"""Which word of a sender about a flow was the last: a question about his consent is good until the next."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from mailcrm.store.tables import consent, user


def last_word(connection: Connection, flow_id: int, user_id: int) -> int:
    """The id of the last word of this user about this flow; 0 if he has said none. No other comes in between."""
    connection.execute(select(user.c.id).where(user.c.id == user_id).with_for_update())
    query = select(func.max(consent.c.id)).where(consent.c.flow_id == flow_id, consent.c.user_id == user_id)
    return connection.execute(query).scalar() or 0
