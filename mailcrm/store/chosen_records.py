"""What becomes of campaigns' members and recipients when a person, organization or lead is merged, removed, erased."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, cast, delete, literal, select, union, update

from mailcrm.core.campaigns import Group
from mailcrm.core.enrollment import Status
from mailcrm.store.tables import campaign, campaign_member, enrollment, flow, recipient

ERASED = "erased"
"""The reason of a recipient who is not known any more."""

_INSIDE = enrollment.c.status == Status.IN_PROGRESS.value


def merged(connection: Connection, group: Group, keep: int, gone: int) -> None:
    """What ``gone`` was chosen for, ``keep`` is; where both were and nothing is planned yet, he is once."""
    mine, key = campaign_member.c[f"{group}_id"] == gone, f"{group}:{keep}"
    other = campaign_member.alias()
    twice = select(1).where(other.c.flow_id == campaign_member.c.flow_id, other.c.key == key).exists()
    planned = select(1).where(recipient.c.member_id == campaign_member.c.id).exists()
    connection.execute(delete(campaign_member).where(mine, twice, ~planned))
    connection.execute(update(campaign_member).where(mine, ~twice).values(key=key))
    connection.execute(update(campaign_member).where(mine).values({f"{group}_id": keep}))
    theirs = _members(group, [keep]) if group == "lead" else recipient.c[f"{group}_id"] == gone
    connection.execute(update(recipient).where(theirs).values({f"{group}_id": keep}))


def inside(connection: Connection, group: Group, number: int) -> list[int]:
    """The campaigns' runs in progress that a lead was chosen for, or that are about an organization as such."""
    if group == "lead":
        whose = _members(group, [number])
    else:
        whose = (recipient.c.organization_id == number) & (recipient.c.part == "company")
    query = select(enrollment.c.id).join(recipient, recipient.c.enrollment_id == enrollment.c.id)
    return list(connection.execute(query.where(whose, _INSIDE).order_by(enrollment.c.id)).scalars())


def forget(connection: Connection, persons: Sequence[int], emails: Collection[str]) -> None:
    """Leave nothing of these persons and addresses in any campaign but that somebody was chosen for it."""
    his = campaign_member.c.person_id.in_(persons)
    planned = select(1).where(recipient.c.member_id == campaign_member.c.id).exists()
    connection.execute(delete(campaign_member).where(his, ~planned))
    nobody = literal(f"{ERASED}:").concat(cast(campaign_member.c.id, Text))
    connection.execute(update(campaign_member).where(his).values(person_id=None, key=nobody))
    own = recipient.c.person_id.in_(persons)
    gone = {"person_id": None, "address": None, "enrollment_id": None, "reason": ERASED}
    connection.execute(update(recipient).where(own, recipient.c.part == "contact").values(**gone))
    connection.execute(update(recipient).where(own).values(person_id=None))
    for email in emails:
        flows = recipient.c.flow_id.in_(select(campaign.c.flow_id))
        told = recipient.c.reason.contains(email, autoescape=True)
        connection.execute(update(recipient).where(flows, recipient.c.address == email).values(address=None))
        connection.execute(update(recipient).where(flows, told).values(reason=ERASED))


def of_persons(connection: Connection, persons: Sequence[int]) -> list[Mapping[str, Any]]:
    """The campaigns that these persons were chosen for, or are recipients of, for themselves."""
    chosen = select(campaign_member.c.id).where(campaign_member.c.person_id.in_(persons))
    getting = select(recipient.c.member_id).where(recipient.c.person_id.in_(persons))
    query = (
        select(flow.c.name.label("campaign"), campaign_member.c.added_at, recipient.c.address, recipient.c.reason)
        .select_from(campaign_member)
        .join(flow, flow.c.id == campaign_member.c.flow_id)
        .join(recipient, recipient.c.member_id == campaign_member.c.id, isouter=True)
        .where(campaign_member.c.id.in_(union(chosen, getting)))
        .order_by(campaign_member.c.id, recipient.c.id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _members(group: Group, numbers: Sequence[int]) -> ColumnElement[bool]:
    chosen = select(campaign_member.c.id).where(campaign_member.c[f"{group}_id"].in_(numbers))
    return recipient.c.member_id.in_(chosen)
