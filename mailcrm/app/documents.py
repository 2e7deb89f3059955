"""Invoices and offers: issued by hand, shown, made into PDFs, handed over."""

from __future__ import annotations

from sqlalchemy import Connection

from mailcrm.app import document_shapes
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.document_shapes import Planned
from mailcrm.builtin import documents as issuing
from mailcrm.builtin.documents import Wanted
from mailcrm.core import numbering
from mailcrm.errors import NotFound
from mailcrm.store import documents
from mailcrm.store.documents import StoredDocument


def add(context: Context, actor: Actor, wanted: Wanted, key: str, owner: int | None = None) -> int:
    """Issue a document; gives its id.

    Args:
        key: what makes it one: asked for again with the same, it is found.
        owner: without one, the actor.

    Raises:
        Refused: something is wrong, or missing that law wants.
    """
    now = context.clock()
    with context.db.write() as connection:
        number = issuing.issue(
            connection,
            context.config,
            wanted,
            now,
            key=key,
            created_by=actor.source,
            owner=owner if owner is not None else actor.id,
        )
    context.changed()
    return number


def planned(connection: Connection, context: Context, wanted: Wanted) -> Planned:
    """What a document would be if it were issued now; it takes no number. Raises Refused as ``add``."""
    draft = issuing.draft(connection, context.config, wanted, context.clock())
    period = numbering.period_of(draft.period, draft.issued_on)
    number = documents.last_number(connection, draft.series, period) + 1
    name = numbering.name_of(draft.pattern, number, draft.issued_on)
    return document_shapes.planned(draft, name, issuing.due_on(context.config, draft.issued_on, draft.within))


def made(context: Context, number: int) -> bytes:
    """The PDF of a document; made, and kept, if there is none yet. The same document gives the same bytes.

    Raises:
        NotFound: no such document.
        Refused: the configured font can't be used.
    """
    row = stored(context, number)
    if row.sha256 is not None:
        try:
            return context.blobs.read(row.sha256)
        except NotFound:
            pass  # lost: it is made anew
    from mailcrm.app.document_fonts import fonts  # a quarter of a second and 30 MB, for who makes documents alone
    from mailcrm.app.document_pdf import pdf

    content = pdf(issuing.read(row), fonts(context.config))
    sha256, _ = context.blobs.put(content)
    context.blobs.settle([sha256])
    if sha256 != row.sha256:
        with context.db.write() as connection:
            documents.note_filed(connection, number, sha256)
    return content


def file(context: Context, number: int) -> None:
    """Make a document's PDF, keep it, and hand both to the plugins that ask for documents.

    May be done again, after a crash or a failure: there is one PDF, and plugins know the document by its key.

    Raises:
        NotFound: no such document.
        Temporary: a plugin failed, or the database is locked.
        Permanent: a plugin refuses it for good.
    """
    content = made(context, number)
    if not context.plugins.has("hand_over_document"):
        return
    row = stored(context, number)
    handed_as = context.plugins.hand_over("hand_over_document", document=issuing.read(row), pdf=content)
    if handed_as is not None and handed_as != row.handed_as:
        with context.db.write() as connection:
            documents.note_handed(connection, number, handed_as)


def stored(context: Context, number: int) -> StoredDocument:
    """A document. Raises NotFound."""
    with context.db.read() as connection:
        found = documents.of(connection, [number]).get(number)
    if found is None:
        raise NotFound(f"there is no document {number}")
    return found
