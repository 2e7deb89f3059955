"""Launches a campaign: once, and then plans who gets what, in rounds that may be killed anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from mailcrm.app import campaign_book as book
from mailcrm.app import foreseen, naming
from mailcrm.app.acting import Actor, may
from mailcrm.app.context import Context
from mailcrm.core.campaigns import Recipient, Senders, expanded, keys
from mailcrm.core.definitions import CampaignDefinition, CampaignState, to_flow
from mailcrm.core.engine import advance
from mailcrm.core.enrollment import Enrol, Enrollment, Facts, Past, Step, Subject, Verdict
from mailcrm.core.flow import Condition, Do, Flow
from mailcrm.errors import Refused
from mailcrm.store import campaigns, consents, enrollments, flows, members, planning, recipients, steps, users
from mailcrm.store.campaigns import Course
from mailcrm.store.db import reserve
from mailcrm.store.enrollments import New
from mailcrm.store.flows import StoredFlow
from mailcrm.store.planning import Batch
from mailcrm.store.recipients import StoredRecipient
from mailcrm.store.tables import enrollment

ROUND = 1_000
"""Members that are planned in one transaction."""


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
class Planned:
    """What a round of planning did.

    Args:
        members: how many were planned; ``recipients`` of them get it, ``left_out`` don't.
        done: that were the last ones.
    """

    members: int
    recipients: int
    left_out: int
    done: bool


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
        who = senders_of(connection, stored, campaigns.get(connection, stored.id))
        seen: set[str] = set()
        for batch in _batches(connection, stored.id):
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
        Refused: it is not ready (CAMP-20), has no recipients (CAMP-15), names what is not there any more, several are
            to get it and the actor lacks the permission ``bulk``, or it is not his (CAMP-5).
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


def plan(context: Context, number: int, progress: Callable[[Planned], None] = lambda _planned: None) -> None:
    """Plan all that is left of a launched campaign, unless it is paused or stopped meanwhile.

    Args:
        progress: told of each round.
    """
    while (planned := plan_round(context, number)) is not None:
        progress(planned)


def plan_due(context: Context) -> bool:
    """Go on with planning where it is not finished, a round; whether there was anything to plan."""
    with context.db.read() as connection:
        due = [each.id for each in campaigns.running(connection) if each.goes_on and each.planned_at is None]
    return bool([number for number in due if plan_round(context, number) is not None])


def plan_round(context: Context, number: int, limit: int = ROUND) -> Planned | None:
    """Plan the next members of a launched campaign, in one transaction; safe in several processes, and to be killed.

    Returns:
        None: there is nothing to plan, or it is paused or stopped.

    Raises:
        Temporary: the database is away.
    """
    now = context.clock()
    with context.db.write() as connection:
        course = campaigns.hold(connection, number)
        if not course.goes_on or course.planned_at is not None:
            return None
        batch = planning.batch(connection, number, course.planned_upto, limit, hold=True)
        planned = _plan(connection, context, course, batch, now)
        campaigns.plan(connection, number, batch.last or course.planned_upto, None if batch.last else now)
    context.changed()
    return planned


# -- launching


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


# -- planning


def _batches(connection: Connection, number: int) -> Iterator[Batch]:
    after = 0
    while (batch := planning.batch(connection, number, after, ROUND)).last is not None:
        yield batch
        after = batch.last


def senders_of(connection: Connection, stored: StoredFlow, course: Course) -> Senders:
    """Who may be told to do it."""
    active = frozenset(user.id for user in users.every(connection) if not user.disabled)
    return Senders(course.adder, stored.owner, active)


def _plan(connection: Connection, context: Context, course: Course, batch: Batch, now: datetime) -> Planned:
    stored = flows.get(connection, course.id)
    definition = book.definition(connection, context, stored)
    taken = planning.taken(connection, stored.id, keys(definition, batch.members))
    last = planning.last_variant(connection, stored.id) if len(definition.subjects) > 1 else None
    who = senders_of(connection, stored, course)
    found = list(expanded(definition, batch.members, who, taken, last))
    getting = sum(1 for each in found if not each.reason)
    runs = iter(reserve(connection, enrollment, getting))
    ids = iter(recipients.reserved(connection, len(found) + len(batch.gone)))
    rows = [_row(next(ids), stored.id, each, None if each.reason else next(runs)) for each in found]
    enroll = _Enrolling(_starting(definition, context, stored), now)
    for row in rows:
        if row.enrollment is not None:
            enroll.one(row.enrollment, Subject(row.person if row.part == "contact" else None, recipient=row.id))
    rows += [
        StoredRecipient(
            next(ids), stored.id, gone.id, "company" if gone.group == "organization" else "contact",
            gone.record if gone.group == "person" else None,
            gone.record if gone.group == "organization" else None,
            gone.record if gone.group == "lead" else None,
            None, None, None, None, f"the {gone.group} was removed",
        )
        for gone in batch.gone
    ]  # fmt: skip
    recipients.add(connection, rows)
    enrollments.add(connection, [New(each, course.launched_by) for each in enroll.begun])
    steps.add(connection, enroll.steps)
    count = len(batch.members) + len(batch.gone)
    return Planned(count, getting, len(rows) - getting, batch.last is None)


def _row(number: int, flow: int, each: Recipient, run: int | None) -> StoredRecipient:
    who = (each.person, each.organization, each.lead)
    return StoredRecipient(
        number, flow, each.member, each.part, *who, each.address, each.user, each.variant, run, each.reason
    )


def _starting(definition: CampaignDefinition, context: Context, stored: StoredFlow) -> Flow:
    """The campaign's flow as it begins: its actions wait for the machine's rounds, and are none of the planning's."""
    flow = to_flow(definition, context.registry, id=stored.id, version=stored.version)
    nodes = {name: replace(node, after=_AT_ONCE) if isinstance(node, Do) else node for name, node in flow.nodes.items()}
    return replace(flow, nodes=nodes)


class _Enrolling:
    """Lets recipients into a flow, each for the first time, by what the engine decides."""

    def __init__(self, flow: Flow, now: datetime) -> None:
        self._flow, self._now, self._calendar, self._enrol = flow, now, _NoCalendar(), Enrol(now)
        self.begun: list[Enrollment] = []
        self.steps: list[tuple[int, Step]] = []

    def one(self, number: int, subject: Subject) -> None:
        """Let one in, with this id."""
        facts = Facts(subject, number, self._now, _NO_PAST, self._calendar, _unasked)
        decision = advance(self._flow, None, self._enrol, facts, self._now)
        assert decision.enrollment is not None, "nobody is in it yet, and nothing bars the way"
        self.begun.append(decision.enrollment)
        self.steps += [(number, step) for step in decision.steps]


class _NoCalendar:
    """When a campaign is launched it begins, whatever the hour: its mail waits for its sender's hours anyway."""

    def later(self, at: datetime, span: str) -> datetime:  # noqa: ARG002
        """See ``core.enrollment.Calendar``."""
        return at

    def opening(self, at: datetime) -> datetime:
        """See ``core.enrollment.Calendar``."""
        return at


def _unasked(condition: Condition) -> Verdict:
    raise AssertionError(f"a campaign asks nothing, and asked {condition.name}")


_AT_ONCE = "0m"
_NO_PAST = Past()
