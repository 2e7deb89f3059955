"""Whom a subject stands for: the records that a letter, a script or a new record is about.

A campaign's recipient stands for the contact, the company and the lead that he was chosen by, and for the record that
was made for his member before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from mailcrm.builtin.hands import Hands
from mailcrm.core.enrollment import Subject
from mailcrm.core.letters import is_address
from mailcrm.errors import Refused
from mailcrm.store import members, organizations, people, recipients
from mailcrm.store.documents import StoredDocument
from mailcrm.store.recipients import StoredRecipient


@dataclass(frozen=True, slots=True)
class Records:
    """The records, by id, that a subject stands for.

    Args:
        organization: None: that of the lead, deal or person.
        document: what a letter brings.
    """

    person: int | None = None
    organization: int | None = None
    deal: int | None = None
    lead: int | None = None
    document: StoredDocument | None = None


def recipient(connection: Connection, subject: Subject) -> StoredRecipient | None:
    """The campaign's recipient that a subject is; None: it is another subject. Raises Refused: he is gone."""
    if subject.recipient is None:
        return None
    found = recipients.of(connection, [subject.recipient]).get(subject.recipient)
    if found is None:
        raise Refused(f"recipient {subject.recipient} is gone")
    return found


def records(
    connection: Connection, subject: Subject, to: StoredRecipient | None = None, *, made: bool = True
) -> Records:
    """The records that a subject stands for; its document is for whoever knows which one is meant.

    Of a recipient whose company is meant, the person who was chosen is told too: he is who it was chosen by.

    Args:
        to: the recipient that it is, where he was read already.
        made: whether the record is told that was made for him.
    """
    to = to or recipient(connection, subject)
    if to is None:
        return Records(subject.person, None, subject.deal, subject.lead)
    person, key = (None, None) if to.person is not None and not made else members.behind(connection, to.member)
    noun, _, number = (key or "").partition(":")
    return Records(to.person or person, to.organization, int(number) if noun == "deal" else None, to.lead)


def once(hands: Hands, subject: Subject, make: Callable[[], str]) -> None:
    """Make a record for a subject, for a campaign's member only one however many recipients he is.

    Args:
        make: gives its key: ``deal:9``.
    """
    found = recipient(hands.connection, subject)
    if found is None:
        make()
    elif members.made(hands.connection, found.member) is None:
        members.note_made(hands.connection, found.member, make())


def called(connection: Connection, found: StoredRecipient) -> str:
    """The name that a mail to him bears: the contact's or the company's, "" where it is but an address."""
    if found.part == "company" and found.organization is not None:
        return str(organizations.rows(connection, [found.organization])[found.organization].name)
    if found.person is None:
        return ""
    name = str(people.rows(connection, [found.person])[found.person].name)
    return "" if is_address(name) else name
