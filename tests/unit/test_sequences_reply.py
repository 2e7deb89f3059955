"""What ends a sequence by itself: a person's answer, however it is dated and wherever our letter is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailcrm.app.ingest import ingest
from mailcrm.app.intake import StoreIntake
from mailcrm.core.classify import classify
from mailcrm.core.enrollment import Status
from mailcrm.core.model import Arrival, FolderRole, Message
from mailcrm.store.db import Database
from tests.house import batch, mail
from tests.sequence_house import MAIL, House, house
from tests.servers import Sink

LATER = MAIL.replace("Oferta", "Przypomnienie") + 'after = "2d"\n'


@pytest.fixture
def home(database: Database, tmp_path: Path, sink: Sink) -> House:
    made = house(database, tmp_path, sink)
    made.apply(MAIL + LATER)
    made.consent()
    return made


def arrives(home: House, message: Message, role: FolderRole = FolderRole.INBOX) -> None:
    """In Anna's mailbox, now."""
    arrival = Arrival(uid=None, received_at=home.now, content=(message, classify(message)))
    ingest(home.context, replace(batch(role=role), arrivals=(arrival,)))


def answer(home: House, sink: Sink, **more: Any) -> Message:
    """To the last letter, which is in none of our mailboxes."""
    letter = sink.mails[-1].message["Message-ID"].strip("<>")
    sent: dict[str, Any] = {
        "sender": "Ewa <pompy@klient.example>",
        "subject": "Re: Oferta Pompy",
        "text": "Tak, proszę.",
    }
    return replace(mail("answer", **sent), in_reply_to=(letter,), references=(letter,), date=home.now, **more)


def test_an_answer_to_a_letter_ends_the_run(home: House, sink: Sink) -> None:  # SEQ-42
    item = home.deal("Pompy")
    home.enroll(item)
    home.work()
    home.pass_(days=1)
    arrives(home, answer(home, sink))
    home.work()
    assert (home.status(item), home.row(item).reason) == (Status.REMOVED, "replied")
    home.pass_(days=2)
    home.work()
    assert len(sink.mails) == 1


def test_an_answer_that_a_filter_took_for_spam_ends_the_run(home: House, sink: Sink) -> None:
    item = home.deal("Pompy")
    home.enroll(item)
    home.work()
    home.pass_(days=1)
    flagged = answer(home, sink, headers={"x-spam-flag": ("YES",)})
    stranger = replace(flagged, in_reply_to=(), references=("x@klient.example",), message_id="y@klient.example")
    arrives(home, stranger, FolderRole.JUNK)
    assert home.status(item) is Status.IN_PROGRESS
    letter = flagged.references[0]
    intake = StoreIntake(home.context)
    assert intake.expecting()
    assert intake.awaited(["x@klient.example", letter]) == {letter}
    arrives(home, flagged, FolderRole.JUNK)
    home.work()
    assert (home.status(item), home.row(item).reason) == (Status.REMOVED, "replied")
    assert intake.awaited([letter]) == frozenset()
    assert not intake.expecting()


@pytest.mark.parametrize("days", [-30, 3000])
def test_an_answer_counts_from_when_it_came_whatever_its_date(home: House, sink: Sink, days: int) -> None:
    item = home.deal("Pompy")
    home.enroll(item)
    home.work()
    home.pass_(days=1)
    arrives(home, replace(answer(home, sink), date=home.now + timedelta(days=days)))
    home.run()
    assert home.row(item).reason == "replied"
    assert home.status(item) is Status.REMOVED
    again = home.enroll(item)
    assert again.items == (item,)


def test_an_automatic_reply_ends_nothing(home: House, sink: Sink) -> None:
    item = home.deal("Pompy")
    home.enroll(item)
    home.work()
    home.pass_(days=1)
    arrives(home, answer(home, sink, headers={"auto-submitted": ("auto-replied",)}))
    home.run()
    assert home.status(item) is Status.IN_PROGRESS


def test_no_letter_leaves_while_an_answer_waits_to_be_taken(home: House, sink: Sink) -> None:
    item = home.deal("Pompy")
    home.enroll(item)
    home.work()
    home.pass_(days=2)
    home.run()
    arrives(home, answer(home, sink))
    assert home.send().sent == 0
    home.work()
    home.pass_(days=1)
    home.work()
    assert (len(sink.mails), home.status(item)) == (1, Status.REMOVED)
