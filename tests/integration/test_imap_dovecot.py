"""Sync and watch against a real Dovecot, and against pymap, which knows no CONDSTORE."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from mailcrm.config import Mailbox
from mailcrm.errors import LoginFailed
from mailcrm.mail.imap_account import Pace, State
from mailcrm.mail.imap_desk import Counts
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.imap_sync import first_sight, sync
from mailcrm.mail.imap_watch import Watcher
from tests.imap_kit import MemoryBlobs, QuickReaders, SqliteIntake, at, config, mail, mailbox
from tests.servers import Dovecot
from tests.servers.process import wait_until
from tests.servers.pymap import Pymap

PACE = Pace(backoff=(0.05, 0.5), answer=10.0)


class Rep:
    """One rep's mailbox at a real server, and our side of it."""

    def __init__(self, server: Dovecot | Pymap, user: str, box: Mailbox | None = None) -> None:
        self.server = server
        self.user = user
        self.box = box or mailbox(server.port, login=user)
        self.intake = SqliteIntake()
        self.dialer = Dialer(config(anna=self.box))

    def sync(self) -> Counts:
        return sync("anna", self.box, self.dialer, self.intake, QuickReaders(), MemoryBlobs())

    def there(self, *folders: str) -> list[tuple[str, int]]:
        """What lies in the folders, by the server's own account."""
        found: list[tuple[str, int]] = []
        with self.server.client(self.user) as client:
            for folder in folders:
                client.select_folder(folder, readonly=True)
                found += [(folder, uid) for uid in client.search()]
        return sorted(found)

    def here(self) -> list[tuple[str, int]]:
        return sorted((folder, uid) for folder, uid, _ in self.intake.places())


@pytest.fixture
def rep(dovecot: Dovecot) -> Rep:
    return Rep(dovecot, dovecot.new_user())


@pytest.fixture
def watched(rep: Rep) -> Iterator[tuple[Rep, Watcher]]:
    """A mailbox with one mail, being watched."""
    rep.server.append(rep.user, mail(0), at=datetime.now(UTC))
    watcher = Watcher(config(anna=rep.box), rep.intake, QuickReaders(), MemoryBlobs(), pace=PACE)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    rep.intake.wait(1)
    yield rep, watcher
    watcher.stop()
    thread.join(10)
    assert not thread.is_alive()


def life(rep: Rep) -> None:
    """A mailbox's life, synced now and then: arrivals, moves, expunges, keywords, a folder with an odd name."""
    for number in range(30):
        rep.server.append(rep.user, mail(number), at=at(1 + number % 28))
    rep.server.append(rep.user, mail(100), "Sent")
    assert rep.sync().stored == 31
    assert rep.here() == rep.there("INBOX", "Sent")
    with rep.server.client(rep.user) as client:
        client.create_folder("Ważne & pilne")
        client.select_folder("INBOX")
        uids = client.search()
        client.copy(uids[:3], "Ważne & pilne")
        client.delete_messages([*uids[:3], uids[8]])
        client.expunge()
        client.add_flags(uids[4:5], [b"$crm2"])
        keyword = b"$crm2" in client.get_flags(uids[4:5]).get(uids[4], ())
    rep.server.append(rep.user, mail(200))
    counts = rep.sync()
    assert (counts.stored, counts.known, counts.vanished) == (1, 3, 4)
    assert ("$crm2" in rep.intake.flags(uids[4])) == keyword
    assert rep.here() == rep.there("INBOX", "Sent", "Ważne & pilne")
    assert rep.sync().stored == 0


@pytest.mark.servers
def test_a_mailboxes_life_at_dovecot(rep: Rep) -> None:
    life(rep)
    assert rep.intake.cursors("anna")["INBOX"].modseq > 1
    assert any("$crm2" in rep.intake.flags(uid) for folder, uid, _ in rep.intake.places() if folder == "INBOX")


def test_a_mailboxes_life_without_condstore(pymap: Pymap) -> None:
    rep = Rep(pymap, pymap.new_user())
    life(rep)
    assert rep.intake.cursors("anna")["INBOX"].modseq == 0


def test_old_mail_is_passed_over_without_condstore(pymap: Pymap) -> None:
    rep = Rep(pymap, pymap.new_user())
    for number in range(6):
        pymap.append(rep.user, mail(number), at=at(1, year=2020 if number < 3 else 2025))
    since = at(1, year=2024)
    counts = sync("anna", rep.box, rep.dialer, rep.intake, QuickReaders(), MemoryBlobs(), since=since)
    assert counts.stored == 3


def test_pymap_is_watched(pymap: Pymap) -> None:
    rep = Rep(pymap, pymap.new_user())
    watcher = Watcher(config(anna=rep.box), rep.intake, QuickReaders(), MemoryBlobs(), pace=PACE)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        for number in range(5):
            pymap.deliver(rep.user, mail(number))
            watcher.wake("anna")
            rep.intake.wait(number + 1)
    finally:
        watcher.stop()
        thread.join(10)


@pytest.mark.servers
def test_a_recreated_folder_has_another_uidvalidity(rep: Rep) -> None:
    for number in range(20):
        rep.server.append(rep.user, mail(number))
    with rep.server.client(rep.user) as client:
        client.create_folder("Klienci")
        client.select_folder("INBOX", readonly=True)
        client.copy(client.search(), "Klienci")
    rep.sync()
    with rep.server.client(rep.user) as client:
        client.delete_folder("Klienci")
        client.create_folder("Klienci")
        client.select_folder("INBOX", readonly=True)
        client.copy(list(range(5, 15)), "Klienci")
    counts = rep.sync()
    assert (counts.known, counts.stored) == (10, 0)
    assert rep.here() == rep.there("INBOX", "Klienci")


@pytest.mark.servers
def test_the_master_user_opens_every_mailbox(dovecot: Dovecot) -> None:
    user = dovecot.new_user()
    dovecot.append(user, mail(1))
    box = mailbox(dovecot.port, login=f"{user}*{dovecot.MASTER}", password=dovecot.MASTER_PASSWORD)
    rep = Rep(dovecot, user, box)
    assert rep.sync().stored == 1
    with pytest.raises(LoginFailed, match=r"mailboxes\.anna"):
        Rep(dovecot, user, mailbox(dovecot.port, login=f"{user}*{dovecot.MASTER}", password="no")).sync()


@pytest.mark.servers
def test_tls_with_its_own_ca(dovecot: Dovecot) -> None:
    user = dovecot.new_user()
    dovecot.append(user, mail(1))
    for tls, port in (("implicit", dovecot.tls_port), ("starttls", dovecot.port)):
        box = mailbox(port, login=user, tls=tls, tls_ca=str(dovecot.certificate))
        assert Rep(dovecot, user, box).sync().stored == 1


@pytest.mark.servers
def test_nothing_in_the_mailbox_changes(rep: Rep) -> None:
    """The manners: no flag set, nothing moved, not even \\Recent taken."""
    for number in range(5):
        rep.server.append(rep.user, mail(number))
    rep.sync()
    with rep.server.client(rep.user) as client:
        client.select_folder("INBOX")
        flags = client.fetch(client.search(), ["FLAGS"])
        assert all(b"\\Seen" not in each[b"FLAGS"] for each in flags.values())
        assert client.folder_status("INBOX", ["UNSEEN"])[b"UNSEEN"] == 5


@pytest.mark.servers
def test_first_sight_of_many(rep: Rep, dovecot: Dovecot) -> None:
    dovecot.fill(rep.user, [(at(1) + timedelta(hours=n), mail(n)) for n in range(1500)])
    total, heads = first_sight("anna", rep.box, rep.dialer, QuickReaders())
    assert total == 1500
    assert [head.message.subject for head in heads][:2] == ["Oferta 1499", "Oferta 1498"]


@pytest.mark.servers
def test_pushes_moves_and_keywords_are_followed(watched: tuple[Rep, Watcher], dovecot: Dovecot) -> None:
    rep, _ = watched
    for number in range(1, 6):
        dovecot.deliver(rep.user, mail(number))
        rep.intake.wait(number + 1)
    rep.server.append(rep.user, mail(50), "Sent")  # heard by NOTIFY over the same connection
    rep.intake.wait(7)
    with rep.server.client(rep.user) as client:
        client.create_folder("CRM")
        client.select_folder("INBOX")
        client.add_flags([2], [b"$crm1"])
        client.move([3, 4], "CRM")
    wait_until(lambda: rep.here() == rep.there("INBOX", "Sent", "CRM"))
    wait_until(lambda: "$crm1" in rep.intake.flags(2))
    assert [kind for folder, _, kind in rep.intake.places() if folder == "CRM"] == ["known", "known"]


@pytest.mark.servers
def test_the_hook_is_quick(watched: tuple[Rep, Watcher], dovecot: Dovecot) -> None:
    rep, watcher = watched
    times = []
    for number in range(1, 41):
        dovecot.deliver(rep.user, mail(number))
        before = time.perf_counter()
        watcher.wake("anna")
        rep.intake.wait(number + 1)
        times.append(time.perf_counter() - before)
    assert sorted(times)[20] < 0.020


@pytest.mark.servers
def test_a_server_restart_loses_nothing() -> None:
    with Dovecot() as server:
        rep = Rep(server, server.new_user())
        server.deliver(rep.user, mail(0))
        watcher = Watcher(config(anna=rep.box), rep.intake, QuickReaders(), MemoryBlobs(), pace=PACE)
        thread = threading.Thread(target=watcher.run)
        thread.start()
        try:
            rep.intake.wait(1)
            server.doveadm("kick", rep.user)
            server.deliver(rep.user, mail(1))
            rep.intake.wait(2)
            server.stop()
            server.start()
            server.deliver(rep.user, mail(2))
            rep.intake.wait(3)
            wait_until(lambda: watcher.states()["anna"][0] is State.WATCHING)
        finally:
            watcher.stop()
            thread.join(10)


@pytest.mark.servers
def test_mail_that_comes_during_a_long_first_pass(rep: Rep, dovecot: Dovecot) -> None:
    dovecot.fill(rep.user, [(datetime.now(UTC), mail(n, size=2000)) for n in range(2000)])
    watcher = Watcher(config(anna=rep.box), rep.intake, QuickReaders(), MemoryBlobs(), pace=PACE)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        rep.intake.wait(1)
        for number in range(10):
            dovecot.deliver(rep.user, mail(10_000 + number))
            watcher.wake("anna")
        rep.intake.wait(2010, seconds=30)
        assert rep.here() == rep.there("INBOX")
        assert len(set(rep.intake.subjects())) == 2010
    finally:
        watcher.stop()
        thread.join(10)
