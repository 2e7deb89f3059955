"""Plans a launched campaign: who gets what, in rounds that may be killed anywhere; nobody twice, nobody left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from mailcrm.app import campaign_book as book
from mailcrm.app.context import Context
from mailcrm.core.campaigns import Part, Recipient, Senders, expanded, keys
from mailcrm.core.definitions import CampaignDefinition, to_flow
from mailcrm.core.engine import advance
from mailcrm.core.enrollment import Enrol, Enrollment, Facts, Past, Step, Subject, Verdict
from mailcrm.core.flow import Condition, Do, Flow
from mailcrm.store import campaigns, enrollments, flows, recipients, steps, users
from mailcrm.store import planning as facts
from mailcrm.store.campaigns import Course
from mailcrm.store.db import reserve
from mailcrm.store.enrollments import New
from mailcrm.store.flows import StoredFlow
from mailcrm.store.members import GROUPS
from mailcrm.store.planning import Batch, Gone
from mailcrm.store.recipients import StoredRecipient
from mailcrm.store.tables import enrollment

ROUND = 1_000
"""Members that are planned in one transaction."""


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
        batch = facts.batch(connection, number, course.planned_upto, limit, hold=True)
        planned = _plan(connection, context, course, batch, now)
        campaigns.plan(connection, number, batch.last or course.planned_upto, None if batch.last else now)
    context.changed()
    return planned


def batches(connection: Connection, number: int) -> Iterator[Batch]:
    """All members of a campaign, in rounds."""
    after = 0
    while (batch := facts.batch(connection, number, after, ROUND)).last is not None:
        yield batch
        after = batch.last


def senders_of(connection: Connection, stored: StoredFlow, course: Course) -> Senders:
    """Who may be told to do it."""
    active = frozenset(user.id for user in users.every(connection) if not user.disabled)
    return Senders(course.adder, stored.owner, active)


# -- within a round


def _plan(connection: Connection, context: Context, course: Course, batch: Batch, now: datetime) -> Planned:
    stored = flows.get(connection, course.id)
    definition = book.definition(connection, context, stored)
    taken = facts.taken(connection, stored.id, keys(definition, batch.members))
    last = facts.last_variant(connection, stored.id) if len(definition.subjects) > 1 else None
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
    rows += [_left_out(next(ids), stored.id, gone) for gone in batch.gone]
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


def _left_out(number: int, flow: int, gone: Gone) -> StoredRecipient:
    person, organization, lead = (gone.record if gone.group == group else None for group in GROUPS)
    part: Part = "company" if gone.group == "organization" else "contact"
    who = (person, organization, lead)
    return StoredRecipient(number, flow, gone.id, part, *who, None, None, None, None, f"the {gone.group} was removed")


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
        known = Facts(subject, number, self._now, _NO_PAST, self._calendar, _unasked)
        decision = advance(self._flow, None, self._enrol, known, self._now)
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
