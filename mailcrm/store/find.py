"""A record by what a human calls it: its id, its name, its e-mail address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, or_, select

from mailcrm.core.addresses import normalise
from mailcrm.errors import NotFound, Refused
from mailcrm.store.tables import (
    activity,
    deal,
    lead,
    note,
    organization,
    organization_address,
    organization_domain,
    person,
    person_address,
    pipeline,
    stage,
)

_SHOWN = 8


def person_id(connection: Connection, given: str) -> int:
    """The person with this id, address or name.

    Raises:
        NotFound: nobody, or removed.
        Refused: several; the text lists them.
    """
    address = normalise(given)
    if address:
        query = (
            select(person_address.c.person_id)
            .join(person, person.c.id == person_address.c.person_id)
            .where(person_address.c.address == address, person.c.removed_at.is_(None))
            .order_by(person_address.c.valid_to.is_not(None), person_address.c.valid_to.desc())
            .limit(1)
        )
        found = connection.execute(query).scalar()
        if found is None:
            raise NotFound(f"no person with the address {address}; `mailcrm person add --name N --email {address}`")
        return int(found)
    return _find(connection, person, "person", given, person.c.name, _emails)


def organization_id(connection: Connection, given: str) -> int:
    """The organization with this id, address, domain or name. Raises as ``person_id``."""
    address = normalise(given)
    if address:
        query = select(organization_address.c.organization_id).where(organization_address.c.address == address)
        found = connection.execute(query).scalar()
        if found is None:
            raise NotFound(f"no organization has the address {address}; see `mailcrm org list`")
        return int(found)
    domain = given.casefold()
    found = connection.execute(
        select(organization_domain.c.organization_id).where(organization_domain.c.domain == domain)
    ).scalar()
    if found is not None:
        return int(found)
    return _find(connection, organization, "organization", given, organization.c.name, _nothing)


def deal_id(connection: Connection, given: str) -> int:
    """The deal with this id or title. Raises as ``person_id``."""
    return _find(connection, deal, "deal", given, deal.c.title, _nothing)


def lead_id(connection: Connection, given: str) -> int:
    """The lead with this id or title. Raises as ``person_id``."""
    return _find(connection, lead, "lead", given, lead.c.title, _nothing)


def activity_id(connection: Connection, given: str) -> int:
    """The activity with this id. Raises NotFound."""
    return _find(connection, activity, "activity", given, None, _nothing)


def note_id(connection: Connection, given: str) -> int:
    """The note with this id. Raises NotFound."""
    return _find(connection, note, "note", given, None, _nothing)


def stage_id(connection: Connection, given: str, pipeline_id: int | None = None) -> int:
    """The stage of this name, in one pipeline or in the only one that has it; ``Pipeline/Stage`` says which.

    Raises:
        NotFound: there is none; the text lists the stages.
        Refused: several pipelines have one.
    """
    wanted_pipeline, _, wanted = given.rpartition("/")
    query = (
        select(stage.c.id, stage.c.name, pipeline.c.id, pipeline.c.name)
        .join(pipeline, pipeline.c.id == stage.c.pipeline_id)
        .where(stage.c.removed_at.is_(None))
        .order_by(pipeline.c.id, stage.c.position)
    )
    rows = [tuple(row) for row in connection.execute(query)]
    same = [row for row in rows if row[1].casefold() == (wanted or given).casefold() or row[1] == given]
    if wanted_pipeline:
        same = [row for row in same if row[3].casefold() == wanted_pipeline.casefold()] or same
    if pipeline_id is not None:
        same = [row for row in same if row[2] == pipeline_id] or same
    if not same:
        known = ", ".join(f"{row[3]}/{row[1]}" for row in rows) or "none; `mailcrm db upgrade` makes a first pipeline"
        raise NotFound(f"no stage {given!r}; stages are: {known}")
    if len(same) > 1:
        raise Refused(
            f"{given!r} is a stage of several pipelines; say one of: {_list([f'{r[3]}/{r[1]}' for r in same])}"
        )
    return int(same[0][0])


def _find(
    connection: Connection,
    table: Table,
    noun: str,
    given: str,
    name: ColumnElement[str] | None,
    about: Callable[[Connection, list[int]], dict[int, str]],
) -> int:
    given = given.strip()
    digits = given.removeprefix(f"{noun}:")
    if digits.isascii() and digits.isdigit() and len(digits) < 19:
        return _by_id(connection, table, noun, int(digits))
    if name is None:
        raise NotFound(f"no {noun} {given!r}; {noun}s go by their number")
    alive = select(table.c.id, name.label("name")).where(table.c.removed_at.is_(None)).order_by(table.c.id)
    rows = connection.execute(alive.where(name == given).limit(_SHOWN + 1)).all()
    if not rows:  # SQLite folds ASCII letters alone, so an accented capital has to be typed as it is stored
        rows = connection.execute(alive.where(func.lower(name) == given.lower()).limit(_SHOWN + 1)).all()
    if len(rows) == 1:
        return int(rows[0].id)
    if rows:
        extra = about(connection, [row.id for row in rows])
        candidates = _list([f"{row.id} {row.name} {extra.get(row.id, '')}".strip() for row in rows])
        raise Refused(f"{given!r} may be several {noun}s; say the number of one: {candidates}")
    words = [name.ilike(f"%{word}%", escape="\\") for word in map(_escaped, given.split()[:5])]
    near = connection.execute(alive.where(or_(*words)).limit(_SHOWN + 1)).all() if words else []
    option = "name" if table in (person, organization) else "title"
    make = f"`mailcrm {'org' if noun == 'organization' else noun} add --{option} {given!r}` makes one"
    hint = f"like it are: {_list([f'{row.id} {row.name}' for row in near])}" if near else make
    raise NotFound(f"no {noun} {given!r}; {hint}")


def _by_id(connection: Connection, table: Table, noun: str, number: int) -> int:
    """The id itself, or that of the record it was merged into."""
    merged = table.c.merged_into if "merged_into" in table.c else None
    columns: list[Any] = [table.c.removed_at] if merged is None else [table.c.removed_at, merged]
    while True:
        row = connection.execute(select(*columns).where(table.c.id == number)).one_or_none()
        if row is None:
            command = "org" if noun == "organization" else noun
            raise NotFound(f"no {noun} {number}; `mailcrm {command} list` shows them")
        if len(row) > 1 and row[1] is not None:
            number = row[1]
        elif row[0] is not None:
            raise NotFound(f"{noun} {number} was removed on {row[0]:%Y-%m-%d}")
        else:
            return number


def _emails(connection: Connection, ids: list[int]) -> dict[int, str]:
    query = select(person_address.c.person_id, person_address.c.address).where(
        person_address.c.person_id.in_(ids), person_address.c.valid_to.is_(None), person_address.c.is_primary
    )
    return {row[0]: f"<{row[1]}>" for row in connection.execute(query)}


def _nothing(connection: Connection, ids: list[int]) -> dict[int, str]:  # noqa: ARG001 - one of several of a kind
    return {}


def _escaped(word: str) -> str:
    return word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _list(names: list[str]) -> str:
    more = ", …" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
