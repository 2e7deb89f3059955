"""The first look into a mailbox with old mail, and who may read a mailbox."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from mailcrm.app.context import Context
from mailcrm.app.look import look
from mailcrm.app.pausing import resume
from mailcrm.core.model import FolderRole
from mailcrm.store import mailboxes
from mailcrm.store.db import Database
from mailcrm.store.ownership import Ownership
from tests.house import NOW, batch, build, mail
from tests.servers.process import wait_until
from tests.unit.test_ingest import add_deal, add_person

OLD = timedelta(days=100)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path, linking={"first_sight": 4})


def seen(*mails: object, role: FolderRole = FolderRole.INBOX) -> list[tuple[object, FolderRole, object]]:
    return [(each, role, each.date or NOW) for each in mails]  # type: ignore[attr-defined]


def state(house: Context) -> mailboxes.MailboxState:
    with house.db.read() as connection:
        return mailboxes.find(connection, "anna")


def test_much_old_mail_waits_for_the_operator_and_is_counted(house: Context) -> None:
    known = add_person(house, "stary@klient.example")
    add_deal(house, "A", person=known)
    add_deal(house, "B", person=known)
    heads = [
        *seen(mail(1, sender="anna@firma.example", to="ewa@klient.example", age=OLD), role=FolderRole.SENT),
        *seen(
            mail(2, replies_to=(1,), age=OLD),  # we wrote to her: a person
            mail(3, sender="obcy@klient.example", age=OLD),  # a stranger, old: nobody
            mail(4, sender="nowy@klient.example"),  # a stranger, fresh: a person
            mail(5, sender="stary@klient.example"),  # known, with two deals: a question
            mail(6, sender="jan@firma.example"),  # among ourselves: not stored
        ),
    ]
    sight = look(house, "anna", heads)  # type: ignore[arg-type]
    assert asdict(sight) == {"messages": 5, "persons": 2, "threads": 4, "questions": 1}
    assert state(house).state == "waiting"
    assert state(house).waiting == asdict(sight)
    assert "mailcrm mailbox resume anna" in (state(house).reason or "")
    resume(house, "anna")
    assert state(house).state == "active"


def test_little_mail_is_read_at_once(house: Context) -> None:
    look(house, "anna", seen(mail(1), mail(2)))  # type: ignore[arg-type]
    assert state(house).state == "active"


def test_count_of_persons_is_what_ingest_makes(database: Database, tmp_path: Path) -> None:
    house = build(database, tmp_path)
    sent = mail(1, sender="anna@firma.example", to="ewa@klient.example", age=OLD)
    rest = [mail(2, age=OLD), mail(3, sender="x@klient.example"), mail(4, sender="y@klient.example", age=OLD)]
    sight = look(house, "anna", [*seen(sent, role=FolderRole.SENT), *seen(*rest)])  # type: ignore[arg-type]
    from mailcrm.app.ingest import ingest

    made = ingest(house, batch(sent, role=FolderRole.SENT)) + ingest(house, batch(*rest))
    assert (sight.persons, sight.messages) == (made.persons, made.stored)


HOLD = """
import sys
from pathlib import Path
from mailcrm.store.db import Database
from mailcrm.store.ownership import Ownership
print(Ownership(Database(sys.argv[1]), Path(sys.argv[2])).take("anna"), flush=True)
sys.stdin.read()
"""


def test_one_process_owns_a_mailbox_and_loses_it_when_killed(database: Database, tmp_path: Path) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", HOLD, url, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "True\n"
        ours = Ownership(database, tmp_path)
        assert not ours.take("anna")
        assert ours.take("jan")
        other.kill()
        other.wait()
        assert wait_until(lambda: ours.take("anna"))
        ours.close()
        assert Ownership(database, tmp_path).take("anna")
