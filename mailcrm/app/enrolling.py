"""Items of sequences: enroll, complete, take out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from mailcrm.app import consent_by_mail, machine, sequences
from mailcrm.app.acting import Actor, may
from mailcrm.app.context import Context
from mailcrm.core.definitions import ActivityStep
from mailcrm.core.enrollment import Status, Stop, Subject
from mailcrm.errors import Refused
from mailcrm.store import deals, enrollments, flows, items, leads, people
from mailcrm.store.enrollments import subject_key
from mailcrm.store.flows import StoredFlow


@dataclass(frozen=True, slots=True)
class Item:
    """A deal or lead, by id."""

    noun: Literal["deal", "lead"]
    id: int

    def __str__(self) -> str:
        return f"{self.noun} {self.id}"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What enrolling did.

    Args:
        items: those that were put in; ``left_out``: the others, each with the reason.
        warnings: what will fail later, unless somebody does something (A4).
    """

    items: tuple[Item, ...]
    left_out: Mapping[Item, str]
    warnings: tuple[str, ...]


def enroll(context: Context, actor: Actor, name: str, chosen: Sequence[Item]) -> Enrolled:
    """Put deals or leads into a sequence, all or none. Others in whose name it sends are asked for consent by mail.

    Raises:
        NotFound: no such sequence, deal or lead.
        Refused: several items without the permission ``bulk`` (SEQ-30), items of another kind, a sequence without
            steps or without room.
    """
    wanted = list(dict.fromkeys(chosen))
    if not wanted:
        raise Refused("nothing to enroll; name a deal or lead")
    if len(wanted) > 1 and not may(context.config, actor, "bulk"):
        raise Refused("enrolling several at once needs the permission bulk; see users.permissions in config.toml")
    now = context.clock()
    with context.db.write() as connection:
        stored = flows.find(connection, name, sequences.KINDS)
        subjects = subjects_of(connection, stored, wanted)
        entered = machine.enter(context, connection, stored.id, list(subjects.values()), by=actor.source, at=now)
        warnings = _warnings(connection, context, stored, subjects)
        if actor.user is not None:  # the operator asks when he wants to: `mailcrm consent ask`
            consent_by_mail.ask_lacking(connection, context, stored, actor)
    context.changed()
    found = dict(zip(subjects, entered, strict=True))
    inside = tuple(item for item, each in found.items() if each.enrollment is not None)
    return Enrolled(inside, {item: each.why_not for item, each in found.items() if item not in inside}, tuple(warnings))


def complete(context: Context, actor: Actor, name: str, chosen: Sequence[Item], reason: str = "") -> None:
    """Mark runs completed, for good: what is to come is cancelled (SEQ-37). The caller has asked (SEQ-39).

    Args:
        reason: replied on another channel, won outside of the flow, asked to stop … (SEQ-42).

    Raises:
        NotFound: no such sequence or item.
        Refused: one is not in progress (SEQ-38): then none is marked.
    """
    _end(context, actor, name, chosen, Status.COMPLETED, reason or "marked completed")


def leave(context: Context, actor: Actor, name: str, chosen: Sequence[Item], reason: str = "") -> None:
    """Take items out of a sequence (A5): what is to come is cancelled, and their place is free again.

    Raises:
        NotFound: no such sequence or item.
        Refused: one was never in it: then none is taken out.
    """
    _end(context, actor, name, chosen, Status.REMOVED, reason or "taken out")


def subjects_of(connection: Connection, stored: StoredFlow, chosen: Sequence[Item]) -> Mapping[Item, Subject]:
    """The items with their persons.

    Raises:
        Refused: one is of another kind than the sequence is for (SEQ-3), or not there any more.
    """
    for item in chosen:
        if item.noun != stored.item:
            raise Refused(f"{stored.name!r} is for {stored.item}s, and {item} is none")
    ids = [item.id for item in chosen]
    rows = deals.rows(connection, ids) if stored.item == "deal" else leads.rows(connection, ids)
    gone = [str(item) for item in chosen if item.id not in rows or rows[item.id].removed_at is not None]
    if gone:
        raise Refused(f"there is no {', '.join(gone)} any more")
    return {item: _subject(item, rows[item.id].person_id) for item in chosen}


def _subject(item: Item, person: int | None = None) -> Subject:
    return Subject(person, deal=item.id) if item.noun == "deal" else Subject(person, lead=item.id)


def _end(context: Context, actor: Actor, name: str, wanted: Sequence[Item], status: Status, reason: str) -> None:
    now = context.clock()
    with context.db.write() as connection:
        stored = flows.find(connection, name, sequences.KINDS)
        found = enrollments.with_subjects(connection, stored.id, map(_subject, wanted))
        live = {subject_key(each.subject): each.id for each in found}
        over = [subject_key(_subject(item)) for item in wanted if subject_key(_subject(item)) not in live]
        was = items.ended(connection, stored.id, over)
        if over and (status is not Status.REMOVED or len(was) < len(over)):
            words = (f"{key.replace(':', ' ')} ({was[key].value if key in was else 'not there'})" for key in over)
            raise Refused(f"not in progress in {stored.name!r}: {', '.join(words)}")
        items.clear(connection, stored.id, over, now)
        machine.stop(context, connection, list(live.values()), Stop(status, reason, now, actor.source))
    context.changed()


def _warnings(
    connection: Connection, context: Context, stored: StoredFlow, subjects: Mapping[Item, Subject]
) -> list[str]:
    """What will fail later: mail without its sender's consent (A4), or without anybody to send it to."""
    definition = sequences.definition(connection, context, stored)
    found = sequences.lacking(connection, stored.id, definition, stored.owner)
    if all(isinstance(step, ActivityStep) for step in definition.steps):
        return found
    persons = [each.person for each in subjects.values() if each.person is not None]
    emails = people.emails(connection, persons)
    mute = [item for item, subject in subjects.items() if not emails.get(subject.person or 0)]
    return found + [f"{item} is with nobody who has an e-mail address, so its mail steps will fail" for item in mute]
