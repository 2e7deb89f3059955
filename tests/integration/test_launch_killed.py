"""Whoever launches is killed by kill -9, again and again: nobody gets it twice, and nobody is left out."""

from __future__ import annotations

import multiprocessing
import random
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from mailcrm.app import campaign_ends, launching, machine, planning
from mailcrm.app.acting import Actor
from mailcrm.store.bulk import insert_rows
from mailcrm.store.db import Database
from mailcrm.store.tables import activity, campaign, campaign_member, enrollment, organization_address, recipient
from tests.campaign_house import CALLS, MAILING, CampaignHouse, fill
from tests.house import NOW

BOTH = 'strategy = "both"\n'
COMPANIES = 7
ROUND = 20


def work(url: str, folder: Path, numbers: tuple[int, ...], began: Connection) -> None:
    """Launch the campaigns, plan them in small rounds, and do what is due of the calls, until nothing is left."""
    house = CampaignHouse(Database(url), folder)
    began.send(True)
    for number in numbers:
        launching.launch(house.context, Actor(), str(number))
    more = True
    while more:
        planned = [planning.plan_round(house.context, number, ROUND) for number in numbers]
        ran = machine.run_due(house.context, ROUND)
        more = any(planned) or ran.more or ran.stimuli > 0
    campaign_ends.tend(house.context)


def survives(url: str, folder: Path, numbers: tuple[int, ...], seconds: float | None) -> bool:
    """Work in a process of its own; False if it was killed, so long after it began."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    child = fork.Process(target=work, args=(url, folder, numbers, theirs))
    child.start()
    assert ours.poll(60)
    child.join(600 if seconds is None else seconds)
    if seconds is not None:
        child.kill()
        child.join(60)
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode == 0


def play(url: str, folder: Path, count: int, kills: int) -> tuple[tuple[int, ...], int]:
    """In a process without threads, for a fork copies the locks that they hold: the campaigns, and how many died."""
    rng = random.Random(5)
    house = CampaignHouse(Database(url), folder)
    fill(house.db, count, NOW, companies=COMPANIES)
    offices = [(f"biuro{each}@klient.example", each) for each in range(1, COMPANIES + 1)]
    with house.db.write() as connection:
        insert_rows(connection, organization_address, ("address", "organization_id"), offices)
    house.template()
    numbers = house.campaign(CALLS, "Calls"), house.campaign(MAILING + BOTH + 'subjects = ["A", "B"]\n', "Letters")
    for number in numbers:
        house.add(number, "all")
    house.db.close()
    struck = 0
    for _ in range(kills):
        struck += not survives(url, folder, numbers, rng.uniform(0, 0.25))
    assert survives(url, folder, numbers, None)
    return numbers, struck


def everybody(database: Database, number: int, count: int) -> Sequence[Any]:
    """The recipients, after a look at whether each member was planned once, and each who gets it has one run."""
    with database.read() as connection:
        course = connection.execute(select(campaign).where(campaign.c.flow_id == number)).one()
        members = connection.execute(select(campaign_member.c.id).where(campaign_member.c.flow_id == number)).scalars()
        rows = connection.execute(select(recipient).where(recipient.c.flow_id == number).order_by(recipient.c.id)).all()
        runs = connection.execute(
            select(enrollment.c.id, enrollment.c.recipient_id).where(enrollment.c.flow_id == number)
        ).all()
    assert course.planned_at is not None
    assert {row.member_id for row in rows} == set(members)
    assert len({(row.member_id, row.part) for row in rows}) == len(rows)
    getting = [(row.enrollment_id, row.id) for row in rows if row.enrollment_id is not None]
    assert sorted(map(tuple, runs)) == sorted(getting)
    assert len({row.member_id for row in rows}) == count
    return rows


def killed(database: Database, folder: Path, count: int, kills: int) -> None:
    url = database.url if database.is_sqlite else database.engine.url.render_as_string(hide_password=False)
    database.close()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as clean:
        (calls, letters), struck = clean.submit(play, url, folder, count, kills).result()
    assert struck > kills // 2, "the kills came too late to prove anything"
    everybody(database, calls, count)
    rows = everybody(database, letters, count)
    getting = [row.address for row in rows if row.enrollment_id is not None]
    assert len(getting) == len(set(getting)) == count + COMPANIES  # one mail to each company, whoever is of it
    variants = [row.variant for row in rows if row.enrollment_id is not None]
    assert variants == [each % 2 for each in range(len(variants))]
    with database.read() as connection:
        done = connection.execute(select(activity.c.person_id, func.count()).group_by(activity.c.person_id)).all()
        ended = connection.execute(select(campaign.c.ended_at).where(campaign.c.flow_id == calls)).scalar()
    assert sorted(map(tuple, done)) == [(each, 1) for each in range(1, count + 1)]
    assert ended == NOW


@pytest.mark.timeout(120)
def test_a_launch_survives_kills(database: Database, tmp_path: Path) -> None:
    # CAMP-22
    killed(database, tmp_path, 200, 5)


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_a_launch_survives_a_hundred_kills(database: Database, tmp_path: Path) -> None:
    killed(database, tmp_path, 2_000, 100)
