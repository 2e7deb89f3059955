"""Leads: add, edit, merge, remove, and make a deal of one."""

from __future__ import annotations

from mailcrm.app import deals, flow_subjects
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.item_edit import ItemEdit
from mailcrm.core.given import money, text
from mailcrm.errors import Refused
from mailcrm.store import leads, merging, people, runs


def add(
    context: Context,
    actor: Actor,
    title: str,
    *,
    person: int | None = None,
    organization: int | None = None,
    owner: int | None = None,
    value: str | None = None,
    currency: str | None = None,
) -> int:
    """Store a lead with a person, an organization, or both. Raises Refused as a deal's ``add``."""
    if person is None and organization is None:
        raise Refused("a lead is somebody; say --person or --org")
    amount, code = money(value, currency)
    with context.db.write() as connection:
        if organization is None and person is not None:
            organization = people.rows(connection, [person])[person].organization_id
        number = leads.add(
            connection,
            text(title, "the title"),
            context.clock(),
            created_by=actor.source,
            person=person,
            organization=organization,
            owner=owner if owner is not None else actor.id,
            value=amount,
            currency=code,
        )
    context.changed()
    return number


def edit(context: Context, number: int, change: ItemEdit) -> None:
    """Change a lead. Raises Refused for a wrong amount or currency, or if it would be nobody's."""
    changed = change.columns()
    with context.db.write() as connection:
        leads.change(connection, number, **changed)
        runs.follow(connection, "lead", number)
        row = leads.rows(connection, [number])[number]
        if row.person_id is None and row.organization_id is None:
            raise Refused("a lead is somebody; leave it a person or an organization")


def merge(context: Context, keep: int, gone: int) -> None:
    """Make two leads one. Raises Refused if they are the same."""
    if keep == gone:
        raise Refused(f"lead {keep} can't be merged with itself; name another")
    with context.db.write() as connection:
        merging.leads(connection, keep, gone, context.clock())
        flow_subjects.merged(connection, context, "lead", keep, gone)


def remove(context: Context, number: int) -> None:
    """Take a lead out of every list."""
    with context.db.write() as connection:
        leads.change(connection, number, removed_at=context.clock())
        flow_subjects.removed(connection, context, "lead", number)


def convert(context: Context, actor: Actor, number: int, *, stage: str | None = None) -> int:
    """Open a deal with what a lead holds, and take the lead out of the list. Gives the deal's id."""
    with context.db.read() as connection:
        row = leads.rows(connection, [number])[number]
    made = deals.add(
        context,
        actor,
        row.title,
        person=row.person_id,
        organization=row.organization_id,
        stage=stage,
        owner=row.owner_id,
        value=str(row.value) if row.value is not None else None,
        currency=row.currency,
    )
    remove(context, number)
    return made
