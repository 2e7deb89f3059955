"""Campaigns as they are defined: apply, show, list, remove."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from mailcrm.app import campaign_book, flow_files, members, naming
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.flow_files import Plan
from mailcrm.config import Config
from mailcrm.core.campaigns import Group
from mailcrm.core.definitions import CampaignDefinition, Definition, left_out
from mailcrm.core.plural import counted
from mailcrm.core.validation import Problem
from mailcrm.errors import Refused
from mailcrm.store import campaigns, flows, users
from mailcrm.store import members as chosen
from mailcrm.store.campaigns import KINDS, Course
from mailcrm.store.flows import StoredFlow


@dataclass(frozen=True, slots=True)
class Shown:
    """A campaign.

    Args:
        text: its definition as TOML.
        owner, adder: keys of users.
        members: how many were chosen, by group; ``total`` in all.
    """

    stored: StoredFlow
    definition: CampaignDefinition
    text: str
    course: Course
    owner: str | None
    adder: str | None
    members: dict[Group, int]

    @property
    def total(self) -> int:
        """How many were chosen."""
        return sum(self.members.values())


def read(context: Context, actor: Actor, path: Path) -> Plan:
    """Read a campaign's file and compare it with the campaign of its name that was not launched yet, if one is his.

    Raises:
        Refused: it can't be read, or defines something else.
        DefinitionError: with every fault.
    """
    plan = flow_files.read(context, path, _named, actor)
    if not isinstance(plan.definition, CampaignDefinition):
        raise Refused(f"{path} defines no campaign; its kind says which command applies it")
    return plan


def effect(plan: Plan) -> str:
    """What applying does, in words."""
    return "it is changed; whoever was chosen stays" if plan.stored else "nothing happens until it is launched"


def remarks(context: Context, actor: Actor, plan: Plan) -> list[str]:
    """What its author should know: namesakes (CAMP-3), whose it becomes, what is not sent of its letters."""
    definition = plan.definition
    assert isinstance(definition, CampaignDefinition), "it was read as a campaign"
    with context.db.read() as connection:
        others = [each for each in campaigns.namesakes(connection, definition.name) if each.id != _id(plan)]
        known = campaigns.courses(connection, [each.id for each in others])
        owner = flow_files.owner_of(connection, plan, actor)
        keys = {user.id: user.key for user in users.every(connection)}
    key, found = keys.get(owner or 0), []
    if others:
        whose = {each.id: f", {keys[each.owner]}'s" for each in others if each.owner and each.owner != owner}
        words = ", ".join(f"{each.id} ({known[each.id].status}{whose.get(each.id, '')})" for each in others)
        found.append(f"there is another campaign {definition.name!r}: {words}; say the number of the one that you mean")
    if key is not None and actor.user is not None and key != actor.user.key:
        found.append(f"it is {key}'s: he may change and launch it, and so may administrators")
    return [*found, *left_out(definition)]


def apply(context: Context, actor: Actor, plan: Plan) -> int:
    """Store a plan's definition as a new campaign, or as that of one that was not launched; gives its id.

    Those whom it names as recipients are put in beside those there are.

    Raises:
        Refused: it is another user's (CAMP-5), was changed or launched since the plan was made, or names recipients
            that there are none of.
    """
    definition, now = plan.definition, context.clock()
    assert isinstance(definition, CampaignDefinition), "it was read as a campaign"
    with context.db.write() as connection:
        context.flows.change(connection, now)
        if plan.stored is not None:
            campaign_book.allow(connection, context, actor, plan.stored)
            campaigns.hold(connection, plan.stored.id)
        number = flow_files.store(connection, context, plan, actor)
        if plan.stored is None:
            campaigns.add(connection, number, actor.id)
        put = members.put(connection, number, definition.recipients, actor, now)
        if put.bad:
            raise Refused("recipients: " + "; ".join(f"{each.given!r}: {each.why}" for each in put.bad))
        context.flows.publish(connection, now)
    context.changed()
    return number


def shown(context: Context, name: str) -> Shown:
    """One campaign. Raises NotFound, or Refused: it may be several."""
    with context.db.read() as connection:
        return _shown(connection, context, flows.find(connection, name, KINDS))


def listed(context: Context) -> list[Shown]:
    """Every campaign, by name, then by age."""
    with context.db.read() as connection:
        stored = sorted(flows.every(connection, KINDS), key=lambda each: (each.name, each.id))
        return [_shown(connection, context, each) for each in stored]


def remove(context: Context, actor: Actor, name: str, *, confirmed: bool) -> None:
    """Take a campaign out of every list; what it did stays.

    Raises:
        NotFound: there is none of that name.
        Refused: it is another user's, is under way, or has recipients and it is not ``confirmed``.
    """
    now = context.clock()
    with context.db.write() as connection:
        context.flows.change(connection, now)
        stored = campaign_book.his(connection, context, actor, name)
        course = campaigns.hold(connection, stored.id)
        if course.launched_at is not None and course.ended_at is None:
            raise Refused(f"{stored.name!r} is {course.status}; `mailcrm campaign stop {stored.id}` ends it first")
        count = chosen.count(connection, stored.id)
        if count and not confirmed:
            was = "was done for" if course.launched_at else "has"
            raise Refused(f"{stored.name!r} {was} {counted(count, 'recipient')}; confirm that with --yes")
        if course.launched_at is None:
            chosen.remove_all(connection, stored.id)
        flows.remove(connection, stored.id, now)
        context.flows.publish(connection, now)
    context.changed()


def _named(connection: Connection, config: Config, definition: Definition) -> Iterator[Problem]:
    """As ``naming.unknown``, and those of its recipients that name nobody."""
    yield from naming.unknown(connection, config, definition)
    if isinstance(definition, CampaignDefinition):
        yield from members.unknown(connection, definition.recipients)


def _shown(connection: Connection, context: Context, stored: StoredFlow) -> Shown:
    course = campaigns.get(connection, stored.id)
    names = {user.id: user.key for user in users.every(connection)}
    return Shown(
        stored,
        campaign_book.definition(connection, context, stored),
        flows.text(connection, stored.id, stored.version),
        course,
        names.get(stored.owner or 0),
        names.get(course.adder or 0),
        dict(chosen.counts(connection, stored.id)),
    )


def _id(plan: Plan) -> int | None:
    return plan.stored.id if plan.stored else None
