"""Campaigns whose members are merged, removed or erased: they follow, and nothing is left of who is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from sqlalchemy import Connection, String, cast, select

from mailcrm.app import campaign_ends, erasing, exporting, launching, leads, organizations, persons, planning
from mailcrm.store import enrollments
from mailcrm.store.db import Database
from mailcrm.store.tables.base import metadata
from tests.campaign_house import CALLS, MAILING, CampaignHouse, fill
from tests.house import NOW

BOTH = 'strategy = "both"\n'


@pytest.fixture
def house(database: Database, tmp_path: Path) -> CampaignHouse:
    made = CampaignHouse(database, tmp_path)
    made.template()
    return made


def person(house: CampaignHouse, name: str, organization: int | None = None) -> int:
    email = f"{name.casefold()}@klient.example"
    return persons.add(house.context, house.anna, name, emails=[email], organization=organization)


def test_a_merged_person_is_chosen_once(house: CampaignHouse) -> None:
    ewa, eva, jan = (person(house, name) for name in ("Ewa", "Eva", "Jan"))
    both, one = house.campaign(CALLS, "Both"), house.campaign(CALLS, "One")
    house.add(both, str(ewa), str(eva), str(jan))
    house.add(one, str(eva))
    persons.merge(house.context, ewa, eva)
    assert [row.person_id for row in house.members(both)] == [ewa, jan]
    assert [(row.person_id, row.key) for row in house.members(one)] == [(ewa, f"person:{ewa}")]
    assert house.add(one, str(ewa)).known == 1
    for number in (both, one):
        house.launch(number)
    house.home.run()
    assert sorted(row.person_id for row in house.home.activities()) == [ewa, ewa, jan]


def test_the_runs_of_a_person_who_is_merged_while_they_wait_are_the_others(house: CampaignHouse) -> None:
    ewa, eva = person(house, "Ewa"), person(house, "Eva")
    number = house.campaign(MAILING)
    house.add(number, str(ewa), str(eva))
    house.launch(number)
    persons.merge(house.context, ewa, eva)
    assert [row.person_id for row in house.recipients(number)] == [ewa, ewa]
    assert [(row.person_id, row.status) for row in house.runs(number)] == [(ewa, "in_progress")] * 2
    assert [row.person_id for row in house.members(number)] == [ewa, ewa]


def test_organizations_and_leads_follow_too(house: CampaignHouse) -> None:
    acme, other = (organizations.add(house.context, house.anna, name) for name in ("Acme", "Other"))
    one, two = (leads.add(house.context, house.anna, title, organization=acme) for title in "AB")
    number = house.campaign(CALLS + 'strategy = "company"\n')
    house.add(number, organizations=(str(other),), leads=(str(two),))
    organizations.merge(house.context, acme, other)
    leads.merge(house.context, one, two)
    assert [(row.organization_id, row.lead_id) for row in house.members(number)] == [(acme, None), (None, one)]
    house.launch(number)
    assert [row.organization_id for row in house.recipients(number)] == [acme, acme]
    assert house.recipients(number)[1].reason == f"not twice: organization {acme} is a recipient already"


def test_who_is_removed_while_it_waits_gets_nothing_more(house: CampaignHouse) -> None:
    ewa = person(house, "Ewa")
    acme = organizations.add(house.context, house.anna, "Acme")
    lead = leads.add(house.context, house.anna, "A", person=person(house, "Jan"))
    number = house.campaign(CALLS + BOTH)
    house.add(number, str(ewa), organizations=(str(acme),), leads=(str(lead),))
    house.launch(number)
    persons.remove(house.context, ewa)
    organizations.remove(house.context, acme)
    leads.remove(house.context, lead)
    house.home.run()
    assert house.home.activities() == []
    assert sorted((row.status, row.reason) for row in house.runs(number)) == [
        ("removed", f"lead {lead} was removed"),
        ("removed", f"organization {acme} was removed"),
        ("removed", f"person {ewa} was removed"),
    ]
    campaign_ends.tend(house.context)
    assert house.course(number).ended_at is not None


def somewhere(database: Database, word: str) -> list[str]:
    """The tables in which a word stands."""
    found = []
    with database.read() as connection:
        for table in metadata.sorted_tables:
            texts = [column for column in table.c if isinstance(column.type, String)]
            for column in texts:
                query = select(column).where(cast(column, String).contains(word, autoescape=True)).limit(1)
                if connection.execute(query).first() is not None:
                    found.append(f"{table.name}.{column.name}")
    return found


def test_an_erased_person_leaves_no_address_in_any_campaign(house: CampaignHouse) -> None:
    acme = organizations.add(house.context, house.anna, "Acme", emails=["biuro@acme.example"])
    ewa = person(house, "Ewa", acme)
    shared = organizations.add(house.context, house.anna, "Studio Ewa", emails=["ewa@klient.example"])
    lead = leads.add(house.context, house.anna, "A", person=ewa)
    waiting, launched = house.campaign(MAILING + BOTH, "Waiting"), house.campaign(MAILING + BOTH, "Launched")
    for number in (waiting, launched):
        house.add(number, str(ewa), organizations=(str(shared),), leads=(str(lead),))
    house.launch(launched)
    with house.db.read() as connection:
        told = exporting.export(connection, ewa)["campaigns"]
    assert [(each["campaign"], each["address"]) for each in told if each["address"] == "ewa@klient.example"] != []
    assert {each["campaign"] for each in told} == {"Waiting", "Launched"}
    erasing.erase(house.context, ewa)
    assert somewhere(house.db, "ewa@klient.example") == []
    assert [row.organization_id for row in house.members(waiting)] == [shared, None]
    assert {row.person_id for row in (*house.recipients(launched), *house.runs(launched))} == {None}
    house.launch(waiting)  # what is left of it can be launched
    house.home.run()
    addresses = {row.address for number in (waiting, launched) for row in house.recipients(number)}
    assert addresses <= {None, "biuro@acme.example"}


def test_who_is_erased_between_two_rounds_is_planned_no_more(house: CampaignHouse) -> None:
    ewa, jan = person(house, "Ewa"), person(house, "Jan")
    number = house.campaign(MAILING)
    house.add(number, str(jan), str(ewa))
    launching.launch(house.context, house.anna, str(number))
    planning.plan_round(house.context, number, limit=1)
    erasing.erase(house.context, ewa)
    planning.plan(house.context, number)
    assert [row.address for row in house.recipients(number)] == ["jan@klient.example"]


def test_who_is_merged_before_he_is_held_is_the_other(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only PostgreSQL writes beside the planner; the members' own rows are the same before and after."""
    database = Database(request.getfixturevalue("_postgres_copy"))
    house = CampaignHouse(database, tmp_path)
    house.template()
    acme = organizations.add(house.context, house.anna, "Acme")
    ewa, eva, jan, only = (person(house, *who) for who in (("Ewa",), ("Eva",), ("Jan",), ("Ola", acme)))
    lead = leads.add(house.context, house.anna, "A", person=eva)
    number = house.campaign(MAILING)
    house.add(number, organizations=(str(acme),), leads=(str(lead),))
    launching.launch(house.context, house.anna, str(number))
    merging = iter([(ewa, eva), (jan, only)])
    hold = enrollments.lock

    def held(connection: Connection, ids: Iterable[int]) -> None:
        for keep, gone in merging:
            persons.merge(house.context, keep, gone)
        hold(connection, ids)

    monkeypatch.setattr(enrollments, "lock", held)
    planning.plan(house.context, number)
    found = [(row.person_id, row.address) for row in house.recipients(number)]
    assert found == [(jan, "jan@klient.example"), (ewa, "ewa@klient.example")]
    database.close()


def test_people_may_be_merged_and_erased_while_it_is_planned(house: CampaignHouse) -> None:
    fill(house.db, 120, NOW, companies=3)
    number = house.campaign(MAILING)
    house.add(number, "all")
    launching.launch(house.context, house.anna, str(number))
    faults: list[BaseException] = []

    def plan() -> None:
        try:
            while planning.plan_round(house.context, number, 5) is not None:
                pass
        except BaseException as error:
            faults.append(error)

    planners = [threading.Thread(target=plan) for _ in range(2)]
    for thread in planners:
        thread.start()
    for each in range(120, 108, -4):
        erasing.erase(house.context, each)
        persons.merge(house.context, each - 1, each - 2)
        persons.remove(house.context, each - 3)
    for thread in planners:
        thread.join(60)
    assert faults == []
    assert [address for each in range(120, 108, -4) for address in somewhere(house.db, f"p{each}@klient.example")] == []
    assert house.course(number).planned_at == NOW
    planned = {row.member_id for row in house.recipients(number)}
    assert planned == {row.id for row in house.members(number)}
    getting = [row.address for row in house.recipients(number) if row.enrollment_id is not None]
    assert len(getting) == len(set(getting))
    assert {f"p{each}@klient.example" for each in range(1, 109)} <= set(getting)
