"""A house with sequences in it: a clock that is set, deals and leads to enroll, and rounds of what is due."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from mailcrm.app import deals, enrolling, leads, machine, overview, persons, sequences
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.dispatch import Dispatched, dispatch
from mailcrm.app.enrolling import Enrolled, Item
from mailcrm.app.handover import Transport
from mailcrm.core.enrollment import Status
from mailcrm.mail.smtp_out import SmtpTransport
from mailcrm.store import consents, flows, outbox, pulse, users
from mailcrm.store.db import Database
from mailcrm.store.items import Listed
from mailcrm.store.outbox import Stored
from mailcrm.store.tables import activity
from tests.house import NOW, SETTINGS, build
from tests.servers import Sink

MAIL = """
[[step]]
type = "email"
subject = "Oferta {{ deal.title }}"
body = "Dzień dobry {{ person.first_name }}!"
"""
CALL = """
[[step]]
type = "activity"
activity = "call"
"""
DRAFT = """
[[step]]
type = "draft"
subject = "Szkic {{ deal.title }}"
body = "Dzień dobry {{ person.first_name }}!"
remind = "4h"
"""


@dataclass
class House:
    """The parts, and shorthands for what tests do all the time. ``now`` may be set."""

    context: Context
    folder: Path
    now: datetime = NOW

    @property
    def anna(self) -> Actor:
        return self.actor("anna")

    def actor(self, key: str) -> Actor:
        with self.context.db.read() as connection:
            return Actor(users.find(connection, key))

    def pass_(self, **span: float) -> None:
        """Let time go by; what is due is not done yet."""
        self.now += timedelta(**span)

    def apply(
        self, steps: str, name: str = "Warm", *, items: str = "deals", owner: str = "anna", more: str = ""
    ) -> int:
        file = self.folder / f"{name}.toml"
        head = f'kind = "sequence"\nname = "{name}"\nfor = "{items}"\nowner = "{owner}"\n{more}\n'
        file.write_text(head + steps, encoding="utf-8")
        return sequences.apply(self.context, self.anna, sequences.read(self.context, file))

    def person(self, name: str = "Ewa Zielińska", email: str | None = "ewa@klient.example") -> int:
        return persons.add(self.context, self.anna, name, emails=[email] if email else [])

    def deal(self, title: str = "Pompy", person: int | None = None, owner: str = "anna") -> Item:
        number = person if person is not None else self.person(email=f"{title.casefold()}@klient.example")
        owner_id = self.actor(owner).id
        return Item("deal", deals.add(self.context, self.anna, title, person=number, owner=owner_id))

    def lead(self, title: str = "Pytanie") -> Item:
        return Item(
            "lead", leads.add(self.context, self.anna, title, person=self.person(email=f"{title}@klient.example"))
        )

    def enroll(self, *items: Item, name: str = "Warm", by: Actor | None = None) -> Enrolled:
        return enrolling.enroll(self.context, by or Actor(), name, items)

    def consent(self, user: str = "anna", name: str = "Warm", *, granted: bool = True) -> None:
        with self.context.db.write() as connection:
            flow = flows.find(connection, name, sequences.KINDS).id
            whose = users.find(connection, user).id
            consents.record(connection, flow, whose, self.now, granted=granted, by=f"user:{user}", via="command")

    def run(self) -> None:
        """All rounds that are due now."""
        while machine.run_due(self.context).more:
            pass

    def send(self, transport: Transport | None = None) -> Dispatched:
        if transport is not None:
            return dispatch(self.context, transport)
        with closing(SmtpTransport(self.context.config)) as smarthost:
            return dispatch(self.context, smarthost)

    def work(self, transport: Transport | None = None) -> None:
        """Rounds and mail, until nothing is due any more."""
        for _ in range(20):
            self.run()
            done = self.send(transport)
            if not (done.sent or done.failed):
                return

    def row(self, item: Item, name: str = "Warm") -> Listed:
        key = f"{item.noun}:{item.id}"
        shown = overview.overview(self.context, name).rows
        removed = overview.overview(self.context, name, Status.REMOVED).rows
        return next(row for row in (*shown, *removed) if row.item == key)

    def status(self, item: Item, name: str = "Warm") -> Status:
        return self.row(item, name).status

    def outbox(self) -> list[Stored]:
        with self.context.db.read() as connection:
            return outbox.listed(connection)

    def pulse(self, user: str = "anna", *, everything: bool = False) -> list[pulse.Entry]:
        with self.context.db.read() as connection:
            return pulse.listed(connection, users.find(connection, user).id, everything=everything)

    def activities(self) -> Sequence[Any]:
        with self.context.db.read() as connection:
            return connection.execute(select(activity).order_by(activity.c.id)).all()


def house(database: Database, folder: Path, sink: Sink | None = None, **settings: Any) -> House:
    """A house whose clock is that of ``House.now``; with a sink its smarthost."""
    anna = {**SETTINGS["users"]["anna"], "signature": "Anna Nowak\nFirma", "permissions": ["bulk"]}
    jan = {**SETTINGS["users"]["jan"], "signature": "Jan Lis\nSerwis"}
    people = {"anna": anna, "jan": jan}
    if sink is not None:
        settings["smarthost"] = {"host": sink.host, "port": sink.port, "tls": "none"}
    context = build(database, folder, users=people, **settings)
    made = House(context, folder)
    clock: Callable[[], datetime] = lambda: made.now  # noqa: E731
    made.context = replace(context, clock=clock)
    return made
