"""Ingest: threads, persons, deals, choices, events, locations; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from mailcrm.app.context import Context
from mailcrm.app.ingest import Outcome, ingest, preview
from mailcrm.app.relink import relink
from mailcrm.app.why import why
from mailcrm.config import Parsing
from mailcrm.core.model import (
    Address,
    Arrival,
    Attachment,
    Bounce,
    Cursor,
    FolderRole,
    Forward,
    Kind,
    Known,
    Message,
    Reading,
    Unreadable,
)
from mailcrm.core.threads import identity_of
from mailcrm.core.tokens import keyed_hash
from mailcrm.mail.read import read
from mailcrm.store import mailboxes, tables
from mailcrm.store.db import Database
from tests.house import NOW, addresses, batch, build, mail

OLD = timedelta(days=200)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


def rows(house: Context, table: Any) -> list[Any]:
    with house.db.read() as connection:
        return list(connection.execute(select(table)))


def count(house: Context, table: Any) -> int:
    with house.db.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def add_person(house: Context, email: str, *, organization: int | None = None, **address: Any) -> int:
    with house.db.write() as connection:
        person = connection.execute(
            insert(tables.person)
            .values(name=email, organization_id=organization, created_by="test", created_at=NOW)
            .returning(tables.person.c.id)
        ).scalar_one()
        connection.execute(
            insert(tables.person_address).values(
                person_id=person, address=email, canonical=email.replace(".", "", 1), is_primary=True, **address
            )
        )
    return int(person)


def add_organization(house: Context, domain: str = "", address: str = "") -> int:
    with house.db.write() as connection:
        found = connection.execute(
            insert(tables.organization)
            .values(name=domain or address, created_by="test", created_at=NOW)
            .returning(tables.organization.c.id)
        ).scalar_one()
        if domain:
            connection.execute(insert(tables.organization_domain).values(domain=domain, organization_id=found))
        if address:
            connection.execute(insert(tables.organization_address).values(address=address, organization_id=found))
    return int(found)


def add_deal(house: Context, title: str = "Deal", *, status: str = "open", age: timedelta = OLD, **links: int) -> int:
    with house.db.write() as connection:
        stage = connection.scalar(select(tables.stage.c.id).limit(1))
        if stage is None:
            pipeline = connection.execute(
                insert(tables.pipeline).values(name="Sales").returning(tables.pipeline.c.id)
            ).scalar_one()
            stage = connection.execute(
                insert(tables.stage).values(pipeline_id=pipeline, name="New", position=1).returning(tables.stage.c.id)
            ).scalar_one()
        return int(
            connection.execute(
                insert(tables.deal)
                .values(
                    title=title,
                    stage_id=stage,
                    status=status,
                    created_by="test",
                    created_at=NOW - age,
                    **{f"{name}_id": number for name, number in links.items()},
                )
                .returning(tables.deal.c.id)
            ).scalar_one()
        )


def why_of(house: Context, number: int | str) -> dict[str, str]:
    with house.db.read() as connection:
        found = why(connection, f"{number}@test.example")
    return {link.to.partition(":")[0]: link.rule for link in found.links}


# --- persons ------------------------------------------------------------------------------------------------------


def test_unknown_sender_becomes_a_person(house: Context) -> None:  # DATA-17
    outcome = ingest(house, batch(mail(1)))
    assert (outcome.stored, outcome.persons) == (1, 1)
    (person,) = rows(house, tables.person)
    assert (person.name, person.created_by) == ("Ewa Zielińska", "mail:1@test.example")
    (address,) = rows(house, tables.person_address)
    assert (address.address, address.is_primary) == ("ewa@klient.example", True)
    assert rows(house, tables.thread)[0].link == "person"
    assert why_of(house, 1) == {"thread": "new thread", "person": "created from this mail"}


def test_known_sender_is_linked_to_the_person(house: Context) -> None:  # DATA-16
    person = add_person(house, "ewa@klient.example")
    outcome = ingest(house, batch(mail(1)))
    assert outcome.persons == 0
    assert [row.person_id for row in rows(house, tables.participant)] == [person]


def test_recipients_of_outgoing_mail_are_linked_and_created(house: Context) -> None:  # DATA-24
    known = add_person(house, "ewa@klient.example")
    sent = mail(1, sender="Anna <anna@firma.example>", to="ewa@klient.example", cc="Nowy <nowy@klient.example>")
    outcome = ingest(house, batch(sent, role=FolderRole.SENT))
    assert outcome.persons == 1
    assert {row.record_id for row in rows(house, tables.link) if row.record == "person"} >= {known}
    assert rows(house, tables.message)[0].direction == "out"


@pytest.mark.parametrize(
    ("change", "persons"),
    [
        ({"sender": "no-reply@sklep.example"}, 0),
        ({"sender": "jan@firma.example"}, 0),
        ({"sender": "ktos@firma.example", "cc": "x@klient.example"}, 0),
        ({"headers": {"list-id": ("<news.klient.example>",), "precedence": ("bulk",)}}, 0),
        ({"headers": {"auto-submitted": ("auto-replied",)}}, 0),
        ({"headers": {"x-spam-flag": ("YES",)}}, 0),
        ({"sender": "Formularz <www@firma.example>", "reply_to": addresses("ola@klient.example")}, 1),
    ],
    ids=["no-reply", "user", "own domain", "bulk", "auto-reply", "spam", "form in our name"],
)
def test_who_never_becomes_a_person(house: Context, change: dict[str, Any], persons: int) -> None:  # DATA-17
    assert ingest(house, batch(mail(1, **change))).persons == persons


def test_mail_to_more_than_ten_outsiders_creates_nobody(house: Context) -> None:  # DATA-17
    many = ", ".join(f"p{n}@klient.example" for n in range(11))
    ingest(house, batch(mail(1, sender="anna@firma.example", to=many), role=FolderRole.SENT))
    assert count(house, tables.person) == 0
    ten = ", ".join(f"q{n}@klient.example" for n in range(10))
    ingest(house, batch(mail(2, sender="anna@firma.example", to=ten), role=FolderRole.SENT))
    assert count(house, tables.person) == 10


@pytest.mark.parametrize(("policy", "incoming", "outgoing"), [("sent", 0, 1), ("none", 0, 0), ("received+sent", 1, 1)])
def test_policy_of_the_mailbox(database: Database, tmp_path: Path, policy: str, incoming: int, outgoing: int) -> None:
    house = build(database, tmp_path, mailboxes={"anna": {"user": "anna", "create_persons": policy}})  # DATA-15
    assert ingest(house, batch(mail(1))).persons == incoming
    sent = mail(2, sender="anna@firma.example", to="inny@klient.example")
    assert ingest(house, batch(sent, role=FolderRole.SENT)).persons == outgoing


def test_blocklist_keeps_out(database: Database, tmp_path: Path) -> None:  # DATA-15
    house = build(database, tmp_path, linking={"blocklist": ["@klient.example", "zly@inny.example"]})
    assert ingest(house, batch(mail(1), mail(2, sender="zly@inny.example"))).persons == 0


def test_address_matches_without_tag_and_dots(database: Database, tmp_path: Path) -> None:
    house = build(database, tmp_path, linking={"gmail_dots": True})
    tagged, dotted = add_person(house, "ewa@klient.example"), add_person(house, "e.zielinska@gmail.com")
    ingest(house, batch(mail(1, sender="ewa+oferta@klient.example"), mail(2, sender="ezielin.ska@gmail.com")))
    assert {row.person_id for row in rows(house, tables.participant)} == {tagged, dotted}


def test_dated_address_belongs_to_whom_it_was_then(house: Context) -> None:  # DATA-1
    then = add_person(house, "biuro@klient.example", valid_to=NOW - timedelta(days=2))
    now = add_person(house, "biuro@klient.example", valid_from=NOW - timedelta(days=2))
    ingest(
        house,
        batch(
            mail(1, sender="biuro@klient.example", age=timedelta(days=3)),
            mail(2, sender="biuro@klient.example", age=timedelta(hours=1)),
        ),
    )
    assert [row.person_id for row in sorted(rows(house, tables.participant))] == [then, now]


def test_organization_by_domain_and_by_its_own_address(house: Context) -> None:  # DATA-3
    firm = add_organization(house, domain="klient.example", address="biuro@klient.example")
    ingest(house, batch(mail(1, sender="ewa@dzial.klient.example"), mail(2, sender="biuro@klient.example")))
    assert [row.organization_id for row in rows(house, tables.person)] == [firm]
    assert [row.organization_id for row in rows(house, tables.thread)] == [firm, firm]
    assert why_of(house, 2)["organization"] == "address of the organization"


def test_unwanted_address_is_not_created_again(house: Context) -> None:
    with house.db.write() as connection:
        gone = keyed_hash(house.secret, "ewa@klient.example")
        connection.execute(insert(tables.unwanted_address).values(hash=gone, reason="undone", at=NOW))
    outcome = ingest(house, batch(mail(1)))
    assert (outcome.stored, outcome.persons) == (1, 0)


# --- what is not stored --------------------------------------------------------------------------------------------


def test_mail_among_ourselves_is_not_stored(house: Context) -> None:  # DATA-15
    outcome = ingest(
        house, batch(mail(1, sender="jan@firma.example"), mail(2, sender="anna@firma.example", to="jan@firma.example"))
    )
    assert (outcome.stored, outcome.skipped) == (0, 2)
    assert count(house, tables.message) == 0


def test_private_thread_takes_no_more_mail(house: Context) -> None:  # DATA-15
    ingest(house, batch(mail(1)))
    with house.db.write() as connection:
        connection.execute(update(tables.thread).values(private=True))
    assert ingest(house, batch(mail(2, replies_to=(1,)))).stored == 0


# --- history -------------------------------------------------------------------------------------------------------


def test_historic_mail_creates_only_whom_we_wrote_to(house: Context) -> None:
    sent = mail(1, sender="anna@firma.example", to="ewa@klient.example", age=OLD)
    ancient = mail(2, sender="anna@firma.example", to="dawny@klient.example", age=timedelta(days=800))
    outcome = ingest(house, batch(sent, ancient, role=FolderRole.SENT))
    assert outcome.persons == 1
    outcome = ingest(house, batch(mail(3, age=OLD), mail(4, sender="obcy@klient.example", age=OLD)))
    assert outcome.persons == 0
    assert {row.address for row in rows(house, tables.person_address)} == {"ewa@klient.example"}


def test_historic_mail_triggers_nothing_and_asks_nothing_by_mail(house: Context) -> None:
    person = add_person(house, "ewa@klient.example")
    add_deal(house, "A", person=person, age=timedelta(days=300))
    add_deal(house, "B", person=person, age=timedelta(days=300))
    ingest(house, batch(mail(1, age=OLD)))
    assert count(house, tables.event) == 0
    (choice,) = rows(house, tables.choice)
    assert (choice.user_id, choice.historic) == (None, True)


def test_historic_mail_is_not_linked_to_a_deal_opened_later(house: Context) -> None:  # DATA-21
    person = add_person(house, "ewa@klient.example")
    deal = add_deal(house, person=person, age=timedelta(days=10))
    ingest(house, batch(mail(1, age=OLD, subject="before"), mail(2, age=timedelta(days=8), subject="after")))
    assert {row.subject: row.deal_id for row in rows(house, tables.thread)} == {"before": None, "after": deal}


def test_person_known_later_adopts_older_mail(house: Context) -> None:  # DATA-17
    ingest(house, batch(mail(1, age=OLD)))
    assert rows(house, tables.thread)[0].link == "none"
    sent = mail(2, sender="anna@firma.example", to="ewa@klient.example", age=OLD)
    ingest(house, batch(sent, role=FolderRole.SENT))
    assert why_of(house, 1)["person"] == "address"
    assert {row.link for row in rows(house, tables.thread)} == {"person"}


# --- threads -------------------------------------------------------------------------------------------------------


def test_reply_lands_in_the_thread_and_inherits_its_deal(house: Context) -> None:  # DATA-18
    deal = add_deal(house, person=add_person(house, "ewa@klient.example"))
    ingest(house, batch(mail(1)))
    other = mail(2, sender="inny@obcy.example", replies_to=(1,))
    ingest(house, batch(other))
    assert count(house, tables.thread) == 1
    assert why_of(house, 2)["deal"] == "thread"
    assert [row.record_id for row in rows(house, tables.link) if row.record == "deal"] == [deal, deal]


def test_late_message_bridges_two_threads(house: Context) -> None:  # DATA-18
    ingest(house, batch(mail(1)))
    ingest(house, batch(mail(2, sender="inny@klient.example")))
    ingest(house, batch(mail(3, replies_to=(1, 2))))
    live = [row for row in rows(house, tables.thread) if row.merged_into is None]
    assert len(live) == 1
    assert {row.thread_id for row in rows(house, tables.message)} == {live[0].id}
    assert {row.thread_id for row in rows(house, tables.thread_reference)} == {live[0].id}


def test_bridge_within_one_batch(house: Context) -> None:  # DATA-18
    deal = add_deal(house, person=add_person(house, "ewa@klient.example"))
    ingest(
        house, batch(mail(1, sender="inny@obcy.example"), mail(2), mail(3, sender="x@obcy.example", replies_to=(1, 2)))
    )
    live = [row for row in rows(house, tables.thread) if row.merged_into is None]
    assert [(row.deal_id, row.link) for row in live] == [(deal, "linked")]
    assert {row.thread_id for row in rows(house, tables.message)} == {live[0].id}


def test_two_replies_to_an_unseen_mail_share_a_thread(house: Context) -> None:  # DATA-18
    ingest(house, batch(mail(2, replies_to=(1,)), mail(3, replies_to=(1,), sender="inny@klient.example")))
    ingest(house, batch(mail(1)))
    assert count(house, tables.thread) == 1


def test_same_subject_alone_is_no_thread(house: Context) -> None:  # DATA-18
    ingest(house, batch(mail(1, subject="Oferta"), mail(2, subject="Re: Oferta")))
    assert count(house, tables.thread) == 2


def test_server_thread_id_joins(house: Context) -> None:  # DATA-18
    arrivals = [
        Arrival(uid=None, received_at=NOW, content=(mail(n), Reading(Kind.HUMAN, "")), thread_hint="gm:17")
        for n in (1, 2)
    ]
    ingest(house, replace(batch(), arrivals=tuple(arrivals)))
    assert count(house, tables.thread) == 1


def test_forward_by_a_rep_is_filed_under_its_author(house: Context) -> None:  # DATA-19
    ingest(house, batch(mail(1, subject="Pytanie o cenę", age=timedelta(hours=3))))
    author = Address("Ewa Zielińska", "ewa@klient.example")
    forward = mail(2, sender="Anna <anna@firma.example>", to="crm@firma.example", subject="Fwd: Pytanie o cenę")
    quoted = Forward(author, "Pytanie o cenę", NOW - timedelta(hours=2), None, "A ile kosztuje?")
    arrival = Arrival(None, NOW, (forward, Reading(Kind.HUMAN, "", "Patrz niżej", forward=quoted)))
    ingest(house, replace(batch(mailbox="drop-box"), arrivals=(arrival,)))
    stored = rows(house, tables.message)[1]
    assert (stored.direction, stored.from_email, stored.text) == ("in", "ewa@klient.example", "A ile kosztuje?")
    assert stored.thread_id == rows(house, tables.message)[0].thread_id
    assert stored.details["forwarded_by"]["email"] == "anna@firma.example"
    with house.db.read() as connection:
        placed = why(connection, "2@test.example").links[0]
    evidence = "ewa@klient.example, Pytanie o cenę, 2026-11-22 07:00 UTC"
    assert (placed.rule, placed.evidence) == ("mail that it quotes", evidence)


def test_bcc_to_the_drop_box_is_the_reps_own_mail(house: Context) -> None:  # DATA-19
    sent = mail(1, sender="anna@firma.example", to="ewa@klient.example", subject="Fwd: cennik")
    ingest(house, batch(sent, mailbox="drop-box"))
    assert rows(house, tables.message)[0].direction == "out"


# --- deals ---------------------------------------------------------------------------------------------------------


def test_one_open_deal_is_linked(house: Context) -> None:  # DATA-21
    deal = add_deal(house, person=add_person(house, "ewa@klient.example"))
    outcome = ingest(house, batch(mail(1)))
    assert outcome.linked == 1
    assert [(row.deal_id, row.link) for row in rows(house, tables.thread)] == [(deal, "linked")]


def test_one_open_deal_is_linked_for_outgoing_mail(house: Context) -> None:  # DATA-24
    deal = add_deal(house, person=add_person(house, "ewa@klient.example"))
    ingest(house, batch(mail(1, sender="anna@firma.example", to="ewa@klient.example"), role=FolderRole.SENT))
    assert rows(house, tables.thread)[0].deal_id == deal


def test_several_open_deals_raise_a_choice(house: Context) -> None:  # DATA-22
    person = add_person(house, "ewa@klient.example")
    first, second = add_deal(house, "A", person=person), add_deal(house, "B", person=person)
    outcome = ingest(house, batch(mail(1), mail(2, replies_to=(1,))))
    assert (outcome.choices, outcome.linked) == (1, 0)
    (choice,) = rows(house, tables.choice)
    anna = next(row.id for row in rows(house, tables.user) if row.key == "anna")
    assert (choice.state, choice.user_id, choice.historic) == ("open", anna, False)
    assert [row.deal_id for row in rows(house, tables.choice_deal)] == [first, second]
    assert [(row.deal_id, row.link) for row in rows(house, tables.thread)] == [(None, "choice")]
    assert not [row for row in rows(house, tables.link) if row.record == "deal"]


@pytest.mark.parametrize("status", ["won", "lost"])
def test_closed_deals_are_never_linked(house: Context, status: str) -> None:  # DATA-23
    add_deal(house, status=status, person=add_person(house, "ewa@klient.example"))
    ingest(house, batch(mail(1)))
    assert [(row.deal_id, row.link) for row in rows(house, tables.thread)] == [(None, "person")]


def test_deal_of_the_organization_counts_when_the_person_has_none(database: Database, tmp_path: Path) -> None:  # DATA-9
    house = build(database, tmp_path)
    firm = add_organization(house, domain="klient.example")
    add_person(house, "ewa@klient.example", organization=firm)
    deal = add_deal(house, organization=firm)
    ingest(house, batch(mail(1)))
    assert rows(house, tables.thread)[0].deal_id == deal
    assert why_of(house, 1)["deal"] == "only open deal of the organization"
    strict = build(database, tmp_path, linking={"organization_deals": False})
    ingest(strict, batch(mail(2)))
    assert sorted(row.deal_id or 0 for row in rows(house, tables.thread)) == [0, deal]


def test_always_this_deal(house: Context) -> None:  # DATA-22
    person = add_person(house, "ewa@klient.example")
    add_deal(house, "A", person=person)
    meant = add_deal(house, "B", person=person)
    with house.db.write() as connection:
        connection.execute(insert(tables.standing_choice).values(person_id=person, deal_id=meant, at=NOW))
    ingest(house, batch(mail(1)))
    assert rows(house, tables.thread)[0].deal_id == meant
    with house.db.write() as connection:
        connection.execute(update(tables.deal).where(tables.deal.c.id == meant).values(status="won"))
    ingest(house, batch(mail(2)))
    assert rows(house, tables.thread)[1].deal_id != meant


def test_deal_opened_later_is_taken_by_newer_mail_of_the_thread(house: Context) -> None:  # DATA-21
    person = add_person(house, "ewa@klient.example")
    ingest(house, batch(mail(1)))
    deal = add_deal(house, person=person)
    assert rows(house, tables.thread)[0].deal_id is None
    ingest(house, batch(mail(2, replies_to=(1,))))
    assert rows(house, tables.thread)[0].deal_id == deal
    assert "deal" not in why_of(house, 1)


def test_junk_makes_nobody_and_is_linked_to_whom_we_know(house: Context) -> None:  # DATA-15
    ewa = add_person(house, "ewa@klient.example")
    junk = batch(mail(1), mail(2, sender="stranger@elsewhere.example"), role=FolderRole.JUNK)
    assert ingest(house, junk) == Outcome(stored=2)
    assert [row.person_id for row in rows(house, tables.participant)] == [ewa, None]


# --- mail that does not say who wrote it -----------------------------------------------------------------------------

NO_SENDER = [
    b"", b"From:", b"From: <>", b"From: MAILER DAEMON", b"From: undisclosed-recipients:;", b"From: ,,,;", b"From: @",
    b"From: \x00\x01", b"From: =?utf-8?B?????=", b"From: Anna <anna firma.example>", b"From: (ewa@klient.example)",
    b"From: " + b"<" * 3000, b'From: "\x1b[2J" <@>', b"From: ewa@klient.example@firma.example", b"From: \xff\xfe",
    b"Sender: anna@firma.example", b"Sender: anna@firma.example\r\nFrom:\r\nFrom: ",
]  # fmt: skip


def raw(house: Context, head: bytes, *, to: bytes = b"anna@firma.example", number: int = 1) -> Arrival:
    head = head + b"\r\n" if head else b""
    ids = f"Message-ID: <{number}@test.example>\r\n".encode()
    text = (
        head
        + b"To: "
        + to
        + b"\r\nSubject: Oferta\r\nDate: Sun, 22 Nov 2026 08:55:00 +0000\r\n"
        + ids
        + b"\r\nhello\r\n"
    )
    return Arrival(None, NOW, read(text, house.blobs, Parsing()))


@pytest.mark.parametrize("head", NO_SENDER)
def test_mail_without_a_sender_is_kept_and_explained(house: Context, head: bytes) -> None:
    outcome = ingest(house, batch(arrivals=(raw(house, head),)))
    assert (outcome.stored, outcome.skipped, outcome.quarantined) == (1, 0, 0)
    assert (count(house, tables.message), count(house, tables.person), count(house, tables.participant)) == (1, 0, 0)
    assert rows(house, tables.thread)[0].link == "none"
    with house.db.read() as connection:
        found = why(connection, "1@test.example")
    assert [(link.to.partition(":")[0], link.rule) for link in found.links] == [
        ("thread", "new thread"),
        ("none", "no sender"),
    ]
    assert "From" in found.links[1].evidence
    assert found.links[1].evidence.isprintable()
    assert ingest(house, batch(arrivals=(raw(house, head),))).known == 1
    assert list(relink(house, dry_run=True)) == []


def test_mail_without_a_sender_goes_on_in_its_thread_and_deal(house: Context) -> None:
    deal = add_deal(house, person=add_person(house, "ewa@klient.example"))
    ingest(house, batch(mail(1)))
    ingest(house, batch(mail(2, sender=None, replies_to=(1,))))
    assert why_of(house, 2) == {"thread": "reference", "none": "no sender", "deal": "thread"}
    assert {row.deal_id for row in rows(house, tables.thread)} == {deal}


def test_mail_without_a_sender_from_one_who_wants_replies_is_his(house: Context) -> None:
    ewa = add_person(house, "ewa@klient.example")
    ingest(house, batch(arrivals=(raw(house, b"Reply-To: ewa@klient.example"),)))
    assert [row.person_id for row in rows(house, tables.participant)] == [ewa]
    assert "none" not in why_of(house, 1)


def test_what_we_wrote_to_ourselves_is_not_stored_with_or_without_a_sender(house: Context) -> None:
    own = raw(house, b"From: anna@firma.example", to=b"jan@firma.example")
    assert ingest(house, batch(arrivals=(own,))).skipped == 1
    sent = raw(house, b"", to=b"jan@firma.example", number=2)
    assert ingest(house, batch(arrivals=(sent,), role=FolderRole.SENT)).skipped == 1
    assert count(house, tables.message) == 0


# --- the same message, places, cursor ------------------------------------------------------------------------------


def test_same_message_in_two_mailboxes_is_one(house: Context) -> None:
    ingest(house, batch(mail(1, cc="jan@firma.example")))
    outcome = ingest(house, batch(mail(1, cc="jan@firma.example", text="with a banner"), mailbox="jan"))
    assert (outcome.stored, outcome.known) == (0, 1)
    assert (count(house, tables.message), count(house, tables.location), count(house, tables.event)) == (1, 2, 1)


def test_reused_message_id_with_other_content_is_another_message(house: Context) -> None:
    ingest(house, batch(mail(1), mail(1, sender="inny@klient.example"), mail(1, age=timedelta(hours=9))))
    assert count(house, tables.message) == 3


def test_repeating_a_batch_changes_nothing(house: Context) -> None:
    story = batch(mail(1), mail(2, replies_to=(1,)), mail(3, sender=None, message_id=None, date=None))
    ingest(house, story)
    before = {table.name: count(house, table) for table in tables.metadata.sorted_tables}
    ingest(house, story)
    assert {table.name: count(house, table) for table in tables.metadata.sorted_tables} == before


def imap(*arrivals: Arrival, validity: int = 1, last: int = 9, **more: Any) -> Any:
    return batch(folder="INBOX", arrivals=arrivals, cursor=Cursor(validity, last), **more)


def at(uid: int, message: Message, *flags: str) -> Arrival:
    return Arrival(uid, NOW, (message, Reading(Kind.HUMAN, "")), flags)


def test_cursor_moves_with_the_rows(house: Context) -> None:
    ingest(house, imap(at(5, mail(1)), last=5))
    with house.db.read() as connection:
        assert mailboxes.cursors(connection, "anna") == {"INBOX": Cursor(1, 5)}
        assert mailboxes.uids(connection, "anna", "INBOX", 1, 99) == [5]


def test_moved_message_keeps_its_links(house: Context) -> None:
    ingest(house, imap(at(5, mail(1))))
    known = Known(identity_of(mail(1)))
    ingest(house, replace(imap(Arrival(8, NOW, known)), folder="Archive"))
    ingest(house, imap(vanished=(5,)))
    assert (count(house, tables.message), count(house, tables.location)) == (1, 2)
    assert [row.gone_at is None for row in sorted(rows(house, tables.location), key=lambda row: row.uid)] == [
        False,
        True,
    ]


def test_new_uidvalidity_places_mail_anew(house: Context) -> None:
    ingest(house, imap(at(5, mail(1)), at(6, mail(2))))
    known = Known(identity_of(mail(1)))
    ingest(house, imap(Arrival(1, NOW, known), validity=2, last=1))
    with house.db.read() as connection:
        assert mailboxes.uids(connection, "anna", "INBOX", 1, 99) == [1]
    assert count(house, tables.message) == 2


def test_message_twice_in_a_folder_has_two_places(house: Context) -> None:
    ingest(house, imap(at(5, mail(1)), at(6, mail(1))))
    assert (count(house, tables.message), count(house, tables.location)) == (1, 2)


def test_every_copy_beyond_the_first_is_known(house: Context) -> None:
    copies = [mail(1), mail(2), mail(1), mail(1, text="with a banner"), mail(2)]
    without_server = batch(*copies)
    assert preview(house, [without_server]) == Outcome(stored=2, known=3, persons=1)
    assert ingest(house, without_server) == Outcome(stored=2, known=3, persons=1)
    assert count(house, tables.location) == 2
    assert ingest(house, without_server) == Outcome(known=5)
    on_server = imap(at(5, mail(3)), at(6, mail(3)), at(7, mail(1)))
    assert ingest(house, on_server) == Outcome(stored=1, known=2)


def test_poison_goes_to_quarantine_and_the_rest_in(house: Context) -> None:
    sha, size = house.blobs.put(b"poison")
    poison = Arrival(7, NOW, Unreadable("nested too deep", sha, size))
    outcome = ingest(house, imap(at(5, mail(1)), poison, at(8, mail(2))))
    assert (outcome.stored, outcome.quarantined) == (2, 1)
    (row,) = rows(house, tables.quarantine)
    assert (row.reason, row.uid, house.blobs.read(row.sha256)) == ("nested too deep", 7, b"poison")
    assert ingest(house, imap(poison)).quarantined == 0


def test_two_messages_without_bytes_are_both_in_quarantine(house: Context) -> None:
    sha, size = house.blobs.put(b"")
    ingest(house, imap(*(Arrival(uid, NOW, Unreadable("the server sent no body", sha, size)) for uid in (7, 8))))
    assert count(house, tables.quarantine) == 2


def test_attachments_are_stored_with_the_message(house: Context) -> None:  # DATA-20
    sha, size = house.blobs.put(b"PDF")
    file = Attachment("oferta.pdf", "application/pdf", size, sha)
    ingest(house, batch(mail(1, attachments=(file,))))
    assert [(row.name, row.sha256) for row in rows(house, tables.attachment)] == [("oferta.pdf", sha)]


def test_preview_counts_and_stores_nothing(house: Context) -> None:
    story = [batch(mail(1)), batch(mail(2, replies_to=(1,)))]
    assert preview(house, story) == Outcome(stored=2, persons=1)
    assert count(house, tables.message) == count(house, tables.person) == 0
    assert ingest(house, story[0]).stored == 1


# --- events --------------------------------------------------------------------------------------------------------


def test_events_of_fresh_mail(house: Context) -> None:
    ingest(house, batch(mail(1, sender="anna@firma.example", to="ewa@klient.example"), role=FolderRole.SENT))
    ingest(house, batch(mail(2, replies_to=(1,))))
    assert [row.kind for row in rows(house, tables.event)] == ["mail.sent", "mail.received", "mail.replied"]
    assert {row.person_id for row in rows(house, tables.event)} == {rows(house, tables.person)[0].id}


def test_mail_from_before_we_wrote_is_no_answer_in_whatever_order_it_is_found(house: Context) -> None:
    ours = mail(2, sender="anna@firma.example", to="ewa@klient.example", replies_to=(1,))
    ingest(house, batch(ours, role=FolderRole.SENT))
    ingest(house, batch(mail(1, age=timedelta(minutes=9)), mail(3, age=timedelta(minutes=1), replies_to=(1, 2))))
    answers = [row.data["message"] for row in rows(house, tables.event) if row.kind == "mail.replied"]
    assert answers == ["3@test.example"]


def test_text_that_databases_refuse_is_cleaned(house: Context) -> None:
    ingest(house, batch(mail(1, subject="a\0b\ud800", sender="E\0wa <ewa@klient.example>")))
    assert rows(house, tables.message)[0].subject == "ab?"


def test_bounce_is_linked_to_whom_it_did_not_reach(house: Context) -> None:
    ewa = add_person(house, "ewa@klient.example")
    ingest(house, batch(mail(1, sender="anna@firma.example", to="ewa@klient.example"), role=FolderRole.SENT))
    back = mail(2, sender="MAILER-DAEMON@firma.example", subject="Undelivered", message_id="2@mx.example")
    reading = Reading(
        Kind.BOUNCE, "", bounce=Bounce("Ewa@Klient.example", "5.1.1", True, "no such user", "1@test.example")
    )
    ingest(house, replace(batch(), arrivals=(Arrival(None, NOW, (back, reading)),)))
    assert count(house, tables.thread) == 1
    (event,) = [row for row in rows(house, tables.event) if row.kind == "mail.bounced"]
    assert (event.person_id, count(house, tables.person)) == (ewa, 1)
