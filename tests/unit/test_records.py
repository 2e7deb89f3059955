"""Persons, organizations, deals, leads, activities, notes: their verbs and shapes, on both databases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select

from mailcrm.app import activities, deals, leads, organizations, pages, persons, record_shapes
from mailcrm.app.acting import Actor, viewer
from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.app.item_edit import ItemEdit
from mailcrm.core.given import money
from mailcrm.errors import NotFound, Refused
from mailcrm.store import events, fields, find, people, pipelines, tables, users
from mailcrm.store.activities import About
from mailcrm.store.db import Database
from tests.house import NOW, batch, build, mail


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


@pytest.fixture
def anna(house: Context) -> Actor:
    with house.db.read() as connection:
        return Actor(users.find(connection, "anna"))


def person_of(house: Context, number: int) -> record_shapes.Person:
    with house.db.read() as connection:
        return record_shapes.persons(connection, [number])[0]


def deal_of(house: Context, number: int) -> record_shapes.Deal:
    with house.db.read() as connection:
        return record_shapes.deals_(connection, [number])[0]


def told(house: Context) -> list[tuple[str, int | None, dict[str, Any]]]:
    with house.db.read() as connection:
        return [(event.kind, event.person, dict(event.data)) for event in reversed(events.recent(connection))]


def found(house: Context, noun: str, name: str) -> int:
    with house.db.read() as connection:
        number: int = getattr(find, f"{noun}_id")(connection, name)
        return number


# DATA-1
def test_a_person_has_several_addresses_and_one_is_primary(house: Context, anna: Actor) -> None:
    number = persons.add(
        house, anna, " Ewa  Zielińska ", emails=["Ewa@Klient.example", "ewa@dom.example"], phones=["+48 600 100 200"]
    )
    person = person_of(house, number)
    assert person.name == "Ewa Zielińska"
    assert person.emails == ["ewa@klient.example", "ewa@dom.example"]
    assert (person.phones, person.owner, person.created_by) == (["+48 600 100 200"], "anna", "user:anna")

    persons.edit(house, number, persons.PersonEdit(primary="ewa@dom.example", add_emails=["e@praca.example"]))
    assert person_of(house, number).emails == ["ewa@dom.example", "ewa@klient.example", "e@praca.example"]

    persons.edit(house, number, persons.PersonEdit(remove_emails=["ewa@dom.example"]))
    assert person_of(house, number).emails == ["ewa@klient.example", "e@praca.example"]


@pytest.mark.parametrize(
    ("emails", "reason"),
    [
        (["no address"], "no e-mail address"),
        (["anna@firma.example"], "our own"),
        (["x@oddzial.firma.example"], "our own"),
        (["taken@klient.example"], "is the address of Jan"),
    ],
)
def test_an_address_that_can_be_no_persons_is_refused(
    house: Context, anna: Actor, emails: list[str], reason: str
) -> None:
    persons.add(house, anna, "Jan", emails=["taken@klient.example"])
    with pytest.raises(Refused, match=reason):
        persons.add(house, anna, "Ewa", emails=emails)
    with house.db.read() as connection:
        assert connection.execute(people.ids()).scalars().all() == [1]


def test_a_record_goes_by_id_address_and_name(house: Context, anna: Actor) -> None:
    one = persons.add(house, anna, "Łukasz Żak", emails=["l@klient.example"])
    two = persons.add(house, anna, "Ewa 100% Pewna", emails=["e@klient.example"])
    assert {found(house, "person", name) for name in (str(one), "person:1", "L@klient.example", "Łukasz Żak")} == {one}
    assert found(house, "person", "ewa 100% pewna") == two
    with pytest.raises(NotFound, match="like it are: 2 Ewa 100% Pewna"):
        found(house, "person", "Pewna")
    with pytest.raises(NotFound, match="no person 99"):
        found(house, "person", "99")

    other = persons.add(house, anna, "Łukasz Żak", emails=["zak@klient.example"])
    with pytest.raises(Refused, match=rf"{one} Łukasz Żak <l@klient.example>, {other} Łukasz Żak <zak@klient.example>"):
        found(house, "person", "Łukasz Żak")
    persons.remove(house, other)
    assert found(house, "person", "Łukasz Żak") == one
    with pytest.raises(NotFound, match="was removed on 2026-11-22"):
        found(house, "person", str(other))


def test_a_removed_persons_address_is_free_again(house: Context, anna: Actor) -> None:
    number = persons.add(house, anna, "Ewa", emails=["ewa@klient.example"])
    persons.remove(house, number)
    ingest(house, batch(mail(1)))
    assert found(house, "person", "ewa@klient.example") != number


# DATA-16
def test_mail_that_came_before_is_the_new_persons(house: Context, anna: Actor) -> None:
    ingest(house, batch(mail(1, sender="Newsletter <ewa@klient.example>", headers={"list-id": ("x",)})))
    number = persons.add(house, anna, "Ewa", emails=["ewa@klient.example"])
    with house.db.read() as connection:
        page = pages.person(connection, number, viewer(house.config, anna))
    assert [moment.id for moment in page.timeline] == ["1@test.example"]


# DATA-8, DATA-9
def test_a_deal_moves_through_stages_until_it_is_won(house: Context, anna: Actor) -> None:
    ewa = persons.add(house, anna, "Ewa", emails=["ewa@klient.example"])
    number = deals.add(house, anna, "Dach", person=ewa, value="1 200,50", currency="pln")
    deal = deal_of(house, number)
    assert (deal.stage, deal.status, deal.value, deal.currency) == ("New", "open", Decimal("1200.50"), "PLN")

    deals.move(house, anna, number, "offer")
    deals.move(house, anna, number, "Offer")  # no move, so no event
    deals.close(house, anna, number, won=True)
    assert (deal_of(house, number).status, deal_of(house, number).closed_at) == ("won", NOW)
    with pytest.raises(Refused, match="is won already"):
        deals.close(house, anna, number, won=False)
    with pytest.raises(Refused, match="only an open one moves"):
        deals.move(house, anna, number, "New")
    assert told(house) == [
        ("deal.created", ewa, {"deal": number, "stage": "New"}),
        ("deal.moved", ewa, {"deal": number, "stage": "Offer"}),
        ("deal.won", ewa, {"deal": number, "stage": "Offer"}),
    ]
    deals.reopen(house, number)
    assert deal_of(house, number).status == "open"


# DATA-9, DATA-5
def test_a_deal_is_with_a_person_an_organization_or_both(house: Context, anna: Actor) -> None:
    company = organizations.add(house, anna, "Klient", domain_names=["klient.example"])
    ewa = persons.add(house, anna, "Ewa", organization=company)
    of_both = deals.add(house, anna, "A", person=ewa)
    of_company = deals.add(house, anna, "B", organization=company)
    assert (deal_of(house, of_both).person, deal_of(house, of_both).organization) == (ewa, company)
    assert (deal_of(house, of_company).person, deal_of(house, of_company).organization) == (None, company)
    with pytest.raises(Refused, match="with somebody"):
        deals.add(house, anna, "C")
    with pytest.raises(Refused, match="leave it a person"):
        deals.edit(house, of_company, ItemEdit(organization=0))
    with pytest.raises(NotFound, match="stages are: Sales/New, Sales/Contacted"):
        deals.add(house, anna, "D", person=ewa, stage="Nowhere")


def test_a_closed_deal_is_no_candidate_any_more(house: Context, anna: Actor) -> None:
    ewa = persons.add(house, anna, "Ewa", emails=["ewa@klient.example"])
    one, two = (deals.add(house, anna, title, person=ewa) for title in "AB")
    ingest(house, batch(mail(1)))
    with house.db.write() as connection:
        connection.execute(tables.standing_choice.insert().values(person_id=ewa, deal_id=one, at=NOW))
    deals.close(house, anna, one, won=False, reason="price")
    deals.remove(house, two)
    with house.db.read() as connection:
        assert connection.execute(select(tables.standing_choice.c.deal_id)).all() == []
        assert connection.execute(select(tables.choice.c.state)).scalars().all() == ["withdrawn"]
    assert deal_of(house, one).lost_reason == "price"


@dataclass(frozen=True)
class Client:
    """A company, its Ewa, her deal, and an activity or note about each; the deal is with the company through her."""

    company: int
    ewa: int
    deal: int
    visit: int
    note: int
    call: int


@pytest.fixture
def client(house: Context, anna: Actor) -> Client:
    company = organizations.add(house, anna, "Klient", industry="roofs")
    ewa = persons.add(house, anna, "Ewa", emails=["ewa@klient.example"], organization=company)
    deal = deals.add(house, anna, "Dach", person=ewa)
    stranger = persons.add(house, anna, "Olaf")
    activities.add(house, anna, "call", About(person_id=stranger), due=NOW)
    activities.add_note(house, anna, "Likes blue", About(person_id=stranger))
    return Client(
        company=company,
        ewa=ewa,
        deal=deal,
        visit=activities.add(house, anna, "visit", About(deal_id=deal), due=NOW + timedelta(days=9)),
        note=activities.add_note(house, anna, "Likes red", About(person_id=ewa)),
        call=activities.add(house, anna, "call", About(organization_id=company), due=NOW + timedelta(days=8)),
    )


def moments(page: pages.PersonPage | pages.OrganizationPage | pages.DealPage) -> list[tuple[str, int | str]]:
    return [(moment.kind, moment.id) for moment in page.timeline]


# DATA-2
def test_everything_about_a_person_is_one_timeline(house: Context, anna: Actor, client: Client) -> None:
    ingest(house, batch(mail(1)))
    with house.db.read() as connection:
        page = pages.person(connection, client.ewa, viewer(house.config, anna))
    assert moments(page) == [("activity", client.visit), ("note", client.note), ("message", "1@test.example")]
    assert [deal.id for deal in page.deals] == [client.deal]


# DATA-4
def test_an_organization_shows_what_its_persons_and_deals_have(house: Context, anna: Actor, client: Client) -> None:
    with house.db.read() as connection:
        page = pages.organization(connection, client.company, viewer(house.config, anna))
    assert page.persons == [person_of(house, client.ewa)]
    assert moments(page) == [("activity", client.visit), ("activity", client.call), ("note", client.note)]
    assert {each.id for each in page.activities} == {client.visit, client.call}


# DATA-10
def test_a_deal_shows_its_persons_and_organizations_data_as_they_are_now(
    house: Context, anna: Actor, client: Client
) -> None:
    persons.edit(house, client.ewa, persons.PersonEdit(add_phones=["+48 600 100 200"]))
    organizations.edit(house, client.company, organizations.OrganizationEdit(industry="walls"))
    with house.db.read() as connection:
        page = pages.deal(connection, client.deal, viewer(house.config, anna))
    assert page.person_record == person_of(house, client.ewa)
    assert page.person_record.phones == ["+48 600 100 200"]
    assert page.organization_record is not None
    assert (page.organization_record.name, page.organization_record.industry) == ("Klient", "walls")


# DATA-11
def test_a_deals_activity_is_also_its_persons_and_organizations(house: Context, anna: Actor, client: Client) -> None:
    see = viewer(house.config, anna)
    with house.db.read() as connection:
        of_deal = pages.deal(connection, client.deal, see)
        of_person = pages.person(connection, client.ewa, see)
        of_organization = pages.organization(connection, client.company, see)
    assert [each.id for each in of_deal.activities] == [client.visit]
    assert moments(of_deal) == [("activity", client.visit)]
    assert [each.id for each in of_person.activities] == [client.visit]
    assert [each.id for each in of_organization.activities] == [client.call, client.visit]


# DATA-14
def test_an_activity_of_any_type_belongs_to_any_record(house: Context, anna: Actor, client: Client) -> None:
    lead = leads.add(house, anna, "Okno", person=client.ewa)
    due = datetime(2026, 12, 1, 8, tzinfo=UTC)
    abouts = {
        "person": About(person_id=client.ewa),
        "organization": About(organization_id=client.company),
        "deal": About(deal_id=client.deal),
        "lead": About(lead_id=lead),
    }
    for noun, about in abouts.items():
        number = activities.add(house, anna, f"wizyta: {noun}", about, due=due, priority="high", note="The budget")
        with house.db.read() as connection:
            (stored,) = record_shapes.activities_(connection, [number])
        assert (stored.type, stored.due, stored.assignee) == (f"wizyta: {noun}", due, "anna")
        assert (stored.priority, stored.note, stored.done_at) == ("high", "The budget", None)
        belongs = {name: getattr(stored, name) for name in abouts}
        assert belongs == {name: getattr(abouts[name], f"{name}_id") if name == noun else None for name in abouts}
    with pytest.raises(Refused, match="no priority"):
        activities.add(house, anna, "call", About(), priority="urgent")


def test_an_activity_is_done_once_and_that_is_told(house: Context, anna: Actor, client: Client) -> None:
    assert activities.done(house, anna, client.visit)
    assert not activities.done(house, anna, client.visit)
    assert told(house)[-1] == ("activity.done", client.ewa, {"activity": client.visit, "type": "visit"})


# DATA-3, DATA-6
def test_an_organization_has_addresses_of_its_own_and_relations(house: Context, anna: Actor) -> None:
    parent = organizations.add(house, anna, "Grupa", domain_names=["@Grupa.example"], emails=["biuro@grupa.example"])
    child = organizations.add(house, anna, "Klient", industry="roofs")
    organizations.relate(house, child, parent, "parent")
    with pytest.raises(Refused, match="belongs to Grupa"):
        organizations.edit(house, child, organizations.OrganizationEdit(add_domains=["grupa.example"]))
    with pytest.raises(Refused, match="our own"):
        organizations.add(house, anna, "We", domain_names=["firma.example"])
    with pytest.raises(Refused, match="to itself"):
        organizations.relate(house, child, child, "parent")
    assert {found(house, "organization", name) for name in ("Grupa", "grupa.example", "biuro@grupa.example")} == {
        parent
    }
    with house.db.read() as connection:
        page = pages.organization(connection, child, viewer(house.config, anna))
    assert page.relations == [pages.Relation(organization=parent, name="Grupa", kind="parent", of=False)]
    ingest(house, batch(mail(1, sender="Biuro <biuro@grupa.example>")))
    with house.db.read() as connection:
        page = pages.organization(connection, parent, viewer(house.config, anna))
    assert [moment.id for moment in page.timeline] == ["1@test.example"]
    organizations.remove(house, parent)
    organizations.edit(house, child, organizations.OrganizationEdit(add_domains=["grupa.example"]))


def test_a_merge_moves_everything(house: Context, anna: Actor) -> None:
    keep = persons.add(house, anna, "Ewa", emails=["ewa@dom.example"], phones=["1"])
    gone = persons.add(house, anna, "E. Zielińska", emails=["ewa@klient.example"], phones=["1", "2"])
    deal = deals.add(house, anna, "Dach", person=gone)
    ingest(house, batch(mail(1)))
    for name, who in (("vip", keep), ("vip", gone), ("roofs", gone)):
        persons.add_tag(house, anna, name, who)
    with house.db.write() as connection:
        fields.put(connection, "person", keep, "region", "north")
        fields.put(connection, "person", gone, "region", "south")
        fields.put(connection, "person", gone, "size", "L")
        connection.execute(tables.standing_choice.insert().values(person_id=gone, deal_id=deal, at=NOW))
    activities.add(house, anna, "call", About(person_id=gone))

    persons.merge(house, keep, gone)
    person = person_of(house, keep)
    assert (person.emails, person.phones) == (["ewa@dom.example", "ewa@klient.example"], ["1", "2"])
    assert (person.tags, person.fields) == (["roofs", "vip"], {"region": "north", "size": "L"})
    assert found(house, "person", str(gone)) == keep
    with house.db.read() as connection:
        page = pages.person(connection, keep, viewer(house.config, anna))
        assert connection.execute(select(tables.standing_choice.c.person_id)).scalars().all() == [keep]
        links = connection.execute(select(tables.link.c.record_id).where(tables.link.c.record == "person"))
        assert links.scalars().all() == [keep]
    assert [each.id for each in page.deals] == [deal]
    assert {moment.kind for moment in page.timeline} == {"message", "activity"}
    ingest(house, batch(mail(2, text="again")))
    with house.db.read() as connection:
        assert connection.execute(people.ids()).scalars().all() == [keep]
    with pytest.raises(Refused, match="with himself"):
        persons.merge(house, keep, keep)


def test_merged_deals_and_organizations_keep_their_money_and_mail(house: Context, anna: Actor) -> None:
    one, two = (organizations.add(house, anna, name, domain_names=[f"{name}.example"]) for name in ("aa", "bb"))
    third = organizations.add(house, anna, "cc")
    organizations.relate(house, one, two, "partner")
    organizations.relate(house, third, two, "parent")
    organizations.relate(house, third, one, "parent")
    ewa = persons.add(house, anna, "Ewa", emails=["ewa@klient.example"], organization=two)
    keep = deals.add(house, anna, "A", person=ewa, currency="EUR")
    gone = deals.add(house, anna, "B", person=ewa, value="10", currency="PLN")
    ingest(house, batch(mail(1)))  # asks which
    organizations.merge(house, one, two)
    deals.merge(house, keep, gone)
    deal = deal_of(house, keep)
    assert (deal.organization, deal.value, deal.currency) == (one, Decimal("10.00"), "PLN")
    assert person_of(house, ewa).organization == one
    with house.db.read() as connection:
        page = pages.organization(connection, one, viewer(house.config, anna))
        assert connection.execute(select(tables.choice_deal.c.deal_id)).scalars().all() == [keep]
    assert (page.domains, [each.organization for each in page.relations]) == (["aa.example", "bb.example"], [third])
    deals.close(house, anna, keep, won=True)
    other = deals.add(house, anna, "C", person=ewa)
    with pytest.raises(Refused, match="into the open one"):
        deals.merge(house, keep, other)


def test_a_lead_becomes_a_deal(house: Context, anna: Actor) -> None:
    ewa = persons.add(house, anna, "Ewa")
    number = leads.add(house, anna, "Roof?", person=ewa, value="10", currency="EUR")
    other = leads.add(house, anna, "Roof again", person=ewa)
    leads.merge(house, number, other)
    leads.edit(house, number, ItemEdit(title="Roof!", value=""))
    with house.db.read() as connection:
        (lead,) = record_shapes.leads_(connection, [number])
    assert (lead.title, lead.value, lead.currency) == ("Roof!", None, "EUR")
    deal = leads.convert(house, anna, number)
    assert (deal_of(house, deal).title, deal_of(house, deal).person) == ("Roof!", ewa)
    with pytest.raises(NotFound):
        found(house, "lead", str(number))


def test_activities_and_notes_are_edited_merged_and_removed(house: Context, anna: Actor) -> None:
    ewa = persons.add(house, anna, "Ewa")
    one = activities.add(house, anna, "call", About(person_id=ewa), note="first")
    two = activities.add(house, anna, "call", About(), due=NOW, note="second")
    activities.edit(house, anna, one, activities.ActivityEdit(type="meeting", priority=""), About())
    activities.merge(house, one, two)
    with house.db.read() as connection:
        (activity,) = record_shapes.activities_(connection, [one])
    assert (activity.type, activity.due, activity.note, activity.person) == ("meeting", NOW, "first\nsecond", ewa)
    first = activities.add_note(house, anna, " a ", About(person_id=ewa))
    second = activities.add_note(house, anna, "b", About(person_id=ewa))
    activities.edit_note(house, first, "A")
    activities.merge_notes(house, first, second)
    with house.db.read() as connection:
        assert record_shapes.notes(connection, [first])[0].text == "A\n\nb"
    activities.remove(house, one)
    activities.remove_note(house, first)
    with house.db.read() as connection:
        page = pages.person(connection, ewa, viewer(house.config, anna))
    assert page.timeline == []
    with pytest.raises(Refused, match="about something"):
        activities.add_note(house, anna, "c", About())
    with pytest.raises(Refused, match="empty"):
        activities.add_note(house, anna, " ", About(person_id=ewa))


def test_tags_are_told_once(house: Context, anna: Actor) -> None:
    ewa = persons.add(house, anna, "Ewa")
    assert persons.add_tag(house, anna, "vip", ewa)
    assert not persons.add_tag(house, anna, "vip", ewa)
    assert persons.remove_tag(house, anna, "vip", ewa)
    assert not persons.remove_tag(house, anna, "vip", ewa)
    assert told(house) == [("tag.added", ewa, {"tag": "vip"}), ("tag.removed", ewa, {"tag": "vip"})]


# DATA-17
def test_a_person_whom_mail_created_can_be_undone_and_stays_away(house: Context, anna: Actor) -> None:
    ingest(house, batch(mail(1, sender="Ewa <ewa+x@klient.example>")))
    number = found(house, "person", "ewa+x@klient.example")
    persons.undo(house, number)
    ingest(house, batch(mail(2, sender="Ewa <ewa+x@klient.example>", text="again")))
    with house.db.read() as connection:
        assert connection.execute(people.ids()).scalars().all() == []
        assert connection.execute(select(tables.thread.c.link)).scalars().all() == ["none", "none"]
        assert connection.execute(select(tables.link).where(tables.link.c.record != "thread")).all() == []
        assert (
            connection.execute(select(tables.organization.c.id).where(tables.organization.c.removed_at.is_(None))).all()
            == []
        )
        hashes = connection.execute(select(tables.unwanted_address.c.hash)).scalars().all()
    assert all("ewa" not in each for each in hashes)
    assert hashes
    by_hand = persons.add(house, anna, "Ewa", emails=["ewa+x@klient.example"])  # wanted after all
    with house.db.read() as connection:
        page = pages.person(connection, by_hand, viewer(house.config, anna))
    assert len(page.timeline) == 2


def test_undo_refuses_what_people_have_touched(house: Context, anna: Actor) -> None:
    with pytest.raises(Refused, match="not from mail"):
        persons.undo(house, persons.add(house, anna, "Jan"))
    ingest(house, batch(mail(1)))
    ewa = found(house, "person", "ewa@klient.example")
    deals.add(house, anna, "Dach", person=ewa)
    with pytest.raises(Refused, match="has 1 deal"):
        persons.undo(house, ewa)


# DATA-8
def test_a_pipeline_gets_the_stages_of_its_file(house: Context, anna: Actor) -> None:
    ewa = persons.add(house, anna, "Ewa")
    deal = deals.add(house, anna, "Dach", person=ewa)
    with house.db.write() as connection:
        pipelines.apply(connection, "Sales", ["New", "Offer", "Signed"], NOW)
        pipelines.apply(connection, "Service", ["New", "Done"], NOW)
    with house.db.read() as connection:
        assert [(each.name, each.stages) for each in pipelines.every(connection)] == [
            ("Sales", ("New", "Offer", "Signed")),
            ("Service", ("New", "Done")),
        ]
    with house.db.write() as connection, pytest.raises(Refused, match=r"New \(1\)"):
        pipelines.apply(connection, "Sales", ["Offer"], NOW)
    with pytest.raises(Refused, match="several pipelines"):
        deals.add(house, anna, "Okno", person=ewa, stage="New")
    deals.move(house, anna, deal, "Service/Done")
    assert (deal_of(house, deal).pipeline, deal_of(house, deal).stage) == ("Service", "Done")
    deals.move(house, anna, deal, "New")  # of its own pipeline
    assert deal_of(house, deal).pipeline == "Service"


def test_a_list_costs_as_many_queries_for_many_as_for_few(house: Context, anna: Actor) -> None:
    numbers = [persons.add(house, anna, f"P{count}", emails=[f"p{count}@klient.example"]) for count in range(12)]
    statements: list[str] = []
    event.listen(house.db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    with house.db.read() as connection:
        connection.execute(select(1))  # so that BEGIN is not counted
        statements.clear()
        record_shapes.persons(connection, numbers[:1])
        few = len(statements)
        assert len(record_shapes.persons(connection, numbers)) == 12
    assert len(statements) == 2 * few


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_an_amount_is_read_as_it_was_written(amount: Decimal) -> None:
    assert money(str(amount), "pln") == (amount, "PLN")


@pytest.mark.parametrize(
    ("value", "currency"), [("1.005", None), ("x", None), ("NaN", None), ("1e30", None), ("1", "P1")]
)
def test_what_is_no_money_is_refused(value: str, currency: str | None) -> None:
    with pytest.raises(Refused):
        money(value, currency)
