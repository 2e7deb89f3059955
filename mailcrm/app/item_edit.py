"""What is to change of a deal or lead."""

from __future__ import annotations

from dataclasses import dataclass

from mailcrm.core.given import money, text


@dataclass(frozen=True, slots=True)
class ItemEdit:
    """Its new values; None leaves a thing as it is, "" or 0 clears it. Persons, organizations, owners are ids."""

    title: str | None = None
    person: int | None = None
    organization: int | None = None
    owner: int | None = None
    value: str | None = None
    currency: str | None = None

    def columns(self) -> dict[str, object]:
        """The columns that change. Raises Refused for a wrong amount or currency, or a title without a word."""
        amount, code = money(self.value or None, self.currency or None)
        given = {
            "title": (self.title, text(self.title, "the title") if self.title is not None else None),
            "person_id": (self.person, self.person or None),
            "organization_id": (self.organization, self.organization or None),
            "owner_id": (self.owner, self.owner or None),
            "value": (self.value, amount),
            "currency": (self.currency, code),
        }
        return {column: stored for column, (said, stored) in given.items() if said is not None}
