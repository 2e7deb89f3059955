"""What belongs to a record: its own notes, activities and mail, and those of the records under it.

A deal's activities are also its person's and its organization's (DATA-11); an organization has what its persons
and their deals have (DATA-4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Table, false, literal, select, union

from mailcrm.store.tables import deal, lead, message, participant, person, thread

Noun = Literal["person", "organization", "deal", "lead"]


@dataclass(frozen=True, slots=True)
class Scope:
    """A record, as which notes, activities and messages count as its own."""

    noun: Noun
    id: int

    def persons(self) -> Select[int]:
        """Ids of the persons under the record: himself, or an organization's."""
        if self.noun == "organization":
            return select(person.c.id).where(person.c.organization_id == self.id, person.c.removed_at.is_(None))
        return _just(self.id if self.noun == "person" else None)

    def deals(self) -> Select[int]:
        """Ids of the deals under the record."""
        return self._under(deal)

    def leads(self) -> Select[int]:
        """Ids of the leads under the record."""
        return self._under(lead)

    def owns(self, table: Table) -> ColumnElement[bool]:
        """True for the notes or activities (``table``) that are the record's own or those of what is under it.

        A union and not an OR, since PostgreSQL answers an OR of subqueries by reading the whole table.
        """
        conditions = [table.c[f"{self.noun}_id"] == self.id]
        if self.noun == "organization":
            conditions.append(table.c.person_id.in_(self.persons()))
        if self.noun in ("person", "organization"):
            conditions += [table.c.deal_id.in_(self.deals()), table.c.lead_id.in_(self.leads())]
        return table.c.id.in_(union(*(select(table.c.id).where(each) for each in conditions)))

    def messages(self) -> ColumnElement[bool]:
        """True for the messages of the record's threads and of the persons under it."""
        if self.noun == "deal":
            return message.c.thread_id.in_(select(thread.c.id).where(thread.c.deal_id == self.id))
        if self.noun == "lead":
            return message.c.id.in_(_just(None))  # mail is not linked to leads
        concerned = select(participant.c.message_id).where(participant.c.person_id.in_(self.persons()))
        if self.noun == "person":
            return message.c.id.in_(concerned)
        threads = select(thread.c.id).where(thread.c.organization_id == self.id)
        own = select(message.c.id).where(message.c.thread_id.in_(threads))
        return message.c.id.in_(union(concerned, own))

    def _under(self, table: Any) -> Select[int]:
        query: Select[int] = select(table.c.id)
        if self.noun == table.name:
            return query.where(table.c.id == self.id)
        if self.noun == "person":
            return query.where(table.c.person_id == self.id)
        if self.noun == "organization":
            his = select(person.c.id).where(person.c.organization_id == self.id)
            ways = (table.c.organization_id == self.id, table.c.person_id.in_(his))
            return query.where(table.c.id.in_(union(*(select(table.c.id).where(way) for way in ways))))
        return _just(None)


def _just(number: int | None) -> Select[int]:
    query: Select[int] = select(literal(number or 0))
    return query if number is not None else query.where(false())
