"""Everything that is stored about a person, for himself (GDPR, articles 15 and 20)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from mailcrm.app import document_shapes, mail_shapes, pages, record_shapes
from mailcrm.store import activities, chosen_records, document_records, documents, erasing, people, reading
from mailcrm.store.scope import Scope
from mailcrm.store.sent_to import sent_to
from mailcrm.store.tables import event
from mailcrm.store.visible import Viewer

_EVERYBODYS = Viewer(mailboxes=None)


def export(connection: Connection, person: int) -> dict[str, Any]:
    """A person with addresses and their dates, deals, leads, activities, notes, events and all messages in full.

    So are the letters that flows wrote to him, who opened them, his permission, and why he gets none.
    """
    scope = Scope("person", person)
    page = pages.person(connection, person, _EVERYBODYS)
    record = {name: value for name, value in vars(page).items() if name != "timeline"}
    notes = list(connection.execute(activities.note_ids(scope=scope)).scalars())
    mail = list(connection.execute(reading.message_ids(_EVERYBODYS, scope=scope)).scalars())
    issued = documents.of(connection, connection.execute(document_records.of(scope)).scalars()).values()
    columns = (event.c.kind, event.c.at, event.c.source, event.c.data)
    numbers = erasing.persons(connection, person)
    happened = connection.execute(select(*columns).where(event.c.person_id.in_(numbers)).order_by(event.c.at))
    return {
        **record,
        "addresses": [
            {"address": row.address, "from": row.valid_from, "to": row.valid_to}
            for row in people.addresses_ever(connection, person)
        ],
        "documents": [document_shapes.page(connection, each) for each in issued],
        "notes": record_shapes.notes(connection, notes),
        "events": [{"kind": row.kind, "at": row.at, "source": row.source, "data": row.data} for row in happened],
        "campaigns": chosen_records.of_persons(connection, numbers),
        **sent_to(connection, numbers, erasing.addresses(connection, numbers)),
        "messages": mail_shapes.messages(connection, mail),
    }
