"""Letters of flows that come back: what is believed, whom it keeps mail from, and for how long; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from mailcrm.app.ingest import Outcome, ingest
from mailcrm.app.logins import Login
from mailcrm.app.submit import Handed, submit
from mailcrm.config import Parsing
from mailcrm.core.enrollment import Status
from mailcrm.core.letter_ids import bounce_address, returned_key, run_of
from mailcrm.core.model import Arrival, Bounce, Message
from mailcrm.core.returns import Fault, complained_ids, fault
from mailcrm.mail.read import read
from mailcrm.store import effects, suppressions, tables
from mailcrm.store.db import Database
from mailcrm.store.outbox import Stored
from tests.bounce_mails import ANSWERS, WHO
from tests.house import batch
from tests.sequence_house import MAIL, House, house
from tests.servers import Sink

SENDERS = {
    *("Gmail, unsigned", "Office 365, banned", "Exchange, sender restricted", "Exchange, too large", "Exim, relay"),
    *("Yahoo, deferred", "interia, spam", "blocklist", "policy", "loop"),
}
BASE = "bounces@firma.example"
JAN = "jan@klient.example"


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    made = house(database, tmp_path, returns={"bounces": BASE})
    made.apply(MAIL + MAIL.replace("Oferta", "Ponownie") + 'after = "1w"\n')
    made.consent()
    return made


def written(home: House, title: str = "Pompy", person: int | None = None) -> Stored:
    """A letter that the smarthost took a moment ago."""
    number = person if person is not None else home.person("Jan", JAN)
    home.enroll(home.deal(title, number))
    home.run()
    [letter] = [each for each in home.outbox() if each.subject == f"Oferta {title}"]
    taken(home, letter)
    home.run()
    return letter


def taken(home: House, letter: Stored) -> None:
    with home.context.db.write() as connection:
        values = {"state": "sent", "sent_at": home.now}
        connection.execute(update(tables.outbox).where(tables.outbox.c.id == letter.id).values(**values))
        effects.settle(connection, letter.key, home.now)


def report(
    home: House,
    original: str,
    *,
    status: str = "5.1.1",
    said: str = "550 5.1.1 no such user",
    whom: str = JAN,
    to: str = "anna@firma.example",
    number: int = 1,
    head: str = "",
) -> bytes:
    return (
        f"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.klient.example\r\nTo: {to}\r\nSubject: Undelivered Mail\r\n{head}"
        f"Message-ID: <b{number}@mx.klient.example>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=b="\r\n\r\n'
        "--=b=\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n\r\n"
        "--=b=\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.klient.example\r\n\r\n"
        f"Final-Recipient: rfc822; {whom}\r\nAction: failed\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {said}\r\n\r\n"
        "--=b=\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"From: anna@firma.example\r\nMessage-ID: <{original}>\r\n\r\n"
        "--=b=--\r\n"
    ).encode()


def complaint(original: str, kind: str = "abuse") -> bytes:
    return (
        "From: fbl@poczta.example\r\nTo: anna@firma.example\r\nSubject: complaint\r\nMessage-ID: <c@poczta.example>\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary="=c="\r\n\r\n'
        "--=c=\r\nContent-Type: text/plain\r\n\r\nThis is an abuse report.\r\n\r\n"
        f"--=c=\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nVersion: 1\r\n\r\n"
        "--=c=\r\nContent-Type: message/rfc822\r\n\r\n"
        f"From: anna@firma.example\r\nMessage-ID: <{original}>\r\n\r\nx\r\n"
        "--=c=--\r\n"
    ).encode()


def arrives(home: House, raw: bytes, age: timedelta = timedelta()) -> Outcome:
    content = read(raw, home.context.blobs, Parsing(), None)
    return ingest(home.context, replace(batch(), arrivals=(Arrival(None, home.now - age, content),)))


def state(home: House, letter: Stored) -> tuple[str, str | None]:
    with home.context.db.read() as connection:
        columns = (tables.outbox.c.state, tables.outbox.c.returned)
        return tuple(connection.execute(select(*columns).where(tables.outbox.c.id == letter.id)).one())  # type: ignore[return-value]


def suppressed(home: House, address: str = JAN) -> tuple[str, datetime | None] | None:
    with home.context.db.read() as connection:
        found = suppressions.among(connection, home.context.secret, [address], home.now).get(address)
    return (found.reason, found.expires_at) if found else None


def events(home: House, kind: str) -> list[int | None]:
    with home.context.db.read() as connection:
        query = select(tables.event.c.person_id).where(tables.event.c.kind == kind)
        return list(connection.execute(query).scalars())


def notices(home: House) -> list[str]:
    return [each.text for each in home.pulse() if each.kind == "notice"]


# -- whose fault


@pytest.mark.parametrize(("name", "status", "said", "permanent"), [(a[0], a[4], a[2], a[3]) for a in ANSWERS])
def test_a_refusal_is_the_addresss_a_passing_ones_or_our_own_fault(
    name: str, status: str, said: str, permanent: bool
) -> None:
    expected = Fault.ADDRESS if permanent else Fault.SENDER if name in SENDERS else Fault.PASSING
    assert fault(Bounce(WHO, status, permanent, said), WHO) is expected


def test_what_is_said_of_an_address_that_mail_is_passed_on_to_is_not_the_end_of_his_own() -> None:
    assert fault(Bounce("elsewhere@poczta.example", "5.1.1", True, "no such user"), WHO) is Fault.PASSING
    assert fault(Bounce(None, "5.1.1", True, "no such user"), WHO) is Fault.ADDRESS


# -- bounces of letters


def test_an_address_that_does_not_exist_gets_no_automatic_mail_for_a_year(home: House) -> None:
    letter = written(home)
    assert arrives(home, report(home, letter.message_id)).stored == 1
    assert state(home, letter) == ("failed", "address")
    assert suppressed(home) == ("bounce", home.now.replace(year=home.now.year + 1))
    assert len(events(home, "mail.bounced")) == 1
    [notice] = notices(home)
    assert "Oferta Pompy" in notice
    assert "no such user" in notice


def test_the_run_goes_on_until_its_next_letter(home: House) -> None:
    """Its step was done when the server took the letter; a call after it still makes sense."""
    item = home.deal("Pompy", home.person("Jan", JAN))
    home.enroll(item)
    home.run()
    [letter] = home.outbox()
    taken(home, letter)
    home.run()
    arrives(home, report(home, letter.message_id))
    home.run()
    assert home.status(item) is Status.IN_PROGRESS


def test_the_next_letter_is_refused_and_ends_the_run(database: Database, tmp_path: Path, sink: Sink) -> None:
    home = house(database, tmp_path, sink)
    home.apply(MAIL + MAIL.replace("Oferta", "Ponownie") + 'after = "1w"\n')
    home.consent()
    item = home.deal("Pompy", home.person("Jan", JAN))
    home.enroll(item)
    home.work()
    home.pass_(hours=1)
    arrives(home, report(home, sink.mails[-1].message["Message-ID"].strip("<>")))
    home.pass_(weeks=1)
    home.work()
    assert (len(sink.mails), home.status(item)) == (1, Status.FAILED)
    assert f"{JAN} gets no automatic mail" in home.row(item).reason


def test_by_our_envelope_sender_it_is_known_whatever_a_relay_made_of_its_id(home: House) -> None:
    letter = written(home)
    back = bounce_address(home.context.secret, letter.key, letter.sender, BASE)
    arrives(home, report(home, "0100-other@relay.example", to=str(back), whom="not.said@other.example"))
    assert state(home, letter) == ("failed", "passing")  # the address said is another's
    home.pass_(minutes=1)
    second = written(home, "Rury", 1)
    back = bounce_address(home.context.secret, second.key, second.sender, BASE)
    noted = report(home, "0100-x@relay.example", to="a@firma.example", head=f"Delivered-To: {back}\r\n", number=2)
    arrives(home, noted)
    assert state(home, second) == ("failed", "address")


def test_what_a_program_handed_in_comes_back_by_its_envelope_sender_too(home: House) -> None:
    writer = Login(home.anna.id or 0, "anna", "anna@firma.example", frozenset({"anna@firma.example"}))
    mail = Handed(writer, writer.email, ("JAN@klient.example",), b"x", b"x", "1@firma.example", "Raport", "Warm")
    submit(home.context, [mail, replace(mail, flow=None)])
    with home.context.db.read() as connection:
        [back, by_hand] = connection.execute(
            select(tables.outbox.c.envelope_from).order_by(tables.outbox.c.id)
        ).scalars()
    assert by_hand is None
    letter = home.outbox()[0]
    taken(home, letter)
    arrives(home, report(home, "other@relay.example", to=back))
    assert state(home, letter) == ("failed", "address")
    assert suppressed(home) is not None


def test_a_forged_bounce_has_no_effect_but_an_event(home: House) -> None:
    letter = written(home)
    signature = letter.message_id.partition("@")[0].rpartition(".")[2]
    back = str(bounce_address(home.context.secret, letter.key, letter.sender, BASE))
    tag = back.partition("@")[0].rpartition(".")[2]
    for number, (original, to) in enumerate(
        [
            (letter.message_id.replace(signature, "0" * 32), "anna@firma.example"),
            (letter.message_id.replace(f".{signature}", ""), "anna@firma.example"),
            ("made-up@klient.example", back.replace(tag, "0" * 20)),
            ("made-up@klient.example", back.replace("bounces+", "others+")),
            (letter.message_id.replace("s.1.", "s.2.", 1), "anna@firma.example"),
        ]
    ):
        arrives(home, report(home, original, to=to, number=number))
    assert (state(home, letter), suppressed(home), notices(home)) == (("sent", None), None, [])
    assert len(events(home, "mail.bounced")) == 5


def test_with_his_own_letter_nobody_stops_anothers_mail(home: House) -> None:
    home.person("Ewa", "ewa@klient.example")
    letter = written(home)
    arrives(home, report(home, letter.message_id, whom="ewa@klient.example"))
    assert suppressed(home, "ewa@klient.example") is None
    assert suppressed(home) is None


def test_of_one_letter_one_bounce_counts(home: House) -> None:
    letter = written(home)
    arrives(home, report(home, letter.message_id))
    with home.context.db.write() as connection:
        connection.execute(update(tables.suppression).values(lifted_at=home.now))
    arrives(home, report(home, letter.message_id, number=2))
    arrives(home, report(home, letter.message_id, number=2))
    assert suppressed(home) is None
    assert len(notices(home)) == 1


def test_a_full_mailbox_counts_the_third_time_and_for_a_week(home: House) -> None:
    person = home.person("Jan", JAN)
    full = {"status": "5.2.2", "said": "552 5.2.2 mailbox full"}
    for number, title in enumerate(("Pompy", "Rury", "Kable")):
        assert suppressed(home) is None
        letter = written(home, title, person)
        home.pass_(days=1)
        arrives(home, report(home, letter.message_id, number=number, **full))
        assert state(home, letter) == ("failed", "passing")
    assert suppressed(home) == ("bounce", home.now + timedelta(weeks=1))
    home.pass_(weeks=1)
    assert suppressed(home) is None


def test_full_mailboxes_far_apart_do_not_count(home: House) -> None:
    person = home.person("Jan", JAN)
    for number, title in enumerate(("Pompy", "Rury", "Kable")):
        letter = written(home, title, person)
        arrives(home, report(home, letter.message_id, status="5.2.2", said="552 5.2.2 mailbox full", number=number))
        home.pass_(days=9)
    assert suppressed(home) is None


@pytest.mark.parametrize(
    ("status", "said"),
    [("5.7.1", "554 5.7.1 blocked using zen.spamhaus.org"), ("5.3.4", "552 5.3.4 message too large")],
)
def test_what_is_our_own_fault_is_told_to_the_rep_alone(home: House, status: str, said: str) -> None:
    for number, title in enumerate(("Pompy", "Rury", "Kable", "Dach")):
        letter = written(home, title, 1 if number else None)
        arrives(home, report(home, letter.message_id, status=status, said=said, number=number))
        assert state(home, letter) == ("failed", "sender")
    assert suppressed(home) is None
    assert len(notices(home)) == 4


def test_an_old_bounce_is_noted_and_keeps_nobody_from_mail(home: House) -> None:
    letter = written(home)
    home.pass_(days=20)
    arrives(home, report(home, letter.message_id), age=timedelta(days=8))
    assert (state(home, letter), suppressed(home), notices(home)) == (("failed", "address"), None, [])


def test_a_letter_whose_sender_died_before_noting_it_has_failed_in_its_run(home: House) -> None:
    item = home.deal("Pompy", home.person("Jan", JAN))
    home.enroll(item)
    home.run()
    [letter] = home.outbox()
    with home.context.db.write() as connection:
        connection.execute(update(tables.outbox).values(state="sending", claimed_at=home.now))
    arrives(home, report(home, letter.message_id))
    home.run()
    assert home.status(item) is Status.FAILED
    assert "came back" in home.row(item).reason


def test_a_report_of_delay_returns_nothing(home: House) -> None:
    letter = written(home)
    arrives(home, report(home, letter.message_id).replace(b"Action: failed", b"Action: delayed"))
    assert state(home, letter) == ("sent", None)


def test_what_comes_from_machines_is_answered_by_none(home: House) -> None:
    """Null sender, Auto-Submitted: nothing goes out, so nothing can go round."""
    letter = written(home)
    before = len(home.outbox())
    for raw in (report(home, letter.message_id), report(home, "x@y.example", number=2), complaint(letter.message_id)):
        content = read(raw.replace(b"anna@", b"crm@"), home.context.blobs, Parsing(), "")
        arrivals = (Arrival(None, home.now, content, mail_from=""),)
        ingest(home.context, replace(batch(mailbox="drop-box"), arrivals=arrivals))
    assert len(home.outbox()) == before


# -- complaints


def test_who_complains_gets_no_automatic_mail_any_more(home: House) -> None:
    letter = written(home)
    arrives(home, complaint(letter.message_id))
    assert suppressed(home) == ("complaint", None)
    assert events(home, "mail.unsubscribed") == [1]
    assert len(notices(home)) == 1


def test_a_complaint_about_mail_that_is_not_ours_or_that_it_is_no_spam_counts_for_nothing(home: House) -> None:
    letter = written(home)
    arrives(home, complaint("anything@klient.example"))
    arrives(home, complaint(letter.message_id, "not-spam").replace(b"<c@", b"<d@"))
    assert (suppressed(home), events(home, "mail.unsubscribed"), notices(home)) == (None, [], [])


def test_only_reports_of_complaints_are_complaints() -> None:
    nothing: dict[str, Any] = {"message_id": None, "date": None, "from_": None}
    assert complained_ids(Message(**nothing)) == ()


# -- the envelope sender


def test_an_envelope_sender_is_ours_by_its_signature() -> None:
    address = bounce_address(b"s", "12.3.0", "anna@firma.example", BASE)
    assert address is not None
    assert returned_key(b"s", address, BASE) == "12.3.0"
    assert returned_key(b"other", address, BASE) is None
    assert returned_key(b"s", address, "b@firma.example") is None
    assert run_of(b"s", address) is None  # one is not the other


@pytest.mark.parametrize(
    ("sender", "base"),
    [("anna@other.example", BASE), ("anna@firma.example", None), ("anna@firma.example", f"{'b' * 40}@firma.example")],
)
def test_where_it_would_not_be_aligned_or_fit_the_senders_own_address_stands(sender: str, base: str | None) -> None:
    assert bounce_address(b"s", "12.3.0", sender, base) is None
