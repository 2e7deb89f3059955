"""Persons: add, edit, merge, remove, undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from mailcrm.app import flow_subjects
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.records import addresses, customers, writing
from mailcrm.builtin import tags
from mailcrm.core.given import text
from mailcrm.errors import Refused
from mailcrm.store import enrollments, merging, people, undoing, unwanted
from mailcrm.store.people import NewPerson


@dataclass(frozen=True, slots=True)
class PersonEdit:
    """What is to change of a person; None leaves a thing as it is, 0 clears an organization or owner."""

    name: str | None = None
    organization: int | None = None
    owner: int | None = None
    primary: str | None = None
    add_emails: Sequence[str] = ()
    remove_emails: Sequence[str] = ()
    add_phones: Sequence[str] = ()
    remove_phones: Sequence[str] = ()


def add(
    context: Context,
    actor: Actor,
    name: str,
    *,
    emails: Sequence[str] = (),
    phones: Sequence[str] = (),
    organization: int | None = None,
    owner: int | None = None,
    though_erased: bool = False,
) -> int:
    """Store a person; the first of his addresses is the primary one (DATA-1). Without ``owner`` the actor owns him.

    Raises:
        Refused: no name, an address that is none, ours, somebody else's, or erased at its owner's wish.
    """
    now = context.clock()
    new = NewPerson(
        name=text(name, "the name"),
        created_by=actor.source,
        emails=customers(context, emails),
        phones=tuple(text(phone, "the phone number") for phone in phones),
        organization=organization,
        owner=owner if owner is not None else actor.id,
    )
    with context.db.write() as connection:
        _welcome(connection, context, new.emails, though_erased=though_erased)
        number = people.add(connection, new, now)
    context.changed()
    return number


def edit(context: Context, number: int, change: PersonEdit, *, though_erased: bool = False) -> None:
    """Change a person. Raises Refused as ``add``, or if the new primary address is none of his."""
    now = context.clock()
    fresh = customers(context, change.add_emails)
    ending = addresses(change.remove_emails)
    values = {
        "name": text(change.name, "the name") if change.name is not None else None,
        "organization_id": change.organization,
        "owner_id": change.owner,
    }
    with context.db.write() as connection:
        _welcome(connection, context, fresh, though_erased=though_erased)
        people.add_addresses(connection, number, fresh)
        if ending and people.end_addresses(connection, number, now, ending) != len(ending):
            raise Refused(f"not all of {', '.join(ending)} are addresses of his; see `mailcrm person show {number}`")
        if change.primary is not None:
            (primary,) = addresses([change.primary])
            if primary not in people.emails(connection, [number])[number]:
                raise Refused(f"{primary} is no address of his; add it with --email {primary}")
            people.set_primary(connection, number, primary)
        people.add_phones(connection, number, [text(phone, "the phone number") for phone in change.add_phones])
        people.remove_phones(connection, number, change.remove_phones)
        changed = {name: value or None for name, value in values.items() if value is not None}
        people.change(connection, number, **changed)
    context.changed()


def merge(context: Context, keep: int, gone: int) -> None:
    """Make two persons one; everything of ``gone`` becomes that of ``keep``. Raises Refused if they are the same."""
    if keep == gone:
        raise Refused(f"person {keep} can't be merged with himself; name another")
    with context.db.write() as connection:
        enrollments.lock(connection, [keep, gone])
        merging.persons(connection, keep, gone, context.clock())
        flow_subjects.merged(connection, context, "person", keep, gone)
    context.changed()


def remove(context: Context, number: int) -> None:
    """Take a person out of every list. His mail, deals and notes stay; new mail from him makes a new person."""
    with context.db.write() as connection:
        people.remove(connection, number, context.clock())
        flow_subjects.removed(connection, context, "person", number)


def undo(context: Context, number: int) -> None:
    """Take back a person whom mail created: as if he had never been, and his addresses create nobody again.

    Raises:
        Refused: somebody made him by hand, or has since tied a deal, lead, activity or note to him.
    """
    now = context.clock()
    with context.db.write() as connection:
        row = people.rows(connection, [number])[number]
        if not row.created_by.startswith("mail:"):
            raise Refused(
                f"person {number} was made by {row.created_by}, not from mail; `mailcrm person remove {number}`"
            )
        tied = undoing.tied(connection, number)
        if tied:
            raise Refused(f"person {number} has {tied}; merge him into another or remove him instead of undoing")
        his = [each.address for each in people.addresses_ever(connection, number)]
        unwanted.remember(connection, context.secret, his, "undone", now)
        flow_subjects.removed(connection, context, "person", number)
        undoing.forget_person(connection, number, now)
        if row.organization_id is not None:
            undoing.forget_organization(connection, row.organization_id, row.created_by, now)


def add_tag(context: Context, actor: Actor, name: str, person: int) -> bool:
    """Tag a person; False if he had the tag."""
    with context.db.write() as connection:
        added = tags.add(writing(connection, context, actor), name, person)
    context.changed()
    return added


def remove_tag(context: Context, actor: Actor, name: str, person: int) -> bool:
    """Take a tag from a person; False if he did not have it."""
    with context.db.write() as connection:
        removed = tags.remove(writing(connection, context, actor), name, person)
    context.changed()
    return removed


def _welcome(connection: Connection, context: Context, emails: Sequence[str], *, though_erased: bool) -> None:
    """Addresses given by hand are welcome again after an undo; after an erasure only if that is said."""
    for address, why in unwanted.among(connection, context.secret, emails).items():
        if why.reason == "erased" and not though_erased:
            raise Refused(
                f"{address} was erased on {why.at:%Y-%m-%d}; "
                "if its owner has since agreed to be stored again, say --though-erased"
            )
    unwanted.forget(connection, context.secret, emails)
