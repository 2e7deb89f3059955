"""Activities and notes: add, edit, do, remove."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.records import writing
from mailcrm.builtin import activities as making
from mailcrm.builtin.activities import priority_, type_
from mailcrm.errors import Refused
from mailcrm.store import activities
from mailcrm.store.activities import About


@dataclass(frozen=True, slots=True)
class ActivityEdit:
    """What is to change of an activity; None leaves a thing as it is, "" or 0 clears it. ``due`` is aware."""

    type: str | None = None
    due: datetime | None = None
    assignee: int | None = None
    priority: str | None = None
    note: str | None = None


def add(
    context: Context,
    actor: Actor,
    kind: str,
    about: About,
    *,
    due: datetime | None = None,
    assignee: int | None = None,
    priority: str | None = None,
    note: str | None = None,
) -> int:
    """Plan an activity of any type (DATA-14). Without ``assignee`` it is the actor's.

    Args:
        due: aware.
        priority: one of ``PRIORITIES``.

    Raises:
        Refused: no type, or a priority that is none.
    """
    with context.db.write() as connection:
        number = making.create(
            writing(connection, context, actor),
            kind,
            about,
            created_by=actor.source,
            due=due,
            assignee=assignee if assignee is not None else actor.id,
            priority=priority,
            note=note,
        )
    context.changed()
    return number


def edit(context: Context, actor: Actor, number: int, change: ActivityEdit, about: About) -> None:
    """Change an activity; of ``about``, what is set. Raises Refused as ``add``."""
    values = {
        "type": type_(change.type) if change.type is not None else None,
        "due": change.due,
        "assignee_id": change.assignee,
        "priority": priority_(change.priority) if change.priority else change.priority,
        "note": change.note,
        **asdict(about),
    }
    with context.db.write() as connection:
        changed = {name: value or None for name, value in values.items() if value is not None}
        before = activities.rows(connection, [number])[number].type
        activities.change(connection, number, **changed)
        making.scheduled(writing(connection, context, actor), number, before=before)
    context.changed()


def done(context: Context, actor: Actor, number: int) -> bool:
    """Mark an activity done; False if it was."""
    with context.db.write() as connection:
        row = activities.rows(connection, [number])[number]
        done_now = making.complete(writing(connection, context, actor), row)
    context.changed()
    return done_now


def merge(context: Context, keep: int, gone: int) -> None:
    """Make two activities one: what the first lacks it takes from the second. Raises Refused if they are the same."""
    _refuse_same(keep, gone, "activity")
    with context.db.write() as connection:
        rows = activities.rows(connection, [keep, gone])
        missing = {
            name: getattr(rows[gone], name)
            for name in ("due", "assignee_id", "priority", "person_id", "organization_id", "deal_id", "lead_id")
            if getattr(rows[keep], name) is None
        }
        words = [row.note for row in (rows[keep], rows[gone]) if row.note]
        activities.change(connection, keep, **missing, note="\n".join(dict.fromkeys(words)) or None)
        activities.change(connection, gone, removed_at=context.clock())


def remove(context: Context, number: int) -> None:
    """Take an activity out of every list."""
    with context.db.write() as connection:
        activities.change(connection, number, removed_at=context.clock())


def add_note(context: Context, actor: Actor, words: str, about: About) -> int:
    """Write a note about records. Raises Refused if it is empty or about nothing."""
    if about == About():
        raise Refused("a note is about something; say --person, --org, --deal or --lead")
    with context.db.write() as connection:
        return activities.add_note(connection, _words(words), about, context.clock(), author=actor.id)


def edit_note(context: Context, number: int, words: str) -> None:
    """Change a note's text. Raises Refused if it is empty."""
    with context.db.write() as connection:
        activities.change_note(connection, number, text=_words(words))


def merge_notes(context: Context, keep: int, gone: int) -> None:
    """Put the text of the second note under that of the first. Raises Refused if they are the same."""
    _refuse_same(keep, gone, "note")
    with context.db.write() as connection:
        rows = activities.note_rows(connection, [keep, gone])
        activities.change_note(connection, keep, text=f"{rows[keep].text}\n\n{rows[gone].text}")
        activities.change_note(connection, gone, removed_at=context.clock())


def remove_note(context: Context, number: int) -> None:
    """Take a note out of every list."""
    with context.db.write() as connection:
        activities.change_note(connection, number, removed_at=context.clock())


def _words(given: str) -> str:
    found = given.replace("\0", "").strip()
    if not found:
        raise Refused("the note is empty; write something")
    return found


def _refuse_same(keep: int, gone: int, noun: str) -> None:
    if keep == gone:
        raise Refused(f"{noun} {keep} can't be merged with itself; name another")
