"""The watcher against a scripted server: pushes, wake-ups, dead links, refusals; nothing lost, no storm, no spin."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from mailcrm.config import Mailbox
from mailcrm.core.model import Cursor
from mailcrm.mail.imap_account import Account, Pace, State
from mailcrm.mail.imap_desk import Desk
from mailcrm.mail.imap_seats import Seats
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.imap_watch import Watcher
from tests.imap_kit import MemoryBlobs, QuickReaders, SqliteIntake, config, mail, mailbox
from tests.scripted_imap import MODERN, PLAIN, Box, Connection, ScriptedImap
from tests.servers.process import wait_until

FORBIDDEN = re.compile(
    rb"^(?:UID )?(?:SELECT|STORE|EXPUNGE|COPY|MOVE|APPEND|CREATE|DELETE|RENAME|SUBSCRIBE|CLOSE)\b|BODY\["
)
QUICK = Pace(backoff=(0.02, 0.1), refused=0.02, settle=0.05, answer=5.0)


class Watch:
    """A watcher of one mailbox at a scripted server."""

    def __init__(self, server: ScriptedImap) -> None:
        self.server = server
        self.intake = SqliteIntake()
        self.seats = Seats()
        self.allowed = True
        self.watcher: Watcher | None = None
        self._thread: threading.Thread | None = None
        self._number = 0

    def start(self, pace: Pace = QUICK, box: Mailbox | None = None, *, idle: bool = True) -> Watcher:
        box = box or mailbox(self.server.port)
        self.watcher = Watcher(
            config(anna=box),
            self.intake,
            QuickReaders(),
            MemoryBlobs(),
            may_read=lambda _: self.allowed,
            pace=pace,
            seats=self.seats,
        )
        self._thread = threading.Thread(target=self.watcher.run)
        self._thread.start()
        if idle:
            self.settle()
        return self.watcher

    def settle(self) -> None:
        """Wait until the connection sleeps in IDLE, and the first pass, if any, is over."""
        wait_until(lambda: self.server.idling() and len(self.server.connections) == 1, what="IDLE")

    def stop(self) -> None:
        if self.watcher is not None and self._thread is not None:
            self.watcher.stop()
            self._thread.join(10)
            assert not self._thread.is_alive()

    def arrive(self, folder: str = "INBOX") -> None:
        self._number += 1
        self.server.append(mail(self._number), folder, at=datetime.now(UTC))

    def complete(self) -> None:
        """Wait until all that is on the server is stored, each message once."""

        def same() -> bool:
            there = [(name, uid) for name, box in self.server.boxes.items() for uid in box.mails]
            return sorted(there) == sorted((name, uid) for name, uid, _ in self.intake.places())

        wait_until(same, what="all mail")

    def state(self) -> State:
        assert self.watcher is not None
        return self.watcher.states()["anna"][0]


@pytest.fixture(params=[MODERN, PLAIN], ids=["qresync", "plain"])
def watch(request: pytest.FixtureRequest) -> Iterator[Watch]:
    with ScriptedImap(request.param) as server:
        found = Watch(server)
        yield found
        found.stop()
        assert not [line for line in server.log if FORBIDDEN.search(line)], "manners"


@pytest.fixture
def plain() -> Iterator[Watch]:
    with ScriptedImap(PLAIN) as server:
        found = Watch(server)
        yield found
        found.stop()


def test_pushed_mail_is_stored_at_once(watch: Watch) -> None:
    for _ in range(20):
        watch.arrive()
    watch.start()
    watch.complete()
    times = []
    for _ in range(20):
        watch.settle()
        before = time.perf_counter()
        watch.arrive()
        watch.intake.wait(len(watch.server.boxes["INBOX"].mails))
        times.append(time.perf_counter() - before)
    assert sorted(times)[len(times) // 2] < 0.010
    assert watch.server.logins == 2  # watching, and the first pass


def test_mail_that_comes_while_mail_is_fetched(watch: Watch) -> None:
    watch.start()

    def meanwhile(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        watch.arrive()
        return honest + b"* %d EXISTS\r\n" % len(watch.server.boxes["INBOX"].mails)

    watch.server.misbehave(
        rb"UID FETCH \d+:\* ", lambda c, t, h: meanwhile(c, t, h.replace(t + b" OK", b"* OK")) + t + b" OK\r\n", 3
    )
    watch.arrive()
    watch.complete()
    assert len(watch.intake.places()) == 4


def test_many_at_once(watch: Watch) -> None:
    watch.start()
    watch.server.push = False
    for _ in range(500):
        watch.arrive()
    watch.server.push = True
    watch.arrive()
    watch.complete()


@pytest.mark.parametrize(
    "answer",
    [
        b"+ idling\r\n* %d EXISTS\r\n",
        b"* %d EXISTS\r\n+ idling\r\n",
        b"* OK still here\r\n+ x\r\n* %d EXISTS\r\n* 1 RECENT\r\n",
    ],
    ids=["same segment", "before the plus", "between others"],
)
def test_news_around_the_plus_is_heard(plain: Watch, answer: bytes) -> None:
    def act(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        plain.server.push = False
        plain.arrive()
        return answer % 1

    plain.server.misbehave(b"^IDLE$", act)
    plain.start(idle=False)
    plain.complete()


def test_a_line_in_two_halves_is_heard(plain: Watch) -> None:
    plain.start()
    plain.server.push = False
    plain.arrive()
    connection = plain.server.connections[0]
    connection.send(b"* 1 EXI")
    connection.send(b"STS\r\n")
    plain.complete()


@pytest.mark.parametrize("last", [b"", b"* 5 EXI", b"* BYE restarting\r\n", b"\0\0\0\r\n", b"* x {99999999999}\r\n"])
def test_the_end_of_a_sleeping_connection_is_noticed(watch: Watch, last: bytes) -> None:
    watch.start()
    for _ in range(3):
        watch.settle()
        watch.server.push = False
        watch.arrive()
        watch.server.connections[0].cut(last)
        watch.complete()
    assert watch.server.logins < 10


def test_a_push_answered_with_a_cut_line(plain: Watch) -> None:
    """At every stage of the answer: the mail comes once, over the next connection."""
    plain.start()
    whole = len(mail(1)) + 100
    for cut in range(0, whole, 37):
        plain.settle()
        plain.server.misbehave(rb"UID FETCH .*BODY\.PEEK\[\]", lambda c, _, honest, cut=cut: c.cut(honest[:cut]))  # type: ignore[misc]
        plain.arrive()
        plain.complete()


def test_a_dead_link_is_noticed_and_replaced(watch: Watch) -> None:
    watch.start(Pace(backoff=(0.02, 0.1), answer=0.3, renew=0.3))
    watch.server.misbehave(b"^DONE$|^UID FETCH|^NOOP", lambda c, t, h: None, 2)
    watch.arrive()
    watch.complete()
    wait_until(lambda: watch.server.logins >= 2)


def test_idle_is_renewed_by_the_safety_poll(watch: Watch) -> None:
    watch.start(Pace(renew=0.1))
    wait_until(lambda: watch.server.log.count(b"IDLE") > 4)
    assert watch.server.logins == 1
    assert watch.intake.living


def test_a_deaf_idle_is_made_up_for_by_polling(watch: Watch) -> None:
    watch.server.push = False
    watch.start(Pace(renew=0.2, blind=0.01))
    watch.arrive()
    watch.complete()
    watch.arrive()
    watch.complete()
    account = watch.watcher._accounts["anna"]  # type: ignore[union-attr]
    wait_until(lambda: account.misses >= 1)
    assert account.interval(Pace(renew=1000.0, blind=20.0)) < 251
    watch.server.push = True
    watch.settle()
    watch.arrive()
    wait_until(lambda: account.misses == 0 or len(watch.intake.places()) == 3)
    watch.complete()


@pytest.mark.parametrize("answer", [b" BAD no such command\r\n", b" NO not now\r\n", b" OK at once\r\n"])
def test_a_server_that_takes_no_idle_is_polled_and_not_stormed(watch: Watch, answer: bytes) -> None:
    def refuse(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        connection.idle_tag = None
        return tag + answer

    watch.server.misbehave(b"^IDLE$", refuse, 9999)
    watch.start(Pace(blind=0.2), idle=False)
    watch.arrive()
    watch.complete()
    wait_until(lambda: watch.server.log.count(b"NOOP") >= 3)
    assert watch.server.log.count(b"IDLE") <= 5


def test_without_idle_the_mailbox_is_polled() -> None:
    with ScriptedImap("IMAP4rev1") as server:
        watch = Watch(server)
        watch.start(Pace(blind=0.05), idle=False)
        watch.arrive()
        watch.complete()
        watch.stop()
        assert b"IDLE" not in server.log


def test_the_hook_fetches_at_once_where_nothing_is_pushed(watch: Watch) -> None:
    watch.server.push = False
    watcher = watch.start()
    times = []
    for number in range(1, 21):
        watch.settle()
        watch.arrive()
        before = time.perf_counter()
        watcher.wake("anna")
        watch.intake.wait(number)
        times.append(time.perf_counter() - before)
    assert sorted(times)[10] < 0.020
    watcher.wake("nobody")


def test_the_hook_finds_mail_that_was_filed_away(watch: Watch) -> None:
    """DATA-15: server rules file mail into folders."""
    watch.server.boxes["Klienci"] = Box()
    watcher = watch.start()
    watch.arrive("Klienci")
    watcher.wake("anna")
    watch.complete()
    watch.server.boxes["Nowi"] = Box()
    watch.arrive("Nowi")
    watcher.wake("anna")
    watch.complete()


def test_a_wake_up_during_work_is_not_lost(watch: Watch) -> None:
    watch.server.push = False
    watcher = watch.start()
    for _ in range(50):
        watch.arrive()
        watcher.wake("anna")
    watch.complete()


def test_other_folders_are_told_of_by_notify() -> None:
    def agree(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        return tag + b" OK\r\n"

    with ScriptedImap(MODERN + " NOTIFY") as server:
        watch = Watch(server)
        server.boxes["Klienci"] = Box()
        server.misbehave(b"^NOTIFY", agree, 9)
        watch.start()
        for number in range(1, 4):
            watch.arrive("Klienci")
            server.connections[0].send(
                b"* STATUS Klienci (MESSAGES %d UIDNEXT %d HIGHESTMODSEQ %d)\r\n" % (number, number + 1, number + 1)
            )
            watch.complete()
            watch.settle()
        server.boxes["Nowi"] = Box()
        watch.arrive("Nowi")
        server.connections[0].send(b"* STATUS Nowi (MESSAGES 1 UIDNEXT 2)\r\n")
        watch.complete()
        polls = sum(line.startswith(b"LIST") for line in server.log)
        server.connections[0].send(b"* OK [NOTIFICATIONOVERFLOW] too much\r\n")
        wait_until(lambda: sum(line.startswith(b"LIST") for line in server.log) > polls)
        watch.stop()


def test_flags_and_expunges_are_followed(watch: Watch) -> None:
    for _ in range(5):
        watch.arrive()
    watch.start(Pace(renew=0.5, settle=0.02))
    watch.complete()
    watch.server.flag(2, ["$crm4"])
    wait_until(lambda: watch.intake.flags(2) == "$crm4")
    watch.settle()
    watch.server.expunge(3)
    watch.complete()


def test_three_refused_logins_pause_the_mailbox(watch: Watch) -> None:
    box = mailbox(watch.server.port, password="wrong-secret")
    watcher = watch.start(box=box, idle=False)
    wait_until(lambda: watch.intake.pauses)
    assert watch.server.logins == 3
    wait_until(lambda: watch.intake.refusals == ["anna", "anna"])  # noted at once
    assert "mailboxes.anna" in watch.intake.pauses["anna"]
    assert "wrong-secret" not in watch.intake.pauses["anna"]
    assert watch.state() is State.PAUSED
    watcher.wake("anna")
    watcher.resume("anna")
    wait_until(lambda: watch.server.logins == 6)
    wait_until(lambda: watch.state() is State.PAUSED)


def test_refused_logins_of_a_first_pass_pause_the_mailbox_too(watch: Watch) -> None:
    """The connection that watches was made while the password was right."""
    watch.arrive()

    def change(_connection: Connection, _tag: bytes, honest: bytes) -> bytes:
        watch.server.password = "changed meanwhile"
        return honest

    watch.server.misbehave(rb"EXAMINE", change, 1)
    watch.start(idle=False)
    wait_until(lambda: watch.intake.pauses)
    assert watch.server.logins == 1 + 3
    wait_until(lambda: watch.state() is State.PAUSED and not watch.server.connections)


def test_a_missing_secret_pauses_without_a_try(plain: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailcrm.config import Secret

    plain.start(box=mailbox(plain.server.port, password=Secret(env="NO_SUCH_VARIABLE")), idle=False)  # type: ignore[arg-type]
    wait_until(lambda: plain.intake.pauses)
    assert "mailboxes.anna.password" in plain.intake.pauses["anna"]
    assert plain.server.logins == 0


def test_a_refused_connection_backs_off(plain: Watch) -> None:
    with ScriptedImap() as gone:
        port = gone.port
    started = time.monotonic()
    plain.start(Pace(backoff=(0.1, 60.0)), mailbox(port), idle=False)
    account = plain.watcher._accounts["anna"]  # type: ignore[union-attr]
    wait_until(lambda: account.failures >= 3)
    assert time.monotonic() - started > 0.1
    assert "nothing listens there" in plain.watcher.states()["anna"][1]  # type: ignore[union-attr]


def test_throttling_is_waited_out(plain: Watch) -> None:
    plain.server.misbehave(b"^LIST", lambda c, tag, honest: c.cut(b"* BYE [THROTTLED] BackOffMilliseconds=700\r\n"))
    plain.arrive()
    started = time.monotonic()
    plain.start(idle=False)
    plain.complete()
    assert time.monotonic() - started >= 0.7


def test_a_busy_store_loses_nothing(watch: Watch) -> None:
    watch.start()
    watch.intake.busy = 3
    watch.arrive()
    watch.arrive()
    watch.complete()
    assert watch.intake.busy == 0


def test_an_unread_mailbox_is_watched_but_not_read_until_it_may(watch: Watch) -> None:
    watch.allowed = False
    for _ in range(5):
        watch.arrive()
    watcher = watch.start()
    watch.arrive()
    watch.settle()
    watcher.wake("anna")
    watch.settle()
    assert not [line for line in watch.server.log if b"FETCH" in line]
    assert not watch.intake.batches
    watch.allowed = True
    watcher.resume("anna")
    watch.complete()


def test_an_answer_that_a_filter_put_into_junk_is_found(watch: Watch) -> None:
    watch.intake.letters = {"ours@firma.example"}
    watch.server.boxes["Junk"] = Box(attributes="\\Junk")
    watch.arrive()
    watcher = watch.start()
    wait_until(lambda: watch.intake.cursors("anna").get("INBOX", Cursor(1)).backfill_uid == 1, what="the first pass")
    watch.server.append(mail(90), "Junk")
    watch.server.append(b"In-Reply-To: <ours@firma.example>\r\n" + mail(91), "Junk")
    watcher.wake("anna")
    wait_until(lambda: ("Junk (answers)", 2, "read") in watch.intake.places(), what="the answer")
    watch.settle()
    assert [place for place in watch.intake.places() if place[0] != "INBOX"] == [("Junk (answers)", 2, "read")]


def test_pushed_mail_with_an_excluded_label_is_not_read() -> None:  # DATA-15
    with ScriptedImap(PLAIN + " X-GM-EXT-1") as server:
        server.boxes = {"All Mail": Box(attributes="\\All"), "Prywatne": Box()}
        watch = Watch(server)
        watch.start(box=mailbox(server.port, exclude=("Prywatne",)))
        try:
            for number, labels in enumerate([("Prywatne",), (), ("Prywatne",), ()]):
                server.append(mail(number), "All Mail", labels=labels)
                watch.settle()
            wait_until(lambda: [uid for _, uid, _ in watch.intake.places()] == [2, 4], what="the others")
        finally:
            watch.stop()


def test_where_no_folder_is_to_be_read_the_inbox_is_not_either(watch: Watch) -> None:
    """DATA-15: ``include`` names a folder that is not there, yet."""
    watch.arrive()
    watcher = watch.start(box=mailbox(watch.server.port, include=("Clients/*",)))
    watch.arrive()
    watch.settle()
    watcher.wake("anna")
    watcher.resume("anna")
    watch.settle()
    assert not [line for line in watch.server.log if b"FETCH" in line]
    assert not watch.intake.batches
    watch.arrive("Clients/Acme")
    watcher.resume("anna")
    wait_until(lambda: watch.intake.places() == [("Clients/Acme", 1, "read")], what="the folder that is named")


def test_a_server_that_tells_of_mail_that_is_not_there(plain: Watch) -> None:
    plain.start(Pace(fruitless=5))
    count = 1
    deadline = time.monotonic() + 10
    while plain.server.connections and time.monotonic() < deadline:
        count += 1
        for connection in list(plain.server.connections):
            connection.send(b"* %d EXISTS\r\n" % count)
        time.sleep(0.005)
    wait_until(lambda: plain.state() is State.WAITING)
    assert plain.server.logins == 1


def test_paused_from_the_start(plain: Watch) -> None:
    box = mailbox(plain.server.port)
    watcher = Watcher(
        config(anna=box), plain.intake, QuickReaders(), MemoryBlobs(), pace=QUICK, paused=frozenset({"anna", "gone"})
    )
    thread = threading.Thread(target=watcher.run)
    thread.start()
    watcher.wake("anna")
    assert watcher.states()["anna"][0] is State.PAUSED
    watcher.resume("anna")
    plain.arrive()
    plain.complete()
    watcher.stop()
    thread.join(10)


def test_pause_and_resume(watch: Watch) -> None:
    watcher = watch.start()
    watcher.pause("anna")
    wait_until(lambda: not watch.server.connections and watch.state() is State.PAUSED)
    watch.arrive()
    watcher.wake("anna")
    assert watch.state() is State.PAUSED
    watcher.resume("anna")
    watch.complete()


def test_a_first_pass_goes_on_beside_the_watch_over_at_most_two_connections(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailcrm.mail.imap_listing.BATCH_COUNT", 20)
    most: list[int] = []
    for _ in range(400):
        watch.arrive()

    def slow(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        most.append(len(watch.server.connections))
        if len(most) % 5 == 0:
            watch.arrive()
        if len(most) == 12:
            connection.cut(honest[:1000])
        return honest

    watch.server.misbehave(rb"UID FETCH [\d:,]+ .*BODY\.PEEK\[\]", slow, 9999)
    watch.start(idle=False)
    watch.complete()
    assert max(most) <= 2


def test_a_first_pass_makes_way_for_who_else_looks_after_the_mailbox(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailcrm.mail.imap_listing.BATCH_COUNT", 10)
    fetches = itertools.count()
    begun = 0
    for _ in range(400):
        watch.arrive()

    def count(_: Connection, _tag: bytes, honest: bytes) -> bytes:
        nonlocal begun
        begun = next(fetches)
        return honest

    watch.server.misbehave(rb"UID FETCH [\d:,]+ .*BODY\.PEEK\[\]", count, 9999)
    watch.start(idle=False)
    wait_until(lambda: begun > 2, what="the first pass")
    box = mailbox(watch.server.port)
    with Dialer(config(anna=box), seats=watch.seats).second("anna", box) as talk:
        wait_until(lambda: len(watch.server.connections) == 2, what="the end of the other connection")
        before = begun
        for _ in range(20):
            talk.do(b"NOOP")
        assert (begun, len(watch.server.connections)) == (before, 2)
        assert len(watch.intake.places()) < 400
    watch.complete()


def test_a_server_restart(watch: Watch) -> None:
    watch.start()
    for _ in range(5):
        watch.server.push = False
        watch.arrive()
        watch.server.drop()
        watch.complete()


def test_stop_ends_threads_and_connections(watch: Watch) -> None:
    watch.start()
    watch.stop()
    wait_until(lambda: not watch.server.connections)
    assert not [t for t in threading.enumerate() if t.name.startswith("imap-")]


def test_backoff_grows_and_obeys() -> None:
    pace = Pace(backoff=(1.0, 300.0))
    assert all(0.5 * 2**n <= pace.wait(n) <= 2**n for n in range(8))
    assert pace.wait(1000) <= 300
    assert pace.wait(0, 900.0) == 900


def test_polls_are_spread_and_in_time_for_idle() -> None:
    account = Account("a", mailbox(1), Desk("a", SqliteIntake(), QuickReaders(), MemoryBlobs()), 36_000.0)
    blind = Pace(blind=20.0)
    assert 18 <= account.interval(blind) <= 20
    check: Callable[[int], float] = lambda misses: setattr(account, "misses", misses) or account.interval(blind)  # type: ignore[func-returns-value]  # noqa: E731
    assert check(3) <= 20


def test_stop_waits_for_no_server_in_a_first_pass(plain: Watch) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        asked.set()
        over.wait(30)
        return honest

    for _ in range(3):
        plain.arrive()
    plain.server.misbehave(rb"UID FETCH [\d:,]+ .*BODY\.PEEK\[\]", hang)
    plain.start(Pace(answer=60.0), idle=False)
    assert asked.wait(10)
    begun = time.monotonic()
    plain.stop()
    over.set()
    assert time.monotonic() - begun < 5
