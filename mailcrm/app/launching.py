"""Launches a campaign, once (CAMP-22); and tells before what that would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mailcrm.app import campaign_book as book
from mailcrm.app import foreseen, naming, planning
from mailcrm.app.acting import Actor, may
from mailcrm.app.context import Context
from mailcrm.core.campaigns import expanded
from mailcrm.core.definitions import CampaignState, SenderPolicy
from mailcrm.errors import Refused
from mailcrm.store import campaigns, consents, flows, members, users
from mailcrm.store.flows import StoredFlow


@dataclass(frozen=True, slots=True)
class Launched:
    """A campaign that was launched.

    Args:
        members: how many were chosen.
        at, by: when, and by whom (``user:anna``).
        new: just now; else it was before, and nothing was done.
        resumed: it was paused and goes on.
    """

    id: int
    name: str
    members: int
    at: datetime
    by: str
    new: bool
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What launching would do.

    Args:
        members: how many were chosen, ``recipients`` of them get it.
        left_out: how often, by reason.
        senders: how many each is to do, by user.
        stand_in: how many of those the campaign's owner does, since there is nobody whom the sender policy means.
        lacking: the users who have not consented that it sends mail in their names: those mails would fail.
        refused: how many mails would be refused as things are, by reason.
    """

    members: int
    recipients: int
    left_out: Mapping[str, int]
    senders: Mapping[str, int]
    stand_in: int
    lacking: tuple[str, ...]
    refused: Mapping[str, int]


def preview(context: Context, name: str) -> Preview:
    """Tell what launching would do; nothing is stored. Raises NotFound, or Refused: it may be several."""
    left_out: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    senders: Counter[int] = Counter()
    stand_in = chosen = 0
    with context.db.read() as connection:
        stored = flows.find(connection, name, campaigns.KINDS)
        definition = book.definition(connection, context, stored)
        who = planning.senders_of(connection, stored, campaigns.get(connection, stored.id))
        seen: set[str] = set()
        for batch in planning.batches(connection, stored.id):
            chosen += len(batch.members) + len(batch.gone)
            left_out.update(f"the {gone.group} was removed" for gone in batch.gone)
            getting = []
            for each in expanded(definition, batch.members, who, seen):
                if each.reason:
                    left_out[each.reason.partition(":")[0]] += 1
                    continue
                getting.append(each)
                seen.add(each.key)
                stand_in += each.stand_in
                if each.user is not None:
                    senders[each.user] += 1
            if definition.mails:
                refused += foreseen.refused(connection, context, batch.members, getting)
        names = {user.id: user.key for user in users.every(connection)}
        lacking = consents.lacking(connection, stored.id, senders) if definition.mails else []
    by_key = {names[number]: count for number, count in senders.most_common()}
    reasons = dict(left_out.most_common())
    return Preview(chosen, senders.total(), reasons, by_key, stand_in, tuple(lacking), dict(refused.most_common()))


def check(context: Context, actor: Actor, name: str) -> None:
    """See that a campaign may be launched. Raises as ``launch`` would."""
    with context.db.read() as connection:
        stored = book.his(connection, context, actor, name)
        if campaigns.get(connection, stored.id).launched_at is None:
            _ready(connection, context, actor, stored, members.count(connection, stored.id))


def launch(context: Context, actor: Actor, name: str) -> Launched:
    """Launch a campaign, or let a paused one go on. Of one that was launched before nothing is done anew (CAMP-22).

    Raises:
        NotFound: there is none of that name.
        Refused: it is not ready (CAMP-20), has no recipients (CAMP-15) or nobody who does it (CAMP-6), names what is
            not there any more, several are to get it and the actor lacks the permission ``bulk``, or it is not his
            (CAMP-5).
    """
    now = context.clock()
    with context.db.write() as connection:
        context.flows.change(connection, now)
        stored = book.his(connection, context, actor, name)
        course = campaigns.hold(connection, stored.id)
        count = members.count(connection, stored.id)
        if course.launched_at is not None:
            paused = course.status == "paused"
            if paused:
                book.go_on(connection, context, stored.id, now)
            launched = Launched(stored.id, stored.name, count, course.launched_at, course.launched_by, False, paused)
        else:
            _ready(connection, context, actor, stored, count)
            campaigns.launch(connection, stored.id, actor.source, now)
            flows.activate(connection, stored.id, now)
            context.flows.publish(connection, now)
            launched = Launched(stored.id, stored.name, count, now, actor.source, True)
    context.changed()
    return launched


def _ready(connection: Connection, context: Context, actor: Actor, stored: StoredFlow, count: int) -> None:
    definition = book.definition(connection, context, stored)
    if definition.state is not CampaignState.READY:
        raise Refused(
            f'{stored.name!r} is {definition.state}, and only what is ready is launched; write state = "ready" into '
            "its file and apply it"
        )
    if count == 0:
        raise Refused(f"{stored.name!r} has no recipients; `mailcrm campaign recipients {stored.id} --add …` adds some")
    if count > 1 and not may(context.config, actor, "bulk"):
        raise Refused("what goes to several at once needs the permission bulk; see users.permissions in config.toml")
    for problem in naming.unknown(connection, context.config, definition):
        raise Refused(f"{problem.what}; {problem.mend}")
    who = planning.senders_of(connection, stored, campaigns.get(connection, stored.id))
    meant = (who.adder, who.owner) if definition.sender is SenderPolicy.ADDER else (who.owner,)
    if definition.sender is not SenderPolicy.CONTACT_OWNER and who.active.isdisjoint(meant):
        lack = "has no owner" if who.owner is None else "its owner has left"
        mend = 'write owner = "…" into its file and apply it'
        raise Refused(f"{stored.name!r}: {lack}, so there is nobody in whose name it could be done; {mend}")
