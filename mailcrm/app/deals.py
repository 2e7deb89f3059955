"""Deals: add, edit, move, win, lose, reopen, merge, remove."""

from __future__ import annotations

from sqlalchemy import Connection

from mailcrm.app import choose, flow_subjects
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.item_edit import ItemEdit
from mailcrm.app.records import writing
from mailcrm.builtin import deals as making
from mailcrm.errors import Refused
from mailcrm.store import deals, merging, runs
from mailcrm.store.deals import AnyRow


def add(
    context: Context,
    actor: Actor,
    title: str,
    *,
    person: int | None = None,
    organization: int | None = None,
    stage: str | None = None,
    owner: int | None = None,
    value: str | None = None,
    currency: str | None = None,
) -> int:
    """Open a deal with a person, an organization, or both (DATA-9).

    Args:
        organization: without it, the person's.
        stage: by name; without it, the first of the first pipeline, which is made if there is none.
        owner: without it, the actor.

    Raises:
        Refused: neither person nor organization, no title, a wrong amount or currency.
        NotFound: no such stage.
    """
    with context.db.write() as connection:
        number = making.create(
            writing(connection, context, actor),
            title,
            created_by=actor.source,
            person=person,
            organization=organization,
            stage=stage,
            owner=owner if owner is not None else actor.id,
            value=value,
            currency=currency,
        )
    context.changed()
    return number


def edit(context: Context, number: int, change: ItemEdit) -> None:
    """Change a deal. Raises Refused for a wrong amount or currency, or if nobody would be left it is with."""
    changed = change.columns()
    with context.db.write() as connection:
        deals.change(connection, number, **changed)
        runs.follow(connection, "deal", number)
        row = _row(connection, number)
        if row.person_id is None and row.organization_id is None:
            raise Refused("a deal is with somebody; leave it a person or an organization")
    context.changed()


def move(context: Context, actor: Actor, number: int, stage: str) -> None:
    """Move an open deal to another stage. Raises Refused for a closed one, NotFound for an unknown stage."""
    with context.db.write() as connection:
        row = _row(connection, number)
        if row.status != "open":
            raise Refused(f"deal {number} is {row.status}; only an open one moves (`mailcrm deal reopen {number}`)")
        making.move(writing(connection, context, actor), row, stage)
    context.changed()


def close(context: Context, actor: Actor, number: int, *, won: bool, reason: str | None = None) -> None:
    """Close a deal as won or lost (DATA-8). It takes no more mail and is no candidate any more.

    Raises:
        Refused: it is closed already.
    """
    now = context.clock()
    with context.db.write() as connection:
        row = _row(connection, number)
        if row.status != "open":
            raise Refused(f"deal {number} is {row.status} already, since {row.closed_at:%Y-%m-%d}")
        status = "won" if won else "lost"
        deals.close(connection, number, status, reason, now)
        choose.deal_closed(connection, number, now)
        making.tell(writing(connection, context, actor), f"deal.{status}", number)
    context.changed()


def reopen(context: Context, number: int) -> None:
    """Open a closed deal again, in the stage where it ended. Raises Refused if it is open."""
    with context.db.write() as connection:
        row = _row(connection, number)
        if row.status == "open":
            raise Refused(f"deal {number} is open")
        deals.reopen(connection, number, row.stage_id, context.clock())
    context.changed()


def merge(context: Context, keep: int, gone: int) -> None:
    """Make two deals one. Raises Refused if they are the same, or if only the one that goes is open."""
    if keep == gone:
        raise Refused(f"deal {keep} can't be merged with itself; name another")
    with context.db.write() as connection:
        if _row(connection, keep).status != "open" and _row(connection, gone).status == "open":
            raise Refused(f"deal {keep} is closed and deal {gone} is open; merge the closed one into the open one")
        merging.deals(connection, keep, gone, context.clock())
        flow_subjects.merged(connection, context, "deal", keep, gone)
    context.changed()


def remove(context: Context, number: int) -> None:
    """Take a deal out of every list; its mail stays with the persons."""
    with context.db.write() as connection:
        deals.change(connection, number, removed_at=context.clock())
        choose.deal_closed(connection, number, context.clock())
        flow_subjects.removed(connection, context, "deal", number)
    context.changed()


def _row(connection: Connection, number: int) -> AnyRow:
    return deals.rows(connection, [number])[number]
