"""Linking where it is hard: odd mail, odd histories, people's own decisions, databases that refuse."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.app.threads import merge, split
from mailcrm.core.addresses import normalise
from mailcrm.core.model import Address, Arrival, FolderRole, Forward, Kind, Message, Reading
from mailcrm.errors import NotFound
from mailcrm.store import people, tables, unwanted
from mailcrm.store.db import Database
from tests.house import NOW, batch, build, mail
from tests.unit.test_ingest import OLD, add_deal, add_person, at, count, imap, rows, why_of
from tests.unit.test_threads_by_hand import thread_of

FROM_ANNA = "Anna <anna@firma.example>"


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


def forwarded(message: Message, author: Address, **more: object) -> Arrival:
    quoted = Forward(author, message.subject, NOW - timedelta(hours=2), None, "A ile kosztuje?")
    return Arrival(None, NOW, (message, Reading(Kind.HUMAN, "", "Patrz niżej", forward=quoted)))


# --- persons ------------------------------------------------------------------------------------------------------


def test_an_address_that_was_taken_from_a_person_may_make_another(house: Context) -> None:  # DATA-17
    old = add_person(house, "ewa@klient.example")
    with house.db.write() as connection:
        people.end_addresses(connection, old, NOW - timedelta(days=1))
    assert ingest(house, batch(mail(1))).persons == 1
    assert [row.person_id for row in rows(house, tables.participant)] != [old]


def test_mail_from_before_an_address_was_hers_makes_nobody(house: Context) -> None:  # DATA-17
    add_person(house, "ewa@klient.example", valid_from=NOW - timedelta(days=1))
    outcome = ingest(house, batch(mail(1, age=timedelta(days=2)), mail(2)))
    assert (outcome.stored, outcome.persons) == (2, 0)
    assert count(house, tables.participant) == 2


def test_an_erased_address_with_a_tag_is_not_stored_either(house: Context) -> None:
    with house.db.write() as connection:
        unwanted.remember(connection, house.secret, ["ewa@klient.example"], "erased", NOW)
    assert ingest(house, batch(mail(1, sender="ewa+sklep@klient.example"))).skipped == 1
    both = mail(2, sender=FROM_ANNA, to="Ewa <ewa@klient.example>, ola@klient.example", cc="ewa+b@klient.example")
    ingest(house, batch(both, role=FolderRole.SENT))
    assert [row.address for row in rows(house, tables.participant)] == ["ola@klient.example"]
    (stored,) = rows(house, tables.message)
    assert stored.recipients == {"to": [["", "ola@klient.example"]], "cc": []}


def test_a_mass_mail_of_a_stranger_makes_nobody(house: Context) -> None:  # DATA-17
    many = ", ".join(f"p{n}@klient.example" for n in range(11))
    assert ingest(house, batch(mail(1, to=f"anna@firma.example, {many}"))).persons == 0


def test_an_adopted_mail_is_not_one_that_a_plugin_refused(house: Context) -> None:
    ingest(house, batch(mail(1, age=OLD)))
    with house.db.write() as connection:
        message = connection.scalar(select(tables.message.c.id))
        veto = {"message_id": message, "record": "veto", "record_id": 0, "rule": "veto_link", "evidence": "no"}
        connection.execute(insert(tables.link).values(**veto))
    ingest(house, batch(mail(2, sender=FROM_ANNA, to="ewa@klient.example"), role=FolderRole.SENT))
    assert "person" not in why_of(house, 1)


# --- mail among ourselves, the drop-box ---------------------------------------------------------------------------


def test_a_forward_between_colleagues_is_not_stored(house: Context) -> None:  # DATA-15
    inside = mail(1, sender="jan@firma.example", subject="Fwd: Oferta")
    arrival = forwarded(inside, Address("Ewa", "ewa@klient.example"))
    assert ingest(house, replace(batch(), arrivals=(arrival,))).stored == 0


def test_a_mail_to_a_customer_with_the_drop_box_in_copy_is_the_reps_own(house: Context) -> None:  # DATA-19
    sent = mail(1, sender=FROM_ANNA, to="ola@klient.example", cc="crm@firma.example", subject="Fwd: Oferta")
    arrival = forwarded(sent, Address("Ewa", "ewa@klient.example"))
    ingest(house, replace(batch(mailbox="drop-box"), arrivals=(arrival,)))
    (stored,) = rows(house, tables.message)
    assert (stored.direction, stored.from_email) == ("out", "anna@firma.example")
    assert [row.address for row in rows(house, tables.participant)] == ["ola@klient.example"]


@pytest.mark.parametrize("author", ["", "jan@firma.example"], ids=["name alone", "a colleague"])
def test_a_forward_of_which_nobody_knows_the_author_is_told_to_the_rep(house: Context, author: str) -> None:
    forward = mail(1, sender=FROM_ANNA, to="crm@firma.example", subject="Fwd: Oferta")  # DATA-19
    arrival = forwarded(forward, Address("Ewa Zielińska", author))
    outcome = ingest(house, replace(batch(mailbox="drop-box"), arrivals=(arrival,)))
    assert (outcome.stored, outcome.skipped) == (0, 1)
    (told,) = rows(house, tables.outbox)
    assert told.recipient == "anna@firma.example"


def test_each_forward_is_the_matter_of_who_handed_it_in(house: Context) -> None:  # DATA-19, DATA-22
    for name in ("ewa", "ola"):
        person = add_person(house, f"{name}@klient.example")
        add_deal(house, "A", person=person)
        add_deal(house, "B", person=person)
    people_of = {row.key: row.id for row in rows(house, tables.user)}
    mails = [
        forwarded(mail(n, sender=sender, to="crm@firma.example", subject=f"Fwd: {n}"), Address("", author))
        for n, sender, author in (
            (1, "anna@firma.example", "ewa@klient.example"),
            (2, "jan@firma.example", "ola@klient.example"),
            (3, "jan@firma.example", "nowa@klient.example"),
        )
    ]
    ingest(house, replace(batch(mailbox="drop-box"), arrivals=tuple(mails)))
    asked = {row.thread_id: row.user_id for row in rows(house, tables.choice)}
    assert asked == {thread_of(house, 1): people_of["anna"], thread_of(house, 2): people_of["jan"]}
    assert [row.owner_id for row in rows(house, tables.person) if row.created_by != "test"] == [people_of["jan"]]


# --- threads ------------------------------------------------------------------------------------------------------


def live(house: Context) -> list[int]:
    return [row.id for row in rows(house, tables.thread) if row.merged_into is None]


def test_a_chain_of_bridges_in_one_batch(house: Context) -> None:  # DATA-18
    ingest(house, batch(mail(1), mail(2), mail(3)))
    bridges = [mail(5, replies_to=(3, 4)), mail(6, replies_to=(2, 3)), mail(7, replies_to=(1, 2)), mail(4)]
    ingest(house, batch(*bridges))
    (thread,) = live(house)
    assert {row.thread_id for row in rows(house, tables.message)} == {thread}
    assert {row.thread_id for row in rows(house, tables.thread_reference)} == {thread}
    assert {row.record_id for row in rows(house, tables.link) if row.record == "thread"} == {thread}
    assert {row.data["thread"] for row in rows(house, tables.event)} - {thread} <= {1, 2, 3}


def test_what_was_split_stays_apart_when_one_half_joins_another_thread(house: Context) -> None:  # DATA-18
    ingest(house, batch(mail(0), mail(1), mail(2, replies_to=(1,))))
    split(house, ["2@test.example"])
    ingest(house, batch(mail(3, replies_to=(0, 1))))  # 1 joins the older thread of 0
    ingest(house, batch(mail(4, replies_to=(0, 2)), mail(5, replies_to=(1, 2, 3))))
    assert thread_of(house, 0) == thread_of(house, 1) == thread_of(house, 3)
    assert thread_of(house, 2) == thread_of(house, 4) != thread_of(house, 1)
    assert len(live(house)) == 2


def test_a_third_thread_does_not_join_two_that_were_split(house: Context) -> None:  # DATA-18
    ingest(house, batch(mail(0), mail(1), mail(2, replies_to=(1,))))
    split(house, ["2@test.example"])
    ingest(house, batch(mail(3, replies_to=(2, 1, 0))))
    assert thread_of(house, 2) != thread_of(house, 1)


def test_a_thread_that_joins_a_linked_one_asks_no_more(house: Context) -> None:  # DATA-22
    ola, ewa = add_person(house, "ola@klient.example"), add_person(house, "ewa@klient.example")
    deal = add_deal(house, "A", person=ola)
    add_deal(house, "B", person=ewa)
    add_deal(house, "C", person=ewa)
    linked, asked = mail(1, sender="ola@klient.example"), mail(2)
    ingest(house, batch(linked, asked))
    ingest(house, batch(mail(3, replies_to=(1, 2))))
    (thread,) = [row for row in rows(house, tables.thread) if row.merged_into is None]
    assert (thread.deal_id, thread.link) == (deal, "linked")
    assert [row.state for row in rows(house, tables.choice)] == ["withdrawn"]
    both = [
        replace(mail(n, sender=each.from_ and each.from_.email), message_id=f"{n}@test.example")
        for n, each in ((11, linked), (12, asked))
    ]
    ingest(house, batch(*both, mail(13, replies_to=(11, 12))))
    assert [row.link for row in rows(house, tables.thread) if row.merged_into is None] == ["linked", "linked"]
    assert [row.state for row in rows(house, tables.choice)] == ["withdrawn"]


def test_merging_a_linked_thread_with_an_asked_one_by_hand_asks_no_more(house: Context) -> None:  # DATA-22
    ewa = add_person(house, "ewa@klient.example")
    add_deal(house, "B", person=ewa)
    add_deal(house, "C", person=ewa)
    add_deal(house, "A", person=add_person(house, "ola@klient.example"))
    ingest(house, batch(mail(1), mail(2, sender="ola@klient.example")))
    merge(house, thread_of(house, 1), [thread_of(house, 2)])
    assert [row.link for row in rows(house, tables.thread) if row.merged_into is None] == ["linked"]
    assert [row.state for row in rows(house, tables.choice)] == ["withdrawn"]


def test_merging_a_thread_with_an_asked_one_by_hand_leaves_the_question(house: Context) -> None:  # DATA-22
    ewa = add_person(house, "ewa@klient.example")
    add_deal(house, "B", person=ewa)
    add_deal(house, "C", person=ewa)
    ingest(house, batch(mail(1, sender="ola@klient.example"), mail(2)))
    merge(house, thread_of(house, 1), [thread_of(house, 2)])
    assert [row.link for row in rows(house, tables.thread) if row.merged_into is None] == ["choice"]
    assert [(row.thread_id, row.state) for row in rows(house, tables.choice)] == [(thread_of(house, 1), "open")]


def test_a_bridge_between_two_questions_of_one_batch_leaves_one(house: Context) -> None:  # DATA-22
    for name in ("ewa", "ola"):
        person = add_person(house, f"{name}@klient.example")
        add_deal(house, "A", person=person)
        add_deal(house, "B", person=person)
    ingest(house, batch(mail(1), mail(2, sender="ola@klient.example"), mail(3, replies_to=(1, 2))))
    assert [(row.thread_id, row.state) for row in rows(house, tables.choice)] == [(thread_of(house, 3), "open")]


def test_a_thread_of_which_nothing_is_open_any_more_is_judged_anew(house: Context) -> None:  # DATA-21, DATA-22
    person = add_person(house, "ewa@klient.example")
    for title in ("A", "B"):
        add_deal(house, title, person=person)
    ingest(house, batch(mail(1)))
    with house.db.write() as connection:
        connection.execute(update(tables.deal).values(status="lost"))
        connection.execute(update(tables.choice).values(state="withdrawn"))
    deal = add_deal(house, "C", person=person)
    ingest(house, batch(mail(2, replies_to=(1,))))
    assert rows(house, tables.thread)[0].deal_id == deal


def test_a_thread_of_which_the_rep_said_none_is_left_alone(house: Context) -> None:  # DATA-22
    person = add_person(house, "ewa@klient.example")
    for title in ("A", "B"):
        add_deal(house, title, person=person)
    ingest(house, batch(mail(1)))
    with house.db.write() as connection:
        connection.execute(update(tables.deal).where(tables.deal.c.title == "A").values(status="lost"))
        connection.execute(update(tables.choice).values(state="answered"))
    ingest(house, batch(mail(2, replies_to=(1,))))
    assert rows(house, tables.thread)[0].deal_id is None


def test_a_private_thread_stays_private_however_it_goes_on(house: Context) -> None:  # DATA-15
    ingest(house, batch(mail(1), mail(9)))
    with house.db.write() as connection:
        private = tables.thread.c.id == thread_of(house, 1)
        connection.execute(update(tables.thread).where(private).values(private=True))
    ingest(house, batch(mail(2, replies_to=(1,)), mail(3, replies_to=(2,))))
    ingest(house, batch(mail(4, replies_to=(3,)), mail(5, replies_to=(9, 4))))
    assert count(house, tables.message) == 2
    assert len(live(house)) == 2


def test_a_message_with_an_endless_id_is_found_and_split(house: Context) -> None:  # DATA-18
    long = "ż" * 900
    ingest(house, batch(mail(1), mail(2, message_id=long, replies_to=(1,)), mail(3, replies_to=(1,))))
    fresh = split(house, [f"<{long}>"])
    ingest(house, batch(mail(4, in_reply_to=(long,))))
    assert thread_of(house, 4) == fresh
    with pytest.raises(NotFound):
        split(house, ["9" * 30])


# --- what databases refuse ----------------------------------------------------------------------------------------


def test_ids_and_addresses_of_any_length_are_taken(house: Context) -> None:
    long = "".join(chr(0x4E00 + (n * 7919) % 20000) for n in range(998))  # incompressible: no index holds it whole
    first = mail(1, message_id=long, sender=f"{'x' * 305}@klient.example")
    reply = mail(2, in_reply_to=(long,), references=("a\0b\ud800@x", long))
    outcome = ingest(house, batch(first, reply, mail(3, references=("ab?@x",))))
    assert outcome.stored == 3
    assert len(live(house)) == 1


def test_an_address_is_one_that_can_be_stored() -> None:
    assert normalise(f"{'x' * 305}@klient.example")
    assert normalise(f"{'x' * 306}@klient.example") == normalise("e\ud800wa@klient.example") == ""


def test_a_place_that_is_taken_is_given_to_the_newcomer(house: Context) -> None:
    ingest(house, imap(at(5, mail(1))))
    ingest(house, imap(at(5, mail(2))))
    assert count(house, tables.message) == 2
    assert {(row.message_id, row.uid) for row in rows(house, tables.location)} == {(1, None), (2, 5)}


def test_a_servers_thread_id_means_nothing_in_another_mailbox(house: Context) -> None:  # DATA-18
    for number, mailbox in ((1, "anna"), (2, "jan"), (3, "anna")):
        arrival = replace(at(number, mail(number)), thread_hint="oid:1")
        ingest(house, imap(arrival, mailbox=mailbox))
    assert thread_of(house, 1) == thread_of(house, 3) != thread_of(house, 2)


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "later"])
def test_a_question_of_old_mail_is_put_when_the_thread_goes_on(house: Context, together: bool) -> None:  # DATA-22
    person = add_person(house, "ewa@klient.example")
    for title in ("A", "B"):
        add_deal(house, title, person=person, age=timedelta(days=300))
    old = [mail(1, age=OLD), mail(2, age=OLD, subject="inny")]
    fresh = mail(3, replies_to=(1,))
    for each in [[*old, fresh]] if together else [old, [fresh]]:
        ingest(house, batch(*each))
    anna = next(row.id for row in rows(house, tables.user) if row.key == "anna")
    asked = {row.thread_id: (row.user_id, row.historic) for row in rows(house, tables.choice)}
    assert asked == {thread_of(house, 1): (anna, False), thread_of(house, 2): (None, True)}
    assert {row.state for row in rows(house, tables.choice)} == {"open"}
