"""What the commands of records share: who acts, what is meant, and how it is listed and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer
from sqlalchemy import Connection, Select, Table, select

from mailcrm.app.acting import Actor, viewer
from mailcrm.app.context import Context
from mailcrm.cli.context import actor, context, time_zone
from mailcrm.cli.output import confirm, emit, emit_one, emit_section, mapping
from mailcrm.errors import Refused
from mailcrm.store import find, users
from mailcrm.store.activities import About
from mailcrm.store.db import slices
from mailcrm.store.scope import Noun, Scope
from mailcrm.store.tables import deal, lead, organization, person
from mailcrm.store.visible import Viewer

Shape = Callable[[Connection, Sequence[int]], Sequence[object]]
_FIND: Mapping[str, Callable[[Connection, str], int]] = {
    "person": find.person_id,
    "organization": find.organization_id,
    "deal": find.deal_id,
    "lead": find.lead_id,
    "activity": find.activity_id,
    "note": find.note_id,
}
_NAMED = {
    "person": (person, person.c.name),
    "organization": (organization, organization.c.name),
    "deal": (deal, deal.c.title),
    "lead": (lead, lead.c.title),
}


@dataclass(frozen=True, slots=True)
class Desk:
    """A command at work: the parts it needs and who acts."""

    context: Context
    actor: Actor
    ctx: typer.Context

    @property
    def viewer(self) -> Viewer:
        """What of the mail the acting user may see."""
        return viewer(self.context.config, self.actor)

    def find(self, noun: str, given: str) -> int:
        """The id of the record that is meant. Raises NotFound or Refused (several)."""
        with self.context.db.read() as connection:
            return _FIND[noun](connection, given)

    def maybe(self, noun: str, given: str | None) -> int | None:
        """As ``find``; None where nothing was given, 0 where "" was, which clears a reference."""
        return (self.find(noun, given) if given else 0) if given is not None else None

    def user(self, given: str | None) -> int | None:
        """A user's id; None where nobody was given, 0 where "" was. Raises NotFound."""
        if not given:
            return None if given is None else 0
        with self.context.db.read() as connection:
            return users.find(connection, given).id

    def about(self, person: str | None, org: str | None, deal: str | None, lead: str | None) -> About:
        """The records that options name."""
        return About(
            person_id=self.maybe("person", person),
            organization_id=self.maybe("organization", org),
            deal_id=self.maybe("deal", deal),
            lead_id=self.maybe("lead", lead),
        )

    def scope(self, person: str | None, org: str | None, deal: str | None, lead: str | None) -> Scope | None:
        """The one record that options name, if any. Raises Refused where they name several."""
        options: list[tuple[Noun, str | None]] = [
            ("person", person),
            ("organization", org),
            ("deal", deal),
            ("lead", lead),
        ]
        given = [(noun, name) for noun, name in options if name]
        if len(given) > 1:
            raise Refused("name one record: a person, an organization, a deal or a lead")
        return Scope(given[0][0], self.find(*given[0])) if given else None

    def time(self, given: str | None) -> datetime | None:
        """A time as ISO 8601; without a zone it is the acting user's. Raises Refused."""
        if not given:
            return None
        try:
            found = datetime.fromisoformat(given)
        except ValueError:
            raise Refused(f"{given!r} is no time; write it as 2026-03-01T09:00 (ISO 8601)") from None
        return found if found.tzinfo else found.replace(tzinfo=time_zone(self.ctx))

    def merge(self, noun: str, verb: Callable[[Context, int, int], None], keep: str, gone: str, yes: bool) -> int:
        """Make two records one, asking first unless ``yes``. Gives the id of the one that stays."""
        one, two = self.find(noun, keep), self.find(noun, gone)
        confirm(f"Merge {noun} {two} into {noun} {one}", yes, final=False)
        verb(self.context, one, two)
        return one

    def remove(self, noun: str, verb: Callable[[Context, int], None], given: str, yes: bool) -> None:
        """Take a record out of every list, asking first unless ``yes``."""
        number = self.find(noun, given)
        confirm(f"Remove {noun} {number}", yes, final=False)
        verb(self.context, number)

    def list(self, query: Select[int], shape: Shape, as_json: bool, columns: Sequence[str]) -> None:
        """Print the records whose ids ``query`` yields; in the table, other records stand by name."""
        with self.context.db.read() as connection:
            rows = self._rows(connection, query, shape)
            emit(rows if as_json else _by_name(connection, rows), as_json, columns)

    def show(self, page: Callable[[Connection], object], as_json: bool) -> None:
        """Print one record with what belongs to it."""
        with self.context.db.read() as connection:
            found = page(connection)
            if as_json:
                emit_one(found, as_json=True)
                return
            values = mapping(found)
            emit_one({name: value for name, value in values.items() if not _is_section(value)}, as_json=False)
            for name, value in values.items():
                if value and _is_section(value):
                    rows = value if isinstance(value, list) else [value]
                    emit_section(name, list(_by_name(connection, rows)))

    def _rows(self, connection: Connection, query: Select[int], shape: Shape) -> Iterator[object]:
        for piece in slices(list(connection.execute(query).scalars())):
            yield from shape(connection, piece)


def desk(ctx: typer.Context) -> Desk:
    """The desk of this command line."""
    return Desk(context(ctx), actor(ctx), ctx)


def done(desk_: Desk, number: int, as_json: bool, shape: Shape) -> None:
    """Print what was made or changed: its id, or the record as JSON."""
    if not as_json:
        typer.echo(str(number))
        return
    with desk_.context.db.read() as connection:
        emit(shape(connection, [number]), as_json=True, columns=())


def _is_section(value: object) -> bool:
    return (isinstance(value, list) and any(isinstance(item, Mapping) for item in value)) or (
        isinstance(value, Mapping) and "id" in value
    )


def _by_name(connection: Connection, rows: Iterable[object]) -> Iterator[dict[str, Any]]:
    """The rows, ids of other records replaced by their names."""
    for piece in slices(rows):
        values = [dict(mapping(row)) for row in piece]
        for key, (table, name) in _NAMED.items():
            wanted = {row[key] for row in values if isinstance(row.get(key), int)}
            names = _names(connection, table, name, wanted) if wanted else {}
            for row in values:
                if row.get(key) in names:
                    row[key] = names[row[key]]
        yield from values


def _names(connection: Connection, table: Table, name: Any, ids: Iterable[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for piece in slices(ids):
        found |= {row[0]: row[1] for row in connection.execute(select(table.c.id, name).where(table.c.id.in_(piece)))}
    return found
