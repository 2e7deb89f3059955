"""Activities planned and done: ``activity.create``, ``activity.complete``."""

from __future__ import annotations

from datetime import UTC, datetime

from mailcrm.builtin import who, whom
from mailcrm.builtin.hands import Hands, Outcome, Writer
from mailcrm.builtin.scripts import script
from mailcrm.core import spans
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.given import text
from mailcrm.errors import Refused
from mailcrm.store import activities, deals, leads, users
from mailcrm.store.activities import About, AnyRow

PRIORITIES = ("low", "normal", "high")
MEETING = "meeting"
"""The type of activity whose planning is told as ``meeting.scheduled``."""


def create(
    writer: Writer,
    kind: str,
    about: About,
    *,
    created_by: str,
    due: datetime | None = None,
    assignee: int | None = None,
    priority: str | None = None,
    note: str | None = None,
) -> int:
    """Plan an activity of any type (DATA-14); gives its id. ``due`` is aware, ``priority`` one of ``PRIORITIES``.

    Raises:
        Refused: no type, or a priority that is none.
    """
    number = activities.add(
        writer.connection,
        type_(kind),
        about,
        writer.now,
        created_by=created_by,
        due=due,
        assignee=assignee,
        priority=priority_(priority),
        text=note or None,
    )
    scheduled(writer, number, before="")
    return number


def complete(writer: Writer, row: AnyRow) -> bool:
    """Mark an activity done; False if it was."""
    if row.done_at is not None:
        return False
    activities.change(writer.connection, row.id, done_at=writer.now)
    writer.emit("activity.done", {"activity": row.id, "type": row.type}, _person(writer, row))
    return True


def scheduled(writer: Writer, number: int, *, before: str) -> None:
    """Tell of a meeting that is one now; ``before``: the type that the activity had."""
    row = activities.rows(writer.connection, [number])[number]
    if row.type.casefold() == MEETING and before.casefold() != MEETING and row.done_at is None:
        writer.emit("meeting.scheduled", {"activity": number, "type": row.type}, _person(writer, row))


def type_(given: str) -> str:
    """A type of activity: any word. Raises Refused if it is empty or longer than 50 characters."""
    found = text(given, "the type")
    if len(found) > 50:
        raise Refused(f"the type {found[:20]!r}… is longer than 50 characters; put the rest into the note")
    return found


def priority_(given: str | None) -> str | None:
    """A priority, or none. Raises Refused."""
    if given and given not in PRIORITIES:
        raise Refused(f"{given!r} is no priority; it is one of {', '.join(PRIORITIES)}")
    return given or None


def activity_create(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``activity.create {activity, due, assignee, priority, note}``; ``due``: a span from the step on, else at once.

    Of a campaign one for each member, with the telephone numbers and what ``template`` says is to be said (CAMP-10).
    """
    whom.once(hands, subject, lambda: f"activity:{_create(hands, effect, subject)}")
    return Outcome.DONE


def _create(hands: Hands, effect: Effect, subject: Subject) -> int:
    assignee = who.user(hands, effect, subject, who.optional(effect, "assignee"))
    found = whom.recipient(hands.connection, subject)
    if found is None:
        about = About(person_id=subject.person, deal_id=subject.deal, lead_id=subject.lead)
        note = who.optional(effect, "note")
    else:
        about = About(found.person, found.organization, lead_id=found.lead)
        note = script(hands, effect, subject, assignee)
    return create(
        hands,
        effect.args["activity"],
        about,
        created_by=who.run(effect),
        due=_due(hands, effect, assignee),
        assignee=assignee,
        priority=who.optional(effect, "priority"),
        note=note,
    )


def activity_complete(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``activity.complete {activity}``: the subject's open ones of that type; without one, those this run planned."""
    kind = who.optional(effect, "activity")
    numbers = hands.connection.execute(activities.ids(scope=who.scope(subject), done=False)).scalars()
    for row in activities.rows(hands.connection, numbers).values():
        if row.created_by == who.run(effect) if kind is None else row.type.casefold() == kind.casefold():
            complete(hands, row)
    return Outcome.DONE


def _due(hands: Hands, effect: Effect, assignee: int | None) -> datetime:
    """By the clock of him who is to do it, and in his working hours."""
    span = who.optional(effect, "due") or "0m"
    keys = {each.id: each.key for each in users.every(hands.connection)}
    user = hands.config.users.get(keys.get(assignee or 0, ""))
    if user is None:
        return spans.after(effect.at, span, UTC)
    due, hours = spans.after(effect.at, span, user.zone), user.hours()
    return hours.opening(due) if hours else due


def _person(writer: Writer, row: AnyRow) -> int | None:
    """Whose it is; a deal's activity is also its person's (DATA-11)."""
    number: int | None = row.person_id
    if number is None and row.deal_id is not None:
        number = deals.rows(writer.connection, [row.deal_id])[row.deal_id].person_id
    if number is None and row.lead_id is not None:
        number = leads.rows(writer.connection, [row.lead_id])[row.lead_id].person_id
    return number
