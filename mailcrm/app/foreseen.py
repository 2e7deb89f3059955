"""What of a campaign's mail would be refused as things are: told before the launch, decided when it is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.core.campaigns import Member, Recipient
from mailcrm.store import permissions, suppressions


def refused(
    connection: Connection, context: Context, members: Iterable[Member], recipients: Sequence[Recipient]
) -> Counter[str]:
    """How many of these recipients may not be written to, by reason (A21).

    Args:
        members: whose recipients they are.
    """
    chosen = {each.id: each.contact.id for each in members if each.contact is not None and each.group != "organization"}
    whose = [each.person if each.person is not None else chosen.get(each.member) for each in recipients]
    said = permissions.of(connection, [person for person in whose if person is not None])
    addresses = [each.address for each in recipients if each.address is not None]
    unwanted = suppressions.among(connection, context.secret, addresses, context.clock())
    found: Counter[str] = Counter()
    for each, person in zip(recipients, whose, strict=True):
        permission = said.get(person) if person is not None else None
        if permission is not None and not permission.granted:
            found["permission withdrawn"] += 1
        elif permission is None and context.config.require_permission:
            found["no permission"] += 1
        elif each.address in unwanted:
            found["suppressed"] += 1
    return found
