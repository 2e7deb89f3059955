"""Whatever taking in mail asks of the database is found by an index, however much is stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.app.relink import relink
from mailcrm.app.threads import split
from mailcrm.app.why import why
from mailcrm.core.model import Address, Arrival, FolderRole, Forward, Kind, Known, Reading
from mailcrm.core.threads import identity_of
from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from tests.house import NOW, batch, build, mail
from tests.plans import statements, too_much
from tests.unit.test_ingest import OLD, add_deal, add_person, at, imap


def everything(house: Context) -> None:
    """New, known, moved, bridged, forwarded, asked about, historic mail; then split, relinked, explained."""
    person = add_person(house, "ewa@klient.example")
    for title in "AB":
        add_deal(house, title, person=person)
    ingest(house, imap(at(5, mail(1)), at(6, mail(2))))
    known = Arrival(8, NOW, Known(identity_of(mail(1))))
    ingest(house, imap(at(7, mail(3, replies_to=(1, 2))), known, vanished=(5,), flags={6: ("$crm1",)}))
    ingest(house, imap(at(9, mail(9)), validity=2))
    ingest(house, batch(mail(4, age=OLD), mail(10, replies_to=(3,)), mailbox="office"))
    sent = mail(5, sender="anna@firma.example", to="ewa@klient.example, nowy@klient.example", age=OLD)
    ingest(house, batch(sent, role=FolderRole.SENT, mailbox="office"))
    strangers = [mail(number, sender=f"{number}@obcy.example") for number in (30, 31)]
    ingest(house, batch(*strangers, mailbox="office"))
    quoted = Forward(Address("Ewa", "ewa@klient.example"), "Oferta", NOW - timedelta(hours=2), None, "A cena?")
    forward = mail(20, sender="anna@firma.example", to="crm@firma.example", subject="Fwd: Oferta")
    arrival = Arrival(None, NOW, (forward, Reading(Kind.HUMAN, "", forward=quoted)))
    ingest(house, replace(batch(mailbox="drop-box"), arrivals=(arrival,)))
    split(house, ["3@test.example"])
    list(relink(house, dry_run=False))
    with house.db.read() as connection:
        why(connection, "1@test.example")


def test_no_query_reads_a_whole_table(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    upgrade(database)
    house = build(database, tmp_path)
    with statements(database) as found:
        everything(house)
    assert len(found) > 60
    faults = too_much(database, found.values())
    database.close()
    assert faults == []
