"""Campaigns that are paused, resumed, stopped by hand or by themselves, and that end."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from mailcrm.app import campaign_ends, campaigns, launching, machine, perform, planning
from mailcrm.app.acting import Actor
from mailcrm.errors import Refused
from mailcrm.store.bulk import insert_rows
from mailcrm.store.db import Database
from mailcrm.store.tables import outbox
from tests.campaign_house import CALLS, MAILING, CampaignHouse, fill
from tests.house import NOW
from tests.transports import Taker


@pytest.fixture
def house(database: Database, tmp_path: Path) -> CampaignHouse:
    return CampaignHouse(database, tmp_path)


def states(house: CampaignHouse) -> list[str]:
    return [row.state for row in house.home.outbox() if row.kind == "flow"]


def launched(house: CampaignHouse, count: int, text: str = CALLS) -> int:
    """A campaign that was launched for so many, of whom nothing was done yet."""
    fill(house.db, count, NOW)
    if text == MAILING:
        house.template()
    number = house.campaign(text)
    house.consent(number, "anna")
    house.add(number, "all")
    house.launch(number)
    return number


def written(house: CampaignHouse) -> None:
    """Everybody's mail waits in the outbox."""
    house.home.run()
    perform.perform_due(house.context)


def test_while_it_is_paused_nothing_is_done(house: CampaignHouse) -> None:
    number = launched(house, 5)
    campaign_ends.pause(house.context, house.anna, str(number))
    house.home.run()
    house.home.pass_(days=30)
    house.home.run()
    assert house.home.activities() == []
    assert machine.run_due(house.context).stimuli == 0  # nobody is looked at again and again
    assert campaigns.shown(house.context, "Spring").course.status == "paused"
    assert not campaign_ends.is_due(house.context)
    assert not campaign_ends.tend(house.context)
    campaign_ends.resume(house.context, house.anna, str(number))
    assert campaign_ends.tend(house.context)
    house.home.run()
    assert [row.person_id for row in house.home.activities()] == [1, 2, 3, 4, 5]


def test_launching_a_paused_one_lets_it_go_on(house: CampaignHouse) -> None:
    number = launched(house, 1)
    campaign_ends.pause(house.context, house.anna, str(number))
    house.home.run()
    again = launching.launch(house.context, house.anna, str(number))
    assert (again.new, again.resumed) == (False, True)
    campaign_ends.tend(house.context)
    house.home.run()
    assert len(house.home.activities()) == 1


def test_mail_of_a_paused_campaign_waits_and_then_leaves(house: CampaignHouse) -> None:
    number = launched(house, 3, MAILING)
    written(house)
    campaign_ends.pause(house.context, house.anna, str(number))
    taker = Taker()
    house.home.send(taker)
    assert (states(house), len(taker.taken)) == (["pending"] * 3, 0)
    assert "the campaign is paused" in (house.home.outbox()[-1].reason or "")
    house.home.pass_(days=2)
    assert house.home.send(taker).delayed == 0  # nor is mail
    campaign_ends.resume(house.context, house.anna, str(number))
    campaign_ends.tend(house.context)
    house.home.send(taker)
    assert (states(house), len(taker.taken)) == (["sent"] * 3, 3)


def test_planning_pauses_and_goes_on(house: CampaignHouse) -> None:
    fill(house.db, 5, NOW)
    number = house.campaign()
    house.add(number, "all")
    launching.launch(house.context, house.anna, str(number))
    planning.plan_round(house.context, number, limit=2)
    campaign_ends.pause(house.context, house.anna, str(number))
    assert planning.plan_round(house.context, number) is None
    campaign_ends.resume(house.context, house.anna, str(number))
    while campaign_ends.tend(house.context):
        pass
    assert [row.person_id for row in house.recipients(number)] == [1, 2, 3, 4, 5]


def test_a_stopped_campaign_does_nothing_more(house: CampaignHouse) -> None:
    number = launched(house, 4, MAILING)
    written(house)
    taker = Taker()
    with house.db.write() as connection:  # one has left already
        connection.execute(update(outbox).where(outbox.c.id > 1).values(due_at=NOW.replace(year=2027)))
    house.home.send(taker)
    with house.db.write() as connection:
        connection.execute(update(outbox).where(outbox.c.state == "pending").values(due_at=NOW))
    campaign_ends.stop(house.context, house.anna, str(number), "the price is wrong")
    house.home.send(taker)  # before anybody has taken them out
    assert (sorted(states(house)), len(taker.taken)) == (["sent", *["withdrawn"] * 3], 1)
    assert campaign_ends.wind_up(house.context, number) >= 3
    house.home.run()
    assert {(row.status, row.reason) for row in house.runs(number)} <= {
        ("removed", "the price is wrong"),
        ("completed", ""),
    }
    course = house.course(number)
    assert (course.stopped_at, course.ended_at, course.why) == (NOW, NOW, "the price is wrong")
    for act in (campaign_ends.pause, campaign_ends.resume, campaign_ends.stop):
        with pytest.raises(Refused, match="is not under way, it is stopped"):
            act(house.context, house.anna, str(number))
    assert not launching.launch(house.context, house.anna, str(number)).resumed


def test_who_was_not_planned_when_it_stopped_never_is(house: CampaignHouse) -> None:
    fill(house.db, 5, NOW)
    number = house.campaign()
    house.add(number, "all")
    launching.launch(house.context, house.anna, str(number))
    planning.plan_round(house.context, number, limit=2)
    campaign_ends.stop(house.context, house.anna, str(number))
    house.home.run()  # they may not begin any more
    while campaign_ends.tend(house.context):
        pass
    assert len(house.recipients(number)) == 2
    assert (house.home.activities(), house.course(number).ended_at) == ([], NOW)


def test_it_ends_when_everybody_is_through(house: CampaignHouse) -> None:
    number = launched(house, 3)
    assert not campaign_ends.is_due(house.context)  # of those who are inside the machine takes care
    campaign_ends.tend(house.context)
    assert house.course(number).ended_at is None
    house.home.run()
    assert campaign_ends.is_due(house.context)
    campaign_ends.tend(house.context)
    assert house.course(number).ended_at == NOW
    assert not campaign_ends.is_due(house.context)
    campaigns.remove(house.context, house.anna, str(number), confirmed=True)


def sent(
    house: CampaignHouse,
    number: int,
    first: int,
    last: int,
    returned: str | None = None,
    at: datetime | None = NOW,
) -> None:
    """Mails with these numbers have left; and came back. ``at``: None: they were refused at once."""
    columns = ("key", "kind", "message_id", "sender", "recipient", "subject", "content", "state", "due_at")
    rows = [(f"{each}.1.0", "flow", f"{each}@x", "", "", "", b"", "sent", NOW) for each in range(first, last + 1)]
    more = ("created_at", "sent_at", "flow_id", "returned")
    with house.db.write() as connection:
        insert_rows(connection, outbox, (*columns, *more), [(*row, NOW, at, number, returned) for row in rows])


def test_it_stops_itself_when_too_much_comes_back(house: CampaignHouse) -> None:
    number = launched(house, 2, MAILING)
    written(house)
    sent(house, number, 1_001, 1_281)
    sent(house, number, 2_001, 2_019, "address")
    campaign_ends.tend(house.context)
    assert house.course(number).stopped_at is None  # 19 of 300: fewer than twenty
    sent(house, number, 2_020, 2_020, "passing")
    sent(house, number, 1_282, 1_381)
    campaign_ends.tend(house.context)
    assert house.course(number).stopped_at is None  # 20 of 401: less than one in twenty
    sent(house, number, 2_021, 2_021, "address", at=None)
    campaign_ends.tend(house.context)
    assert house.course(number).stopped_at == NOW
    (notice,) = house.home.pulse()
    assert "has stopped itself: 21 of its mails came back" in notice.text
    while campaign_ends.tend(house.context):
        pass
    assert {row.state for row in house.home.outbox()} == {"sent", "withdrawn"}
    assert {row.status for row in house.runs(number)} == {"removed"}
    assert len(house.home.pulse()) == 1


def test_somebody_elses_campaign_is_left_alone(house: CampaignHouse) -> None:
    # CAMP-5
    number = launched(house, 1)
    jan = house.home.actor("jan")
    for act in (campaign_ends.pause, campaign_ends.resume, campaign_ends.stop):
        with pytest.raises(Refused, match="is anna's"):
            act(house.context, jan, str(number))
    campaign_ends.pause(house.context, Actor(), str(number))
