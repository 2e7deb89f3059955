"""Runs of flows whose person, deal or lead is merged, changed, removed or erased; on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from mailcrm.app import deals, erasing, leads, persons
from mailcrm.app.emit import emit
from mailcrm.app.item_edit import ItemEdit
from mailcrm.core.enrollment import Status
from mailcrm.store import tables
from mailcrm.store.db import Database
from tests.sequence_house import CALL, DRAFT, MAIL, House, house
from tests.servers import Sink

LATER = MAIL + 'after = "1d"\n'


@pytest.fixture
def home(database: Database, tmp_path: Path, sink: Sink) -> House:
    made = house(database, tmp_path, sink)
    made.apply(LATER + CALL)
    made.consent()
    return made


def test_a_removed_deals_run_ends_with_what_is_scheduled(home: House, sink: Sink) -> None:
    item = home.deal()
    home.enroll(item)
    deals.remove(home.context, item.id)
    home.pass_(days=1)
    home.work()
    assert (home.status(item), home.row(item).reason) == (Status.REMOVED, f"deal {item.id} was removed")
    assert (sink.mails, [mail.state for mail in home.outbox()], home.pulse()) == ([], ["withdrawn"], [])


def test_a_removed_person_and_a_removed_lead_get_nothing_more(home: House, sink: Sink) -> None:
    home.apply(LATER.replace("deal.", "lead."), "Leads", items="leads")
    home.consent(name="Leads")
    person, lead = home.person(), home.lead()
    item = home.deal("Pompy", person)
    home.enroll(item)
    home.enroll(lead, name="Leads")
    persons.remove(home.context, person)
    leads.remove(home.context, lead.id)
    home.pass_(days=1)
    home.work()
    assert (sink.mails, home.status(item), home.status(lead, "Leads")) == ([], Status.REMOVED, Status.REMOVED)


def test_a_merged_deal_goes_on_as_the_other(home: House) -> None:
    keep, gone = home.deal("A"), home.deal("B")
    home.enroll(gone)
    deals.merge(home.context, keep.id, gone.id)
    home.pass_(days=1)
    home.work()
    assert home.status(keep) is Status.COMPLETED
    assert [each.deal_id for each in home.activities()] == [keep.id]


def test_of_two_that_are_inside_one_goes_on(home: House, sink: Sink) -> None:
    keep, gone = home.deal("A"), home.deal("B")
    home.enroll(keep, gone, by=home.anna)
    deals.merge(home.context, keep.id, gone.id)
    home.pass_(days=1)
    home.work()
    assert [sent.rcpt_tos for sent in sink.mails] == [("a@klient.example",)]
    assert home.status(keep) is Status.COMPLETED
    assert sorted(mail.state for mail in home.outbox()) == ["sent", "withdrawn"]


def test_a_merged_persons_deal_is_mailed_at_the_others_address(home: House, sink: Sink) -> None:
    home.apply(CALL + 'after = "1d"\n' + MAIL)
    keep, gone = home.person(email="keep@klient.example"), home.person(email="gone@klient.example")
    item = home.deal("Pompy", gone)
    home.enroll(item)
    persons.merge(home.context, keep, gone)
    home.pass_(days=1)
    home.work()
    assert [sent.rcpt_tos for sent in sink.mails] == [("keep@klient.example",)]
    assert home.status(item) is Status.COMPLETED


def test_a_deal_given_to_another_person_mails_him(home: House, sink: Sink) -> None:
    home.apply(CALL + 'after = "1d"\n' + MAIL)
    item = home.deal()
    home.enroll(item)
    deals.edit(home.context, item.id, ItemEdit(person=home.person("Jan Kot", "kot@klient.example")))
    home.pass_(days=1)
    home.work()
    assert [sent.rcpt_tos for sent in sink.mails] == [("kot@klient.example",)]
    assert "Dzień dobry Jan!" in sink.mails[0].message.get_content()


def test_of_an_erased_person_nothing_is_left(home: House, sink: Sink) -> None:
    home.apply(DRAFT, "Drafts")
    person = home.person()
    item = home.deal("Pompy", person)
    home.enroll(item)
    home.enroll(item, name="Drafts")
    emit(home.context, "tag.added", {"tag": "vip"}, source="command", person=str(person))
    home.run()
    erasing.erase(home.context, person)
    home.pass_(days=1)
    home.work()
    assert sink.mails == []
    with home.context.db.read() as connection:
        for table in (tables.enrollment, tables.step, tables.effect, tables.outbox, tables.pulse, tables.reaction):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0, table.name
