"""Why a message is linked to what it is linked to: the evidence that was stored when it was."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, case, select

from mailcrm.store import threads
from mailcrm.store.tables import choice, link, message

_ORDER = case({"thread": 0, "person": 1, "organization": 2, "deal": 3}, value=link.c.record, else_=4)
_NONE = ("veto", "nobody")


@dataclass(frozen=True, slots=True)
class Link:
    """One link and its evidence. ``to`` is ``person:3``, or ``none`` where there is nobody, or a plugin refused."""

    to: str
    rule: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Why:
    """Everything that was decided about a message. ``choice`` is the state of the question about its thread."""

    message_id: str
    thread: int
    kind: str
    kind_rule: str
    links: list[Link]
    choice: str | None


def why(connection: Connection, name: str) -> Why:
    """The links of a message, each with the rule and the evidence that made it.

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
    asked = select(choice.c.state).where(choice.c.thread_id == row.thread_id).order_by(choice.c.id.desc()).limit(1)
    return Why(
        message_id=row.message_id or str(found),
        thread=row.thread_id,
        kind=row.kind,
        kind_rule=row.kind_rule,
        links=[
            Link("none" if each.record in _NONE else f"{each.record}:{each.record_id}", each.rule, each.evidence)
            for each in links
        ],
        choice=connection.scalar(asked),
    )
