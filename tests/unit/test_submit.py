"""Mail handed in at the relay: into the outbox all or none, into its thread at once; whose password it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from mailcrm import config
from mailcrm.app import passwords
from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.app.logins import Login, Logins
from mailcrm.app.submit import Handed, submit
from mailcrm.app.submit_link import Written, link, link_rest
from mailcrm.core.flow import FlowKind
from mailcrm.core.model import Arrival, FolderRole, Message, Reading, Unreadable
from mailcrm.mail.content import Content
from mailcrm.mail.counting import Counting
from mailcrm.mail.read import read
from mailcrm.store import clearance, consents, flows, people, permissions, tables
from mailcrm.store.db import Database
from mailcrm.store.flows import NewFlow
from tests.house import NOW, batch, build, mail
from tests.on_disk import synced
from tests.relay_kit import ANNA, EWA

RAW = (
    b"From: anna@firma.example\r\nTo: ewa@klient.example\r\n"
    b"Message-ID: <%s@firma.example>\r\nSubject: Oferta\r\n\r\nhello\r\n"
)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take no time."""
    monkeypatch.setattr(passwords.hashed, "__kwdefaults__", {"n": 2, "r": 8, "p": 1})
    monkeypatch.setattr(passwords, "_N", 2)


def login(context: Context, key: str = "anna") -> Login:
    with context.db.read() as connection:
        number = connection.execute(select(tables.user.c.id).where(tables.user.c.key == key)).scalar_one()
    return dataclasses.replace(ANNA, id=number, key=key)


def handed(context: Context, name: str = "1", *recipients: str, flow: str | None = None) -> Handed:
    raw = RAW % name.encode()
    return Handed(login(context), ANNA.email, recipients or (EWA,), raw, raw, f"{name}@firma.example", "Oferta", flow)


def readings(raws: Sequence[bytes], senders: Sequence[str]) -> Sequence[Content]:
    return [read(raw, Counting(), config.Parsing(), sender) for raw, sender in zip(raws, senders, strict=True)]


def rows(context: Context, table: Any) -> list[Any]:
    with context.db.read() as connection:
        return list(connection.execute(select(table).order_by(*table.primary_key)))


def test_one_row_a_recipient_and_one_body_for_several(house: Context) -> None:
    assert submit(house, [handed(house, "1"), handed(house, "2", EWA, "jan@klient.example")]) == [None, None]
    single, *several = rows(house, tables.outbox)
    assert (single.kind, single.state, single.recipient, single.body_id) == ("relay", "pending", EWA, None)
    assert bytes(single.content) == RAW % b"1"
    assert [each.recipient for each in several] == [EWA, "jan@klient.example"]
    assert {(each.user_id, bytes(each.content), each.message_id, each.subject, each.copy) for each in several} == {
        (login(house).id, b"", "2@firma.example", "Oferta", None)
    }
    (body,) = rows(house, tables.outbox_body)
    assert {each.body_id for each in several} == {body.id}
    assert bytes(body.content) == RAW % b"2"
    assert single.due_at == single.created_at == NOW


def test_the_same_bytes_twice_are_two_mails(house: Context) -> None:
    submit(house, [handed(house), handed(house)])
    assert len(rows(house, tables.outbox)) == 2


def test_nothing_is_told_before_the_log_is_on_disk(
    tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mailcrm.db"
    file.write_bytes(migrated_sqlite.read_bytes())
    database = Database(f"sqlite:///{file}")
    try:
        house = build(database, tmp_path)
        on_disk = synced(monkeypatch)
        submit(house, [handed(house), handed(house, "2")])
        assert on_disk == [f"{file}-wal"]  # once for all of them
    finally:
        database.close()


# --- what a rep writes, tracked ---

WITH_HTML = RAW.replace(b"\r\n\r\n", b"\r\nContent-Type: text/html\r\n\r\n")


def tracked(context: Context, name: str, *, raw: bytes = WITH_HTML) -> Handed:
    raw %= name.encode()
    return dataclasses.replace(handed(context, name), content=raw, original=raw, tracked=True)


def test_what_a_rep_writes_tells_of_its_opening_where_the_recipient_allows_it(house: Context) -> None:
    submit(house, [tracked(house, "1")])  # nobody knows the recipient
    with house.db.write() as connection:
        ewa = people.add(connection, people.NewPerson("Ewa", "user:anna", emails=(EWA,)), NOW)
        permissions.grant(connection, ewa, "consent", "form", "x", tracking=True, by="user:anna", now=NOW)
    submit(house, [tracked(house, "2"), tracked(house, "3", raw=RAW), handed(house, "4")])
    stored = {row.message_id: row for row in rows(house, tables.outbox)}
    assert bytes(stored["1@firma.example"].content) == WITH_HTML % b"1"
    assert bytes(stored["3@firma.example"].content) == RAW % b"3"
    (opening,) = rows(house, tables.track)
    assert (opening.outbox_id, opening.kind) == (stored["2@firma.example"].id, "open")
    assert f"https://crm.firma.example/o/{opening.token}.gif".encode() in bytes(stored["2@firma.example"].content)
    assert {(row.kind, row.state) for row in stored.values()} == {("relay", "pending")}


def test_what_a_rep_writes_is_tracked_for_nobody_where_he_or_the_operator_says_so(
    database: Database, tmp_path: Path
) -> None:
    house = build(database, tmp_path, tracking={"when": "never"})
    submit(house, [tracked(house, "1")])
    users = {"anna": {"email": ANNA.email, "tracking": False}}
    house = build(database, tmp_path, tracking={"when": "always"}, users=users, mailboxes={})
    submit(house, [tracked(house, "2")])
    assert rows(house, tables.track) == []
    house = build(database, tmp_path, tracking={"when": "always"})
    submit(house, [tracked(house, "3")])
    assert len(rows(house, tables.track)) == 1


# --- automatic mail (SEQ-20, SEQ-22, SEQ-23) ---


def a_flow(context: Context, name: str = "Offer") -> int:
    new = NewFlow(kind=FlowKind.WORKFLOW, name=name, item="person", owner=None, definition='kind = "workflow"')
    with context.db.write() as connection:
        return flows.add(connection, new, "user:anna", NOW)


def consent(context: Context, flow: int, key: str = "anna", *, granted: bool = True) -> None:
    with context.db.write() as connection:
        consents.record(connection, flow, login(context, key).id, NOW, granted=granted, by="user:anna", via="command")


def test_automatic_mail_needs_live_consent_of_this_user_for_this_flow(house: Context) -> None:
    offer, other = a_flow(house), a_flow(house, "Other")
    consent(house, other)
    consent(house, offer, "jan")
    auto = handed(house, flow="Offer")
    fates = submit(house, [handed(house, "by hand"), auto, handed(house, flow="No such")])
    assert fates[0] is None
    assert fates[1] is not None
    assert "no consent of anna for Offer" in fates[1].reason
    assert fates[2] is not None
    assert len(rows(house, tables.outbox)) == 1
    consent(house, offer)
    assert submit(house, [auto]) == [None]
    consent(house, offer, granted=False)
    assert submit(house, [auto]) != [None]
    assert [(row.kind, row.flow_id) for row in rows(house, tables.outbox)] == [("relay", None), ("auto", offer)]


def test_consent_withdrawn_after_it_was_handed_in_counts_when_it_leaves(house: Context) -> None:  # SEQ-25, SEQ-27
    flow = a_flow(house)
    consent(house, flow)
    submit(house, [handed(house, flow="Offer")])
    (waiting,) = rows(house, tables.outbox)

    def hindered() -> str:
        with house.db.read() as connection:
            found = clearance.hindrances(connection, house.config, house.secret, [waiting.id], NOW)
        return found[waiting.id].reason if waiting.id in found else ""

    assert "consent" not in hindered()
    consent(house, flow, granted=False)
    assert "no consent of anna for Offer" in hindered()


def test_automatic_mail_knows_its_person(house: Context) -> None:
    consent(house, a_flow(house))
    ingest(house, batch(mail("first")))
    submit(house, [handed(house, "1", EWA, "stranger@klient.example", flow="Offer")])
    submit(house, [handed(house, "2", "ewa+x@klient.example", flow="Offer")])
    (person,) = rows(house, tables.person)
    assert rows(house, tables.outbox).pop().person_id == person.id  # what he has said and what he gets counts for this
    assert [(row.person_id, row.copy) for row in rows(house, tables.outbox)] == [
        (person.id, "wanted"),
        (None, None),
        (person.id, "wanted"),
    ]


def test_what_he_writes_holds_automatic_mail_before_it_is_linked(house: Context) -> None:
    consent(house, a_flow(house))
    ingest(house, batch(mail("first", age=timedelta(days=3))))
    submit(house, [handed(house, "1", EWA)])
    submit(house, [handed(house, "2", EWA, flow="Offer")])
    numbers = [row.id for row in rows(house, tables.outbox)]
    with house.db.read() as connection:
        found = clearance.hindrances(connection, house.config, house.secret, numbers, NOW)
    assert {number: each.reason for number, each in found.items()} == {
        numbers[1]: f"anna wrote to {EWA} on 2026-11-22 09:00Z"
    }


# --- linked at once ---


def test_a_mail_is_in_its_thread_at_once_and_its_copy_in_sent_is_the_same(house: Context) -> None:
    ingest(house, batch(mail("first")))
    raw = (RAW % b"answer").replace(
        b"Subject", b"In-Reply-To: <first@test.example>\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\nSubject"
    )
    link(house, readings, [Written("anna", ANNA.email, (EWA,), raw)])
    first, answer = rows(house, tables.message)
    assert (answer.message_id, answer.thread_id, answer.direction) == ("answer@firma.example", first.thread_id, "out")
    (seen,) = readings([raw], [ANNA.email])
    assert not isinstance(seen, Unreadable)
    copy = _arrival(seen)
    ingest(house, dataclasses.replace(batch(role=FolderRole.SENT, folder="Sent"), arrivals=(copy,)))
    assert len(rows(house, tables.message)) == 2
    assert len([row for row in rows(house, tables.location) if row.message_id == answer.id]) == 2
    assert [row.kind for row in rows(house, tables.event) if row.kind == "mail.sent"] == ["mail.sent"]


def _arrival(content: tuple[Message, Reading]) -> Any:
    return Arrival(uid=7, received_at=NOW, content=content)


def test_what_a_dead_process_left_is_linked_later(house: Context) -> None:
    submit(house, [handed(house, "1"), handed(house, "2", EWA, "jan@klient.example")])
    with house.db.write() as connection:
        old = tables.outbox.c.message_id == "1@firma.example"
        connection.execute(update(tables.outbox).where(old).values(created_at=NOW - timedelta(days=6)))
    for _ in range(2):
        link_rest(house, readings)
        assert [row.message_id for row in rows(house, tables.message)] == ["1@firma.example", "2@firma.example"]
    asked: list[bytes] = []
    link_rest(house, lambda raws, _senders: asked.extend(raws) or [])
    assert asked == []


def test_blind_copies_are_linked_by_the_envelope(house: Context) -> None:
    raw = b"From: anna@firma.example\r\nMessage-ID: <blind@firma.example>\r\n\r\nhello\r\n"
    mails = dataclasses.replace(handed(house, "blind", EWA, "jan@klient.example"), content=raw, original=raw)
    submit(house, [mails])
    link_rest(house, readings)
    assert {row.address for row in rows(house, tables.participant)} == {EWA, "jan@klient.example"}


def test_a_user_without_a_mailbox_is_not_linked(database: Database, tmp_path: Path) -> None:
    house = build(database, tmp_path, mailboxes={"jan": {"user": "jan"}})
    link(house, readings, [Written("anna", ANNA.email, (EWA,), RAW % b"1")])
    assert rows(house, tables.message) == []


# --- logins ---


def test_who_logs_in(house: Context, cheap: None) -> None:
    logins = Logins(house)
    number = login(house).id
    assert logins.check("anna", "") is None  # no password is none that anybody knows
    passwords.set_password(house, number, "zażółć 1")
    for name in ("anna", "Anna@Firma.example", str(number)):
        found = logins.check(name, "zażółć 1")
        assert found == Login(number, "anna", ANNA.email, ANNA.addresses)
    for name, password in (
        ("anna", "zażółć 2"),
        ("jan", "zażółć 1"),
        ("nobody", ""),
        ("anna", "x" * 100_000),
        ("", ""),
    ):
        assert logins.check(name, password) is None
        assert logins.quickly(name, password) is None


def test_a_right_password_is_remembered_until_it_changes(house: Context, cheap: None) -> None:
    logins, number = Logins(house), login(house).id
    passwords.set_password(house, number, "one")
    assert logins.quickly("anna", "one") is None
    logins.check("anna", "one")
    assert logins.quickly("anna", "one") is not None
    assert logins.quickly("anna", "two") is None
    passwords.set_password(house, number, "one")  # the same, with a new salt
    assert logins.quickly("anna", "one") is None
    logins.check("anna", "one")
    with house.db.write() as connection:
        connection.execute(update(tables.user).values(disabled_at=NOW))
    assert logins.quickly("anna", "one") is None
    assert logins.check("anna", "one") is None


def test_a_user_who_left_the_configuration_is_out(house: Context, tmp_path: Path, cheap: None) -> None:
    passwords.set_password(house, login(house).id, "one")
    without = build(house.db, tmp_path, users={"jan": {"email": "jan@firma.example"}}, mailboxes={})
    assert Logins(without).check("anna", "one") is None
