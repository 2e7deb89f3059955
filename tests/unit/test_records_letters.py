"""Erasing, exporting, merging persons to whom flows wrote: every table that names one is minded; on both databases."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from mailcrm.app import erasing, exporting, persons
from mailcrm.app.context import Context
from mailcrm.store import permissions, suppressions, tables
from mailcrm.store.db import Database
from tests.house import NOW
from tests.sequence_house import DRAFT, MAIL, House, house

EWA, OLAF = "ewa@klient.example", "olaf@klient.example"
DATED = {"at": NOW}


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def everything(context: Context, *, without: frozenset[str] = frozenset()) -> str:
    """All rows of all tables as text."""
    with context.db.read() as connection:
        return "\n".join(
            str(tuple(row))
            for table in tables.metadata.sorted_tables
            if table.name not in without
            for row in connection.execute(select(table))
        )


def named(context: Context, number: int) -> set[str]:
    """Every ``table.column`` in which this person's id stands."""
    found = set()
    with context.db.read() as connection:
        for table in tables.metadata.sorted_tables:
            for column in table.columns:
                points = any(key.column.table.name == "person" for key in column.foreign_keys)
                his = select(column).where(column == number).limit(1)
                if (points or column.name == "person_id") and connection.execute(his).first():
                    found.add(f"{table.name}.{column.name}")
        for table in (tables.link, tables.field_value):
            mine = (table.c.record == "person", table.c.record_id == number)
            if connection.execute(select(table.c.record_id).where(*mine).limit(1)).first():
                found.add(f"{table.name}.record_id")
    return found


def story(home: House, name: str, email: str) -> int:
    """A person in every table that can name one."""
    number = home.person(name, email)
    if not home.outbox():
        home.apply(MAIL + DRAFT)
        home.consent()
    home.enroll(home.deal(f"Dach {name}", number))
    home.run()
    [letter] = [each for each in home.outbox() if each.recipient == email]
    token = name * 3
    with home.context.db.write() as connection:
        tag = connection.execute(insert(tables.tag).values(name=name).returning(tables.tag.c.id)).scalar()
        deal = connection.execute(select(tables.deal.c.id).where(tables.deal.c.person_id == number)).scalar()
        box = connection.execute(select(tables.mailbox.c.id).limit(1)).scalar()
        user = connection.execute(select(tables.user.c.id).limit(1)).scalar()
        connection.execute(
            update(tables.outbox)
            .where(tables.outbox.c.id == letter.id)
            .values(person_id=number, state="sent", sent_at=NOW, reason=f"taken for {email}")
        )
        permissions.grant(connection, number, "consent", f"form of {name}", email, True, "page", NOW)
        suppressions.add(connection, home.context.secret, email, "unsubscribe", f"{name}: stop", "message:1", NOW)
        values = {"person_id": number, "subject": f"Szkic {name}", "recipient": email, "content": name.encode()}
        draft = {
            "effect_key": f"{name}.1",
            "mailbox_id": box,
            "user_id": user,
            "token": name,
            "message_id": f"{name}@x",
        }
        rows: list[tuple[Any, dict[str, Any]]] = [
            (tables.track, {"token": token, "outbox_id": letter.id, "kind": "open", "position": 0}),
            (tables.hit, {"token": token, "grade": "human", "reasons": "", "agent": f"{name}'s phone", **DATED}),
            (tables.draft, {**values, **draft, "state": "placed", "created_at": NOW}),
            (
                tables.pulse,
                {"user_id": user, "kind": "notice", "text": f"{email}: no", "due_at": NOW, "created_at": NOW},
            ),
            (tables.person_phone, {"person_id": number, "number": f"600 {name}"}),
            (tables.person_tag, {"person_id": number, "tag_id": tag, **DATED}),
            (tables.standing_choice, {"person_id": number, "deal_id": deal, **DATED}),
            (tables.note, {"person_id": number, "text": name, **DATED}),
            (
                tables.activity,
                {"person_id": number, "type": "call", "created_by": "t", "created_at": NOW, "note": name},
            ),
            (tables.lead, {"person_id": number, "title": "Pytanie", "created_by": "t", "created_at": NOW}),
            (tables.field_value, {"record": "person", "record_id": number, "name": "city", "value": name}),
        ]
        for table, row in rows:
            connection.execute(insert(table).values(**row))
        event = {"kind": "mail.opened", "person_id": number, "stored_at": NOW, "source": "t", "data": {}, **DATED}
        flow = connection.execute(select(tables.flow.c.id).limit(1)).scalar()
        if connection.execute(select(tables.campaign.c.flow_id)).first() is None:
            connection.execute(insert(tables.campaign).values(flow_id=flow))
        chosen = {"flow_id": flow, "person_id": number}
        added = {"key": f"person:{number}", "added_at": NOW, "added_by": "t"}
        member = insert(tables.campaign_member).values(**chosen, **added).returning(tables.campaign_member.c.id)
        place = {"member_id": connection.execute(member).scalar(), "part": "contact", "address": email}
        connection.execute(insert(tables.recipient).values(**chosen, **place, enrollment_id=number, reason=email))
        offer = {"key": f"hand:{number}", "kind": "offer", "series": "OF", "period": "", "number": number}
        said = {"name": f"OF/{number}", "issued_on": NOW.date(), "language": "pl", "currency": "PLN"}
        line = {"description": "Dach", "quantity": "1", "unit": "", "price": "0", "tax": "23", "net": "0"}
        worth = {
            "seller": {"name": "Firma"},
            "lines": [line],
            "note": f"For {name}",
            "net": 0,
            "tax": 0,
            "gross": 0,
            "created_at": NOW,
        }
        who = {"person_id": number, "buyer": {"name": name, "contact": email}, "created_by": "t"}
        connection.execute(insert(tables.document).values(**offer, **said, **worth, **who))
        happened = insert(tables.event).values(key=name, **event).returning(tables.event.c.id)
        event_id = connection.execute(happened).scalar()
        reaction: dict[str, Any] = {"event_id": event_id, "person_id": number, "chain": [], "pending": True, **DATED}
        connection.execute(insert(tables.reaction).values(**reaction))
        hearsay = {"key": f"b{number}", "kind": "mail.bounced", "stored_at": NOW, "source": "mail", **DATED}
        connection.execute(insert(tables.event).values(**hearsay, data={"message": "m", "reason": f"<{email}>: gone"}))
        thread = {"subject": "s", "first_at": NOW, "last_at": NOW, "link": "person"}
        thread_id = connection.execute(insert(tables.thread).values(**thread).returning(tables.thread.c.id)).scalar()
        message = {"identity": name, "thread_id": thread_id, "kind": "human", "kind_rule": "", "direction": "in"}
        times = dict.fromkeys(("date", "received_at", "stored_at"), NOW)
        rest = {"recipients": {}, "subject": name, "size": 1, "historic": False, "from_email": email}
        stored = insert(tables.message).values(**message, **times, **rest).returning(tables.message.c.id)
        message_id = connection.execute(stored).scalar()
        part = {"message_id": message_id, "address": email, "role": "from", "name": name, "person_id": number}
        connection.execute(insert(tables.participant).values(**part))
        why = {"message_id": message_id, "record": "person", "record_id": number, "rule": "address", "evidence": email}
        connection.execute(insert(tables.link).values(**why))
    return number


#: Where a person is named; a new column that names one has to be minded by erasing and merging, and written here.
NAMED = {
    f"{table}.person_id"
    for table in (
        *("activity", "deal", "draft", "enrollment", "event", "lead", "note", "outbox", "participant", "permission"),
        *("person_address", "person_phone", "person_tag", "reaction", "standing_choice"),
        *("campaign_member", "document", "recipient"),
    )
} | {"link.record_id", "field_value.record_id"}


def test_the_story_has_a_person_in_every_column_that_names_one(home: House) -> None:
    columns = {
        f"{table.name}.{column.name}"
        for table in tables.metadata.sorted_tables
        for column in table.columns
        if column.name == "person_id" or any(key.column.table.name == "person" for key in column.foreign_keys)
    }
    assert columns | {"link.record_id", "field_value.record_id"} == NAMED | {"person.merged_into"}
    assert named(home.context, story(home, "Ewa", EWA)) == NAMED


def test_erasing_leaves_nothing_of_him_and_nothing_of_others_goes(home: House) -> None:
    olaf = story(home, "Olaf", OLAF)
    ewa = story(home, "Ewa", EWA)
    his = {line for line in everything(home.context).split("\n") if "olaf" in line.lower()}
    erasing.erase(home.context, ewa)
    left = everything(home.context)
    assert named(home.context, ewa) == set()
    assert "Ewa" not in left.replace("Dach Ewa", "").replace("'Ewa')", "")  # a deal's title and a tag's name stay
    assert EWA not in left
    assert named(home.context, olaf) == NAMED
    assert his <= set(left.split("\n"))


def test_a_suppression_outlives_the_erasure_by_its_hash_and_a_letter_that_left_is_counted(home: House) -> None:
    ewa = story(home, "Ewa", EWA)
    erasing.erase(home.context, ewa)
    with home.context.db.read() as connection:
        [found] = suppressions.among(connection, home.context.secret, [EWA], NOW).values()
    assert (found.reason, found.address, found.detail) == ("unsubscribe", None, "")
    [letter] = home.outbox()
    assert (letter.state, letter.sent_at, letter.recipient, letter.subject, letter.content) == (
        "sent",
        NOW,
        "",
        "",
        b"",
    )


def test_a_letter_that_has_not_left_goes_with_him(home: House) -> None:
    home.apply(MAIL)
    number = home.person("Ewa", EWA)
    home.enroll(home.deal("Dach", number))
    home.run()
    erasing.erase(home.context, number)
    assert home.outbox() == []


def test_the_body_of_one_mail_to_many_goes_with_the_last(home: House) -> None:
    ewa, olaf = story(home, "Ewa", EWA), story(home, "Olaf", OLAF)
    with home.context.db.write() as connection:
        body = insert(tables.outbox_body).values(content=b"to all", created_at=NOW).returning(tables.outbox_body.c.id)
        number = connection.execute(body).scalar()
        connection.execute(update(tables.outbox).values(body_id=number))
    erasing.erase(home.context, ewa)
    assert "to all" in everything(home.context)
    erasing.erase(home.context, olaf)
    assert "to all" not in everything(home.context)


def test_an_export_has_what_was_sent_and_seen(home: House) -> None:
    ewa = story(home, "Ewa", EWA)
    story(home, "Olaf", OLAF)
    with home.context.db.read() as connection:
        record = exporting.export(connection, ewa)
    assert [each["subject"] for each in record["letters"]] == ["Oferta Dach Ewa"]
    assert [each["agent"] for each in record["hits"]] == ["Ewa's phone"]
    assert [each["subject"] for each in record["drafts"]] == ["Szkic Ewa"]
    assert [each["source"] for each in record["permissions"]] == ["form of Ewa"]
    assert [each["reason"] for each in record["suppressions"]] == ["unsubscribe"]


def test_merging_leaves_nothing_with_the_one_that_goes(home: House) -> None:
    ewa, olaf = story(home, "Ewa", EWA), story(home, "Olaf", OLAF)
    persons.merge(home.context, ewa, olaf)
    assert named(home.context, olaf) == set()
    assert named(home.context, ewa) == NAMED | {"person.merged_into"}


@pytest.mark.parametrize("first", ["keep", "gone"])
def test_who_of_two_had_withdrawn_his_permission_has_withdrawn_it(home: House, first: str) -> None:
    keep, gone = home.person("Ewa", EWA), home.person("Ewa Z.", OLAF)
    withdrew, granted = (keep, gone) if first == "keep" else (gone, keep)
    with home.context.db.write() as connection:
        permissions.withdraw(connection, withdrew, "call", "said so", "user:anna", NOW)
        permissions.grant(connection, granted, "consent", "form", "tick", True, "page", NOW + timedelta(days=1))
    persons.merge(home.context, keep, gone)
    with home.context.db.read() as connection:
        last = permissions.of(connection, [keep, gone])
    assert (list(last), last[keep].granted, last[keep].source) == ([keep], False, "call")
