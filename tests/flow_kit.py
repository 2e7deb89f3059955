"""Flows on a real store for tests: apply a definition, let things happen, let time pass."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from mailcrm.app import machine
from mailcrm.app.context import Context
from mailcrm.app.flow_book import FlowBook
from mailcrm.builtin.changes import CHANGES
from mailcrm.builtin.hands import Change, Hands, Outcome
from mailcrm.core.definitions import SequenceDefinition, WorkflowDefinition, parse
from mailcrm.core.enrollment import Effect, Enrollment, Step, Subject
from mailcrm.core.flow import FlowKind
from mailcrm.core.registry import ActionType
from mailcrm.core.spans import exact
from mailcrm.errors import Permanent
from mailcrm.store import enrollments, events, flows, people, steps, tags
from mailcrm.store.db import Database
from mailcrm.store.events import NewEvent
from mailcrm.store.flows import NewFlow
from mailcrm.store.people import NewPerson
from mailcrm.store.tables import effect, enrollment
from tests import house

START = house.NOW


def boom(hands: Hands, wanted: Effect, subject: Subject) -> Outcome:
    """Fails in the way that it is told to, after it has changed something."""
    assert subject.person is not None
    tags.add(hands.connection, "half done", subject.person, hands.now)
    if wanted.args["how"] == "refused":
        raise Permanent("no such luck")
    raise RuntimeError("a fault")


def count(hands: Hands, wanted: Effect, subject: Subject) -> Outcome:
    """Leaves a tag for each time that it is done."""
    assert subject.person is not None
    tags.add(hands.connection, f"did {wanted.key}", subject.person, hands.now)
    return Outcome.DONE


async def outside(hands: Any, wanted: Effect) -> None:
    """Leaves an event, one however often it is done."""
    hands.emit("link.clicked", {"message": wanted.key})


TESTED: Mapping[str, Change] = {**CHANGES, "boom": boom, "count": count}
_ACTIONS = {
    action.name: action
    for action in (
        ActionType("boom", {"how": str}),
        ActionType("count", {}),
        ActionType("outside", {}, run=outside),
    )
}


class Story:
    """A context whose clock the test moves, and shortcuts to what it does and sees."""

    def __init__(self, database: Database, folder: Path, **settings: Any) -> None:
        self.now = START
        built = house.build(database, folder, **settings)
        known = replace(built.registry, actions={**built.registry.actions, **_ACTIONS})
        self.context: Context = replace(
            built, registry=known, flows=FlowBook(known, built.config), clock=lambda: self.now
        )
        self.db = database

    def flow(self, text: str, *, active: bool = True) -> int:
        """Apply a definition, as new or as a new version; gives the flow's id."""
        definition = parse(text, "test.toml", self.context.registry)
        sequence = isinstance(definition, SequenceDefinition)
        kind = (
            FlowKind.SEQUENCE
            if sequence
            else FlowKind.WORKFLOW
            if isinstance(definition, WorkflowDefinition)
            else FlowKind.RULE
        )
        item = definition.items[:-1] if isinstance(definition, SequenceDefinition) else "person"
        with self.db.write() as connection:
            new = NewFlow(kind, definition.name, item, 1, text)
            stored = flows.search(connection, definition.name)
            if stored is None:
                number = flows.add(connection, new, "user:anna", self.now)
                if active:
                    flows.activate(connection, number, self.now)
            else:
                number = stored.id
                flows.add_version(connection, number, new, "user:anna", self.now)
            self.context.flows.publish(connection, self.now)
        return number

    def person(self, name: str = "Ewa", **more: Any) -> int:
        with self.db.write() as connection:
            return people.add(connection, NewPerson(name, "test", **more), self.now)

    def emit(self, kind: str, person: int, *, at: datetime | None = None, **data: Any) -> None:
        """Store an event; nobody reacts yet."""
        row = NewEvent(kind, secrets.token_hex(8), person, at or self.now, "test", data)
        with self.db.write() as connection:
            events.record(connection, row, (), self.now)

    def tagged(self, person: int, tag: str, *, at: datetime | None = None) -> None:
        self.emit("tag.added", person, at=at, tag=tag)

    def run(self, limit: int = 500, changes: Mapping[str, Change] = TESTED) -> int:
        """Rounds until nothing is due; gives how many stimuli were taken."""
        stimuli = 0
        for _ in range(200):
            ran = machine.run_due(self.context, limit, changes)
            stimuli += ran.stimuli
            if not ran.more and not ran.stimuli:
                return stimuli
        raise AssertionError("does not come to rest")

    def later(self, *spans: str) -> None:
        """Time passes, and everything that is due by then is done."""
        for span in spans:
            self.now += exact(span)
            self.run()

    def react(self, kind: str, person: int, **data: Any) -> None:
        self.emit(kind, person, **data)
        self.run()

    # -- what came of it

    def runs(self, flow: int, person: int | None = None) -> list[Any]:
        """The rows of enrollments, the oldest first."""
        query = select(enrollment).where(enrollment.c.flow_id == flow).order_by(enrollment.c.id)
        if person is not None:
            query = query.where(enrollment.c.person_id == person)
        with self.db.read() as connection:
            return list(connection.execute(query))

    def statuses(self, flow: int) -> list[str]:
        return [row.status for row in self.runs(flow)]

    def live(self, flow: int, person: int) -> Enrollment | None:
        with self.db.read() as connection:
            found = [each for each in enrollments.inside(connection, [person]) if each.flow == flow]
        return found[0] if found else None

    def at(self, flow: int, person: int) -> list[str]:
        """The nodes on which somebody stands."""
        found = self.live(flow, person)
        return sorted(token.node for token in found.tokens) if found else []

    def trace(self, flow: int, person: int) -> list[Step]:
        """The steps of the last run."""
        with self.db.read() as connection:
            return steps.of(connection, self.runs(flow, person)[-1].id)

    def tags(self, person: int) -> list[str]:
        with self.db.read() as connection:
            return tags.of(connection, [person]).get(person, [])

    def effects(self) -> list[tuple[str, str, bool]]:
        """Name, state and whether its end was told, of every effect."""
        with self.db.read() as connection:
            return [(row.name, row.state, row.told) for row in connection.execute(select(effect).order_by(effect.c.id))]

    def asked(self) -> list[str]:
        with self.db.read() as connection:
            return list(connection.execute(select(effect.c.key).order_by(effect.c.id)).scalars())
