"""Whatever planning and looking after campaigns asks of the database is found by an index, however many there are."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import update

from mailcrm.app import campaign_ends, erasing, launching, leads, members, organizations, persons, planning
from mailcrm.core.definitions import Chosen
from mailcrm.store.db import Database
from mailcrm.store.tables import outbox
from tests.campaign_house import CALLS, MAILING, CampaignHouse, fill
from tests.house import NOW
from tests.plans import SMALL, explained, statements, too_much
from tests.transports import Taker

BOTH = 'strategy = "both"\n'
VARIED = 'subjects = ["A", "B"]\n'
OURS = {"campaign", "flow", "sender_hold"}
"""Few rows: one for each campaign, flow or user."""


def prepared(database: Database, folder: Path) -> tuple[CampaignHouse, int, int]:
    """Two campaigns for members of all groups, not launched yet."""
    house = CampaignHouse(database, folder)
    house.template()
    fill(database, 50, NOW, companies=3)
    lead = leads.add(house.context, house.anna, "A", person=1)
    path = folder / "list.csv"
    path.write_text("p1@klient.example\n2\nP3\nnobody\n")
    numbers = house.campaign(CALLS + BOTH, "Calls"), house.campaign(MAILING + BOTH + VARIED, "Letters")
    house.consent(numbers[1], "anna")
    for number in numbers:
        members.add(house.context, house.anna, str(number), files={"person": path})
        house.add(number, "all", organizations=("1", "acme.example"), leads=(str(lead),))
        members.remove(house.context, house.anna, str(number), Chosen(("50",)))
    return house, *numbers


def happens(house: CampaignHouse, calls: int, letters: int) -> None:
    """All that may happen to campaigns under way."""
    for number in (calls, letters):
        launching.launch(house.context, house.anna, str(number))
        planning.plan_round(house.context, number, 20)
    campaign_ends.pause(house.context, house.anna, str(letters))
    house.home.run()
    campaign_ends.resume(house.context, house.anna, str(letters))
    while campaign_ends.tend(house.context):
        house.home.run()
    house.home.run()
    campaign_ends.pause(house.context, house.anna, str(letters))
    taker = Taker()
    house.home.send(taker)
    campaign_ends.resume(house.context, house.anna, str(letters))
    campaign_ends.tend(house.context)
    house.home.send(taker)
    assert taker.given
    with house.db.write() as connection:
        connection.execute(update(outbox).where(outbox.c.state == "sent", outbox.c.id <= 30).values(returned="address"))
    while campaign_ends.tend(house.context):
        pass
    for number in (calls, letters):
        assert house.course(number).ended_at == NOW


def test_no_query_reads_a_whole_table(sqlite: Database, tmp_path: Path) -> None:
    house, calls, letters = prepared(sqlite, tmp_path)
    with statements(sqlite) as found:
        happens(house, calls, letters)
    assert len(found) > 60
    asleep = [
        step
        for statement, parameters in found.values()
        if statement.startswith("SELECT") and "enrollment.due_at = ?" in statement
        for step in explained(sqlite, statement, parameters)
    ]
    assert too_much(sqlite, found.values(), small=SMALL | OURS) == []
    assert asleep
    assert all("INDEX ix_enrollment_due_at (due_at=?)" in step for step in asleep), asleep


def test_what_becomes_of_records_is_found_in_campaigns_by_an_index(sqlite: Database, tmp_path: Path) -> None:
    house, _calls, letters = prepared(sqlite, tmp_path)
    house.launch(letters)
    with statements(sqlite) as found:
        persons.merge(house.context, 3, 4)
        organizations.merge(house.context, 1, 2)
        organizations.remove(house.context, 3)
        persons.remove(house.context, 5)
        leads.remove(house.context, 1)
        erasing.erase(house.context, 7)
    for asked in found.values():
        plan = explained(sqlite, *asked)
        assert not [step for step in plan if re.fullmatch(r"SCAN (campaign_member|recipient|enrollment)", step)]
