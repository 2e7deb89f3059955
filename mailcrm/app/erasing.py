"""Erases somebody at his own wish (GDPR, article 17), and remembers by keyed hashes alone not to store him again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from mailcrm.app.context import Context
from mailcrm.store import document_records, enrollments, erasing, unwanted
from mailcrm.store.tables import person_address

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure took.

    Args:
        addresses: how many addresses are not to be stored again.
        messages: deleted whole, since he was their only outside party.
        anonymised: messages that others took part in too, from whose heads he was taken.
        files: attachments and quarantined mail deleted from the disk.
        quarantined: messages deleted from the quarantine.
    """

    addresses: int = 0
    messages: int = 0
    anonymised: int = 0
    files: int = 0
    quarantined: int = 0


def erase(context: Context, person: int | None, addresses: Sequence[str] = ()) -> Erased:
    """Delete a person, his mail, files, notes and activities; deals stay, without him, and so do invoices, as issued.

    Args:
        person: his id; None where only addresses are known.
        addresses: normalised addresses that are to be erased too.
    """
    with context.db.write() as connection:
        erasing.overwrite_deleted(connection)
        numbers = erasing.persons(connection, person) if person is not None else []
        enrollments.lock(connection, numbers)  # flows are done with him
        emails = sorted({*erasing.addresses(connection, numbers), *addresses})
        unwanted.remember(connection, context.secret, emails, "erased", context.clock())
        found = erasing.mail(connection, numbers, emails)
        files = erasing.delete_messages(connection, found.alone)
        erasing.take_out_of(connection, found.shared, emails)
        files |= document_records.forget(connection, numbers)
        erasing.delete_persons(connection, numbers, emails)
        put_aside = _quarantined(connection, context, emails)
        erasing.delete_quarantined(connection, put_aside)
        unused = erasing.unreferenced(connection, files | set(put_aside.values()))
    for name in unused:
        context.blobs.remove(name)
    context.changed()
    return Erased(len(emails), len(found.alone), len(found.shared), len(unused), len(put_aside))


def obey(context: Context) -> int:
    """Erase whoever is stored although his address was erased: after an older backup was restored.

    Returns:
        How many persons were erased.
    """
    with context.db.read() as connection:
        rows = connection.execute(select(person_address.c.person_id, person_address.c.address)).all()
        erased = {
            address
            for address, why in unwanted.among(connection, context.secret, {row.address for row in rows}).items()
            if why.reason == "erased"
        }
    persons = sorted({row.person_id for row in rows if row.address in erased})
    for person in persons:
        erase(context, person)
    return len(persons)


def _quarantined(connection: Connection, context: Context, emails: Sequence[str]) -> dict[int, str]:
    """Quarantined messages in whose bytes one of the addresses stands: id -> name of the file."""
    wanted = [email.encode() for email in emails]
    return {
        number: name
        for number, name in erasing.quarantined(connection)
        if wanted and _names_one(context.blobs.path(name), wanted)
    }


def _names_one(path: Path, wanted: Sequence[bytes]) -> bool:
    """True if one of the words stands in the file, in any case."""
    overlap = max(len(word) for word in wanted)
    try:
        with path.open("rb") as file:
            tail = b""
            while piece := file.read(_PIECE):
                text = (tail + piece).lower()
                if any(word in text for word in wanted):
                    return True
                tail = text[-overlap:]
    except FileNotFoundError:
        return True
    return False
