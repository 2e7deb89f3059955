"""Sequences end to end: letters through a real SMTP server, drafts that the rep sends; on both databases."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mailcrm.app.ingest import ingest
from mailcrm.core.enrollment import Status
from mailcrm.core.model import FolderRole
from mailcrm.store.db import Database
from tests.house import NOW, batch, mail
from tests.sequence_house import CALL, DRAFT, MAIL, House, house
from tests.servers import Sink
from tests.servers.sink import Sunk

REPLY = """
[[step]]
type = "email"
after = "2d"
body = "Czy widział Pan ofertę {{ deal.title }}?"
in_thread = true
"""


@pytest.fixture
def home(database: Database, tmp_path: Path, sink: Sink) -> House:
    return house(database, tmp_path, sink)


def text_of(mail: Sunk) -> str:
    content = mail.message.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def rep_writes(home: House, number: int, to: str, *, sender: str = "Anna Nowak <anna@firma.example>") -> None:
    """A mail of a rep's turns up in his Sent folder."""
    sent = mail(number, sender=sender, to=to, subject="Pompy", age=NOW - home.now)
    key = sender.partition("<")[2].partition("@")[0]
    ingest(home.context, batch(sent, mailbox=key, folder="Sent", role=FolderRole.SENT))


def test_a_step_is_mailed_in_the_owners_name_with_consent(home: House, sink: Sink) -> None:
    # SEQ-12, SEQ-13, SEQ-15, SEQ-19
    home.apply(MAIL)
    home.consent()
    item = home.deal("Pompy")
    assert home.enroll(item, by=home.actor("jan")).warnings == ()
    home.work()
    [sent] = sink.mails
    assert (sent.mail_from, sent.rcpt_tos) == ("anna@firma.example", ("pompy@klient.example",))
    assert sent.message["From"] == "Anna Nowak <anna@firma.example>"
    assert sent.message["Subject"] == "Oferta Pompy"
    assert "Dzień dobry Ewa!" in text_of(sent)
    assert text_of(sent).endswith("\nAnna Nowak\nFirma\n")  # the owner's, not the enroller's
    assert home.status(item) is Status.COMPLETED


def test_another_sender_writes_above_the_owners_signature(home: House, sink: Sink) -> None:
    # SEQ-13, SEQ-15, A2: whose name it goes in is whose consent is asked
    home.apply(
        MAIL.replace("Dzień dobry", "{{ rep.name }} pisze:") + 'sender = "jan"\nrecipient = "biuro@klient.example"\n'
    )
    home.consent("jan")
    home.enroll(home.deal())
    home.work()
    [sent] = [each for each in sink.mails if each.rcpt_tos != ("jan@firma.example",)]  # he was asked for his consent
    assert (sent.mail_from, sent.rcpt_tos) == ("jan@firma.example", ("biuro@klient.example",))
    assert text_of(sent).startswith("Jan Lis pisze:")
    assert text_of(sent).endswith("\nAnna Nowak\nFirma\n")


def test_a_reply_goes_on_in_the_thread_after_its_delay(home: House, sink: Sink) -> None:
    # A18: counted from when the smarthost took the mail before
    home.apply(MAIL + REPLY)
    home.consent()
    sink.refuse("451 4.3.0 later", times=1)
    item = home.deal()
    home.enroll(item)
    home.work()
    assert (sink.mails, home.row(item).node) == ([], "step-1")
    home.pass_(minutes=1)
    home.work()
    home.pass_(days=2, seconds=-1)
    home.work()
    assert len(sink.mails) == 1
    home.pass_(seconds=1)
    home.work()
    first, second = (sunk.message for sunk in sink.mails)
    assert second["Subject"] == "Re: Oferta Pompy"
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"]
    assert second["Message-ID"] != first["Message-ID"]
    assert home.status(item) is Status.COMPLETED


def test_a_scheduled_mail_is_not_changed_by_an_edit(home: House, sink: Sink) -> None:
    # SEQ-17, SEQ-18, A3, A19
    later = MAIL + 'after = "1d"\n'
    home.apply(later + CALL)
    home.consent()
    item = home.deal()
    home.enroll(item)
    [entry] = home.pulse()
    assert (entry.kind, entry.due_at, entry.flow) == ("auto", NOW + timedelta(days=1), "Warm")
    home.apply(later.replace("Dzień dobry", "Witaj") + CALL.replace("call", "visit"))
    other = home.deal("Zawory")
    home.enroll(other)
    assert home.row(item).node == home.row(other).node == "step-1"
    home.pass_(days=1)
    home.work()
    assert sorted(text_of(sent).split(" Ewa")[0] for sent in sink.mails) == ["Dzień dobry", "Witaj"]
    assert {row.type for row in home.activities()} == {"visit"}  # a later step uses the new text
    assert home.pulse() == []


def test_a_step_that_is_not_due_is_not_sent_early(home: House, sink: Sink) -> None:
    home.apply(MAIL + 'after = "1d"\n')
    home.consent()
    home.enroll(home.deal())
    home.work()
    [waiting] = home.outbox()
    with home.context.db.write() as connection:
        from mailcrm.store import outbox

        assert outbox.hold(connection, [waiting.id]) == 1
        assert outbox.release(connection, [waiting.id], home.now) == 1
        assert outbox.retry(connection, [waiting.id], home.now) == 1
    home.work()
    assert sink.mails == []
    home.pass_(days=1)
    home.work()
    assert len(sink.mails) == 1


def test_what_can_not_be_written_fails_the_run_and_is_never_sent(home: House, sink: Sink) -> None:
    home.apply(MAIL + CALL)
    home.consent()
    mute = home.deal("Zawory", home.person("Bez Adresu", None))
    nameless = home.deal("Rury", home.person("rury@klient.example", "rury@klient.example"))
    assert home.enroll(mute, nameless, by=home.anna).warnings == (
        f"{mute} is with nobody who has an e-mail address, so its mail steps will fail",
    )
    home.work()
    assert (home.status(mute), home.status(nameless)) == (Status.FAILED, Status.FAILED)
    assert "has no e-mail address" in home.row(mute).reason
    assert "{{ person.first_name }} has no value" in home.row(nameless).reason
    assert (sink.mails, home.outbox(), home.activities(), home.pulse()) == ([], [], [], [])


def test_a_mail_that_is_refused_for_good_fails_the_run(home: House, sink: Sink) -> None:
    home.apply(MAIL + CALL)
    home.consent()
    sink.refuse("550 5.1.1 unknown", stage="RCPT")
    item = home.deal()
    home.enroll(item)
    home.work()
    assert home.status(item) is Status.FAILED
    assert "5.1.1" in home.row(item).reason
    assert (home.activities(), home.pulse()) == ([], [])


def test_a_draft_is_asked_of_the_rep_and_done_by_his_mail(home: House, sink: Sink) -> None:
    # SEQ-11, SEQ-16, A18
    home.apply(DRAFT + CALL + 'after = "1h"\n')
    item = home.deal()
    home.enroll(item)
    home.work()
    [entry] = home.pulse()
    assert (entry.kind, entry.created_at, entry.due_at) == ("draft", NOW, NOW + timedelta(hours=4))
    assert entry.text.startswith("Ewa Zielińska <pompy@klient.example>: Szkic Pompy\n\nDzień dobry Ewa!")
    assert entry.text.endswith("Anna Nowak\nFirma\n")
    home.pass_(hours=2)
    rep_writes(home, 1, "kto.inny@klient.example")
    rep_writes(home, 2, "pompy@klient.example", sender="Jan Lis <jan@firma.example>")
    home.work()
    assert len(home.pulse()) == 1  # to somebody else; of somebody else
    rep_writes(home, 3, "pompy@klient.example")
    home.pass_(minutes=59)
    home.work()
    assert (home.pulse(), len(home.activities())) == ([], 0)
    home.pass_(minutes=1)
    home.work()
    assert len(home.activities()) == 1  # an hour after the rep's mail
    assert home.status(item) is Status.COMPLETED
    assert sink.mails == []  # a draft sends nothing


def test_a_mail_before_the_draft_does_not_count_for_it(home: House) -> None:
    home.apply(DRAFT)
    item = home.deal()
    home.pass_(hours=1)
    home.enroll(item)
    home.pass_(hours=-1)
    rep_writes(home, 1, "pompy@klient.example")
    home.pass_(hours=2)
    home.work()
    assert home.status(item) is Status.IN_PROGRESS


def test_a_reply_to_a_draft_goes_into_the_thread_of_the_reps_mail(home: House, sink: Sink) -> None:
    home.apply(DRAFT + REPLY)
    home.consent()
    home.enroll(home.deal())
    home.work()
    home.pass_(hours=1)
    rep_writes(home, 7, "pompy@klient.example")
    home.work()
    home.pass_(days=2)
    home.work()
    [sent] = sink.mails
    assert (sent.message["In-Reply-To"], sent.message["Subject"]) == ("<7@test.example>", "Re: Pompy")


def test_the_sent_copy_of_automatic_mail_is_no_draft(home: House, sink: Sink) -> None:
    home.apply(DRAFT, "Second")
    home.apply(MAIL)
    home.consent()
    item = home.deal()
    home.enroll(item, name="Second")
    home.enroll(item)
    home.work()
    [sent] = sink.mails
    copy = mail(
        1, sender="anna@firma.example", to="pompy@klient.example", age=timedelta(),
        message_id=sent.message["Message-ID"].strip("<>"),
    )  # fmt: skip
    ingest(home.context, batch(copy, folder="Sent", role=FolderRole.SENT))
    home.work()
    assert [entry.kind for entry in home.pulse()] == ["draft"]


@pytest.mark.parametrize("hostile", ["Ewa\r\nBcc: wszyscy@x.example", "=?utf-8?q?Ewa=0D=0ABcc:_wszyscy?="])
def test_a_name_adds_no_header(home: House, sink: Sink, hostile: str) -> None:
    home.apply(MAIL.replace("Oferta {{ deal.title }}", "Oferta dla {{ person.name }}"))
    home.consent()
    home.enroll(home.deal("Pompy", home.person(hostile, "pompy@klient.example")))
    home.work()
    [sent] = sink.mails
    assert "bcc" not in {name.casefold() for name in sent.message}
    assert sent.rcpt_tos == ("pompy@klient.example",)


@pytest.mark.parametrize("age", [timedelta(), timedelta(days=20)])
def test_a_reply_stops_the_run_although_no_copy_of_the_letter_was_seen(home: House, sink: Sink, age: timedelta) -> None:
    # A7, SEQ-42; a reply in a live run counts however old it is when it is found
    home.apply(MAIL + CALL + 'after = "30d"\n')
    home.consent()
    item, other = home.deal("Pompy"), home.deal("Zawory")
    home.enroll(item, other, by=home.anna)
    home.work()
    letter = next(sent for sent in sink.mails if sent.rcpt_tos == ("pompy@klient.example",))
    home.pass_(days=21)
    reply = mail(
        1, sender="Ewa <pompy@klient.example>", age=age + NOW - home.now,
        in_reply_to=(letter.message["Message-ID"].strip("<>"),),
    )  # fmt: skip
    ingest(home.context, batch(reply))
    home.work()
    assert (home.status(item), home.row(item).reason) == (Status.REMOVED, "replied")
    assert home.status(other) is Status.IN_PROGRESS


def test_an_auto_reply_or_a_forged_reply_stops_nothing(home: House, sink: Sink) -> None:
    home.apply(MAIL + CALL + 'after = "30d"\n')
    home.consent()
    item = home.deal("Pompy")
    home.enroll(item)
    home.work()
    named = sink.mails[0].message["Message-ID"].strip("<>")
    away = mail(
        1, sender="Ewa <pompy@klient.example>", in_reply_to=(named,), headers={"auto-submitted": ("auto-replied",)}
    )
    forged = mail(2, sender="Ewa <pompy@klient.example>", in_reply_to=(named.replace(".0.", ".1."),))
    ingest(home.context, batch(away, forged))
    home.work()
    assert home.status(item) is Status.IN_PROGRESS
