"""What becomes of documents when a person, organization or deal is merged or erased; whose they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Select, select, union, update

from mailcrm.store.db import slices
from mailcrm.store.scope import Noun, Scope
from mailcrm.store.tables import document

_NOBODY = {"name": "—"}


def merged(connection: Connection, noun: Noun, keep: int, gone: int) -> None:
    """What was issued for ``gone`` counts as issued for ``keep``; what it says stays."""
    column = document.c[f"{noun}_id"]
    connection.execute(update(document).where(column == gone).values({column.name: keep}))


def forget(connection: Connection, persons: Sequence[int]) -> set[str]:
    """Cut the links to these persons. Gives the names of files that may be deleted.

    Invoices stay as they were issued, for law wants them kept (GDPR, article 17 (3) b). Of offers that were made to
    them alone only the numbers and sums are left.
    """
    his = document.c.person_id.in_(persons)
    alone = his & (document.c.kind == "offer") & document.c.organization_id.is_(None)
    made = select(document.c.sha256).where(alone, document.c.sha256.is_not(None))
    files = set(connection.execute(made).scalars())
    connection.execute(update(document).where(alone).values(buyer=_NOBODY, note="", sha256=None, handed_as=None))
    connection.execute(update(document).where(his).values(person_id=None))
    return files


def named(connection: Connection, files: Iterable[str]) -> set[str]:
    """Those of these files that are the PDF of a document."""
    found: set[str] = set()
    for piece in slices(files):
        found |= set(connection.execute(select(document.c.sha256).where(document.c.sha256.in_(piece))).scalars())
    return found


def of(scope: Scope) -> Select[int]:
    """A query for the ids of a record's documents: its own, its deals', and its persons'."""
    ways = [document.c[f"{scope.noun}_id"] == scope.id] if scope.noun != "lead" else []
    if scope.noun == "organization":
        ways.append(document.c.person_id.in_(scope.persons()))
    ways.append(document.c.deal_id.in_(scope.deals()))
    query: Select[int] = select(document.c.id)
    return query.where(document.c.id.in_(union(*(select(document.c.id).where(way) for way in ways))))
