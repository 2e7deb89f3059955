"""Who gets what of a campaign: decided when it is planned, read whenever something is done for one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from mailcrm.core.campaigns import Part
from mailcrm.store.bulk import insert_typed_rows
from mailcrm.store.db import Lookup, reserve
from mailcrm.store.tables import recipient


@dataclass(frozen=True, slots=True)
class StoredRecipient:
    """One for whom a campaign's action is done.

    Args:
        flow: the campaign's; ``member``: the one who was chosen, of whom there may be two recipients.
        part: whether it goes to the contact or to his company.
        address: None: nothing is mailed.
        user: in whose name, or to whom it is assigned.
        variant: of the campaign's subjects, from 0; None: it has none.
        enrollment: None: he was left out, for this ``reason``.
    """

    id: int
    flow: int
    member: int
    part: Part
    person: int | None
    organization: int | None
    lead: int | None
    address: str | None
    user: int | None
    variant: int | None
    enrollment: int | None
    reason: str


def of(connection: Connection, ids: Iterable[int]) -> Mapping[int, StoredRecipient]:
    """The recipients with these ids; one that is gone is left out."""
    return {row[0]: StoredRecipient(*row) for row in _OF.rows(connection, ids)}


def reserved(connection: Connection, count: int) -> Sequence[int]:
    """Ids for new recipients."""
    return reserve(connection, recipient, count)


def add(connection: Connection, new: Sequence[StoredRecipient]) -> None:
    """Store recipients; their ids were reserved."""
    insert_typed_rows(connection, recipient, _COLUMNS, [_row(each) for each in new])


_COLUMNS = {"id": "bigint", "flow_id": "bigint", "member_id": "bigint", "part": "text"}
_COLUMNS |= dict.fromkeys(("person_id", "organization_id", "lead_id"), "bigint")
_COLUMNS |= {"address": "text", "user_id": "bigint", "variant": "integer", "enrollment_id": "bigint", "reason": "text"}
_OF = Lookup(select(*(recipient.c[name] for name in _COLUMNS)), recipient.c.id)


def _row(each: StoredRecipient) -> tuple[object, ...]:
    return (
        *(each.id, each.flow, each.member, each.part, each.person, each.organization, each.lead),
        *(each.address, each.user, each.variant, each.enrollment, each.reason),
    )
