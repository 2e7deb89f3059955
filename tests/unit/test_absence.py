"""Who is away gets no automatic mail, and asks for no draft, before he is back; from the notice to the letter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mailcrm.app.ingest import ingest
from mailcrm.core.away import back_at
from mailcrm.core.classify import classify
from mailcrm.core.enrollment import Status
from mailcrm.core.model import Arrival
from mailcrm.store import absences
from mailcrm.store.db import Database
from mailcrm.store.tables import event
from tests.house import NOW, batch, mail
from tests.sequence_house import DRAFT, MAIL, House, house
from tests.servers import Sink

EWA = "ewa@klient.example"
LATER = MAIL.replace("Oferta", "Ponownie") + 'after = "2d"\n'
BACK = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def home(database: Database, tmp_path: Path, sink: Sink) -> House:
    return house(database, tmp_path, sink)


def away(home: House, said: str = "Wracam 1 grudnia 2026.", number: str = "away", **headers: str) -> None:
    """Ewa's mail program answers, now."""
    headers = headers or {"auto-submitted": "auto-replied"}
    notice = mail(
        number, sender=f"Ewa <{EWA}>", subject="Automatyczna odpowiedź: Oferta", text=f"Jestem na urlopie. {said}"
    )
    notice = replace(notice, date=home.now, headers={name: (value,) for name, value in headers.items()})
    ingest(home.context, replace(batch(), arrivals=(Arrival(None, home.now, (notice, classify(notice))),)))


def begun(home: House, steps: str) -> Any:
    home.apply(steps)
    home.consent()
    item = home.deal("Pompy", home.person("Ewa", EWA))
    home.enroll(item)
    home.work()
    return item


def back(home: House, person: int = 1) -> datetime | None:
    with home.context.db.read() as connection:
        return absences.back(connection, [person], home.now, "3d").get(person)


def test_a_letter_waits_for_the_stated_day_and_goes_then(home: House, sink: Sink) -> None:
    item = begun(home, MAIL + LATER)
    home.pass_(hours=1)
    away(home)
    with home.context.db.read() as connection:
        [told] = connection.execute(select(event.c.data).where(event.c.kind == "mail.autoreplied")).scalars()
    assert told["until"] == "2026-12-01"
    home.pass_(days=2)
    home.work()
    assert (len(sink.mails), home.status(item)) == (1, Status.IN_PROGRESS)
    home.now = BACK - timedelta(minutes=1)
    home.work()
    assert len(sink.mails) == 1
    home.now = BACK + timedelta(minutes=1)
    home.work()
    assert (len(sink.mails), home.status(item)) == (2, Status.COMPLETED)


def test_without_a_day_it_waits_for_three_days(home: House, sink: Sink) -> None:
    begun(home, MAIL + LATER)
    home.pass_(days=1, hours=23)
    away(home, "")
    home.pass_(hours=2)
    home.work()
    assert len(sink.mails) == 1
    home.pass_(days=2, hours=21)
    home.work()
    assert len(sink.mails) == 1
    home.pass_(hours=2)
    home.work()
    assert len(sink.mails) == 2


def test_a_letter_that_is_written_meanwhile_is_due_when_she_is_back(home: House, sink: Sink) -> None:
    home.apply(MAIL)
    home.consent()
    ewa = home.person("Ewa", EWA)
    away(home)
    home.enroll(home.deal("Pompy", ewa))
    home.work()
    assert [each.due_at for each in home.outbox()] == [BACK]
    home.now = BACK
    home.work()
    assert len(sink.mails) == 1


def test_drafts_are_not_due_before_she_is_back(home: House) -> None:
    ewa = home.person("Ewa", EWA)
    home.apply(DRAFT)
    home.enroll(home.deal("Pompy", ewa))
    home.run()
    [asked] = home.pulse()
    assert asked.due_at == NOW + timedelta(hours=4)
    away(home)
    home.enroll(home.deal("Rury", ewa))
    home.run()
    assert [each.due_at for each in home.pulse()] == [BACK, BACK]


def test_the_newest_notice_counts(home: House) -> None:
    home.person("Ewa", EWA)
    away(home)
    assert back(home) == BACK
    home.pass_(hours=1)
    away(home, "Wracam 25 listopada 2026.", number="other")
    assert back(home) == datetime(2026, 11, 25, tzinfo=UTC)
    home.now = datetime(2026, 11, 25, tzinfo=UTC)
    assert back(home) is None


def test_of_others_nothing_is_held(home: House) -> None:
    home.person("Ewa", EWA)
    olaf = home.person("Olaf", "olaf@klient.example")
    away(home)
    assert back(home, olaf) is None


def test_what_no_person_was_asked_for_is_no_absence(home: House) -> None:
    home.person("Ewa", EWA)
    away(home, "", **{"auto-submitted": "auto-generated"})
    assert back(home) is None


def test_an_old_notice_holds_nothing(home: House) -> None:
    home.person("Ewa", EWA)
    home.now -= timedelta(days=8)
    notice = mail("old", sender=f"Ewa <{EWA}>", headers={"auto-submitted": ("auto-replied",)}, age=timedelta(days=8))
    home.now = NOW
    ingest(home.context, batch(notice))
    assert back(home) is None


@pytest.mark.parametrize(
    ("until", "reason", "expected"),
    [
        ("2026-12-01", "x-autoreply is set", BACK),
        ("2026-12-01", "Auto-Submitted: auto-generated", BACK),
        ("soon", "x-autoreply is set", NOW + timedelta(days=3)),
        (None, None, NOW + timedelta(days=3)),
        (None, "RFC 3464 Action: delayed", None),
    ],
)
def test_when_somebody_is_back(until: object, reason: object, expected: datetime | None) -> None:
    assert back_at(until, reason, NOW, "3d") == expected
