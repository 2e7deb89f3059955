"""Activities and notes: add, edit, do, remove."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.records import tell, text
from mailcrm.errors import Refused
from mailcrm.store import activities, deals
from mailcrm.store.activities import About

PRIORITIES = ("low", "normal", "high")


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
        number = activities.add(
            connection,
            _type(kind),
            about,
            context.clock(),
            created_by=actor.source,
            due=due,
            assignee=assignee if assignee is not None else actor.id,
            priority=_priority(priority),
            text=note or None,
        )
    context.changed()
    return number


def edit(context: Context, number: int, change: ActivityEdit, about: About) -> None:
    """Change an activity; of ``about``, what is set. Raises Refused as ``add``."""
    values = {
        "type": _type(change.type) if change.type is not None else None,
        "due": change.due,
        "assignee_id": change.assignee,
        "priority": _priority(change.priority) if change.priority else change.priority,
        "note": change.note,
        **asdict(about),
    }
    with context.db.write() as connection:
        changed = {name: value or None for name, value in values.items() if value is not None}
        activities.change(connection, number, **changed)
    context.changed()


def done(context: Context, actor: Actor, number: int) -> bool:
    """Mark an activity done; False if it was."""
    now = context.clock()
    with context.db.write() as connection:
        row = activities.rows(connection, [number])[number]
        if row.done_at is not None:
            return False
        activities.change(connection, number, done_at=now)
        person = row.person_id
        if person is None and row.deal_id is not None:  # a deal's activity is also its person's (DATA-11)
            person = deals.rows(connection, [row.deal_id])[row.deal_id].person_id
        tell(connection, context, actor, "activity.done", person, now, activity=number, type=row.type)
    context.changed()
    return True


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


def _type(given: str) -> str:
    found = text(given, "the type")
    if len(found) > 50:
        raise Refused(f"the type {found[:20]!r}… is longer than 50 characters; put the rest into the note")
    return found


def _priority(given: str | None) -> str | None:
    if given and given not in PRIORITIES:
        raise Refused(f"{given!r} is no priority; it is one of {', '.join(PRIORITIES)}")
    return given


def _words(given: str) -> str:
    found = given.replace("\0", "").strip()
    if not found:
        raise Refused("the note is empty; write something")
    return found


def _refuse_same(keep: int, gone: int, noun: str) -> None:
    if keep == gone:
        raise Refused(f"{noun} {keep} can't be merged with itself; name another")
