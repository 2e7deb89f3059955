"""The hooks where they count: while mail is taken in."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from mailcrm import Event, Message, OpenDeal, hookimpl, testing
from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.app.react import deliver_due
from mailcrm.app.why import why
from mailcrm.plugins import PluginHost
from mailcrm.plugins.find import Found, Place, from_file
from mailcrm.store import tables
from mailcrm.store.db import Database
from tests.house import NOW, batch, build, mail

PLUGINS = Path(__file__).parents[2] / "plugins"


def house(database: Database, folder: Path, *plugins: Found, config: dict[str, Any] | None = None) -> Context:
    host = PluginHost(config=config or {}, answer_seconds=1)
    for plugin in plugins:
        host.add(plugin)
    return build(database, folder, plugins=host)


def given(plugin: object, name: str = "plugin") -> Found:
    return Found(name, Place.FOLDER, "given", lambda: plugin)


def person_with_deals(context: Context, count: int) -> list[int]:
    with context.db.write() as connection:

        def add(table: Any, **values: Any) -> int:
            return int(connection.execute(insert(table).values(**values).returning(table.c.id)).scalar_one())

        person = add(tables.person, name="Ewa", created_by="test", created_at=NOW)
        email = "ewa@klient.example"
        add(tables.person_address, person_id=person, address=email, canonical=email)
        stage = add(tables.stage, pipeline_id=add(tables.pipeline, name="Sales"), name="New", position=1)
        shared = {"stage_id": stage, "status": "open", "created_by": "test", "created_at": NOW}
        return [add(tables.deal, title=f"Deal {n}", person_id=person, **shared) for n in range(count)]


def links(context: Context, number: int) -> dict[str, tuple[str, str]]:
    with context.db.read() as connection:
        found = why(connection, f"{number}@test.example")
    return {link.to.partition(":")[0]: (link.rule, link.evidence) for link in found.links}


def count(context: Context, table: Any) -> int:
    with context.db.read() as connection:
        return len(connection.execute(select(table)).all())


def test_the_deal_in_the_subject_is_chosen_and_nobody_is_asked(database: Database, tmp_path: Path) -> None:
    context = house(database, tmp_path, from_file(PLUGINS / "subject_tag.py"))
    _, second = person_with_deals(context, 2)
    outcome = ingest(context, batch(mail(1, subject=f"Re: [D-{second}] Oferta"), mail(2, subject="[D-999]")))
    assert (outcome.linked, outcome.choices) == (1, 1)
    assert links(context, 1)["deal"] == ("choose_deal", "plugin subject_tag")
    assert "deal" not in links(context, 2)  # a stranger's number: the rep is asked


def test_a_quiet_domain_is_stored_but_linked_to_nobody(database: Database, tmp_path: Path) -> None:
    config = {"quiet_domains": {"domains": ["klient.example"]}}
    context = house(database, tmp_path, from_file(PLUGINS / "quiet_domains.py"), config=config)
    person_with_deals(context, 1)
    outcome = ingest(context, batch(mail(1), mail(2, sender="jan@inny.example")))
    assert (outcome.stored, outcome.linked, outcome.persons) == (2, 0, 1)
    assert links(context, 1)["none"] == ("veto_link", "quiet_domains: klient.example is a quiet domain")
    assert not {"person", "deal"} & links(context, 1).keys()
    assert "person" in links(context, 2)


def test_a_veto_that_fails_keeps_mail_unlinked_and_says_why(database: Database, tmp_path: Path) -> None:
    class Broken:
        @hookimpl
        def veto_link(self, message: Message) -> str | None:
            raise RuntimeError("no list")

    context = house(database, tmp_path, given(Broken(), "broken"))
    assert ingest(context, batch(mail(1))).stored == 1
    assert links(context, 1)["none"] == ("veto_link", "broken failed in veto_link: RuntimeError: no list")
    assert count(context, tables.person) == 0


def test_a_person_named_by_a_plugin(database: Database, tmp_path: Path) -> None:
    class Form:
        @hookimpl
        def choose_person(self, message: Message) -> str | None:
            return message.text.rpartition(" ")[2]

    context = house(database, tmp_path, given(Form(), "form"))
    person_with_deals(context, 1)
    outcome = ingest(context, batch(mail(1, sender="form@shop.example", text="E-mail: Ewa@Klient.example")))
    assert (outcome.persons, outcome.linked) == (0, 1)


@pytest.mark.parametrize("answer", ["anna@firma.example", "noreply@klient.example"])
def test_a_plugin_can_not_make_a_person_of_us_or_of_a_machine(database: Database, tmp_path: Path, answer: str) -> None:
    class Wrong:
        @hookimpl
        def choose_person(self, message: Message) -> str:
            return answer

    context = house(database, tmp_path, given(Wrong()))
    ingest(context, batch(mail(1)))
    with context.db.read() as connection:
        addresses = connection.execute(select(tables.person_address.c.address)).scalars().all()
    assert addresses == ["ewa@klient.example"]


def test_a_plugin_that_hangs_holds_up_a_batch_once(database: Database, tmp_path: Path) -> None:
    class Hangs:
        calls = 0

        @hookimpl
        def choose_deal(self, message: Message, deals: tuple[OpenDeal, ...]) -> int | None:
            Hangs.calls += 1
            threading.Event().wait()
            return None

    context = house(database, tmp_path, given(Hangs()))
    person_with_deals(context, 1)
    outcome = ingest(context, batch(*(mail(number) for number in range(20))))
    assert (outcome.stored, outcome.linked, Hangs.calls) == (20, 20, 1)


def test_events_of_a_batch_are_told_once_and_not_of_historic_mail(database: Database, tmp_path: Path) -> None:
    told: list[Event] = []

    class Listener:
        @hookimpl
        async def on_event(self, event: Event) -> None:
            told.append(event)

    context = house(database, tmp_path, given(Listener(), "listener"))
    mails = batch(mail(1), mail(2, age=timedelta(days=30)))
    ingest(context, mails)
    ingest(context, mails)
    deliver_due(context)
    assert [(event.kind, event.data["message"]) for event in told] == [("mail.received", "1@test.example")]
    assert told[0].person is not None
    assert testing.event("mail.received").data.keys() == told[0].data.keys()
