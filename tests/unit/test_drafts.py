"""What completes a draft step when mail is taken in, what must not, and who is reminded; the SQL on both databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mailcrm.app import drafts, enrolling
from mailcrm.app.drafts import remind_overdue
from mailcrm.app.ingest import ingest
from mailcrm.core.enrollment import Status
from mailcrm.core.model import Arrival, Cursor, FolderRole, Message
from mailcrm.store import drafts as stored
from mailcrm.store.db import Database
from mailcrm.store.tables import draft, location, message
from mailcrm.store.written import by_run
from tests.house import NOW, SETTINGS, batch, mail
from tests.plans import statements, too_much
from tests.sequence_house import CALL, DRAFT, House, house

ANNA = "Anna Nowak <anna@firma.example>"
CAME_IN: dict[str, tuple[str, ...]] = {"received": ("from evil.example by mx.firma.example; …",)}


def open_house(database: Database, folder: Path) -> House:
    server = {"host": "127.0.0.1", "port": 1, "tls": "none", "login": "anna", "password": "pw"}
    boxes = {**SETTINGS["mailboxes"], "anna": {"user": "anna", **server}, "jan": {"user": "jan", **server}}
    return house(database, folder, mailboxes=boxes)


@pytest.fixture
def home(tmp_path: Path, migrated_sqlite: Path) -> Iterator[House]:
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    yield open_house(database, tmp_path)
    database.close()


@pytest.fixture
def each_home(database: Database, tmp_path: Path) -> House:
    """On either database."""
    return open_house(database, tmp_path)


def asked(home: House) -> tuple[Any, Any]:
    """A deal whose draft lies in anna's Drafts, and the draft."""
    home.apply(DRAFT + CALL + 'after = "1h"\n')
    item = home.deal()
    home.enroll(item)
    with home.context.db.write() as connection:
        assert stored.due(connection, home.now) == {"anna"}
        [row] = connection.execute(select(draft)).all()
        assert stored.begin(connection, row.id, 0, home.now + timedelta(minutes=15))
        assert not stored.begin(connection, row.id, 0, home.now + timedelta(minutes=15))  # by another process
        stored.placed(connection, row.id, ("Drafts", 1, 1), "d", home.now, home.now + timedelta(minutes=30))
        assert stored.due(connection, home.now) == set()
    home.pass_(hours=1)
    return item, row


def found(
    home: House, *mails: Message, box: str = "anna", role: FolderRole = FolderRole.SENT, flags: tuple[str, ...] = ()
) -> None:
    """Mail turns up in a folder on the server."""
    folder = role.value.capitalize()
    given = batch(*mails, mailbox=box, folder=folder, role=role, cursor=Cursor(1, len(mails)))
    arrivals = tuple(
        Arrival(number, each.received_at, each.content, flags) for number, each in enumerate(given.arrivals, 1)
    )
    ingest(home.context, batch(mailbox=box, folder=folder, role=role, cursor=given.cursor, arrivals=arrivals))
    home.run()


def is_done(home: House, item: Any) -> bool:
    return home.row(item).node == "step-2"


def written(home: House, row: Any, *, sender: str = ANNA, by: str = "header", **more: Any) -> Message:
    """A mail to the draft's recipient, or whom ``to`` says, that bears one of the draft's marks."""
    marks: dict[str, dict[str, Any]] = {
        "header": {"headers": {"x-mailcrm-draft": (row.token,)}},
        "message id": {"message_id": row.message_id},
        "reference": {"references": (f"d.{row.token}@firma.example",)},
        "thread": {"subject": "Re: Szkic Pompy"},
        "none": {},
    }
    marks["all"] = {name: value for each in marks.values() for name, value in each.items()}
    given: dict[str, Any] = {"to": "pompy@klient.example", "age": NOW - home.now} | marks[by] | more
    given["headers"] = {**marks[by].get("headers", {}), **more.get("headers", {})}
    return mail(given.pop("number", 1), sender=sender, **given)


@pytest.mark.parametrize("by", ["header", "thread"])
def test_a_mail_in_sent_that_bears_a_mark_completes_the_step_as_of_then(each_home: House, by: str) -> None:
    home = each_home
    # SEQ-11, A18
    item, row = asked(home)
    home.pass_(minutes=50)
    found(home, written(home, row, by=by, age=NOW - home.now + timedelta(minutes=50)))
    assert (is_done(home, item), home.pulse()) == (True, [])
    home.pass_(minutes=10)
    home.run()
    assert home.status(item) is Status.COMPLETED  # an hour after the mail's Date
    with home.context.db.read() as connection:
        [now] = connection.execute(select(draft)).all()
        assert (now.state, now.reason) == ("sent", f"known by {by}")
        assert stored.due(connection, home.now) == set()
        assert stored.due(connection, home.now + drafts.TIDY) == {"anna"}  # what may be left of it in Drafts


def test_to_whomever_he_sends_it_in_the_end(home: House) -> None:
    item, row = asked(home)
    found(home, written(home, row, to="szef@klient.example"))
    assert is_done(home, item)


def test_a_forged_copy_from_outside_completes_nothing(home: House) -> None:
    # somebody has seen the draft, and writes our address into From
    item, row = asked(home)
    headers = CAME_IN | {"delivered-to": ("anna@firma.example",)}
    for number, role in enumerate((FolderRole.INBOX, FolderRole.OTHER, FolderRole.ALL, FolderRole.ARCHIVE)):
        marks = {**written(home, row, by="all").headers, **headers}
        for by in ("message id", "reference", "thread", "none"):
            name = {} if by == "message id" else {"number": f"{number}.{by.replace(' ', '')}"}
            forged = written(home, row, by=by, cc="anna@firma.example", headers=marks, **name)
            found(home, forged, role=role)
    assert not is_done(home, item)
    assert [entry.kind for entry in home.pulse()] == ["draft"]


def test_what_comes_from_her_completes_nothing(home: House) -> None:
    item, row = asked(home)
    her = "Ewa <pompy@klient.example>"
    found(home, written(home, row, by="all", sender=her, to="anna@firma.example"), role=FolderRole.INBOX)
    assert not is_done(home, item)


def test_a_forged_token_completes_nothing(home: House) -> None:
    item, row = asked(home)
    for number, token in enumerate(("0" * 32, "", "*", "x" * 5000)):
        forged = {"x-mailcrm-draft": (token,)}
        found(home, written(home, row, by="none", number=number, to="kto.inny@klient.example", headers=forged))
    assert not is_done(home, item)


def test_a_colleagues_mail_is_not_her_draft(home: House) -> None:
    item, row = asked(home)
    found(home, written(home, row, sender="Jan Lis <jan@firma.example>"), box="jan")
    assert not is_done(home, item)


def test_a_draft_in_her_pulse_alone_is_not_completed_by_a_forged_mail_either(
    database: Database, tmp_path: Path
) -> None:
    home = house(database, tmp_path)
    home.apply(DRAFT + CALL + 'after = "1h"\n')
    item = home.deal()
    home.enroll(item)
    home.pass_(hours=1)
    forged = mail(1, sender=ANNA, to="pompy@klient.example", age=NOW - home.now, headers=CAME_IN)
    found(home, forged, role=FolderRole.INBOX)
    assert not is_done(home, item)
    with database.read() as connection:
        assert connection.execute(select(draft)).all() == []  # without a server there is nowhere to put one


def test_a_draft_is_never_taken_in(home: House) -> None:
    item, row = asked(home)
    found(home, written(home, row), role=FolderRole.DRAFTS)
    found(home, written(home, row), role=FolderRole.ALL, flags=("\\Draft", "\\Seen"))
    found(home, written(home, row), role=FolderRole.OTHER, flags=("\\Draft",))
    assert not is_done(home, item)
    with home.context.db.read() as connection:
        assert connection.execute(select(message)).all() == []
        assert connection.execute(select(location)).all() == []


def test_moved_to_sent_with_its_flag_it_is_sent(home: House) -> None:
    item, row = asked(home)
    found(home, written(home, row), flags=("\\Draft", "\\Seen"))
    assert is_done(home, item)


def test_a_date_from_the_future_is_not_believed(home: House) -> None:
    item, row = asked(home)
    found(home, written(home, row, age=NOW - home.now - timedelta(days=30)))
    home.pass_(hours=1)
    home.run()
    assert home.status(item) is Status.COMPLETED


@pytest.mark.parametrize("age", [timedelta(days=-30), timedelta(hours=2)])
def test_a_clock_that_is_wrong_neither_stops_the_flow_nor_hurries_it(home: House, age: timedelta) -> None:
    item, row = asked(home)
    found(home, written(home, row, age=age))
    home.pass_(minutes=59)
    home.run()
    assert is_done(home, item)
    home.pass_(minutes=1)
    home.run()
    assert home.status(item) is Status.COMPLETED
    with home.context.db.read() as connection:  # what comes next in the thread finds it
        number = int(row.effect_key.partition(".")[0])
        assert [each.subject for each in by_run(connection, number)] == ["Oferta"]


def test_in_her_pulse_alone_a_wrong_clock_stops_no_flow_either(database: Database, tmp_path: Path) -> None:
    home = house(database, tmp_path)
    home.apply(DRAFT + CALL + 'after = "1h"\n')
    item = home.deal()
    home.enroll(item)
    ingest(home.context, batch(mail(1, sender=ANNA, to="pompy@klient.example", age=timedelta(days=-3000))))
    home.run()
    home.pass_(hours=1)
    home.run()
    assert home.status(item) is Status.COMPLETED


@pytest.mark.parametrize("box", ["drop-box", "anna"])
@pytest.mark.parametrize(
    ("verdict", "counts"),
    [
        ("dmarc=pass header.from=firma.example", True),
        ("dmarc=fail header.from=firma.example", False),
        ("spf=pass", False),
    ],
)
def test_what_is_handed_in_by_lmtp_counts_if_our_server_vouches_for_it(
    database: Database, tmp_path: Path, box: str, verdict: str, counts: bool
) -> None:
    home = house(database, tmp_path, linking={"authserv_id": "mx.firma.example"})
    home.apply(DRAFT + CALL + 'after = "1h"\n')
    item = home.deal()
    home.enroll(item)
    home.pass_(hours=1)
    said = {**CAME_IN, "authentication-results": (f"mx.firma.example; {verdict}",)}
    handed_in(home, mail(1, sender=ANNA, to="pompy@klient.example", age=NOW - home.now, headers=said), box)
    assert is_done(home, item) is counts


def test_a_forged_copy_by_lmtp_or_out_of_quarantine_completes_nothing(home: House) -> None:
    item, row = asked(home)
    forged = written(home, row, by="all", headers=CAME_IN, message_id="x@evil.example")
    handed_in(home, forged, "anna")
    given = batch(forged, mailbox="anna", folder="INBOX")
    alone = replace(given, arrivals=tuple(replace(each, uid=7) for each in given.arrivals))
    ingest(home.context, alone)  # without a cursor: one message by itself
    home.run()
    assert not is_done(home, item)


def handed_in(home: House, message: Message, box: str) -> None:
    role = FolderRole.OTHER if box == "drop-box" else FolderRole.INBOX
    given = batch(message, mailbox=box, role=role)
    by_lmtp = tuple(replace(each, mail_from="anna@firma.example") for each in given.arrivals)
    ingest(home.context, replace(given, arrivals=by_lmtp))
    home.run()


def test_one_mail_completes_one_draft(home: House) -> None:
    item, row = asked(home)
    home.apply(DRAFT, "Second")
    home.enroll(item, name="Second")
    found(home, written(home, row, by="header"))
    assert is_done(home, item)
    assert home.status(item, "Second") is Status.IN_PROGRESS


def test_who_does_not_send_it_is_reminded_again(each_home: House) -> None:
    home = each_home
    # SEQ-16
    asked(home)
    due = home.pulse()[0].due_at

    def reminders() -> list[str]:
        remind_overdue(home.context)
        remind_overdue(home.context)
        return [entry.text for entry in home.pulse() if entry.kind == "notice"]

    home.now = due + timedelta(hours=23)
    assert reminders() == []
    home.now = due + timedelta(days=1)
    [text] = reminders()
    assert text.startswith("Still to be sent: Ewa Zielińska <pompy@klient.example>: Szkic Pompy (a draft of 2026-11-22")
    [notice] = [entry for entry in home.pulse() if entry.kind == "notice"]
    drafts.done(home.context, home.anna, notice.id)  # he has read it; the draft is still to be sent
    home.now = due + timedelta(days=2)
    assert reminders() == []
    home.now = due + timedelta(days=3)
    assert len(reminders()) == 1
    home.now = due + timedelta(days=30)
    assert len(reminders()) == 1  # one at a time, though two more would have been due
    home.now = due + timedelta(days=60)
    assert len(reminders()) == 1
    assert len([each for each in home.pulse(everything=True) if each.kind == "notice"]) == 3
    [asked_for] = [entry for entry in home.pulse() if entry.kind == "draft"]
    drafts.done(home.context, home.anna, asked_for.id)
    assert home.pulse() == []


def test_what_is_noted_of_drafts(each_home: House) -> None:
    home = each_home
    item, row = asked(home)
    later = home.now + timedelta(hours=1)
    with home.context.db.write() as connection:
        [mine] = stored.of_mailbox(connection, "anna", home.now)
        assert (mine.state, mine.wanted, mine.folder, mine.uid, mine.attempts) == ("placed", True, "Drafts", 1, 1)
        assert stored.of_mailbox(connection, "jan", home.now) == []
        assert stored.content(connection, row.id).startswith(stored.heads(connection, [row.id])[row.id])
        stored.missed(connection, row.id, home.now, later)
        assert stored.of_mailbox(connection, "anna", home.now)[0].missing_since == home.now
        stored.seen(connection, row.id, ("Szkice", 7, 9), later)
        [mine] = stored.of_mailbox(connection, "anna", home.now)
        assert (mine.missing_since, mine.folder, mine.uidvalidity, mine.uid) == (None, "Szkice", 7, 9)
        stored.put_off(connection, [row.id], later, "away")
        assert (stored.due(connection, home.now), stored.due(connection, later)) == (set(), {"anna"})
        assert not stored.begin(connection, row.id, 1, later)  # it is placed already
        assert stored.vain(connection) == set()
    enrolling.leave(home.context, home.anna, "Warm", [item])
    with home.context.db.write() as connection:
        assert stored.vain(connection) == {"anna"}
        stored.end(connection, row.id, "leaving", home.now, "", later)
        assert (stored.vain(connection), stored.of_mailbox(connection, "anna", home.now)) == (set(), [])
        stored.closed(connection, row.id, "withdrawn", "taken")
        assert (stored.due(connection, later), stored.content(connection, row.id)) == (set(), b"")


def test_no_query_reads_all_drafts_or_all_mail(home: House) -> None:
    _, row = asked(home)
    database = home.context.db
    with statements(database) as asked_for:
        found(home, written(home, row))
        with database.read() as connection:
            stored.of_mailbox(connection, "anna", home.now)
            stored.vain(connection)
            assert len(by_run(connection, int(row.effect_key.partition(".")[0]))) == 1
    assert sum("thread_reference" in statement and "subject" in statement for statement, _ in asked_for.values()) == 1
    assert too_much(database, asked_for.values()) == []
