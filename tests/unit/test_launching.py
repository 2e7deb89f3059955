"""Launching a campaign: once, for everybody who was chosen, one mail to an address, whoever else does something."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import update

from mailcrm.app import campaigns, launching, leads, members, organizations, persons, planning
from mailcrm.app.acting import Actor
from mailcrm.core.definitions import Chosen
from mailcrm.errors import NotFound, Refused
from mailcrm.store.db import Database
from mailcrm.store.tables import user
from tests.campaign_house import CALLS, MAILING, CampaignHouse, fill
from tests.house import NOW, SETTINGS


@pytest.fixture
def house(database: Database, tmp_path: Path) -> CampaignHouse:
    return CampaignHouse(database, tmp_path)


@pytest.fixture
def alone(sqlite: Database, tmp_path: Path) -> CampaignHouse:
    """What is the same on either database."""
    return CampaignHouse(sqlite, tmp_path)


def test_everybody_chosen_gets_his_call_once(house: CampaignHouse) -> None:
    # CAMP-2, CAMP-21, CAMP-22
    fill(house.db, 5, NOW)
    number = house.campaign()
    assert house.add(number, "all").done == 5
    launched = house.launch("Spring")
    assert (launched.new, launched.members) == (True, 5)
    house.home.run()
    assert [(row.type, row.person_id) for row in house.home.activities()] == [("call", each) for each in range(1, 6)]
    house.home.pass_(hours=1)
    again = house.launch("Spring")
    assert (again.new, again.at, again.by) == (False, NOW, "user:anna")
    house.home.run()
    assert len(house.home.activities()) == 5
    assert {row.status for row in house.runs(number)} == {"completed"}


def test_only_what_is_ready_and_has_recipients_is_launched(alone: CampaignHouse) -> None:
    fill(alone.db, 1, NOW)
    for state in ("proposed", "preparing"):  # CAMP-20
        number = alone.campaign(state=state)
        alone.add(number, "1")
        with pytest.raises(Refused, match=f"is {state}, and only what is ready"):
            alone.launch(number)
    empty = alone.campaign(name="Empty")
    with pytest.raises(Refused, match="has no recipients"):  # CAMP-15
        alone.launch(empty)
    assert (alone.course(number).launched_at, alone.recipients(number)) == (None, [])
    alone.campaign(state="ready")
    assert alone.launch(number).new


def test_one_without_anybody_in_whose_name_it_is_done_is_not_launched(alone: CampaignHouse) -> None:
    # CAMP-6; launched once, it would be over without anything done
    fill(alone.db, 1, NOW)
    for sender in ("owner", "adder"):
        number = alone.campaign(f'{CALLS}sender = "{sender}"\n', sender, owner="", by=Actor())
        alone.add(number, "1")
        with pytest.raises(Refused, match="has no owner"):
            alone.launch(number)
        assert alone.course(number).launched_at is None
    of_each = alone.campaign(f'{CALLS}sender = "contact-owner"\n', "each", owner="", by=Actor())
    alone.add(of_each, "1")
    assert alone.launch(of_each).new
    left = alone.campaign(name="Left")
    alone.add(left, "1")
    with alone.db.write() as connection:
        connection.execute(update(user).where(user.c.key == "anna").values(disabled_at=NOW))
    with pytest.raises(Refused, match="its owner has left"):
        alone.launch(left)


def test_several_need_the_permission_bulk(sqlite: Database, tmp_path: Path) -> None:
    house = CampaignHouse(sqlite, tmp_path)
    fill(sqlite, 2, NOW)
    jan = house.home.actor("jan")
    number = house.campaign(owner="jan")
    members.add(house.context, jan, str(number), Chosen(("all",)))
    with pytest.raises(Refused, match="permission bulk"):
        house.launch(number, jan)
    members.remove(house.context, jan, str(number), Chosen(("2",)))
    assert house.launch(number, jan).new


def test_the_owner_and_the_operator_alone_may_change_it(alone: CampaignHouse) -> None:
    # CAMP-5
    fill(alone.db, 1, NOW)
    number = alone.campaign()
    jan = alone.home.actor("jan")
    for act in (
        lambda: alone.campaign(CALLS, by=jan),
        lambda: members.add(alone.context, jan, "Spring", Chosen(("1",))),
        lambda: members.remove(alone.context, jan, "Spring", Chosen(("1",))),
        lambda: launching.launch(alone.context, jan, "Spring"),
        lambda: campaigns.remove(alone.context, jan, "Spring", confirmed=True),
    ):
        with pytest.raises(Refused, match="'Spring' is anna's"):
            act()
    members.add(alone.context, Actor(), "Spring", Chosen(("1",)))
    assert alone.launch(number, Actor()).by == "command"


def test_a_launched_campaign_is_settled(alone: CampaignHouse) -> None:
    fill(alone.db, 3, NOW)
    number = alone.campaign()
    alone.add(number, "1", "2")
    alone.launch(number)
    for change in (members.add, members.remove):
        with pytest.raises(Refused, match="was launched"):
            change(alone.context, alone.anna, "Spring", Chosen(("2", "3")))
    with pytest.raises(Refused, match="is running"):
        campaigns.remove(alone.context, alone.anna, "Spring", confirmed=True)
    other = alone.campaign('type = "calls"\nnote = "Once more"\n')  # CAMP-3: the same name makes another one
    assert other != number
    with pytest.raises(Refused, match=f"may be several; say the number of one: campaign {number} .*campaign {other} "):
        alone.launch("Spring")
    assert (alone.course(other).launched_at, alone.members(other)) == (None, [])


def test_a_launch_while_somebody_edits_is_of_one_version(alone: CampaignHouse) -> None:
    fill(alone.db, 1, NOW)
    number = alone.campaign()
    alone.add(number, "1")
    file = alone.folder / "Spring.toml"
    plan = campaigns.read(alone.context, alone.anna, file)
    alone.launch(number)
    with pytest.raises(Refused, match="was changed by somebody else meanwhile"):
        campaigns.apply(alone.context, alone.anna, plan)
    assert len(campaigns.listed(alone.context)) == 1


def test_pressed_twice_at_once_it_is_launched_once(house: CampaignHouse) -> None:
    # CAMP-22
    fill(house.db, 2_500, NOW)
    number = house.campaign()
    house.add(number, "all")
    faults: list[BaseException] = []
    news: list[bool] = []
    gate = threading.Barrier(3)

    def press() -> None:
        try:
            gate.wait(10)
            news.append(house.launch(number).new)
        except BaseException as error:
            faults.append(error)

    pressing = [threading.Thread(target=press) for _ in range(3)]
    for thread in pressing:
        thread.start()
    for thread in pressing:
        thread.join(60)
    assert (faults, sorted(news)) == ([], [False, False, True])
    assert [row.member_id for row in house.recipients(number)] == [row.id for row in house.members(number)]
    assert len({row.recipient_id for row in house.runs(number)}) == 2_500
    assert house.course(number).planned_at is not None


def test_one_mail_to_one_address_across_rounds(house: CampaignHouse) -> None:
    # CAMP-8, CAMP-16, CAMP-19, A15
    house.template()
    firm = organizations.add(house.context, house.anna, "Firma", emails=["biuro@firma-b.example"])
    ewa = persons.add(house.context, house.anna, "Ewa", emails=["ewa@klient.example"], organization=firm)
    both = persons.add(house.context, house.anna, "Biuro", emails=["biuro@klient.example"])
    mute = persons.add(house.context, house.anna, "Bez adresu")
    lead = leads.add(house.context, house.anna, "Pytanie", person=ewa)
    number = house.campaign(MAILING + 'strategy = "both"\n')
    house.add(number, str(ewa), str(both), str(mute), organizations=(str(firm),), leads=(str(lead),))
    launching.launch(house.context, house.anna, str(number))
    while planning.plan_round(house.context, number, limit=1) is not None:
        pass
    found = [(row.part, row.address, row.enrollment_id is None, row.reason) for row in house.recipients(number)]
    assert [each[:3] for each in found if not each[2]] == [
        ("contact", "ewa@klient.example", False),
        ("company", "biuro@firma-b.example", False),
        ("contact", "biuro@klient.example", False),
    ]
    left_out = [each[3] for each in found if each[2]]
    assert [reason.partition(":")[0] for reason in left_out] == ["no address", *["no mail twice"] * 4]
    assert [row.person_id for row in house.runs(number)] == [ewa, None, both]
    preview = launching.preview(house.context, str(number))
    assert (preview.members, preview.recipients, preview.left_out) == (5, 3, {"no mail twice": 4, "no address": 1})
    assert (preview.senders, preview.lacking) == ({"anna": 3}, ("anna",))


def test_who_is_removed_before_it_is_planned_is_left_out(house: CampaignHouse) -> None:
    ewa, jan = (house.home.person(name, f"{name}@klient.example") for name in ("ewa", "jan"))
    firm = organizations.add(house.context, house.anna, "Firma")
    lead, other = (leads.add(house.context, house.anna, title, person=jan) for title in ("A", "B"))
    number = house.campaign(CALLS + 'strategy = "both"\n')
    house.add(number, str(ewa), str(jan), organizations=(str(firm),), leads=(str(lead), str(other)))
    launching.launch(house.context, house.anna, str(number))
    persons.remove(house.context, ewa)
    organizations.remove(house.context, firm)
    leads.remove(house.context, lead)
    planning.plan(house.context, number)
    assert {row.reason for row in house.recipients(number)} == {
        *("", "the person was removed", "the organization was removed", "the lead was removed"),
        f"not twice: person {jan} is a recipient already",
    }
    assert [row.person_id for row in house.runs(number)] == [jan]


def test_new_records_are_no_recipients(alone: CampaignHouse) -> None:
    # CAMP-18
    number = alone.campaign()
    alone.home.person()
    alone.home.lead()
    organizations.add(alone.context, alone.anna, "Firma")
    assert alone.members(number) == []


def test_variants_go_to_the_same_number_each_across_rounds(alone: CampaignHouse) -> None:
    fill(alone.db, 7, NOW)
    alone.template()
    number = alone.campaign(MAILING + 'subjects = ["A", "B", "C"]\n')
    alone.add(number, "all")
    launching.launch(alone.context, alone.anna, str(number))
    while planning.plan_round(alone.context, number, limit=2) is not None:
        pass
    assert [row.variant for row in alone.recipients(number)] == [0, 1, 2, 0, 1, 2, 0]


def test_each_contacts_owner_does_it_where_the_policy_says_so(alone: CampaignHouse) -> None:
    # CAMP-6
    jan = alone.home.actor("jan")
    his, nobodys = persons.add(alone.context, jan, "A"), persons.add(alone.context, Actor(), "B")
    for policy, users in (("contact-owner", ["jan", "anna"]), ("owner", ["anna", "anna"]), ("adder", ["jan", "jan"])):
        number = alone.campaign(CALLS + f'sender = "{policy}"\n', policy, by=jan)
        alone.add(number, str(his), str(nobodys))
        preview = launching.preview(alone.context, policy)
        assert preview.stand_in == (policy == "contact-owner")
        alone.launch(number)
        keys = {alone.home.actor(key).id: key for key in SETTINGS["users"]}
        assert [keys[row.user_id] for row in alone.recipients(number)] == users


def test_a_removed_campaign_is_in_no_list(alone: CampaignHouse) -> None:
    fill(alone.db, 1, NOW)
    number = alone.campaign()
    alone.add(number, "1")
    with pytest.raises(Refused, match="has 1 recipient; confirm"):
        campaigns.remove(alone.context, alone.anna, "Spring", confirmed=False)
    campaigns.remove(alone.context, alone.anna, "Spring", confirmed=True)
    assert (campaigns.listed(alone.context), alone.members(number)) == ([], [])
    with pytest.raises(NotFound, match="no campaign 'Spring'"):
        campaigns.shown(alone.context, "Spring")


def test_a_name_that_there_is_is_warned_of_and_not_refused(alone: CampaignHouse) -> None:
    # CAMP-3
    fill(alone.db, 1, NOW)
    number = alone.campaign()
    plan = campaigns.read(alone.context, alone.anna, alone.folder / "Spring.toml")
    assert campaigns.remarks(alone.context, alone.anna, plan) == []
    alone.add(number, "1")
    alone.launch(number)
    plan = campaigns.read(alone.context, alone.anna, alone.folder / "Spring.toml")
    assert campaigns.remarks(alone.context, alone.anna, plan)[0].startswith(
        f"there is another campaign 'Spring': {number} (running)"
    )


def test_a_name_that_somebody_else_has_prepared_is_no_obstacle(alone: CampaignHouse) -> None:
    # CAMP-3, CAMP-5
    jan = alone.home.actor("jan")
    annas = alone.campaign(owner="")
    plan = campaigns.read(alone.context, jan, alone.folder / "Spring.toml")
    assert plan.stored is None
    assert campaigns.remarks(alone.context, jan, plan)[0].startswith(
        f"there is another campaign 'Spring': {annas} (not launched, anna's)"
    )
    jans = alone.campaign(owner="", by=jan)
    assert jans != annas
    once_more = 'type = "calls"\nnote = "Once more"\n'
    assert alone.campaign(once_more, owner="", by=jan) == jans  # each changes his own
    assert alone.campaign(once_more, owner="") == annas
    assert alone.campaign(owner="jan", by=Actor()) == jans  # who may change both says whose
    assert [(each.stored.id, each.owner) for each in campaigns.listed(alone.context)] == [
        (annas, "anna"),
        (jans, "jan"),
    ]


def test_recipients_of_the_file_are_put_in_and_wrong_ones_refuse_it_whole(alone: CampaignHouse) -> None:
    fill(alone.db, 2, NOW)
    number = alone.campaign(CALLS + '[recipients]\npersons = ["p1@klient.example"]\n')
    alone.campaign(CALLS + '[recipients]\npersons = ["all"]\n')
    assert [row.person_id for row in alone.members(number)] == [1, 2]
    with pytest.raises(Refused) as refused:
        alone.campaign(CALLS + '[recipients]\npersons = ["nobody@x.example", "tag:none"]\n', "Other")
    assert "nobody has the tag 'none'" in str(refused.value)
    assert "no person with the address nobody@x.example" in str(refused.value)
    assert [each.stored.name for each in campaigns.listed(alone.context)] == ["Spring"]
