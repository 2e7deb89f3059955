"""Two records made one: everything of the one that goes becomes the other's; its row stays and says where it went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, or_, select, update

from mailcrm.store import chosen_records, document_records, people
from mailcrm.store import permissions as permission_book
from mailcrm.store.tables import (
    activity,
    choice,
    choice_deal,
    deal,
    draft,
    event,
    field_value,
    lead,
    link,
    note,
    organization,
    organization_address,
    organization_domain,
    organization_relation,
    outbox,
    participant,
    permission,
    person,
    person_address,
    person_phone,
    person_tag,
    standing_choice,
    thread,
)


def persons(connection: Connection, keep: int, gone: int, now: datetime) -> None:
    """Merge person ``gone`` into ``keep``. Who had withdrawn his permission has withdrawn it."""
    permissions = permission_book.of(connection, [keep, gone])
    withdrawn = [each for each in permissions.values() if not each.granted]
    his = (person_address.c.person_id == gone) & person_address.c.valid_to.is_(None)
    connection.execute(update(person_address).where(his).values(is_primary=False))
    for column in (
        person_address.c.person_id,
        deal.c.person_id,
        lead.c.person_id,
        activity.c.person_id,
        note.c.person_id,
        participant.c.person_id,
        event.c.person_id,
        permission.c.person_id,
        outbox.c.person_id,
        draft.c.person_id,
    ):
        _move(connection, column, keep, gone)
    if withdrawn and len(permissions) > 1:
        last = max(withdrawn, key=lambda each: each.at)
        permission_book.withdraw(connection, keep, last.source, last.proof, last.by, now)
    _move(connection, person_phone.c.person_id, keep, gone, once=[person_phone.c.number])
    _move(connection, person_tag.c.person_id, keep, gone, once=[person_tag.c.tag_id])
    _move(connection, standing_choice.c.person_id, keep, gone, once=[])
    _move_named(connection, "person", keep, gone)
    chosen_records.merged(connection, "person", keep, gone)
    document_records.merged(connection, "person", keep, gone)
    _finish(connection, person, keep, gone, now, fill=["organization_id", "owner_id"])
    people.ensure_primary(connection, keep)


def organizations(connection: Connection, keep: int, gone: int, now: datetime) -> None:
    """Merge organization ``gone`` into ``keep``."""
    for column in (
        organization_domain.c.organization_id,
        organization_address.c.organization_id,
        person.c.organization_id,
        deal.c.organization_id,
        lead.c.organization_id,
        activity.c.organization_id,
        note.c.organization_id,
        thread.c.organization_id,
    ):
        _move(connection, column, keep, gone)
    mine, other = organization_relation.c.organization_id, organization_relation.c.other_id
    between = or_((mine == keep) & (other == gone), (mine == gone) & (other == keep))
    connection.execute(delete(organization_relation).where(between))
    _move(connection, mine, keep, gone, once=[other, organization_relation.c.kind])
    _move(connection, other, keep, gone, once=[mine, organization_relation.c.kind])
    _move_named(connection, "organization", keep, gone)
    chosen_records.merged(connection, "organization", keep, gone)
    document_records.merged(connection, "organization", keep, gone)
    _finish(connection, organization, keep, gone, now, fill=["industry", "owner_id"])


def deals(connection: Connection, keep: int, gone: int, now: datetime) -> None:
    """Merge deal ``gone`` into ``keep``; it stops being a candidate beside it."""
    for column in (activity.c.deal_id, note.c.deal_id, thread.c.deal_id, choice.c.deal_id, standing_choice.c.deal_id):
        _move(connection, column, keep, gone)
    _move(connection, choice_deal.c.deal_id, keep, gone, once=[choice_deal.c.choice_id])
    document_records.merged(connection, "deal", keep, gone)
    _move_named(connection, "deal", keep, gone)
    _finish(connection, deal, keep, gone, now, fill=["person_id", "organization_id", "owner_id", "value", "currency"])


def leads(connection: Connection, keep: int, gone: int, now: datetime) -> None:
    """Merge lead ``gone`` into ``keep``."""
    for column in (activity.c.lead_id, note.c.lead_id):
        _move(connection, column, keep, gone)
    _move_named(connection, "lead", keep, gone)
    chosen_records.merged(connection, "lead", keep, gone)
    _finish(connection, lead, keep, gone, now, fill=["person_id", "organization_id", "owner_id", "value", "currency"])


def _move(
    connection: Connection, column: Column[Any], keep: int, gone: int, *, once: Sequence[Column[Any]] | None = None
) -> None:
    """Point rows at ``keep``. ``once``: the columns that tell a record's rows apart, where no such row may be twice."""
    table = column.table
    assert isinstance(table, Table)
    if once is not None:
        kept = table.alias()
        same = select(1).where(kept.c[column.name] == keep, *(kept.c[part.name] == part for part in once))
        connection.execute(delete(table).where(column == gone, same.exists()))
    connection.execute(update(table).where(column == gone).values({column.name: keep}))


def _move_named(connection: Connection, record: str, keep: int, gone: int) -> None:
    """Move what names the record by kind and id: why messages are linked to it, and its custom fields."""
    for table, part in ((link, "message_id"), (field_value, "name")):
        kept = table.alias()
        same = select(1).where(kept.c.record == record, kept.c.record_id == keep, kept.c[part] == table.c[part])
        mine = (table.c.record == record, table.c.record_id == gone)
        connection.execute(delete(table).where(*mine, same.exists()))
        connection.execute(update(table).where(*mine).values(record_id=keep))


def _finish(connection: Connection, table: Table, keep: int, gone: int, now: datetime, *, fill: Sequence[str]) -> None:
    """Fill what ``keep`` lacks from ``gone``, and take ``gone`` out of every list."""
    rows = {row.id: row for row in connection.execute(select(table).where(table.c.id.in_((keep, gone))))}
    filled = {name: getattr(rows[gone], name) for name in fill if getattr(rows[keep], name) is None}
    if "value" in fill:  # money moves whole: an amount never takes another's currency
        lacking = rows[keep].value is None and rows[gone].value is not None
        filled |= {"currency": rows[gone].currency} if lacking else {}
        filled = filled if lacking else {name: value for name, value in filled.items() if name != "currency"}
    if filled:
        connection.execute(update(table).where(table.c.id == keep).values(**filled))
    connection.execute(update(table).where(table.c.merged_into == gone).values(merged_into=keep))
    connection.execute(update(table).where(table.c.id == gone).values(merged_into=keep, removed_at=now))
