"""The first look into a mailbox: counts what a first pass would do, and lets the operator decide if it is much."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from mailcrm.app.context import Context
from mailcrm.core.first_sight import Sight, Tally
from mailcrm.core.model import FolderRole, Message
from mailcrm.core.plural import counted
from mailcrm.store import lookup, mailboxes


def look(context: Context, mailbox: str, found: Iterable[tuple[Message, FolderRole, datetime]]) -> Sight:
    """Count what is in the mailbox; more than ``linking.first_sight`` messages wait for ``mailbox resume``.

    Args:
        found: header-only messages with their folder's role and INTERNALDATE.
    """
    configured = context.config.mailboxes[mailbox]
    with context.db.read() as connection:
        several = lookup.addresses_with_several_deals(connection)
    tally = Tally(
        ours=context.ours,
        now=context.clock(),
        history=timedelta(days=context.config.linking.history_days),
        policy=configured.create_persons,
        several_deals=several,
    )
    for message, role, received_at in found:
        tally.add(message, role, received_at)
    with context.db.read() as connection:
        known = lookup.cards(connection, tally.strangers())
    sight = tally.sight(known)
    much = sight.messages > context.config.linking.first_sight
    with context.db.write() as connection:
        if much:
            counts = {
                "messages": sight.messages,
                "persons": sight.persons,
                "threads": sight.threads,
                "questions": sight.questions,
            }
            mailboxes.set_state(connection, mailbox, "waiting", reason=told(mailbox, sight), waiting=counts)
        else:
            mailboxes.set_state(connection, mailbox, "active")
    context.changed()
    return sight


def told(mailbox: str, sight: Sight) -> str:
    """What the operator reads while the mailbox waits."""
    return (
        f"{counted(sight.messages, 'message')} at first sight: {counted(sight.threads, 'thread')} to link, "
        f"{counted(sight.persons, 'person')} to create, {counted(sight.questions, 'question')}; "
        "old mail triggers nothing and asks nothing by mail; "
        f"`mailcrm mailbox resume {mailbox}` begins"
    )
