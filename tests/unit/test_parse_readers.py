"""Reading in child processes: order, limits, lost children, storage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

from mailcrm import config
from mailcrm.core.model import Kind, Message, Reading, Unreadable
from mailcrm.errors import Permanent, Temporary
from mailcrm.mail import read as read_module
from mailcrm.mail import readers as readers_module
from mailcrm.mail.content import Content
from mailcrm.mail.read import read
from mailcrm.mail.readers import Readers
from mailcrm.store.blobs import Blobs
from tests.unit.mails import HEAD, Kept, mail, multipart

# A child that does on demand what hostile mail might one day make it do.
AWKWARD = """
import os, time, sys
from mailcrm.mail import read as module, reader_child
parse = module.parse
def awkward(raw, *rest):
    if b"deadly" in raw[:300]: os._exit(3)
    if b"once" in raw[:300]:
        try: os.mkdir(raw.split()[-1])
        except FileExistsError: pass
        else: os._exit(4)
    if b"endless" in raw[:300]: time.sleep(3600)
    if b"greedy" in raw[:300]: bytearray(1 << 30)
    if b"faulty" in raw[:300]: raise KeyError("a fault")
    if b"chatty" in raw[:300]: print("noise")
    return parse(raw, *rest)
module.parse = awkward
reader_child.main()
"""


def numbered(number: int, more: bytes = b"") -> bytes:
    return mail(b"From: a@x.example", b"Subject: %d" % number, body=more or b"text\r\n")


def subjects(contents: list[Content]) -> list[str]:
    return [each[0].subject if isinstance(each, tuple) else each.reason for each in contents]


@pytest.fixture
def awkward(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Readers]:
    monkeypatch.setattr(readers_module, "COMMAND", (sys.executable, "-P", "-c", AWKWARD))
    with Readers(tmp_path, config.Parsing(seconds=1.0)) as readers:
        yield readers


def test_results_come_in_order_with_their_readings(tmp_path: Path) -> None:
    bulky = multipart(b"\r\nx", b"Content-Type: application/zip\r\n\r\n" + b"z" * 300_000)
    raws = [numbered(n) for n in range(200)] + [bulky, b"", numbered(200)]
    with Readers(tmp_path, config.Parsing()) as readers:
        found = readers.read_many(raws)
    assert subjects(found) == [*map(str, range(200)), "Oferta", "an empty message", "200"]
    message, reading = found[200] if isinstance(found[200], tuple) else pytest.fail("not read")
    assert isinstance(message, Message)
    assert isinstance(reading, Reading)
    assert reading.kind is Kind.HUMAN
    assert Blobs(tmp_path).read(message.attachments[0].sha256) == b"z" * 300_000
    assert found[0] == read(raws[0], Kept(), config.Parsing())


def test_the_envelope_sender_is_passed_on(tmp_path: Path) -> None:
    raw = mail(b"From: Mail Delivery <mailer-daemon@x.example>", b"Subject: Undelivered Mail Returned to Sender")
    with Readers(tmp_path, config.Parsing()) as readers:
        (found,) = readers.read_many([raw], mail_from=[""])
    assert isinstance(found, tuple)
    assert found[1].kind is Kind.BOUNCE


def test_large_messages_go_as_files_and_leave_none(tmp_path: Path) -> None:
    large = multipart(b"\r\nx", b"Content-Type: application/zip\r\n\r\n" + b"z" * 5_000_000)
    file = tmp_path / "one.eml"
    file.write_bytes(numbered(1))
    (tmp_path / "empty.eml").touch()
    folder = tmp_path / "files"
    with Readers(folder, config.Parsing()) as readers:
        found = readers.read_many([large, file, tmp_path / "empty.eml"])
    assert subjects(found) == ["Oferta", "1", "an empty message"]
    assert not list(folder.glob(".new-*"))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (b"deadly", "ends the reading process (exit code 3)"),
        (b"endless", "takes longer than 1 s to read"),
        (b"greedy", "needs more memory than a message may"),
        (b"faulty", "KeyError: 'a fault'"),
    ],
)
def test_only_the_poison_is_given_up(awkward: Readers, tmp_path: Path, word: bytes, reason: str) -> None:
    poison = numbered(3, word)
    found = awkward.read_many([numbered(1), numbered(2), poison, numbered(4)])
    assert subjects(found) == ["1", "2", reason, "4"]
    assert isinstance(found[2], Unreadable)
    assert Blobs(tmp_path).read(found[2].sha256) == poison
    assert subjects(awkward.read_many([numbered(5)])) == ["5"]


@pytest.mark.parametrize(
    ("word", "reason"),
    [(b"deadly", "ends the reading process (exit code 3)"), (b"endless", "takes longer than 1 s to read")],
)
def test_the_poison_among_many_quick_messages_is_found(awkward: Readers, word: bytes, reason: str) -> None:
    raws = [numbered(n, word if n == 70 else b"") for n in range(150)]
    assert subjects(awkward.read_many(raws)) == [*map(str, range(70)), reason, *map(str, range(71, 150))]


def test_each_of_several_poisons_is_found(awkward: Readers) -> None:
    raws = [numbered(n, b"deadly" if n in (0, 3, 4, 9) else b"") for n in range(10)]
    found = awkward.read_many(raws)
    assert [n for n, content in enumerate(found) if isinstance(content, Unreadable)] == [0, 3, 4, 9]


def test_a_message_at_which_one_child_is_lost_is_read_by_the_next(awkward: Readers, tmp_path: Path) -> None:
    raws = [numbered(n, b"once %s" % bytes(tmp_path / f"lost{n}") if n in (4, 8) else b"") for n in range(12)]
    assert subjects(awkward.read_many(raws)) == [*map(str, range(12))]
    assert {path.name for path in tmp_path.glob("lost*")} == {"lost4", "lost8"}


def test_more_replies_than_fit_together_come_whole(tmp_path: Path) -> None:
    wordy = [numbered(n, b"word " * 20_000) for n in range(40)]
    with Readers(tmp_path, config.Parsing()) as readers:
        found = readers.read_many(wordy)
    assert subjects(found) == [*map(str, range(40))]
    assert all(isinstance(content, tuple) and len(content[0].text) > 99_000 for content in found)


def test_a_child_that_answers_too_much_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    twice = "from mailcrm.mail import reader_child as c; add = c.add_frame\n"
    twice += "def more(out, reply):\n add(out, reply)\n if reply != c.Reply(): add(out, reply)\n"
    monkeypatch.setattr(readers_module, "COMMAND", (sys.executable, "-P", "-c", f"{twice}c.add_frame = more; c.main()"))
    with Readers(tmp_path, config.Parsing()) as readers:
        assert subjects(readers.read_many([numbered(1)])) == ["ends the reading process (more answers than questions)"]


def test_noise_on_standard_output_does_no_harm(awkward: Readers) -> None:
    assert subjects(awkward.read_many([numbered(1, b"chatty"), numbered(2)])) == ["1", "2"]


def test_a_child_ended_by_others_costs_no_message(tmp_path: Path) -> None:
    with Readers(tmp_path, config.Parsing()) as readers:
        readers.read_many([numbered(1)])
        for child in reading_children():
            child.kill()
        assert subjects(readers.read_many([numbered(2), numbered(3)])) == ["2", "3"]


def test_a_child_that_does_not_start_is_no_message_s_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Readers(tmp_path, config.Parsing()) as readers:
        monkeypatch.setattr(readers_module, "COMMAND", (sys.executable, "-c", "raise SystemExit(5)"))
        with pytest.raises(Temporary, match="does not start: exit code 5"):
            readers.read_many([numbered(1)])
        monkeypatch.undo()
        assert subjects(readers.read_many([numbered(1)])) == ["1"]


def test_a_child_can_be_started_before_there_is_mail(tmp_path: Path) -> None:
    with Readers(tmp_path, config.Parsing()) as readers:
        assert reading_children() == []
        readers.start()
        deadline = monotonic() + 20
        while not (children := reading_children()) and monotonic() < deadline:
            sleep(0.01)
        assert subjects(readers.read_many([numbered(1)])) == ["1"]
        assert reading_children() == children


def test_a_failed_early_start_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Readers(tmp_path, config.Parsing()) as readers:
        monkeypatch.setattr(readers_module, "COMMAND", (sys.executable, "-c", "raise SystemExit(5)"))
        readers.start()
        with pytest.raises(Temporary, match="does not start: exit code 5"):
            readers.read_many([numbered(1)])
        monkeypatch.undo()
        assert subjects(readers.read_many([numbered(1)])) == ["1"]


def test_storage_that_fails_is_no_message_s_fault(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    with Readers(folder, config.Parsing()) as readers:
        assert subjects(readers.read_many([numbered(1)])) == ["1"]
        folder.rmdir()
        folder.touch()
        with pytest.raises(Temporary, match="can't store attachments"):
            readers.read_many([multipart(b"\r\nx", b"Content-Type: application/zip\r\n\r\nzz")])
        folder.unlink()
        folder.mkdir()
        assert subjects(readers.read_many([numbered(2)])) == ["2"]


def test_no_room_for_a_large_message_is_not_its_fault(tmp_path: Path) -> None:
    folder, large = tmp_path / "files", numbered(1) + b"x" * readers_module.LARGE
    with Readers(folder, config.Parsing()) as readers:
        assert subjects(readers.read_many([numbered(1)])) == ["1"]
        folder.rmdir()
        with pytest.raises(Temporary, match=r"can't store a message to be read: .* make room in data_dir"):
            readers.read_many([large])
        assert subjects(readers.read_many([large])) == ["1"]  # the next child makes its folder anew


def reading_children() -> list[psutil.Process]:
    """Our reading processes, not the servers that other tests have started."""
    return [child for child in psutil.Process().children() if "mailcrm.mail.reader_child" in child.cmdline()]


def test_several_threads_share_the_children(tmp_path: Path) -> None:
    results: dict[int, list[str]] = {}

    def fetch(number: int) -> None:
        results[number] = subjects(readers.read_many([numbered(number * 100 + n) for n in range(50)]))

    with Readers(tmp_path, config.Parsing(), processes=2) as readers:
        threads = [threading.Thread(target=fetch, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {number: [str(number * 100 + n) for n in range(50)] for number in range(4)}
    assert reading_children() == []
    with pytest.raises(Permanent, match="closed"):
        readers.read_many([numbered(1)])


def test_submitted_work_runs_while_the_caller_does_other_things(tmp_path: Path) -> None:
    with Readers(tmp_path, config.Parsing()) as readers:
        futures = [readers.submit([numbered(n)]) for n in range(5)]
        assert [subjects(future.result()) for future in futures] == [[str(n)] for n in range(5)]


def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "import sys, time, psutil; from pathlib import Path; from mailcrm import config;"
        "from mailcrm.mail.readers import Readers; r = Readers(Path(sys.argv[1]), config.Parsing());"
        "r.read_many([b'From: a@x.example\\n\\nx']); print(psutil.Process().children()[0].pid, flush=True);"
        "time.sleep(600)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
    deadline = monotonic() + 20
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and monotonic() < deadline:
        sleep(0.01)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_read_never_raises_for_content(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("in a classifier")

    monkeypatch.setattr(read_module.odd_bounces, "read", fails)
    kept = Kept()
    found = read(HEAD + b"\r\nx", kept, config.Parsing())
    assert isinstance(found, Unreadable)
    assert (found.reason, found.size) == ("ZeroDivisionError: in a classifier", len(HEAD) + 3)
    assert kept.files[found.sha256] == HEAD + b"\r\nx"
