"""Who asks to stop gets no more automatic mail; who writes to him by hand is told; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mailcrm.app import persons
from mailcrm.app.ingest import ingest
from mailcrm.app.persons import PersonEdit
from mailcrm.core.classify import classify
from mailcrm.core.model import Arrival, FolderRole, Message
from mailcrm.store import suppressions
from mailcrm.store.db import Database
from mailcrm.store.tables import event
from tests.house import batch, mail
from tests.letters_kit import sent
from tests.sequence_house import MAIL, House, house

EWA, PRIVATE = "ewa@klient.example", "ewa@poczta.example"
MX = "mx.firma.example"


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path, linking={"authserv_id": MX})


def arrives(home: House, message: Message, role: FolderRole = FolderRole.INBOX, age: timedelta = timedelta()) -> None:
    arrival = Arrival(uid=None, received_at=home.now - age, content=(message, classify(message)))
    ingest(home.context, replace(batch(role=role), arrivals=(arrival,)))


def wish(number: str = "wish", sender: str = f"Ewa <{EWA}>", **more: Any) -> Message:
    return mail(number, sender=sender, subject="Re: Oferta", text="Proszę mnie wypisać z listy.", **more)


def by_hand(number: str = "hand", to: str = EWA, **more: Any) -> Message:
    return mail(number, sender="Anna <anna@firma.example>", to=to, **more)


def suppressed(home: House, *addresses: str) -> set[str]:
    with home.context.db.read() as connection:
        found = suppressions.among(connection, home.context.secret, addresses, home.now)
    assert {each.reason for each in found.values()} <= {"unsubscribe"}
    assert {each.expires_at for each in found.values()} <= {None}
    return set(found)


def unsubscribed(home: House) -> list[int | None]:
    with home.context.db.read() as connection:
        query = select(event.c.person_id).where(event.c.kind == "mail.unsubscribed")
        return list(connection.execute(query).scalars())


def notices(home: House, user: str = "anna") -> list[str]:
    return [each.text for each in home.pulse(user) if each.kind == "notice"]


def test_a_wish_binds_all_addresses_of_who_wrote_it(home: House) -> None:
    ewa = home.person("Ewa", EWA)
    persons.edit(home.context, ewa, PersonEdit(add_emails=[PRIVATE]))
    home.person("Olaf", "olaf@klient.example")
    arrives(home, wish(sender=PRIVATE))
    assert suppressed(home, EWA, PRIVATE, "olaf@klient.example") == {EWA, PRIVATE}
    assert unsubscribed(home) == [ewa]
    with home.context.db.read() as connection:
        [one] = suppressions.among(connection, home.context.secret, [EWA], home.now).values()
    assert (one.source, one.detail) == ("message:wish@test.example", "Proszę mnie wypisać z listy.")


def test_it_ends_the_run_that_it_answers(home: House) -> None:
    home.apply(MAIL + MAIL + 'after = "1w"\n')
    home.consent()
    item = home.deal("Pompy", home.person("Ewa", EWA))
    home.enroll(item)
    letter = sent(home, "Oferta Pompy")
    home.pass_(hours=1)
    arrives(home, replace(wish(), in_reply_to=(letter.message_id,), date=home.now))
    home.run()
    assert home.row(item).reason == "replied"
    assert suppressed(home, EWA) == {EWA}


def test_an_ordinary_answer_is_no_wish(home: House) -> None:
    arrives(home, mail("yes", text="Tak, proszę o ofertę."))
    assert (suppressed(home, EWA), unsubscribed(home)) == (set(), [])


def test_an_old_wish_suppresses_nobody(home: House) -> None:
    home.person("Ewa", EWA)
    arrives(home, wish(), age=timedelta(days=8))
    arrives(home, wish("fresh", "Jan <jan@klient.example>"))
    arrives(home, replace(by_hand(), text="Proszę mnie wypisać z listy."), FolderRole.SENT, age=timedelta(days=8))
    assert (suppressed(home, EWA), len(unsubscribed(home))) == (set(), 1)
    with home.context.db.read() as connection:
        [old] = suppressions.old_wishes(connection, home.context.secret)
    assert (old.address, old.at) == (EWA, home.now - timedelta(days=8))


def test_a_forged_wish_binds_nobody(home: House) -> None:
    home.person("Ewa", EWA)
    arrives(home, wish(headers={"authentication-results": (f"{MX}; dmarc=fail header.from=klient.example",)}))
    assert (suppressed(home, EWA), unsubscribed(home)) == (set(), [])


def test_one_of_ours_who_writes_so_binds_nobody(home: House) -> None:
    arrives(home, replace(by_hand(), text="Proszę mnie wypisać z listy."), FolderRole.SENT)
    assert suppressed(home, EWA, "anna@firma.example") == set()


def test_who_writes_by_hand_to_him_is_told_once(home: House) -> None:
    arrives(home, wish())
    arrives(home, by_hand(), FolderRole.SENT)
    [notice] = notices(home)
    assert notice == f"{EWA} asked to get no more mail (2026-11-22); you have written by hand"
    arrives(home, by_hand("again"), FolderRole.SENT)
    assert len(notices(home)) == 1
    assert notices(home, "jan") == []


def test_who_asks_to_stop_speaks_for_himself_alone(home: House) -> None:
    """Whom he names in To or Cc has asked for nothing."""
    jan = "jan@klient.example"
    home.person("Jan", jan)
    home.person("Ewa", EWA)
    arrives(home, wish(cc=f"Jan <{jan}>"))
    assert suppressed(home, EWA, jan) == {EWA}


def test_who_writes_to_others_or_wrote_long_ago_is_not_told(home: House) -> None:
    arrives(home, wish())
    arrives(home, by_hand(to="olaf@klient.example"), FolderRole.SENT)
    arrives(home, by_hand("old"), FolderRole.SENT, age=timedelta(days=30))
    assert notices(home) == []


def test_a_letter_of_a_flow_found_in_sent_is_not_by_hand(home: House) -> None:
    home.apply(MAIL)
    home.consent()
    home.enroll(home.deal("Pompy", home.person("Ewa", EWA)))
    letter = sent(home, "Oferta Pompy")
    arrives(home, wish())
    arrives(home, replace(by_hand(), message_id=letter.message_id), FolderRole.SENT)
    assert notices(home) == []
