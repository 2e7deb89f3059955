"""Threads split and merged by hand, and threads judged anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.app.relink import Change, relink
from mailcrm.app.threads import merge, split
from mailcrm.errors import NotFound, Refused
from mailcrm.store import choices, tables
from mailcrm.store.db import Database
from tests.house import batch, build, mail
from tests.unit.test_ingest import add_deal, add_organization, add_person, count, rows, why_of


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


def thread_of(house: Context, number: int) -> int:
    with house.db.read() as connection:
        query = select(tables.message.c.thread_id).where(tables.message.c.message_id == f"{number}@test.example")
        return int(connection.execute(query).scalar_one())


def test_split_gives_messages_a_thread_of_their_own(house: Context) -> None:  # DATA-18
    ingest(house, batch(mail(1), mail(2, replies_to=(1,)), mail(3, replies_to=(1, 2))))
    fresh = split(house, ["<3@test.example>"])
    assert thread_of(house, 1) == thread_of(house, 2) != fresh
    assert thread_of(house, 3) == fresh
    assert why_of(house, 3)["thread"] == "split by hand"


def test_what_was_split_stays_apart(house: Context) -> None:  # DATA-18
    ingest(house, batch(mail(1), mail(2, replies_to=(1,))))
    fresh = split(house, ["2@test.example"])
    ingest(house, batch(mail(3, replies_to=(1, 2))))
    assert thread_of(house, 3) == fresh  # the nearest reference decides
    ingest(house, batch(mail(4, replies_to=(2, 1))))
    assert thread_of(house, 4) == thread_of(house, 1)
    assert count(house, tables.thread) == 2


def test_split_of_a_whole_thread_or_of_two_is_refused(house: Context) -> None:
    ingest(house, batch(mail(1), mail(2)))
    with pytest.raises(Refused, match="all messages"):
        split(house, ["1@test.example"])
    with pytest.raises(Refused, match="2 threads"):
        split(house, ["1@test.example", "2@test.example"])
    with pytest.raises(NotFound, match="no message"):
        split(house, ["9@test.example"])


def test_merge_makes_one_thread_for_good(house: Context) -> None:  # DATA-18
    deal = add_deal(house, person=add_person(house, "inny@klient.example"))
    ingest(house, batch(mail(1), mail(2, sender="inny@klient.example")))
    first, second = thread_of(house, 1), thread_of(house, 2)
    assert merge(house, first, [second]) == first
    assert thread_of(house, 2) == first
    live = [row for row in rows(house, tables.thread) if row.merged_into is None]
    assert [(row.id, row.deal_id, row.link) for row in live] == [(first, deal, "linked")]
    ingest(house, batch(mail(3, replies_to=(2,))))
    assert thread_of(house, 3) == first
    with pytest.raises(Refused, match="one thread already"):
        merge(house, first, [second])


def test_merge_undoes_an_earlier_split(house: Context) -> None:
    ingest(house, batch(mail(1), mail(2, replies_to=(1,))))
    merge(house, thread_of(house, 1), [split(house, ["2@test.example"])])
    assert count(house, tables.thread_apart) == 0


def test_merging_two_open_questions_leaves_one(house: Context) -> None:  # DATA-22
    person = add_person(house, "ewa@klient.example")
    add_deal(house, "A", person=person)
    add_deal(house, "B", person=person)
    ingest(house, batch(mail(1), mail(2)))
    merge(house, thread_of(house, 1), [thread_of(house, 2)])
    assert sorted(row.state for row in rows(house, tables.choice)) == ["open", "withdrawn"]


@pytest.mark.parametrize("by_hand", [True, False])
def test_threads_that_are_joined_have_one_deal(house: Context, by_hand: bool) -> None:  # DATA-18, DATA-21
    ewa = add_deal(house, "Ewa's", person=add_person(house, "ewa@klient.example"))
    add_deal(house, "Ola's", person=add_person(house, "ola@inny.example"))
    ingest(house, batch(mail(1), mail(2, sender="ola@inny.example"), mail(3, sender="nikt@obcy.example")))
    if by_hand:
        merge(house, thread_of(house, 1), [thread_of(house, 2), thread_of(house, 3)])
    else:
        ingest(house, batch(mail(4, replies_to=(1, 2, 3))))
    assert {row.record_id for row in rows(house, tables.link) if row.record == "deal"} == {ewa}
    assert {number: why_of(house, number)["deal"] for number in (2, 3)} == {2: "joined", 3: "joined"}
    assert changes(house, dry_run=True) == []


def test_a_deal_comes_with_the_thread_that_joins(house: Context) -> None:  # DATA-18, DATA-21
    deal = add_deal(house, person=add_person(house, "ola@inny.example"))
    ingest(house, batch(mail(1), mail(2, sender="ola@inny.example")))
    merge(house, thread_of(house, 1), [thread_of(house, 2)])
    assert [row.deal_id for row in rows(house, tables.thread) if row.merged_into is None] == [deal]
    assert why_of(house, 1)["deal"] == "joined"
    assert why_of(house, 2)["deal"] == "only open deal of the person"


def changes(house: Context, *, dry_run: bool) -> list[Change]:
    return list(relink(house, dry_run=dry_run))


def test_relink_shows_then_makes_what_has_become_possible(house: Context) -> None:  # DATA-16, DATA-21
    ingest(house, batch(mail(1, headers={"list-id": ("<x>",), "precedence": ("bulk",)})))
    ingest(house, batch(mail(2, sender="ola@klient.example", subject="inny")))
    firm = add_organization(house, domain="klient.example")
    ola = rows(house, tables.person)[0].id
    ewa = add_person(house, "ewa@klient.example", organization=firm)
    deal = add_deal(house, person=ola)
    expected = {f"person:{ewa}", f"organization:{firm}", f"deal:{deal}"}
    assert {change.to for change in changes(house, dry_run=True)} == expected
    assert {change.to for change in changes(house, dry_run=True)} == expected  # the first look changed nothing
    assert {change.to for change in changes(house, dry_run=False)} == expected
    assert changes(house, dry_run=False) == []
    assert why_of(house, 2)["deal"] == "only open deal of the person"
    assert {row.link for row in rows(house, tables.thread)} == {"linked", "person"}


def test_relink_asks_where_several_deals_have_come_up(house: Context) -> None:  # DATA-22
    ingest(house, batch(mail(1)))
    person = rows(house, tables.person)[0].id
    deals = [add_deal(house, title, person=person) for title in "AB"]
    assert [change.to for change in changes(house, dry_run=True)] == [f"choice of deal:{deals[0]}, deal:{deals[1]}"]
    assert count(house, tables.choice) == 0
    changes(house, dry_run=False)
    with house.db.read() as connection:
        (question,) = choices.listed(connection, "open")
    assert [each.deal for each in question.candidates] == deals
    assert changes(house, dry_run=True) == []


def test_relink_takes_nothing_away(house: Context) -> None:
    deal = add_deal(house, person=add_person(house, "ewa@klient.example"))
    ingest(house, batch(mail(1)))
    before = rows(house, tables.link)
    with house.db.write() as connection:
        connection.execute(tables.deal.update().values(status="won"))
    assert changes(house, dry_run=False) == []
    assert rows(house, tables.link) == before
    assert rows(house, tables.thread)[0].deal_id == deal
