"""Who asks to get no more mail gets none that goes by itself; who writes to him by hand is warned."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.linker import Linked
from mailcrm.app.whose import persons
from mailcrm.core.addresses import normalise
from mailcrm.core.model import Direction, Kind
from mailcrm.core.text import clean
from mailcrm.core.wishes import named
from mailcrm.store import people, pulse, responses, suppressions, tracks, users, written
from mailcrm.store.tracks import Addressee

log = logging.getLogger(__name__)
UNSUBSCRIBE = "unsubscribe"
_LONGEST = 200
_WHY = {
    "unsubscribe": "asked to get no more mail",
    "complaint": "complained of our mail as spam",
    "bounce": "takes no mail, says the server",
}


def take(connection: Connection, context: Context, arrived: Sequence[Linked], now: datetime) -> None:
    """Suppress all addresses of those who ask to stop in these mails, and that of the letter of ours that one names.

    Old mail, and forged mail, is left out.
    """
    for linked in arrived:
        item = linked.item
        if item.reading.kind is not Kind.UNSUBSCRIBE or item.direction is not Direction.IN:
            continue
        if item.historic or linked.forged:
            continue
        source = clean(f"message:{item.message.message_id or item.identity}")[:_LONGEST]
        words = " ".join(clean(item.reading.reply_text or item.message.subject).split())[:_LONGEST]
        addresses = [*_addresses(connection, context, linked, now)]
        if (letter := _letter(connection, linked)) is not None:
            addresses.append(normalise(letter.address))
            if letter.recipient is not None:
                responses.note(connection, "unsubscribed", {letter.recipient: item.arrival.received_at})
        for address in dict.fromkeys(addresses):
            if suppressions.add(connection, context.secret, address, UNSUBSCRIBE, words, source, now):
                log.info("%s gets no more automatic mail: he asks so in %s", address, source)


def warn(connection: Connection, context: Context, arrived: Sequence[Linked], now: datetime) -> None:
    """Tell those of ours who have just written by hand to somebody whom nothing is sent to automatically."""
    letters = {
        str(linked.item.message.message_id): linked
        for linked in arrived
        if linked.item.direction is Direction.OUT and linked.counts and linked.item.message.from_
    }
    addresses = {party.address.email for linked in letters.values() for party in linked.item.parties}
    found = suppressions.among(connection, context.secret, addresses, now) if addresses else {}
    if not found:
        return
    by_themselves = written.of_flows(connection, letters)
    known = users.ids(connection, list(context.config.users))
    for name, linked in letters.items():
        sender = linked.item.message.from_
        user = known.get(context.ours.user(sender.email) or "") if sender else None
        if user is None or name in by_themselves:
            continue
        for party in linked.item.parties:
            if (why := found.get(party.address.email)) is not None:
                what = f"{_WHY.get(why.reason, why.detail)} ({why.at:%Y-%m-%d})"
                pulse.remind(connection, user, f"{party.address.email} {what}; you have written by hand", now)


def _letter(connection: Connection, linked: Linked) -> Addressee | None:
    """Who got the letter whose token the subject names, as our List-Unsubscribe has it; he may read it elsewhere."""
    token = named(linked.item.message.subject)
    return tracks.addressee(connection, token) if token else None


def _addresses(connection: Connection, context: Context, linked: Linked, now: datetime) -> Iterable[str]:
    """All of who wrote it; whom he names in To or Cc has asked for nothing."""
    author = linked.item.author
    if author is None or not author.email:
        return ()
    whose = persons(connection, context, [author.email], now)
    emails = people.emails(connection, list(whose.values())).values()
    return dict.fromkeys([author.email, *(email for each in emails for email in each)])
