"""Templates of letters, by name. What is removed stays, out of every list; its name is free again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from mailcrm.core.nearest import nearest
from mailcrm.errors import NotFound
from mailcrm.store.tables import template


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a template, whose content lies among the files under its SHA-256.

    Args:
        cid: its Content-ID, without ``<>``.
        name: by which the HTML tells it.
        type: ``image/png`` and the like.
        size: in bytes.
    """

    cid: str
    name: str
    type: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class NewTemplate:
    """A template to be stored.

    Args:
        purpose: email | call | invoice | offer.
        language: ``pl``, ``en`` …; None: not said.
        subject, text, html: Liquid; no text: it is made from the HTML.
    """

    name: str
    purpose: str
    language: str | None
    subject: str
    text: str
    html: str | None = None
    images: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A template. ``changed_by``: ``user:anna``, ``command``."""

    id: int
    new: NewTemplate
    changed_at: datetime
    changed_by: str


def find(connection: Connection, given: str) -> StoredTemplate:
    """The template with this name or id. Raises NotFound; the text names a near one."""
    given = given.strip()
    found = named(connection, given)
    if found is None and given.isascii() and given.isdigit() and len(given) < 19:
        found = _one(connection, template.c.id == int(given))
    if found is None:
        raise _missing(connection, given)
    return found


def get(connection: Connection, name: str) -> StoredTemplate:
    """The template with exactly this name. Raises as ``find``."""
    found = named(connection, name)
    if found is None:
        raise _missing(connection, name)
    return found


def named(connection: Connection, name: str) -> StoredTemplate | None:
    """The template with exactly this name, or None."""
    row = connection.execute(_NAMED, {"name": name}).first()
    return _stored(row) if row else None


def every(connection: Connection) -> list[StoredTemplate]:
    """All templates, by name."""
    query = select(template).where(template.c.removed_at.is_(None)).order_by(template.c.name)
    return [_stored(row) for row in connection.execute(query)]


def put(connection: Connection, new: NewTemplate, by: str, now: datetime) -> int:
    """Store a template, in the place of one with its name; gives its id. ``by``: who (``user:anna``)."""
    values = {
        "purpose": new.purpose,
        "language": new.language,
        "subject": new.subject,
        "text": new.text,
        "html": new.html,
        "images": [
            {"cid": each.cid, "name": each.name, "type": each.type, "sha256": each.sha256, "size": each.size}
            for each in new.images
        ],
        "changed_at": now,
        "changed_by": by,
    }
    live = (template.c.name == new.name) & template.c.removed_at.is_(None)
    known = connection.execute(update(template).where(live).values(**values).returning(template.c.id)).scalar()
    if known is not None:
        return int(known)
    added = insert(template).values(name=new.name, created_at=now, **values).returning(template.c.id)
    return int(connection.execute(added).scalar_one())


def remove(connection: Connection, number: int, by: str, now: datetime) -> None:
    """Take a template out of every list; its name is free again."""
    values = {"removed_at": now, "changed_at": now, "changed_by": by}
    connection.execute(update(template).where(template.c.id == number).values(**values))


def shown(connection: Connection, files: Iterable[str]) -> set[str]:
    """Those of the files (SHA-256) that a template shows."""
    images = connection.execute(select(template.c.images).where(template.c.removed_at.is_(None))).scalars()
    return {image["sha256"] for each in images for image in each}.intersection(files)


_NAMED = select(template).where(template.c.name == bindparam("name"), template.c.removed_at.is_(None))


def _one(connection: Connection, which: ColumnElement[bool]) -> StoredTemplate | None:
    row = connection.execute(select(template).where(which, template.c.removed_at.is_(None))).first()
    return _stored(row) if row else None


def _stored(row: Any) -> StoredTemplate:
    images = tuple(Picture(**each) for each in row.images)
    new = NewTemplate(row.name, row.purpose, row.language, row.subject, row.text, row.html, images)
    return StoredTemplate(row.id, new, row.changed_at, row.changed_by)


def _missing(connection: Connection, given: str) -> NotFound:
    known = connection.execute(select(template.c.name).where(template.c.removed_at.is_(None))).scalars().all()
    mend = nearest(given, known, "templates") if known else "`mailcrm template apply FILE` makes one"
    return NotFound(f"there is no template {given!r}; {mend}")
