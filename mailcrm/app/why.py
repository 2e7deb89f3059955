"""Why a message is linked to what it is linked to: the evidence that was stored when it was."""

from __future__ import annotations

from sqlalchemy import Connection, case, select

from mailcrm.app.record_shapes import Json
from mailcrm.store import threads
from mailcrm.store.tables import choice, link, message

_ORDER = case({"thread": 0, "person": 1, "organization": 2, "deal": 3}, value=link.c.record, else_=4)


def why(connection: Connection, name: str) -> Json:
    """The links of a message, each with its rule and evidence, and the state of the question about its deal.

    Args:
        name: Message-ID or number.

    Raises:
        NotFound: no such message.
    """
    found = threads.find_message(connection, name)
    row = connection.execute(
        select(message.c.message_id, message.c.thread_id, message.c.kind, message.c.kind_rule).where(
            message.c.id == found
        )
    ).one()
    links = connection.execute(
        select(link.c.record, link.c.record_id, link.c.rule, link.c.evidence)
        .where(link.c.message_id == found)
        .order_by(_ORDER, link.c.record_id)
    )
    asked = connection.execute(
        select(choice.c.id, choice.c.state)
        .where(choice.c.thread_id == row.thread_id)
        .order_by(choice.c.id.desc())
        .limit(1)
    ).first()
    return {
        "message_id": row.message_id or str(found),
        "thread": row.thread_id,
        "kind": row.kind,
        "kind_rule": row.kind_rule,
        "links": [
            {
                "to": "none" if each.record == "veto" else f"{each.record}:{each.record_id}",
                "rule": each.rule,
                "evidence": each.evidence,
            }
            for each in links
        ],
        "choice": {"id": asked.id, "state": asked.state} if asked else None,
    }
