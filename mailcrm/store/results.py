"""What came of a campaign: for each recipient, and in sum. Every look is set-wise, for there may be very many."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, func, literal_column, select

from mailcrm.core.enrollment import Status
from mailcrm.store.db import Lookup
from mailcrm.store.tables import campaign, campaign_member, enrollment, lead, organization, outbox, person, recipient

PAGE = 1_000

State = Literal["planned", "done", "failed", "skipped", "withdrawn"]
_WHERE = re.compile(r"^campaign: [a-z]+\.[a-z]+: ")
"""How a run's reason begins: with the node, the same for all, and the action."""
_STATES: Mapping[str | None, State] = {
    None: "skipped",
    Status.IN_PROGRESS.value: "planned",
    Status.COMPLETED.value: "done",
    Status.FAILED.value: "failed",
    Status.REMOVED.value: "withdrawn",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a campaign for one recipient; of a member who was not planned yet, for him.

    Args:
        recipient: his address; where nothing is mailed to him, the record that was chosen: ``person:3``.
        member: the record that was chosen; ``name``: what it is called.
        reason: why it failed, was left out or withdrawn; what it waits for; of mail that came back, the server's words.
        bounced: whether it came back.
        opened, clicked: when a human first did so.
        made: the record that was made for the member: ``deal:9``.
        variant: of the subject, from 0.
        sender: the id of the user in whose name it is.
    """

    recipient: str
    member: str
    name: str
    state: State
    reason: str = ""
    sent: datetime | None = None
    bounced: bool = False
    opened: datetime | None = None
    clicked: datetime | None = None
    replied: datetime | None = None
    unsubscribed: datetime | None = None
    made: str | None = None
    variant: int | None = None
    sender: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """How many recipients of one variant, sender and state there are, and what of them is counted."""

    variant: int | None
    sender: int | None
    state: State
    total: int
    sent: int = 0
    bounced: int = 0
    opened: int = 0
    clicked: int = 0
    replied: int = 0
    unsubscribed: int = 0


def listed(connection: Connection, flow: int) -> Iterator[Result]:
    """The results of a campaign's recipients, then of members who were not planned yet; read in pages, by id."""
    for rows in _pages(connection, _RECIPIENTS, flow):
        waits = [row.id for row in rows if row.status == Status.IN_PROGRESS.value or row.returned is not None]
        said = {row.recipient_id: row.reason or "" for row in _REASONS.rows(connection, waits, flow=flow)}
        yield from (_result(row, said.get(row.id, "")) for row in rows)
    stopped = connection.execute(select(campaign.c.stopped_at).where(campaign.c.flow_id == flow)).scalar()
    state: State = "planned" if stopped is None else "withdrawn"
    reason = "" if stopped is None else "the campaign was stopped before"
    for rows in _pages(connection, _UNPLANNED, flow):
        yield from (Result(row.key, row.key, row.name or "", state, reason) for row in rows)


def groups(connection: Connection, flow: int) -> list[Group]:
    """Every combination of variant, sender and state that there is, with its sums."""
    rows = connection.execute(_GROUPS, {"flow": flow})
    return [Group(row[0], row[1], _STATES[row[2]], *row[3:]) for row in rows]


def members(connection: Connection, flow: int) -> tuple[int, int]:
    """How many members were not planned yet, and for how many a record was made."""
    row = connection.execute(_MEMBERS, {"flow": flow}).one()
    return int(row.unplanned or 0), int(row.made or 0)


def _pages(connection: Connection, query: Select[Any], flow: int) -> Iterator[list[Any]]:
    last = 0
    while rows := connection.execute(query, {"flow": flow, "after": last}).all():
        yield list(rows)
        if len(rows) < PAGE:
            return
        last = rows[-1].id


def _result(row: Any, said: str) -> Result:
    skipped = row.enrollment_id is None
    return Result(
        row.address or row.key,
        row.key,
        row.name or "",
        "skipped" if skipped else _STATES[row.status],
        row.left_out if skipped else _WHERE.sub("", row.ended or said, count=1),
        row.sent_at,
        row.returned is not None,
        row.opened_at,
        row.clicked_at,
        row.replied_at,
        row.unsubscribed_at,
        row.made,
        row.variant,
        row.user_id,
    )


def _named(query: Select[Any]) -> Select[Any]:
    """With what the chosen record is called."""
    for table in (person, organization, lead):
        query = query.join(table, table.c.id == campaign_member.c[f"{table.name}_id"], isouter=True)
    return query


def _counted(columns: Iterable[ColumnElement[Any]]) -> list[ColumnElement[int]]:
    return [func.count(column) for column in columns]


_name = func.coalesce(person.c.name, organization.c.name, lead.c.title).label("name")
_DID = tuple(recipient.c[f"{what}_at"] for what in ("opened", "clicked", "replied", "unsubscribed"))
_its_run = enrollment.c.id == recipient.c.enrollment_id
_its_mail = (outbox.c.flow_id == recipient.c.flow_id) & (outbox.c.recipient_id == recipient.c.id)
_RECIPIENTS = (
    _named(
        select(
            *(recipient.c[name] for name in ("id", "address", "variant", "user_id", "enrollment_id")),
            *_DID,
            recipient.c.reason.label("left_out"),
            enrollment.c.status,
            enrollment.c.reason.label("ended"),
            outbox.c.sent_at,
            outbox.c.returned,
            campaign_member.c.key,
            campaign_member.c.made,
            _name,
        )
        .select_from(recipient)
        .join(campaign_member, campaign_member.c.id == recipient.c.member_id)
        .join(enrollment, _its_run, isouter=True)
        .join(outbox, _its_mail, isouter=True)
    )
    .where(recipient.c.flow_id == bindparam("flow"), recipient.c.id > bindparam("after"))
    .order_by(recipient.c.id)
    .limit(PAGE)
)
_planned_upto = select(campaign.c.planned_upto).where(campaign.c.flow_id == bindparam("flow")).scalar_subquery()
_unplanned = campaign_member.c.id > _planned_upto
_UNPLANNED = (
    _named(select(campaign_member.c.id, campaign_member.c.key, _name).select_from(campaign_member))
    .where(campaign_member.c.flow_id == bindparam("flow"), campaign_member.c.id > bindparam("after"), _unplanned)
    .order_by(campaign_member.c.id)
    .limit(PAGE)
)
# What a mail waits for lies behind its text: looked at of few.
_REASONS = Lookup(
    select(outbox.c.recipient_id, outbox.c.reason).where(outbox.c.flow_id == bindparam("flow")), outbox.c.recipient_id
)
_GROUPS = (
    select(
        recipient.c.variant,
        recipient.c.user_id,
        enrollment.c.status,
        func.count(),
        *_counted((outbox.c.sent_at, outbox.c.returned, *_DID)),
    )
    .select_from(recipient)
    .join(enrollment, _its_run, isouter=True)
    .join(outbox, _its_mail, isouter=True)
    .where(recipient.c.flow_id == bindparam("flow"))
    .group_by(recipient.c.variant, recipient.c.user_id, enrollment.c.status)
)
_MEMBERS = select(
    func.sum(case((_unplanned, literal_column("1")), else_=literal_column("0"))).label("unplanned"),
    func.count(campaign_member.c.made).label("made"),
).where(campaign_member.c.flow_id == bindparam("flow"))
