"""What is to be linked: the readable new messages of a batch, each with what the rules say of it alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from mailcrm.app import answers
from mailcrm.app.context import Context
from mailcrm.core import linking
from mailcrm.core.classify import SPAM, classify, unflagged
from mailcrm.core.letter_ids import run_of
from mailcrm.core.linking import Party
from mailcrm.core.model import Address, Arrival, Batch, Direction, FolderRole, Message, Reading
from mailcrm.core.text import clean
from mailcrm.core.threads import keys_of


@dataclass(frozen=True, slots=True)
class Setting:
    """Whose mailbox it is and how it is to be treated.

    Args:
        users: ids by key: the members', and for the drop-box everybody's.
        members: ids of those whose mailbox it is.
        policy: ``create_persons`` of the mailbox.
    """

    mailbox_id: int
    folder_id: int
    role: FolderRole
    users: Mapping[str, int]
    members: tuple[int, ...]
    policy: str


class Item(Struct, frozen=True, gc=False):
    """A readable message of the batch that is not stored yet.

    Args:
        members: ids of our users whose mail it is: the mailbox's, or who handed it in to the drop-box.
        plugin: the plugin that named the party.
    """

    arrival: Arrival
    message: Message
    reading: Reading
    identity: str
    direction: Direction
    historic: bool
    forwarded: bool
    members: tuple[int, ...]
    parties: Sequence[Party]
    recipients: int
    keys: tuple[str, ...]
    plugin: str | None = None

    @property
    def at(self) -> datetime:
        """When it was written, or at least received."""
        return self.message.date or self.arrival.received_at

    @property
    def owner(self) -> int | None:
        """The user who owns the persons that it makes."""
        return self.members[0] if len(self.members) == 1 else None

    @property
    def author(self) -> Address | None:
        """Who wrote it: of a forward, whom it quotes."""
        forward = self.reading.forward
        return forward.author if self.forwarded and forward else self.message.from_

    @property
    def text(self) -> str:
        """What he wrote."""
        forward = self.reading.forward
        return (forward.text if self.forwarded and forward else "") or self.message.text

    @property
    def details(self) -> Mapping[str, Any] | None:
        """What only some messages have: bounce, return date, forward."""
        found: dict[str, Any] = {}
        bounce, forward = self.reading.bounce, self.reading.forward
        if bounce:
            found["bounce"] = {
                "recipient": bounce.recipient and clean(bounce.recipient),
                "status": bounce.status and clean(bounce.status),
                "permanent": bounce.permanent,
                "reason": clean(bounce.reason),
            }
        if self.reading.returns_on:
            found["returns_on"] = self.reading.returns_on.isoformat()
        if forward and forward.author:
            found["forwarded_from"] = _named(forward.author)
        if self.forwarded and self.message.from_:
            found["forwarded_by"] = _named(self.message.from_)
        return found or None


def item_of(
    context: Context,
    setting: Setting,
    batch: Batch,
    arrival: Arrival,
    message: Message,
    reading: Reading,
    identity: str,
) -> Item:
    """Judge one message by itself; asks the ``choose_person`` hooks."""
    if reading.rule == SPAM and any(
        run_of(context.secret, each) for each in (*message.in_reply_to, *message.references)
    ):
        reading = classify(unflagged(message))  # a filter errs; who names our letter's id has had it
    age = context.clock() - arrival.received_at
    forwarded = answers.is_forward(context, batch, message, reading)
    direction = Direction.IN if forwarded else linking.direction_of(message, batch.role, context.ours)
    parties = linking.parties(message, reading, direction, context.ours, forwarded=forwarded)
    hint = arrival.thread_hint and f"{arrival.thread_hint} {batch.mailbox}"  # it means something in this mailbox alone
    plugin = None
    if context.plugins.has("choose_person"):
        answer = context.plugins.choose("choose_person", message=message)
        if answer and context.ours.is_outside_party(answer[1]):
            plugin, parties = answer[0], [Party(Address("", answer[1]), "from")]
    return Item(
        arrival=arrival,
        message=message,
        reading=reading,
        identity=identity,
        direction=direction,
        historic=age > timedelta(days=context.config.linking.history_days),
        forwarded=forwarded,
        members=_members(context, setting, batch, message),
        parties=parties,
        recipients=linking.outside_recipients(message, context.ours),
        keys=keys_of(message, reading, hint),
        plugin=plugin,
    )


def _members(context: Context, setting: Setting, batch: Batch, message: Message) -> tuple[int, ...]:
    """What one of ours hands in to the drop-box counts as his."""
    if answers.is_drop_box(context, batch) and message.from_:
        user = setting.users.get(context.ours.user(message.from_.email) or "")
        if user is not None:
            return (user,)
    return setting.members


def _named(address: Address) -> dict[str, str]:
    return {"name": clean(address.name), "email": address.email}
