"""Who was chosen for a campaign: persons, organizations, leads; and the record that was made for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Select, Text, bindparam, cast, delete, func, literal, select, true, update

from mailcrm.core.campaigns import Group
from mailcrm.store.bulk import insert_rows
from mailcrm.store.db import Lookup, Utc, insert_new, slices
from mailcrm.store.tables import campaign_member, lead, organization, person

GROUPS: tuple[Group, ...] = ("person", "organization", "lead")
_NAMED = {"person": person.c.name, "organization": organization.c.name, "lead": lead.c.title}


@dataclass(frozen=True, slots=True)
class Member:
    """One who was chosen.

    Args:
        record: his id in his group.
        made: the record that was made for him: ``activity:4``, ``deal:9``, ``document:2``.
    """

    id: int
    group: Group
    record: int
    name: str
    added_at: datetime
    added_by: str
    made: str | None


def made(connection: Connection, number: int) -> str | None:
    """The record that was made for a member; None: none yet. Until the transaction ends nobody else makes one."""
    query = select(campaign_member.c.made).where(campaign_member.c.id == number)
    return connection.execute(query.with_for_update(key_share=True)).scalar()


def first(connection: Connection, flow: int, key: str | None = None) -> int | None:
    """The member of this key (``person:3``), or the first one; None: there is none."""
    query = select(campaign_member.c.id).where(campaign_member.c.flow_id == flow)
    if key is not None:
        query = query.where(campaign_member.c.key == key)
    return connection.execute(query.order_by(campaign_member.c.id).limit(1)).scalar()


def behind(connection: Connection, number: int) -> tuple[int | None, str | None]:
    """The person by whom a member was chosen (a lead's, for one), and the record that was made for him."""
    query = select(func.coalesce(campaign_member.c.person_id, lead.c.person_id), campaign_member.c.made)
    query = query.select_from(campaign_member).join(lead, lead.c.id == campaign_member.c.lead_id, isouter=True)
    person_id, key = connection.execute(query.where(campaign_member.c.id == number)).one()
    return person_id, key


def note_made(connection: Connection, number: int, key: str) -> None:
    """Note the record that was made for a member: ``deal:9``."""
    connection.execute(update(campaign_member).where(campaign_member.c.id == number).values(made=key))


def add(
    connection: Connection, flow: int, group: Group, chosen: Select[int] | Sequence[int], by: str, now: datetime
) -> int:
    """Choose records of a group, by id or by a query for ids, in a campaign that the transaction holds.

    Returns:
        How many are new: who was chosen before stays so.
    """
    columns = ("flow_id", f"{group}_id", "key", "added_at", "added_by")
    if isinstance(chosen, Select):
        ids = chosen.subquery().c[0]
        key = literal(f"{group}:").concat(cast(ids, Text))
        values = select(literal(flow), ids, key, literal(now, Utc), literal(by)).where(true()).order_by(ids)
        chosen_now = insert_new(connection, campaign_member).from_select(columns, values)
        return connection.execute(chosen_now, execution_options={"preserve_rowcount": True}).rowcount
    keys = {f"{group}:{number}": number for number in chosen}
    there = {row.key for row in _KEYS.rows(connection, keys, flow=flow)}
    rows = [(flow, number, key, now, by) for key, number in keys.items() if key not in there]
    insert_rows(connection, campaign_member, columns, rows)
    return len(rows)


def remove(connection: Connection, flow: int, group: Group, chosen: Select[int] | Sequence[int]) -> int:
    """Choose records no more, in a campaign that was not launched. Returns how many were chosen."""
    mine, column = campaign_member.c.flow_id + 0 == flow, _column(group)
    if isinstance(chosen, Select):
        return connection.execute(delete(campaign_member).where(mine, column.in_(chosen))).rowcount
    return sum(
        connection.execute(delete(campaign_member).where(mine, column.in_(piece))).rowcount for piece in slices(chosen)
    )


def remove_all(connection: Connection, flow: int) -> None:
    """Choose nobody any more, in a campaign that was not launched."""
    connection.execute(delete(campaign_member).where(campaign_member.c.flow_id == flow))


def count(connection: Connection, flow: int, group: Group | None = None) -> int:
    """How many were chosen, in all or of one group."""
    query = select(func.count()).where(campaign_member.c.flow_id == flow)
    if group is not None:
        query = query.where(_column(group).is_not(None))
    return int(connection.execute(query).scalar_one())


def counts(connection: Connection, flow: int) -> Mapping[Group, int]:
    """How many of each group were chosen."""
    return {group: count(connection, flow, group) for group in GROUPS}


def listed(connection: Connection, flow: int, group: Group) -> Iterator[Member]:
    """Those chosen of a group, in the order in which they were; read in pieces."""
    named = _NAMED[group]
    columns = (campaign_member.c.id, _column(group), named)
    more = (campaign_member.c.added_at, campaign_member.c.added_by, campaign_member.c.made)
    query = (
        select(*columns, *more)
        .join(named.table, named.table.c.id == _column(group))
        .where(campaign_member.c.flow_id == flow)
        .order_by(campaign_member.c.id)
        .limit(1000)
    )
    last = 0
    while rows := connection.execute(query.where(campaign_member.c.id > last)).all():
        for row in rows:
            yield Member(row[0], group, *row[1:])
        last = rows[-1][0]


# Not by the index of the flow, which PostgreSQL takes for a few rows while they become a hundred thousand.
_KEYS = Lookup(
    select(campaign_member.c.key).where(campaign_member.c.flow_id + 0 == bindparam("flow")), campaign_member.c.key
)


def _column(group: Group) -> Column[int]:
    return campaign_member.c[f"{group}_id"]
