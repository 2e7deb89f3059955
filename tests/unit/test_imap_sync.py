"""One pass over a mailbox against a scripted server: nothing lost, nothing doubled, whatever the server does."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailcrm.config import Mailbox
from mailcrm.core.model import Batch, FolderRole
from mailcrm.errors import Temporary
from mailcrm.mail import imap_windows
from mailcrm.mail.imap_desk import Counts
from mailcrm.mail.imap_faults import Away
from mailcrm.mail.imap_intake import Content
from mailcrm.mail.imap_listing import BATCH_BYTES, BATCH_COUNT, Entry, grouped
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.imap_sync import first_sight, sync
from tests.imap_kit import MemoryBlobs, QuickReaders, SqliteIntake, at, config, mail, mailbox
from tests.scripted_imap import MODERN, PLAIN, Box, Connection, Mail, ScriptedImap

FORBIDDEN = re.compile(
    rb"^(?:UID )?(?:SELECT|STORE|EXPUNGE|COPY|MOVE|APPEND|CREATE|DELETE|RENAME|SUBSCRIBE|CLOSE)\b|BODY\["
)


class Bench:
    """A scripted server and an intake."""

    def __init__(self, server: ScriptedImap) -> None:
        self.server = server
        self.intake = SqliteIntake()
        self.blobs = MemoryBlobs()
        self.readers = QuickReaders()
        self.waits: list[float] = []

    def fill(self, count: int, folder: str = "INBOX", *, first: int = 0, when: datetime | None = None) -> None:
        for number in range(first, first + count):
            self.server.append(mail(number), folder, at=when or at(1 + number % 28))

    def sync(self, box: Mailbox | None = None, **more: object) -> Counts:
        box = box or mailbox(self.server.port)
        dialer = Dialer(config(anna=box), timeout=5.0)
        return sync(
            "anna", box, dialer, self.intake, self.readers, self.blobs, sleep=self.waits.append, **more  # type: ignore[arg-type]
        )  # fmt: skip

    def stored(self, folder: str = "INBOX") -> list[int]:
        return [uid for name, uid, _ in self.intake.places() if name == folder]

    def there(self, folder: str = "INBOX") -> list[int]:
        return sorted(self.server.boxes[folder].mails)


@pytest.fixture(params=[MODERN, MODERN.replace(" QRESYNC", ""), PLAIN], ids=["qresync", "condstore", "plain"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A server of each kind."""
    with ScriptedImap(request.param) as server:
        yield Bench(server)
        assert not [line for line in server.log if FORBIDDEN.search(line)], "manners"


@pytest.fixture
def plain() -> Iterator[Bench]:
    with ScriptedImap(PLAIN) as server:
        yield Bench(server)


def test_the_readers_start_early_for_a_first_pass_alone(plain: Bench) -> None:
    plain.fill(2)
    plain.sync()
    assert plain.readers.starts == 1
    plain.sync()
    assert plain.readers.starts == 1


def test_a_whole_mailbox_sent_first_then_newest_first(bench: Bench) -> None:
    bench.server.boxes["Sent"] = Box(attributes="\\Sent")
    bench.fill(250)
    bench.fill(3, "Sent", first=1000)
    seen: list[tuple[int, int]] = []
    counts = bench.sync(progress=lambda done, total: seen.append((done, total)))
    assert counts.stored == 253
    assert bench.stored() == bench.there()
    order = [(b.folder, b.arrivals[-1].uid) for b in bench.intake.batches if b.arrivals]
    assert order == [("Sent", 3), ("INBOX", 250), ("INBOX", 50)]
    assert seen[-1] == (253, 253)
    assert bench.intake.living == ["anna"]
    assert bench.sync() == Counts()


def test_junk_is_read_where_it_is_named(plain: Bench) -> None:  # DATA-15
    plain.server.boxes["Mist"] = Box(attributes="\\Junk")
    plain.fill(2)
    plain.fill(3, "Mist", first=1000)
    assert plain.sync().stored == 2
    port = plain.server.port
    assert plain.sync(mailbox(port, include=("*",))).stored == 0
    assert plain.sync(mailbox(port, include=("*", "mist"))).stored == 3
    assert {b.role for b in plain.intake.batches if b.folder == "Mist"} == {FolderRole.JUNK}


def test_more_groups_than_are_fetched_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcrm.mail.imap_listing.BATCH_COUNT", 7)
    bench.fill(300)
    assert bench.sync().stored == 300
    bench.fill(300, first=300)
    assert bench.sync().stored == 300
    assert bench.stored() == bench.there()


def test_new_changed_and_expunged_mail(bench: Bench) -> None:
    bench.fill(40)
    bench.sync()
    bench.server.expunge(5)
    bench.server.expunge(40)
    bench.server.flag(7, ["\\Seen", "$crm3"])
    bench.fill(2, first=100)
    counts = bench.sync()
    assert (counts.stored, counts.vanished) == (2, 2)
    assert bench.stored() == bench.there()
    assert bench.intake.flags(7) == "\\Seen $crm3"


def test_a_moved_thread_is_not_downloaded_again(bench: Bench) -> None:
    bench.fill(60)
    bench.sync()
    box = bench.server.boxes["INBOX"]
    bench.server.boxes["CRM"] = Box(uidvalidity=9)
    for uid in range(10, 40):
        bench.server.append(box.mails[uid].raw, "CRM", at=box.mails[uid].date, flags=["\\Seen"])
        bench.server.expunge(uid)
    bench.server.log.clear()
    counts = bench.sync()
    assert (counts.known, counts.stored, counts.vanished) == (30, 0, 30)
    assert not [line for line in bench.server.log if b"BODY.PEEK[]" in line]
    assert bench.intake.flags(1, "CRM") == "\\Seen"
    # and into a folder whose first pass is over
    for uid in range(40, 55):
        bench.server.append(box.mails[uid].raw, "CRM")
    assert bench.sync().known == 15


def test_uidvalidity_change_forgets_the_places_and_asks_no_bodies_again(bench: Bench) -> None:
    bench.fill(30)
    bench.sync()
    bench.server.renumber()
    bench.server.append(mail(500))
    counts = bench.sync()
    assert (counts.known, counts.stored) == (30, 1)
    assert bench.stored() == bench.there()


def test_uidvalidity_changes_in_the_middle_of_a_first_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcrm.mail.imap_listing.BATCH_COUNT", 10)
    bench.fill(100)

    def renumber(connection: Connection, tag: bytes, honest: bytes) -> None:
        bench.server.renumber()
        connection.cut(honest[: len(honest) // 2])

    bench.server.misbehave(rb"UID FETCH 51:60 .*BODY\.PEEK\[\]", renumber)
    counts = bench.sync()
    assert bench.stored() == bench.there()
    assert len(bench.intake.subjects()) == 100
    assert counts.known + counts.stored >= 100


@pytest.mark.parametrize("command", [b"EXAMINE", b"LIST", b"RFC822.SIZE", b"BODY", b"AUTHENTICATE"])
def test_lines_cut_anywhere_lose_and_double_nothing(plain: Bench, command: bytes) -> None:
    plain.fill(12)
    for _ in range(2):
        plain.server.append(b"Subject: no id\r\n\r\n" + b"y" * 50)
    length = 0

    def measure(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        nonlocal length
        length = max(length, len(honest))
        return honest

    plain.server.misbehave(command, measure, 9)
    plain.sync()
    step = max(1, length // 60)
    for cut in range(0, length, step):
        plain.intake = SqliteIntake()
        plain.server.faults.clear()
        plain.server.misbehave(command, lambda c, _, honest, cut=cut: c.cut(honest[:cut]))  # type: ignore[misc]
        plain.sync()
        assert plain.stored() == plain.there(), cut
        assert len(plain.waits) > 0


def test_a_bad_answer_is_asked_again_alone(bench: Bench) -> None:
    bench.fill(20)

    def spoil(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        return honest.replace(b"(UID 7 FLAGS ()", b"(UID 7 FLAGS (")

    bench.server.misbehave(rb"UID FETCH [\d:,]+ .*BODY\.PEEK\[\]", spoil)
    counts = bench.sync()
    assert (counts.stored, counts.unreadable) == (20, 0)
    assert b"UID FETCH 7 (UID FLAGS INTERNALDATE BODY.PEEK[])" in bench.server.log


def test_a_message_that_stays_bad_is_kept_as_unreadable_with_its_bytes(bench: Bench) -> None:
    bench.fill(20)
    raw = bench.server.boxes["INBOX"].mails[7].raw

    def spoil(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        return honest.replace(b"(UID 7 FLAGS ()", b"(UID 7 FLAGS (")

    bench.server.misbehave(rb"UID FETCH [\d:,]+ .*BODY\.PEEK\[\]", spoil, 99)
    counts = bench.sync()
    assert (counts.stored, counts.unreadable) == (19, 1)
    assert ("INBOX", 7, "unreadable") in bench.intake.places()
    assert raw in bench.blobs.kept.values()


def test_a_message_the_server_refuses_or_hides_does_not_stop_the_rest(bench: Bench) -> None:
    bench.fill(20)

    def refuse(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        kept = [
            line
            for line in re.split(rb"(?=\* \d+ FETCH)", honest)
            if not re.match(rb"\* \d+ FETCH \(UID (?:7|9) ", line)
        ]
        body = b"".join(kept)
        return (
            body[: body.rindex(tag)] + tag + b" NO [SERVERBUG] can't\r\n"
            if b"UID 8 " in honest
            else tag + b" NO no\r\n"
        )

    bench.server.misbehave(rb"UID FETCH [\d:,]+ .*BODY\.PEEK\[\]", refuse, 1)
    bench.server.misbehave(rb"UID FETCH 7 .*BODY\.PEEK\[\]", lambda c, tag, honest: tag + b" NO broken message\r\n", 99)
    bench.server.misbehave(
        rb"UID FETCH 9 .*BODY\.PEEK\[\]",
        lambda c, tag, honest: b"* 9 FETCH (UID 9 BODY[] NIL)\r\n" + tag + b" OK\r\n",
        99,
    )
    counts = bench.sync()
    assert (counts.stored, counts.unreadable) == (18, 2)
    assert bench.stored() == bench.there()


def test_a_message_expunged_while_it_is_fetched_is_no_problem(bench: Bench) -> None:
    bench.fill(20)

    def vanish(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        del bench.server.boxes["INBOX"].mails[7]
        return b"".join(line for line in re.split(rb"(?=\* \d+ FETCH)", honest) if b"(UID 7 " not in line)

    bench.server.misbehave(rb"UID FETCH [\d:,]+ .*BODY\.PEEK\[\]", vanish)
    counts = bench.sync()
    assert (counts.stored, counts.unreadable) == (19, 0)


@pytest.mark.parametrize("how", ["cut", "bye", "garbage", "busy"])
def test_a_poison_message_ends_in_quarantine_and_not_in_a_loop(plain: Bench, how: str) -> None:
    plain.fill(20)

    def die(connection: Connection, tag: bytes, honest: bytes) -> bytes | None:
        if b"(UID 7 " not in honest:
            return honest
        if how == "busy":
            return tag + b" NO Server Unavailable. 15\r\n"
        at_uid = honest.index(b"(UID 7 ") + 90
        ends = {"cut": b"", "bye": b"\r\n* BYE crashed\r\n", "garbage": b"\0\xff\r\n\r\n" * 400}
        connection.cut(honest[:at_uid] + ends[how])
        return None

    plain.server.misbehave(rb"UID FETCH [\d:,]+ .*BODY\.PEEK\[\]", die, 999)
    plain.sync()
    assert plain.stored() == plain.there()
    assert ("INBOX", 7, "unreadable") in plain.intake.places()
    assert sum(kind == "read" for *_, kind in plain.intake.places()) == 19


@pytest.mark.parametrize("items", [b"RFC822.SIZE", b"HEADER.FIELDS"])
def test_a_listing_that_breaks_the_connection_is_done_without(plain: Bench, items: bytes) -> None:
    plain.fill(20)
    plain.server.misbehave(items, lambda c, tag, honest: c.cut(honest[:50]), 99)
    assert plain.sync().stored == 20


@pytest.mark.parametrize("items", [b"RFC822.SIZE", b"HEADER.FIELDS"])
def test_a_listing_that_is_refused_is_done_without(bench: Bench, items: bytes) -> None:
    bench.fill(20)
    bench.server.misbehave(items, lambda c, tag, honest: tag + b" BAD what?\r\n", 99)
    assert bench.sync().stored == 20


@pytest.mark.parametrize(
    "words", [b"* BYE [THROTTLED] wait\r\n", b"* BYE Request is throttled. BackOffMilliseconds=90000\r\n"]
)
def test_throttling_is_obeyed_at_once(plain: Bench, words: bytes) -> None:
    plain.fill(20)
    plain.server.misbehave(rb"UID FETCH .*BODY\.PEEK\[\]", lambda c, tag, honest: c.cut(words))
    with pytest.raises(Away) as caught:
        plain.sync()
    assert caught.value.retry_after in (300, 90)
    assert plain.waits == []
    assert plain.server.logins == 1
    plain.sync()
    assert plain.stored() == plain.there()


def test_a_server_that_always_breaks_ends_in_an_error_not_a_storm(plain: Bench) -> None:
    plain.server.misbehave(b"LIST", lambda c, tag, honest: c.cut(b""), 999)
    with pytest.raises(Away, match=r"mailboxes\.anna .*closed"):
        plain.sync()
    assert plain.server.logins == 6
    assert plain.waits == sorted(plain.waits)


def test_a_busy_database_is_waited_for(bench: Bench) -> None:
    bench.fill(30)
    bench.intake.busy = 2
    assert bench.sync().stored == 30
    bench.intake.busy = 99
    bench.fill(1, first=99)
    with pytest.raises(Temporary):
        bench.sync()
    bench.intake.busy = 0
    assert bench.sync().stored == 1


def test_a_store_that_fails_in_mid_pass_leaves_the_cursor(plain: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcrm.mail.imap_listing.BATCH_COUNT", 5)
    plain.fill(50)
    store, left = plain.intake.store, [4]

    def flaky(batch: Batch) -> None:
        left[0] -= 1
        if left[0] % 3 == 0:
            raise Temporary("busy")
        store(batch)

    monkeypatch.setattr(plain.intake, "store", flaky)
    assert plain.sync().stored == 50
    assert plain.stored() == plain.there()


def test_old_mail_is_left_alone(bench: Bench) -> None:
    bench.fill(10, when=at(1, year=2020))
    bench.fill(5, first=100, when=at(1))
    bench.fill(3, first=200, when=at(1, year=2020))
    assert bench.sync(since=at(1, year=2024)).stored == 5
    assert bench.stored() == [11, 12, 13, 14, 15]
    assert bench.intake.cursors("anna")["INBOX"].backfill_uid == 1


def test_two_hundred_thousand_messages_do_not_flood(bench: Bench) -> None:
    box = bench.server.boxes["INBOX"]
    old = Mail(mail(1), at(1, year=2015))
    box.mails = dict.fromkeys(range(1, 200_001), old)
    box.mails[199_990] = Mail(mail(2), at(1))
    box.uidnext = 200_001
    biggest: list[int] = []

    def measure(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        biggest.append(honest.count(b"\r\n"))
        return honest

    bench.server.misbehave(b"UID (FETCH|SEARCH)", measure, 9999)
    counts = bench.sync(since=at(1, year=2024))
    assert counts.stored == 1
    assert max(biggest) <= imap_windows.MANY * 4 + 1
    assert not [line for line in bench.server.log if b"SEARCH ALL" in line or b"1:*" in line]
    bench.server.expunge(199_990)
    assert bench.sync().vanished == 1


def test_sparse_uids_are_walked_quickly(bench: Bench) -> None:
    for uid in (3, 4_000_000, 1_999_999_999, 4_294_967_000):
        bench.server.append(mail(uid), uid=uid)
    assert bench.sync().stored == 4
    commands = len(bench.server.log)
    assert commands < (60 if "ESEARCH" in bench.server.capabilities else 4500)


def test_server_threads_are_handed_on() -> None:
    for word, hint in (("X-GM-EXT-1", "gm:7001"), ("OBJECTID", "oid:T1")):
        with ScriptedImap(PLAIN + " " + word) as server:
            bench = Bench(server)
            bench.fill(1)
            bench.sync()
            assert bench.intake.batches[-2].arrivals[0].thread_hint == hint


def reply(number: int, letter: str) -> bytes:
    return f"In-Reply-To: <{letter}>\r\n".encode() + mail(number)


def test_of_junk_the_answers_to_our_letters_alone_are_read(bench: Bench) -> None:
    bench.server.boxes["Spam"] = Box(attributes="\\Junk")
    soon = bench.server.append(reply(1, "ours@firma.example"), "Spam")
    assert bench.sync().stored == 0
    assert not [line for line in bench.server.log if b"EXAMINE" in line and b"Spam" in line]  # no flow goes on
    bench.intake.letters = {"ours@firma.example"}
    assert bench.sync().stored == 1
    for number in range(2, 250):
        bench.server.append(mail(number), "Spam")
    bench.server.append(reply(250, "theirs@klient.example"), "Spam")
    answer = bench.server.append(reply(251, "ours@firma.example"), "Spam")
    bench.server.append(mail(252), "Spam")
    assert bench.sync().stored == 1
    assert bench.sync().stored == 0
    assert bench.stored("Spam (answers)") == [soon, answer]
    whole = [line for line in bench.server.log if b"BODY.PEEK[]" in line]
    assert [re.search(rb"FETCH (\S+)", line)[1] for line in whole] == [b"%d" % soon, b"%d" % answer]  # type: ignore[index]
    bench.server.expunge(answer, "Spam")
    bench.sync()
    assert bench.stored("Spam (answers)") == [soon]


@pytest.mark.parametrize("settings", [{"exclude": ("Spam",)}, {"include": ("INBOX",)}])
def test_junk_that_is_not_to_be_read_is_not_even_sifted(plain: Bench, settings: dict[str, tuple[str]]) -> None:
    plain.intake.letters = {"ours@firma.example"}
    plain.server.boxes["Spam"] = Box(attributes="\\Junk")
    plain.sync(mailbox(plain.server.port, **settings))
    plain.server.append(reply(1, "ours@firma.example"), "Spam")
    plain.sync(mailbox(plain.server.port, **settings))
    assert not [line for line in plain.server.log if b"EXAMINE" in line and b"Spam" in line]


def gmail_box(server: ScriptedImap) -> Mailbox:
    server.boxes["[Gmail]/All Mail"] = Box(attributes="\\All")
    server.boxes["Prywatne"] = Box()
    return mailbox(server.port, exclude=("Prywatne",))


def test_mail_with_an_excluded_label_is_neither_read_nor_counted() -> None:  # DATA-15
    with ScriptedImap(PLAIN + " X-GM-EXT-1") as server:
        bench, box = Bench(server), gmail_box(server)
        whole = "[Gmail]/All Mail"
        for number, labels in enumerate([("\\\\Inbox",), ("\\\\Inbox", "prywatne"), (), ("Prywatne",)]):
            server.append(mail(number), whole, labels=labels)
        _, sighted = first_sight("anna", box, Dialer(config(anna=box)), QuickReaders())
        assert [head.message.subject for head in sighted] == ["Oferta 2", "Oferta 0"]
        assert bench.sync(box).stored == 2
        for number, labels in enumerate([("Prywatne",), ("Klienci",), ("Prywatne", "Klienci")], 4):
            server.append(mail(number), whole, labels=labels)
        assert bench.sync(box).stored == 1
        assert bench.sync(box).stored == 0
        assert bench.stored(whole) == [1, 3, 6]
        fetched = [line for line in server.log if b"BODY.PEEK" in line]
        assert not [line for line in fetched if re.search(rb"FETCH [\d:,]*\b(2|4|5|7)\b", line)]


def test_where_labels_are_not_told_nothing_is_read_rather_than_what_is_excluded() -> None:  # DATA-15
    with ScriptedImap(PLAIN + " X-GM-EXT-1") as server:
        bench, box = Bench(server), gmail_box(server)
        server.append(mail(1), "[Gmail]/All Mail", labels=("Prywatne",))
        server.misbehave(rb"X-GM-LABELS", lambda _connection, tag, _honest: tag + b" BAD what?\r\n", 9)
        assert bench.sync(box).stored == 0


def test_a_first_pass_is_paced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcrm.mail.imap_listing.BATCH_COUNT", 10)
    for number in range(50):
        bench.server.append(mail(number, size=40_000))
    counts = bench.sync(mailbox(bench.server.port, daily_megabytes=1))
    assert counts.paced
    assert 0 < counts.stored < 50
    while bench.sync(mailbox(bench.server.port, daily_megabytes=1)).paced:
        pass
    assert bench.stored() == bench.there()


def test_first_sight_counts_and_stores_nothing(bench: Bench) -> None:
    bench.fill(30)
    bench.fill(2, "Klienci", first=90)
    box = mailbox(bench.server.port)
    total, sighted = first_sight("anna", box, Dialer(config(anna=box)), QuickReaders())
    heads = list(sighted)
    assert total == len(heads) == 32
    assert [head.message.subject for head in heads if head.folder == "INBOX"][:2] == ["Oferta 29", "Oferta 28"]
    assert not bench.intake.batches
    assert not [line for line in bench.server.log if b"BODY.PEEK[]" in line]


def test_a_huge_message_goes_through_a_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcrm.mail.imap_wire.SPOOL_ABOVE", 10_000)
    handed: list[type] = []
    read = bench.readers.read_many

    def watched(raws: Sequence[bytes | Path]) -> list[Content]:
        handed.extend(type(raw) for raw in raws)
        return read(raws)

    monkeypatch.setattr(bench.readers, "read_many", watched)
    bench.fill(3)
    bench.server.append(mail(77, size=50_000))
    assert bench.sync().stored == 4
    assert sum(kind is not bytes for kind in handed) == 1


def test_a_message_beyond_all_bounds_is_not_downloaded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcrm.mail.imap_wire.MAX_LITERAL", 20_000)
    bench.fill(3)
    bench.server.append(mail(77, size=50_000))
    counts = bench.sync()
    assert (counts.stored, counts.unreadable) == (3, 1)


def test_a_folder_that_disappears_does_not_stop_the_others(bench: Bench) -> None:
    bench.fill(3)
    bench.fill(3, "A", first=10)

    def gone(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        return tag + b" NO [NONEXISTENT] gone\r\n"

    bench.server.misbehave(b'EXAMINE "A"', gone, 99)
    assert bench.sync().stored == 3


def test_groups_cover_a_window_without_a_gap() -> None:
    big = BATCH_BYTES // 2 + 1
    entries = [Entry(uid, big if uid % 5 == 0 else 100) for uid in range(10, 1000, 3)]
    for descending in (True, False):
        groups = list(grouped(entries, 5, 1200, descending=descending))
        if not descending:
            groups.reverse()
        assert groups[0].high == 1200
        assert groups[-1].low == 5
        assert all(a.low == b.high + 1 for a, b in itertools.pairwise(groups))
        assert sorted(e.uid for g in groups for e in g.entries) == [e.uid for e in entries]
        for group in groups:
            assert all(group.low <= e.uid <= group.high for e in group.entries)
            assert len(group.entries) <= BATCH_COUNT
            assert sum(e.size for e in group.entries) <= BATCH_BYTES


def test_a_message_of_unknown_age_is_old(plain: Bench) -> None:
    plain.server.append(b"From: a@b.example\r\n\r\nx\r\n")

    def strip(connection: Connection, tag: bytes, honest: bytes) -> bytes:
        return re.sub(rb' INTERNALDATE "[^"]*"', b"", honest)

    plain.server.misbehave(b"UID FETCH", strip, 99)
    plain.sync()
    assert plain.intake.batches[-2].arrivals[0].received_at < datetime.now(UTC) - timedelta(days=365)
