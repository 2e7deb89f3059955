"""Organizations: add, edit, relate, merge, remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailcrm.app import flow_subjects
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.records import addresses, customers, domains
from mailcrm.core.given import text
from mailcrm.errors import Refused
from mailcrm.store import merging, organizations


@dataclass(frozen=True, slots=True)
class OrganizationEdit:
    """What is to change of an organization; None leaves a thing as it is, "" or 0 clears it."""

    name: str | None = None
    industry: str | None = None
    owner: int | None = None
    add_domains: Sequence[str] = ()
    remove_domains: Sequence[str] = ()
    add_emails: Sequence[str] = ()
    remove_emails: Sequence[str] = ()


def add(
    context: Context,
    actor: Actor,
    name: str,
    *,
    domain_names: Sequence[str] = (),
    emails: Sequence[str] = (),
    industry: str | None = None,
    owner: int | None = None,
) -> int:
    """Store an organization. Without ``owner`` the actor owns it.

    Raises:
        Refused: no name, or a domain or address that is none, ours or another organization's.
    """
    names = domains(domain_names)
    for domain in names:
        _refuse_ours(context, domain)
    with context.db.write() as connection:
        number = organizations.add(
            connection,
            text(name, "the name"),
            context.clock(),
            created_by=actor.source,
            domains=names,
            emails=customers(context, emails),
            industry=industry or None,
            owner=owner if owner is not None else actor.id,
        )
    context.changed()
    return number


def edit(context: Context, number: int, change: OrganizationEdit) -> None:
    """Change an organization. Raises Refused as ``add``."""
    fresh = domains(change.add_domains)
    for domain in fresh:
        _refuse_ours(context, domain)
    values = {
        "name": text(change.name, "the name") if change.name is not None else None,
        "industry": change.industry,
        "owner_id": change.owner,
    }
    with context.db.write() as connection:
        organizations.add_domains(connection, number, fresh)
        organizations.add_addresses(connection, number, customers(context, change.add_emails))
        organizations.drop(
            connection, number, domains=domains(change.remove_domains), emails=addresses(change.remove_emails)
        )
        changed = {name: value or None for name, value in values.items() if value is not None}
        organizations.change(connection, number, **changed)
    context.changed()


def relate(context: Context, number: int, other: int, kind: str) -> None:
    """Say that ``other`` is the ``kind`` (parent, partner, …) of organization ``number`` (DATA-6)."""
    with context.db.write() as connection:
        organizations.relate(connection, number, other, text(kind, "the kind of relation")[:50])


def unrelate(context: Context, number: int, other: int) -> None:
    """Take back what relates the two organizations."""
    with context.db.write() as connection:
        organizations.unrelate(connection, number, other)


def merge(context: Context, keep: int, gone: int) -> None:
    """Make two organizations one. Raises Refused if they are the same."""
    if keep == gone:
        raise Refused(f"organization {keep} can't be merged with itself; name another")
    with context.db.write() as connection:
        merging.organizations(connection, keep, gone, context.clock())
    context.changed()


def remove(context: Context, number: int) -> None:
    """Take an organization out of every list; its persons and deals stay."""
    with context.db.write() as connection:
        organizations.remove(connection, number, context.clock())
        flow_subjects.organization_removed(connection, context, number)


def _refuse_ours(context: Context, domain: str) -> None:
    if context.ours.is_ours(f"x@{domain}"):
        raise Refused(f"{domain} is a domain of our own, so it can't be a customer's; see domains in the configuration")
