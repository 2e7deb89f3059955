"""Copies of what was sent in a rep's name: one in his own Sent folder, whoever puts it there."""

from __future__ import annotations

import logging
from contextlib import closing
from datetime import timedelta
from email import message_from_bytes
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from mailcrm import config
from mailcrm.app.dispatch import dispatch
from mailcrm.app.handover import Ambiguous, Parcel, Report
from mailcrm.config import Submission
from mailcrm.core.tracked import tracked
from mailcrm.errors import LoginFailed, Temporary
from mailcrm.mail import sent_copy
from mailcrm.mail.imap_faults import Declined
from mailcrm.mail.keepers import Keepers
from mailcrm.mail.sent_copy import OLDEST, PAUSE, SentCopies, SentLook, files_itself, sent_box
from mailcrm.mail.sent_folder import SentFolder
from mailcrm.mail.smtp_out import SmtpTransport
from mailcrm.store import rest, tracks
from mailcrm.store.db import Database
from mailcrm.store.tables import message, outbox
from tests.drafts_kit import Office
from tests.house import SETTINGS
from tests.sequence_house import CALL, DRAFT, MAIL, house
from tests.servers import Sink
from tests.servers.pymap import Pymap

Desk = Office


def desk_at(database: Database, folder: Path, server: Any, user: str, sink: Sink, **submission: Any) -> Desk:
    """Anna has a mailbox on a server, and a server of her own that takes her mail."""
    account = {
        "user": "anna", "host": server.host, "port": server.port, "tls": "none", "login": user,
        "password": server.PASSWORD,
        "submission": {"host": "127.0.0.1", "port": sink.port, "tls": "none", **submission},
    }  # fmt: skip
    boxes = {**SETTINGS["mailboxes"], "anna": account}
    desk = Office(house(database, folder, sink, mailboxes=boxes), server, user)
    desk.sync()  # who is not read may not write
    return desk


@pytest.fixture
def desk(tmp_path: Path, sqlite: Database, pymap: Pymap, sink: Sink) -> Desk:
    return desk_at(sqlite, tmp_path, pymap, pymap.new_user(), sink)


def sent(desk: Desk, person: int | None = None, title: str = "Pompy") -> bytes:
    """A letter of a flow leaves in anna's name."""
    desk.home.apply(MAIL + CALL + 'after = "1d"\n', name=title)
    desk.home.consent(name=title)
    desk.home.enroll(desk.home.deal(title, person), name=title)
    desk.home.run()
    with closing(SmtpTransport(desk.home.context.config)) as transport:
        assert dispatch(desk.home.context, transport).sent == 1
    with desk.home.context.db.read() as connection:
        found = connection.execute(select(outbox.c.content).order_by(outbox.c.id.desc()).limit(1)).scalar_one()
    return bytes(found)


def noted(desk: Desk) -> list[str | None]:
    with desk.home.context.db.read() as connection:
        return list(connection.execute(select(outbox.c.copy).order_by(outbox.c.id)).scalars())


def lying(desk: Desk, folder: str = "Sent") -> list[tuple[bytes, bool]]:
    """What lies there, and whether it is marked as read."""
    with desk.server.client(desk.user) as client:
        if not client.folder_exists(folder):
            return []
        client.select_folder(folder, readonly=True)
        found = client.fetch(client.search(), ["BODY.PEEK[]", "FLAGS"]).values()
        return [(each[b"BODY[]"], b"\\Seen" in each[b"FLAGS"]) for each in found]


def copied(desk: Desk, settle: timedelta = timedelta()) -> int:
    copies = SentCopies(desk.home.context, desk.dialer, settle)
    return sum(copies.tend(key) for key in copies.busy())


def test_a_copy_lies_in_sent_once(desk: Desk) -> None:
    mail = sent(desk)
    assert noted(desk) == ["wanted"]
    assert copied(desk) == 1
    assert lying(desk) == [(mail, True)]
    assert noted(desk) == ["done"]
    assert copied(desk) == 0


def test_one_that_lies_there_already_stays_the_only_one(desk: Desk) -> None:
    mail = sent(desk)
    desk.server.append(desk.user, mail, "Sent")  # by the server, or by a process that died then
    assert copied(desk) == 1
    assert len(lying(desk)) == 1
    assert noted(desk) == ["done"]


def test_the_server_is_left_some_time_to_file_it_itself(desk: Desk) -> None:
    sent(desk)
    assert copied(desk, timedelta(seconds=5)) == 0
    desk.home.pass_(seconds=5)
    assert copied(desk, timedelta(seconds=5)) == 1


def test_where_the_server_files_mail_we_do_not(tmp_path: Path, sqlite: Database, pymap: Pymap, sink: Sink) -> None:
    desk = desk_at(sqlite, tmp_path, pymap, pymap.new_user(), sink, sent_copy="server")
    sent(desk)
    assert noted(desk) == [None]
    assert copied(desk) == 0
    assert not lying(desk)


def test_where_the_server_is_known_to_file_mail_we_do_not(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent_copy, "_FILING", {"127.0.0.1"})
    sent(desk)
    assert copied(desk) == 1
    assert (noted(desk), lying(desk)) == (["done"], [])


@pytest.mark.parametrize(
    ("host", "mode", "itself"),
    [
        ("smtp.gmail.com", "auto", True),
        ("SMTP.Office365.com", "auto", True),
        ("smtp.gmail.com", "append", False),
        ("smtp.firma.example", "auto", False),
        ("smtp.firma.example", "server", True),
        ("smtp.gmail.com.evil.example", "auto", False),
    ],
)
def test_who_files_mail_itself(host: str, mode: Any, itself: bool) -> None:
    assert files_itself(Submission(host=host, sent_copy=mode)) is itself


def test_in_which_mailbox_the_copy_belongs() -> None:
    box = {"host": "h", "login": "x", "password": "x"}
    data = {
        "users": {"anna": {"email": "anna@firma.example"}, "jan": {"email": "jan@firma.example"}},
        "mailboxes": {
            "team": {**box, "members": ["anna", "jan"], "submission": {"host": "h", "login": "team@firma.example"}},
            "fed": {"user": "anna"},
            "anna": {**box, "user": "anna"},
        },
    }
    settings = config.parse(data, base=Path())
    assert sent_box(settings, "anna", "smarthost") == "anna"
    assert sent_box(settings, "anna", "team") == "team"
    assert sent_box(settings, "jan", "smarthost") is None  # the team's is not his own
    assert sent_box(settings, None, "smarthost") is None


def test_our_copy_is_one_message_with_ours_and_not_mail_by_hand(desk: Desk) -> None:
    """It neither holds the flow's next mail back, nor is it taken for the draft that the rep was asked for."""
    desk.home.apply(DRAFT, name="Draft")
    person = desk.home.person()
    desk.home.enroll(desk.home.deal("Pompy 2", person), name="Draft")
    desk.home.run()
    waiting = len(desk.home.pulse())
    mail = sent(desk, person)
    copied(desk)
    desk.sync()
    desk.sync()
    message_id = str(message_from_bytes(mail)["Message-ID"]).strip("<>")
    with desk.home.context.db.read() as connection:
        rows = connection.execute(select(func.count()).where(message.c.message_id == message_id)).scalar_one()
        out = connection.execute(select(message.c.direction).where(message.c.message_id == message_id)).scalar_one()
        assert rest.written(connection, desk.home.context.config, [person], desk.home.now) == {}
    assert (rows, out) == (1, "out")
    assert len([each for each in desk.home.pulse() if each.kind == "draft"]) == waiting


def test_a_mailbox_that_refuses_is_left_alone_for_a_while(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent(desk)

    def full(self: SentFolder, content: bytes) -> None:
        raise Declined("mailboxes.anna: APPEND: quota exceeded", "OVERQUOTA")

    monkeypatch.setattr(SentFolder, "put", full)
    copies = SentCopies(desk.home.context, desk.dialer, timedelta())
    with pytest.raises(Declined, match="quota"):
        copies.tend("anna")
    assert copies.busy() == frozenset()
    desk.home.pass_(seconds=PAUSE.total_seconds())
    assert copies.busy() == {"anna"}
    desk.home.pass_(seconds=OLDEST.total_seconds())
    with caplog.at_level(logging.WARNING):
        assert copies.tend("anna") == 0
    assert noted(desk) == ["failed"]
    assert "no copy in Sent" in caplog.text


def test_a_copy_that_is_refused_holds_up_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sent(desk)
    sent(desk, title="Rury")
    put, refused = SentFolder.put, list[bytes]()

    def picky(self: SentFolder, content: bytes) -> None:
        if not refused:
            refused.append(content)
            raise Declined("mailboxes.anna: APPEND: too large", "TOOBIG")
        put(self, content)

    monkeypatch.setattr(SentFolder, "put", picky)
    copies = SentCopies(desk.home.context, desk.dialer, timedelta())
    with pytest.raises(Declined, match="too large"):
        copies.tend("anna")
    assert (noted(desk), len(lying(desk))) == (["wanted", "done"], 1)
    assert copies.busy() == frozenset()


def test_the_copy_does_not_tell_of_the_sender_looking_into_it(desk: Desk) -> None:
    sent(desk)
    base, tokens = desk.home.context.config.web.base_url, (f"{number:032d}" for number in count(1))
    done = tracked('<p><a href="https://firma.example/">x</a></p>', base, tokens)
    with desk.home.context.db.write() as connection:
        number = connection.execute(select(outbox.c.id)).scalar_one()
        tracks.put(connection, number, done.tracks)
        head = b"From: anna@firma.example\r\nMessage-ID: <1@firma.example>\r\nContent-Type: text/html\r\n\r\n"
        connection.execute(update(outbox).values(content=head + done.html.encode() + b"\r\n"))
    copied(desk)
    [(copy, _)] = lying(desk)
    assert b'<p><a href="https://firma.example/">x</a></p>' in message_from_bytes(copy).get_payload(decode=True)
    assert not [each for each in done.tracks if each.token.encode() in copy]


def test_a_mail_without_anything_left_of_it_needs_no_copy(desk: Desk) -> None:
    sent(desk)
    with desk.home.context.db.write() as connection:
        connection.execute(update(outbox).values(content=b""))
    assert copied(desk) == 1
    assert (noted(desk), lying(desk)) == (["done"], [])


def test_whether_a_mail_was_taken_is_seen_in_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look = SentLook(desk.home.context, desk.dialer)
    mail = sent(desk)
    message_id = str(message_from_bytes(mail)["Message-ID"]).strip("<>")
    # a server of which nobody knows whether it files what it takes: only what is there tells
    assert look.filed("anna", "anna", message_id) is None
    desk.server.append(desk.user, mail, "Sent")
    assert look.filed("anna", "anna", message_id) is True
    monkeypatch.setattr(sent_copy, "_FILING", {"127.0.0.1"})
    assert look.filed("anna", "anna", message_id) is True
    assert look.filed("anna", "anna", message_id[1:]) is False
    assert look.filed("anna", "anna", 'x"\r\nA1 LOGOUT') is False
    for route, user in (("smarthost", "jan"), ("nowhere", "anna"), ("anna", None)):
        assert look.filed(route, user, message_id) is None

    def refused(*_: object) -> None:
        raise LoginFailed("mailboxes.anna: no")

    monkeypatch.setattr(desk.dialer, "connect", refused)
    assert look.filed("anna", "anna", message_id) is None
    assert "can't tell" in caplog.text


class Doubtful:
    """Takes a mail, files it in Sent if told so, and breaks off before it says that it took it."""

    def __init__(self, desk: Desk, *, files: bool) -> None:
        self.desk, self.files, self.taken = desk, files, 0

    def deliver(self, route: str, parcels: Any, report: Report, beat: object) -> None:
        for parcel in parcels:
            assert isinstance(parcel, Parcel)
            self.taken += 1
            if self.taken > 1:
                report(parcel, "2.0.0 taken")
                continue
            if self.files:
                self.desk.server.append(self.desk.user, parcel.content, "Sent")
            report(parcel, Ambiguous("handed over, and no answer"))


@pytest.mark.parametrize("files", [True, False])
def test_an_ambiguous_mail_is_sent_again_unless_it_lies_in_sent(desk: Desk, files: bool) -> None:
    desk.home.apply(MAIL)
    desk.home.consent()
    desk.home.enroll(desk.home.deal())
    desk.home.run()
    server = Doubtful(desk, files=files)
    look = SentLook(desk.home.context, desk.dialer)
    assert dispatch(desk.home.context, server, look).delayed == 1
    desk.home.pass_(seconds=30)  # at the latest
    assert dispatch(desk.home.context, server, look).sent == 1
    assert server.taken == (1 if files else 2)


class Helper:
    def __init__(self, found: str, fault: Exception | None = None) -> None:
        self.found, self.fault, self.tended = found, fault, 0

    def busy(self) -> frozenset[str]:
        return frozenset({self.found})

    def tend(self, key: str) -> int:
        self.tended += 1
        if self.fault:
            raise self.fault
        return 1


def test_what_stops_one_keeper_stops_no_other() -> None:
    first, second = Helper("anna", Temporary("not now")), Helper("jan")
    keepers = Keepers(first, second)
    assert keepers.busy() == {"anna", "jan"}
    with pytest.raises(Temporary):
        keepers.tend("anna")
    assert (first.tended, second.tended) == (1, 1)


def test_a_refused_login_is_not_tried_again_by_the_next_keeper() -> None:
    first, second = Helper("anna", LoginFailed("no")), Helper("anna")
    with pytest.raises(LoginFailed):
        Keepers(first, second).tend("anna")
    assert (first.tended, second.tended) == (1, 0)
