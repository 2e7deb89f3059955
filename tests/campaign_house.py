"""A house with campaigns in it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from mailcrm.app import campaigns, launching, members, planning, templates
from mailcrm.app.acting import Actor
from mailcrm.app.launching import Launched
from mailcrm.app.members import Changed
from mailcrm.core.definitions import Chosen
from mailcrm.store import consents, users
from mailcrm.store.bulk import insert_rows
from mailcrm.store.db import Database
from mailcrm.store.tables import campaign, campaign_member, enrollment, organization, person, person_address, recipient
from tests.sequence_house import House, house

CALLS = 'type = "calls"\nnote = "Ask about the budget"\n'
MAILING = 'type = "mailing"\ntemplate = "spring"\n'
LETTER = """
kind = "template"
name = "spring"
for = "email"
subject = "Wiosna"
body = "Dzień dobry {{ person.first_name }}! {{ unsubscribe.url }}"
"""


class CampaignHouse:
    """A house, and shorthands for its campaigns."""

    def __init__(self, database: Database, folder: Path, **settings: Any) -> None:
        self.home: House = house(database, folder, **settings)
        self.context, self.folder, self.db = self.home.context, folder, database

    @property
    def anna(self) -> Actor:
        return self.home.anna

    def template(self, text: str = LETTER) -> None:
        """Store a template."""
        file = self.folder / "template.toml"
        file.write_text(text, encoding="utf-8")
        templates.apply(self.context, self.anna, templates.read(self.context, file))

    def campaign(
        self,
        text: str = CALLS,
        name: str = "Spring",
        *,
        state: str = "ready",
        owner: str = "anna",
        by: Actor | None = None,
    ) -> int:
        """Apply a campaign; gives its id."""
        file = self.folder / f"{name}.toml"
        whose = f'owner = "{owner}"\n' if owner else ""
        head = f'kind = "campaign"\nname = "{name}"\n{whose}state = "{state}"\n'
        file.write_text(head + text, encoding="utf-8")
        actor = by or self.anna
        return campaigns.apply(self.context, actor, campaigns.read(self.context, actor, file))

    def add(self, number: int, *persons: str, **others: tuple[str, ...]) -> Changed:
        """Put recipients in."""
        return members.add(self.context, self.anna, str(number), Chosen(persons, **others))

    def launch(self, name: str | int, by: Actor | None = None) -> Launched:
        """Launch it and plan everything."""
        launched = launching.launch(self.context, by or self.anna, str(name))
        planning.plan(self.context, launched.id)
        return launched

    def consent(self, number: int, *keys: str) -> None:
        """These users let a campaign send in their names."""
        with self.db.write() as connection:
            for key in keys:
                whose = users.find(connection, key).id
                consents.record(connection, number, whose, self.home.now, granted=True, by=f"user:{key}", via="command")

    def rows(self, table: Any, number: int) -> list[Any]:
        """The rows of a campaign, the oldest first."""
        with self.db.read() as connection:
            return list(connection.execute(select(table).where(table.c.flow_id == number).order_by(table.c.id)))

    def recipients(self, number: int) -> list[Any]:
        return self.rows(recipient, number)

    def members(self, number: int) -> list[Any]:
        return self.rows(campaign_member, number)

    def runs(self, number: int) -> list[Any]:
        return self.rows(enrollment, number)

    def course(self, number: int) -> Any:
        with self.db.read() as connection:
            return connection.execute(select(campaign).where(campaign.c.flow_id == number)).one()


def fill(database: Database, count: int, now: datetime, *, companies: int = 0, owner: int | None = None) -> None:
    """So many persons, each with an address of his own."""
    with database.write() as connection:
        if companies:
            columns = ("id", "name", "created_by", "created_at")
            rows = [(each, f"Firma {each}", "test", now) for each in range(1, companies + 1)]
            insert_rows(connection, organization, columns, rows)
        for start in range(1, count + 1, 10_000):
            ids = range(start, min(start + 10_000, count + 1))
            of = {each: each % companies + 1 if companies else None for each in ids}
            people = [(each, f"P{each}", of[each], owner, "test", now) for each in ids]
            told = ("id", "name", "organization_id", "owner_id", "created_by", "created_at")
            insert_rows(connection, person, told, people)
            emails = [(each, f"p{each}@klient.example", f"p{each}@klient.example", True) for each in ids]
            insert_rows(connection, person_address, ("person_id", "address", "canonical", "is_primary"), emails)
