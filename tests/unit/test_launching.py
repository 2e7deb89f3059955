"""Launching a campaign: once, for everybody who was chosen, whatever stops it half way."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailcrm.app import launching, members
from mailcrm.core.definitions import Chosen
from mailcrm.errors import Refused
from mailcrm.store.db import Database
from tests.campaign_house import CALLS, CampaignHouse, fill
from tests.house import NOW


def test_everybody_chosen_gets_his_call_once(database: Database, tmp_path: Path) -> None:
    # CAMP-2, CAMP-21, CAMP-22
    house = CampaignHouse(database, tmp_path)
    fill(database, 5, NOW)
    number = house.campaign()
    assert members.add(house.context, house.anna, "Spring", Chosen(persons=("all",))).done == 5
    launched = house.launch("Spring")
    assert (launched.new, launched.members) == (True, 5)
    house.home.run()
    assert [(row.type, row.person_id) for row in house.home.activities()] == [("call", each) for each in range(1, 6)]
    again = house.launch("Spring")
    assert (again.new, again.at) == (False, NOW)
    house.home.run()
    assert len(house.home.activities()) == 5
    assert {row.status for row in house.runs(number)} == {"completed"}
