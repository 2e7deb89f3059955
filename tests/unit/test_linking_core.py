"""The pure rules of linking, and that a first look counts what taking in makes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.app.ingest import Outcome, ingest
from mailcrm.core.first_sight import Tally
from mailcrm.core.linking import OpenDeal, OpenDeals, decide_deal, whom_to_ask
from mailcrm.core.model import FolderRole, Message
from mailcrm.store import tables
from mailcrm.store.db import Database
from tests.house import NOW, batch, build, mail
from tests.unit.test_ingest import rows
from tests.unit.test_threads import empty as empty

IDS = st.integers(1, 4)
TIMES = st.integers(0, 5).map(lambda days: NOW - timedelta(days=days))


@st.composite
def open_deals(draw: st.DrawFn) -> list[OpenDeal]:
    maybe = st.none() | IDS
    return [
        OpenDeal(number, f"Deal {number}", draw(maybe), draw(maybe), draw(maybe), "New", draw(TIMES))
        for number in draw(st.permutations(range(1, draw(st.integers(1, 7)))))
    ]


@given(open_deals(), st.sets(IDS), st.sets(IDS), st.booleans(), st.none() | TIMES)
def test_candidates_are_the_persons_deals_else_the_organizations(
    deals: list[OpenDeal], persons: set[int], organizations: set[int], use: bool, before: datetime | None
) -> None:  # DATA-9, DATA-21
    found, rule = OpenDeals(deals).candidates(persons, organizations, organization_deals=use, opened_before=before)
    possible = [deal for deal in deals if before is None or deal.created_at <= before]
    his = [deal for deal in possible if deal.person in persons]
    theirs = [deal for deal in possible if deal.organization in organizations] if use and not his else []
    assert found == sorted(his or theirs, key=lambda deal: deal.id)
    assert not found or rule.endswith("person" if his else "organization")


@given(open_deals(), st.dictionaries(IDS, st.integers(1, 9)), st.lists(IDS), st.none() | st.integers(1, 9))
def test_nothing_is_chosen_that_was_not_offered(
    deals: list[OpenDeal], standing: dict[int, int], persons: Sequence[int], said: int | None
) -> None:  # DATA-21, DATA-22, DATA-23
    plugin = None if said is None else lambda _: ("plugin", said)
    decision = decide_deal(deals, "rule", standing=standing, persons=persons, plugin=plugin)
    offered = {deal.id for deal in deals}
    meant = [standing[person] for person in persons if standing.get(person) in offered]
    if decision.deal is None:
        assert decision.ask == tuple(deals)
        assert len(deals) != 1
        assert said not in offered
        assert not meant
    else:
        assert decision.deal.record in offered
        assert decision.ask == ()
        assert decision.deal.record == (said if said in offered else meant[0] if meant else deals[0].id)


@given(st.lists(IDS, unique=True), st.none() | IDS, open_deals())
def test_who_is_asked(members: list[int], writer: int | None, deals: list[OpenDeal]) -> None:  # DATA-22
    whom = whom_to_ask(members, writer, deals)
    owners = {deal.owner for deal in deals}
    if len(members) == 1:
        assert whom == members[0]
    elif writer in members:
        assert whom == writer
    else:
        assert whom == (next(iter(owners)) if len(owners) == 1 else None)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[list[Message], list[Message]]:
    """What lies in Sent and in the INBOX: old and new, of customers, strangers, machines and ourselves."""
    ages = st.sampled_from([1, 6, 8, 300, 720, 740]).map(lambda days: timedelta(days=days, minutes=draw(IDS)))
    people = ("ewa@klient.example", "ola@klient.example", "no-reply@sklep.example", "jan@firma.example")
    count = draw(st.integers(1, 8))
    sent, received = [], []
    for n in range(count):
        replies = tuple(draw(st.lists(st.integers(0, 12), max_size=2)))
        if draw(st.booleans()):
            to = ", ".join(draw(st.lists(st.sampled_from(people), min_size=1, unique=True)))
            sent.append(mail(n, sender="anna@firma.example", to=to, age=draw(ages), replies_to=replies))
        else:
            received.append(mail(n, sender=draw(st.sampled_from(people)), age=draw(ages), replies_to=replies))
    return sent, received


@settings(max_examples=40)
@given(found=boxes(), newest_first=st.booleans())
def test_a_first_look_counts_what_is_made(
    empty: Path, found: tuple[list[Message], list[Message]], newest_first: bool
) -> None:  # DATA-17
    sent, received = found
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(empty, Path(folder) / "test.db")
        database = Database(f"sqlite:///{Path(folder) / 'test.db'}")
        house = build(database, Path(folder))
        tally = Tally(ours=house.ours, now=NOW, history=timedelta(days=7), policy="received+sent")
        places = [(each, FolderRole.SENT) for each in sent] + [(each, FolderRole.INBOX) for each in received]
        for message, role in places:
            tally.add(message, role, message.date or NOW)
        made = Outcome()
        for message, role in sorted(places, key=lambda place: place[0].date or NOW, reverse=newest_first):
            made += ingest(house, batch(message, role=role))
        threads = [row for row in rows(house, tables.thread) if row.merged_into is None]
        linked = {(row.message_id, row.address) for row in rows(house, tables.participant) if row.person_id}
        addresses = {row.address for row in rows(house, tables.person_address)}
        unlinked = {row.address for row in rows(house, tables.participant)} - {address for _, address in linked}
        database.close()
    sight = tally.sight(())
    assert (sight.messages, sight.threads) == (made.stored, len(threads))
    assert sight.persons == made.persons
    assert not unlinked & addresses
