"""Mail of our own that comes back: noted in the outbox, whichever way the report comes; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from mailcrm.app.ask import ask_due
from mailcrm.app.choose import choose
from mailcrm.app.context import Context
from mailcrm.app.dispatch import dispatch
from mailcrm.app.ingest import Outcome, ingest
from mailcrm.app.receive import receive
from mailcrm.config import Parsing
from mailcrm.core.model import Arrival, Batch, Cursor, FolderRole, Message, Reading, Unreadable
from mailcrm.mail.read import read
from mailcrm.store import choices, leaving, outbox, tables
from mailcrm.store.db import Database
from mailcrm.store.outbox import Stored
from tests.house import NOW, batch, build, mail
from tests.transports import Taker

HEAD = "text/rfc822-headers"


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    """Anna was asked which of Ewa's two deals a thread is about, and the smarthost took the question."""
    context = build(database, tmp_path)
    with database.write() as connection:
        pipeline = connection.execute(insert(tables.pipeline).values(name="P").returning(tables.pipeline.c.id)).scalar()
        stage = connection.execute(
            insert(tables.stage).values(pipeline_id=pipeline, name="New", position=1).returning(tables.stage.c.id)
        ).scalar()
        ewa = connection.execute(
            insert(tables.person).values(name="Ewa", created_by="t", created_at=NOW).returning(tables.person.c.id)
        ).scalar()
        address = {"address": "ewa@klient.example", "canonical": "ewa@klient.example", "is_primary": True}
        connection.execute(insert(tables.person_address).values(person_id=ewa, **address))
        deal = {"person_id": ewa, "stage_id": stage, "status": "open", "created_by": "t", "created_at": NOW}
        connection.execute(insert(tables.deal), [{"title": title, **deal} for title in ("Dach", "Garaż")])
    ingest(context, batch(mail(1)))
    ask_due(context)
    assert dispatch(context, Taker()).sent == 1
    return context


def question(house: Context) -> Stored:
    with house.db.read() as connection:
        (found,) = [each for each in outbox.listed(connection) if each.kind == "question"]
    return found


def report(
    head: str, *, number: int = 1, action: str = "failed", extra: str = "", reason: str = "no such user"
) -> bytes:
    """What a mail system says of a mail with that head."""
    return (
        f"From: MAILER-DAEMON@mx.firma.example\r\nTo: crm@firma.example\r\nSubject: Undelivered Mail\r\n{extra}"
        f"Date: {format_datetime(NOW)}\r\nMessage-ID: <bounce{number}@mx.firma.example>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=b="\r\n\r\n'
        "--=b=\r\nContent-Type: text/plain\r\n\r\nI'm sorry.\r\n\r\n"
        "--=b=\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.firma.example\r\n\r\n"
        f"Final-Recipient: rfc822; anna@firma.example\r\nAction: {action}\r\nStatus: 5.1.1\r\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 {reason}\r\n\r\n"
        f"--=b=\r\nContent-Type: {HEAD}\r\n\r\n{head}\r\n\r\n--=b=--\r\n"
    ).encode()


def head_of(stored: Stored) -> str:
    return stored.content.decode().partition("\r\n\r\n")[0]


def content(house: Context, raw: bytes, mail_from: str | None = None) -> tuple[Message, Reading] | Unreadable:
    return read(raw, house.blobs, Parsing(), mail_from)


def by_imap(
    house: Context, raw: bytes, *, uid: int = 7, folder: str = "INBOX", after: timedelta = timedelta()
) -> Outcome:
    arrival = Arrival(uid, NOW + after, content(house, raw))
    return ingest(house, Batch("anna", folder, FolderRole.INBOX, (arrival,), Cursor(1, uid)))


def by_lmtp(house: Context, raw: bytes) -> Outcome:
    receive(
        house,
        lambda it, sender: content(house, it, sender),
        {"crm@firma.example": None},
        raw,
        "",
        ["crm@firma.example"],
    )
    return Outcome(skipped=1)


@pytest.mark.parametrize("way", [by_imap, by_lmtp])
def test_a_question_that_comes_back_has_failed(house: Context, way: Callable[[Context, bytes], Outcome]) -> None:
    before = question(house)
    assert before.state == "sent"
    assert way(house, report(head_of(before))) == Outcome(skipped=1)
    after = question(house)
    assert (after.state, after.reason) == ("failed", "came back: anna@firma.example 5.1.1 550 5.1.1 no such user")
    with house.db.read() as connection:
        assert len(connection.execute(select(tables.message)).all()) == 1  # a report about our own mail is none


def test_the_choice_stays_open_for_the_other_ways(house: Context) -> None:
    by_imap(house, report(head_of(question(house))))
    with house.db.read() as connection:
        (open_,) = choices.listed(connection, "open")
    assert ask_due(house) == 0  # nor is he asked again at an address that takes no mail
    assert choose(house, open_.id, open_.candidates[0].deal, by="anna", via="command").state == "answered"


def test_the_same_report_twice_and_after_a_retry_changes_nothing(house: Context) -> None:
    raw = report(head_of(question(house)))
    by_lmtp(house, raw)
    by_imap(house, raw)
    failed = question(house)
    later = replace(house, clock=lambda: NOW + timedelta(hours=1))
    with house.db.write() as connection:
        assert outbox.retry(connection, [failed.id], later.clock()) == 1
    by_imap(house, raw, uid=8, folder="Archive")  # not sent again yet
    assert question(house).state == "pending"
    dispatch(later, Taker())
    by_imap(house, raw, uid=9, folder="Elsewhere")  # an old report says nothing of the new try
    assert question(house).state == "sent"
    by_imap(house, report(head_of(failed), number=2), uid=10, after=timedelta(hours=1))
    assert question(house).state == "failed"


def test_a_mail_whose_sender_died_before_noting_it_has_failed_too(house: Context) -> None:
    stored = question(house)
    with house.db.write() as connection:
        outbox.returned(connection, {stored.message_id: "x"}, {stored.message_id: NOW})
        outbox.retry(connection, [stored.id], NOW)
        assert leaving.claim(connection, NOW, 1)
    by_imap(house, report(head_of(stored)))
    assert question(house).state == "failed"


def test_a_relay_that_gave_it_a_new_id_is_seen_through(house: Context) -> None:
    stored = question(house)
    renamed = head_of(stored).replace(f"Message-ID: <{stored.message_id}>", "Message-ID: <0100-abc@relay.example>")
    by_imap(house, report(renamed))
    assert question(house).state == "failed"


def test_a_reply_to_a_question_that_comes_back_is_not_the_question(house: Context) -> None:
    stored = question(house)
    reply = (
        f"From: anna@firma.example\r\nTo: crm@firma.example\r\nMessage-ID: <reply@firma.example>\r\nSubject: Re\r\n"
        f"In-Reply-To: <{stored.message_id}>\r\nReferences: <{stored.message_id}>\r\nX-Mailcrm-Choice: question"
    )
    by_imap(house, report(reply))
    assert question(house).state == "sent"


@pytest.mark.parametrize("forged", ["", "0" * 32])
def test_an_id_that_we_never_gave_is_not_believed(house: Context, forged: str) -> None:
    stored = question(house)
    signed = stored.message_id.partition("@")[0].rpartition(".")[2]
    raw = report(head_of(stored).replace(signed, forged))
    assert by_imap(house, raw).stored == 1  # a bounce like others
    assert question(house).state == "sent"


def test_a_delay_is_no_failure(house: Context) -> None:
    by_imap(house, report(head_of(question(house)), action="delayed"))
    assert question(house).state == "sent"


def test_what_the_reason_says_is_fit_for_a_terminal(house: Context) -> None:
    by_imap(house, report(head_of(question(house)), reason="\x1b]0;x\x07 \x1b[2J" + "very " * 400))
    reason = question(house).reason or ""
    assert reason.isprintable()
    assert len(reason) <= 400
