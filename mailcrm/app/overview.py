"""A sequence seen: its items and their states, what its letters would say, what may be put into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select

from mailcrm.app import sequences
from mailcrm.app.context import Context
from mailcrm.app.enrolling import Item, subjects_of
from mailcrm.builtin import who, writing
from mailcrm.core.definitions import ActivityStep, DraftStep, EmailStep
from mailcrm.core.enrollment import Status, Subject
from mailcrm.errors import MailcrmError, Refused
from mailcrm.store import deals, flows, items, leads
from mailcrm.store.flows import StoredFlow
from mailcrm.store.items import Listed
from mailcrm.store.tables import deal, lead
from mailcrm.store.written import Written

_FOUND = 20


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts by status (SEQ-34), and the rows that were asked for (SEQ-33). ``flow``: the sequence's name."""

    flow: str
    counts: Mapping[Status, int]
    rows: Sequence[Listed]


@dataclass(frozen=True, slots=True)
class StepShown:
    """A step as it would be for one item.

    Args:
        after: the span since the step before; None: at once.
        what: of an activity: its type, priority, assignee and note.
        problem: why it would fail: then nothing is shown of the letter.
    """

    number: int
    type: str
    after: str | None
    sender: str | None = None
    recipient: str | None = None
    subject: str | None = None
    text: str | None = None
    what: str | None = None
    problem: str | None = None


def overview(context: Context, name: str, status: Status | None = None, owner: int | None = None) -> Overview:
    """The items of a sequence.

    Args:
        status: only these; those taken out are listed only if it asks for them.
        owner: id of a user: only his deals or leads.

    Raises:
        NotFound: no such sequence.
    """
    with context.db.read() as connection:
        stored = flows.find(connection, name, sequences.KINDS)
        everything = items.listed(connection, stored.id)
        rows = items.listed(connection, stored.id, status=status, owner=owner) if status or owner else everything
    shown = (Status.IN_PROGRESS, Status.COMPLETED, Status.FAILED)
    return Overview(stored.name, {each: sum(row.status is each for row in everything) for each in shown}, rows)


def shape(row: Listed, sequence: str) -> dict[str, Any]:
    """An item's run as JSON."""
    completed = row.status is Status.COMPLETED
    return {
        "id": row.id,
        "flow": sequence,
        "item": row.item,
        "title": row.title,
        "owner": row.owner,
        "status": row.status.value,
        "step": row.node,
        "reason": row.reason,
        "began_at": row.began_at,
        "enrolled_by": row.enrolled_by,
        "completed_at": row.ended_at if completed else None,
        "completed_by": (row.ended_by or None) if completed else None,
        "ended_at": row.ended_at,
        "ended_by": row.ended_by or None,
    }


def preview(context: Context, name: str, item: Item) -> list[StepShown]:
    """Each step as it would be for an item now; nothing is stored.

    A letter that could not be sent says why instead: the variable that has no value, no address, no such sender.

    Raises:
        NotFound: no such sequence.
        Refused: the item is of another kind than the sequence is for, or not there any more.
    """
    with context.db.read() as connection:
        stored = flows.find(connection, name, sequences.KINDS)
        subject = subjects_of(connection, stored, [item])[item]
        definition = sequences.definition(connection, context, stored)
        before: list[Written] = []
        shown = []
        for number, step in enumerate(definition.steps, 1):
            if isinstance(step, ActivityStep):
                words = (step.activity, step.priority and f"priority {step.priority}", step.assignee, step.note)
                shown.append(StepShown(number, "activity", step.after, what=", ".join(filter(None, words))))
                continue
            found = _letter(connection, context, stored, subject, step, before, number)
            shown.append(found)
            if found.subject is not None:
                before.append(Written("", found.subject))
    return shown


def candidates(context: Context, name: str, search: str) -> list[tuple[int, str]]:
    """Deals or leads whose title holds ``search`` and that are not inside: the first twenty, each with id and title.

    Raises:
        NotFound: no such sequence.
    """
    with context.db.read() as connection:
        stored = flows.find(connection, name, sequences.KINDS)
        inside = {row.item for row in items.listed(connection, stored.id, status=Status.IN_PROGRESS)}
        table = deal if stored.item == "deal" else lead
        query = deals.ids(status="open", search=search) if stored.item == "deal" else leads.ids(search=search)
        found = select(table.c.id, table.c.title).where(table.c.id.in_(query.order_by(None)))
        rows = connection.execute(found.order_by(table.c.title, table.c.id).limit(_FOUND + len(inside)))
        return [(row.id, row.title) for row in rows if f"{stored.item}:{row.id}" not in inside][:_FOUND]


def _letter(
    connection: Connection,
    context: Context,
    stored: StoredFlow,
    subject: Subject,
    step: DraftStep | EmailStep,
    before: Sequence[Written],
    number: int,
) -> StepShown:
    kind = "email" if isinstance(step, EmailStep) else "draft"
    try:
        writer = who.meant(connection, subject, step.sender, stored.owner)
        if writer is None:
            raise Refused("nobody to write in whose name; give the sequence an owner, or the step a sender")
        draft = writing.draft_of(
            connection,
            context.config,
            writing.template_of(connection, context.blobs, asdict(step)),
            subject,
            sender=writer,
            owner=stored.owner,
            recipient=step.recipient,
            before=before if step.in_thread else (),
        )
    except MailcrmError as error:
        return StepShown(number, kind, step.after, problem=str(error))
    letter = draft.letter
    return StepShown(number, kind, step.after, draft.sender.email, draft.recipient, letter.subject, letter.text)
