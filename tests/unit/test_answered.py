"""Whose answer ends a run: the person's, a colleague's, anybody's to the letter itself; forged ones end none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mailcrm.app import deals, organizations, persons
from mailcrm.app.enrolling import Item
from mailcrm.app.ingest import ingest
from mailcrm.app.persons import PersonEdit
from mailcrm.core.classify import classify
from mailcrm.core.enrollment import Status
from mailcrm.core.model import Arrival, FolderRole, Message
from mailcrm.store.db import Database
from mailcrm.store.outbox import Stored
from mailcrm.store.tables import event
from tests.house import batch, mail
from tests.letters_kit import sent
from tests.sequence_house import MAIL, House, house

EWA, OLAF, OFFICE = "ewa@klient.example", "olaf@klient.example", "biuro@klient.example"
TO_OFFICE = MAIL.replace("{{ person.first_name }}", "Państwu").strip() + f'\nrecipient = "{OFFICE}"\n'
MX = "mx.firma.example"


def made(database: Database, folder: Path, stop: str = "true", steps: str = MAIL, **settings: Any) -> House:
    home = house(database, folder, **settings)
    later = steps.replace("Oferta", "Przypomnienie") + 'after = "1w"\n'
    home.apply(steps + later, more=f"stop_on_reply = {stop}")
    home.consent()
    return home


def begun(home: House, title: str = "Pompy", person: int | None = None) -> tuple[Item, Stored]:
    """A deal whose first letter was taken a moment ago."""
    item = home.deal(title, person if person is not None else home.person("Ewa", EWA))
    home.enroll(item)
    return item, sent(home, f"Oferta {title}")


def arrives(home: House, message: Message, role: FolderRole = FolderRole.INBOX, age: timedelta = timedelta()) -> None:
    """In Anna's mailbox, an hour later."""
    home.pass_(hours=1)
    message = replace(message, date=home.now)
    arrival = Arrival(uid=None, received_at=home.now - age, content=(message, classify(message)))
    ingest(home.context, replace(batch(role=role), arrivals=(arrival,)))
    home.run()


def answer(letter: Stored | str, sender: str = EWA, number: str = "answer", **more: Any) -> Message:
    name = letter if isinstance(letter, str) else letter.message_id
    reply = mail(number, sender=sender, subject="Re: Oferta", text="Tak, proszę.", **more)
    return replace(reply, in_reply_to=(name,), references=(name,))


def results(home: House, *said: str) -> dict[str, Any]:
    return {"headers": {"authentication-results": said}}


def replied(home: House) -> int:
    with home.context.db.read() as connection:
        return len(connection.execute(select(event.c.id).where(event.c.kind == "mail.replied")).all())


def over(home: House, item: Item) -> bool:
    return (home.status(item), home.row(item).reason) == (Status.REMOVED, "replied")


# -- colleagues


@pytest.mark.parametrize(("stop", "ends"), [('"organization"', True), ("true", False), ("false", False)])
def test_a_colleagues_answer_ends_it_where_that_is_said(
    database: Database, tmp_path: Path, stop: str, ends: bool
) -> None:
    home = made(database, tmp_path, stop)
    firm = organizations.add(home.context, home.anna, "Klient")
    ewa, olaf = home.person("Ewa", EWA), home.person("Olaf", OLAF)
    for each in (ewa, olaf):
        persons.edit(home.context, each, PersonEdit(organization=firm))
    item, _ = begun(home, person=ewa)
    arrives(home, mail("ours", sender="anna@firma.example", to=OLAF), FolderRole.SENT)
    arrives(home, answer("ours@test.example", OLAF))
    assert over(home, item) is ends


def test_somebody_of_another_organization_ends_nothing(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path, '"organization"')
    firm = organizations.add(home.context, home.anna, "Klient")
    ewa = home.person("Ewa", EWA)
    home.person("Olaf", OLAF)
    persons.edit(home.context, ewa, PersonEdit(organization=firm))
    item, _ = begun(home, person=ewa)
    arrives(home, mail("ours", sender="anna@firma.example", to=OLAF), FolderRole.SENT)
    arrives(home, answer("ours@test.example", OLAF))
    assert replied(home) == 1
    assert not over(home, item)


# -- deals without a person


def of_firm(home: House) -> tuple[Item, int]:
    """A deal of an organization alone, whose letter went to its office."""
    firm = organizations.add(home.context, home.anna, "Klient")
    item = Item("deal", deals.add(home.context, home.anna, "Pompy", organization=firm, owner=home.anna.id))
    home.enroll(item)
    return item, firm


@pytest.mark.parametrize(("stop", "ends"), [('"organization"', True), ("true", True), ("false", False)])
def test_an_answer_to_its_letter_ends_a_run_without_a_person(
    database: Database, tmp_path: Path, stop: str, ends: bool
) -> None:
    home = made(database, tmp_path, stop, TO_OFFICE)
    item, _ = of_firm(home)
    arrives(home, answer(sent(home, "Oferta Pompy"), OFFICE))
    assert over(home, item) is ends
    if ends:
        assert [each.state for each in home.outbox()] == ["sent", "withdrawn"]


@pytest.mark.parametrize(("stop", "ends"), [('"organization"', True), ("true", False)])
def test_an_answer_of_the_organizations_ends_a_run_without_a_person(
    database: Database, tmp_path: Path, stop: str, ends: bool
) -> None:
    home = made(database, tmp_path, stop, TO_OFFICE)
    item, firm = of_firm(home)
    sent(home, "Oferta Pompy")
    persons.edit(home.context, home.person("Olaf", OLAF), PersonEdit(organization=firm))
    arrives(home, mail("ours", sender="anna@firma.example", to=OLAF), FolderRole.SENT)
    arrives(home, answer("ours@test.example", OLAF))
    assert over(home, item) is ends


# -- others


def test_who_answers_from_another_address_has_answered_the_letter(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path)
    item, letter = begun(home)
    other, _ = begun(home, "Rury", home.person("Jan", "jan@klient.example"))
    arrives(home, answer(letter, "Ewa <ewa.z@poczta.example>"))
    assert over(home, item)
    assert not over(home, other)


def test_an_answer_before_it_began_ends_nothing(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path)
    item, letter = begun(home)
    arrives(home, answer(letter, "Ewa <ewa.z@poczta.example>"), age=timedelta(days=1))
    assert not over(home, item)


def test_an_id_that_we_never_gave_ends_nothing(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path)
    item, letter = begun(home)
    signature = letter.message_id.partition("@")[0].rpartition(".")[2]
    arrives(home, answer(letter.message_id.replace(signature, "0" * 32), "Ewa <ewa.z@poczta.example>"))
    assert (over(home, item), replied(home)) == (False, 0)


# -- forged From


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ((f"{MX}; dmarc=fail header.from=klient.example",), False),
        ((f"{MX}; spf=pass; dmarc=fail (p=none) header.from=klient.example", f"{MX}; dmarc=pass"), False),
        ((f"{MX}; dmarc=pass header.from=klient.example",), True),
        ((f"{MX}; dmarc=none header.from=klient.example",), True),
        (("mx.other.example; dmarc=fail header.from=klient.example",), True),  # anybody may have written that
        ((), True),
    ],
)
def test_what_our_server_calls_forged_answers_for_nobody(
    database: Database, tmp_path: Path, said: tuple[str, ...], counts: bool
) -> None:
    home = made(database, tmp_path, linking={"authserv_id": MX})
    item, _ = begun(home)
    arrives(home, mail("ours", sender="anna@firma.example", to=EWA), FolderRole.SENT)
    arrives(home, answer("ours@test.example", EWA, **results(home, *said)))
    assert (over(home, item), replied(home)) == (counts, int(counts))


def test_it_is_not_asked_where_the_operator_says_so(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path, linking={"authserv_id": MX, "require_dmarc": False})
    item, _ = begun(home)
    arrives(home, mail("ours", sender="anna@firma.example", to=EWA), FolderRole.SENT)
    arrives(home, answer("ours@test.example", EWA, **results(home, f"{MX}; dmarc=fail")))
    assert over(home, item)


def test_with_his_own_letter_nobody_answers_for_somebody_else(database: Database, tmp_path: Path) -> None:
    home = made(database, tmp_path, linking={"authserv_id": MX})
    hers, letter = begun(home)
    his, other = begun(home, "Rury", home.person("Jan", "jan@klient.example"))
    failed = results(home, f"{MX}; dmarc=fail")
    arrives(home, answer(other, EWA, number="forged", **failed))
    assert (over(home, hers), over(home, his), replied(home)) == (False, False, 0)
    arrives(home, answer(letter, EWA, number="by a list", **failed))  # which breaks DMARC; but who else has her letter?
    assert (over(home, hers), replied(home)) == (True, 1)
