"""Killed at any instruction, nothing is lost and nothing is doubled: the real program, real processes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from mailcrm.store.db import Database
from tests.bench.mails import Mail, mails
from tests.program import Program, mailbox
from tests.servers import Dovecot, Sink
from tests.servers.pymap import Pymap

SUMMARY = """
SELECT m.message_id, t.subject, t.link, m.direction,
       (SELECT count(*) FROM message s WHERE s.thread_id = t.id),
       (SELECT count(*) FROM location l WHERE l.message_id = m.id),
       (SELECT count(*) FROM attachment a WHERE a.message_id = m.id),
       (SELECT count(*) FROM participant p WHERE p.message_id = m.id AND p.person_id IS NOT NULL),
       (SELECT count(*) FROM link k WHERE k.message_id = m.id)
FROM message m JOIN thread t ON t.id = m.thread_id ORDER BY m.message_id
"""
COUNTS = "SELECT (SELECT count(*) FROM person), (SELECT count(*) FROM event), (SELECT count(*) FROM quarantine)"


def stored(url: str) -> tuple[list[Any], list[Any]]:
    database = Database(url)
    try:
        with database.read() as connection:
            return list(connection.execute(text(SUMMARY))), list(connection.execute(text(COUNTS)))
    finally:
        database.close()


# The kernel ends the process when it has used so much CPU time: at any instruction, however busy the machine is.
_MORTAL = """
import signal, sys, time
from mailcrm.cli.app import main
begun = time.process_time()
if (seconds := float(sys.argv.pop(1))):
    signal.setitimer(signal.ITIMER_PROF, seconds)
try:
    main()
finally:
    print(time.process_time() - begun, file=sys.stderr)
"""


def mortal_sync(program: Program, seconds: float) -> float | None:
    """Run ``sync`` and kill it after so many seconds of CPU time (0: never); gives what it took, or None if killed."""
    command = [sys.executable, "-c", _MORTAL, str(seconds), "--config", str(program.file), "sync"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == -signal.SIGPROF:
        return None
    assert done.returncode == 0, done.stderr
    return float(done.stderr.splitlines()[-1])


def deliver(server: Any, account: str, made: Sequence[Mail]) -> None:
    with server.client(account) as client:
        if not client.folder_exists("Sent"):
            client.create_folder("Sent")
        for mail in made:
            client.append("Sent" if mail.sent else "INBOX", mail.raw, msg_time=mail.at)


def compare(server: Any, account: str, url: str | None, *, kills: int, count: int) -> None:
    """Mail comes in portions, so that every kill meets work; a portion read in peace tells how long one takes."""
    made = list(mails(count, now=datetime.now(UTC), seed=11))
    portion = count // (kills + 1)
    rng = random.Random(5)
    boxes = {"anna": mailbox("anna", server, account)}
    with Sink() as sink:
        calm = Program(smarthost=sink.port, mailboxes=boxes)
        torn = Program(smarthost=sink.port, mailboxes=boxes, **({"database": url} if url else {}))
        try:
            deliver(server, account, made[:portion])
            longest = mortal_sync(torn, 0)
            assert longest is not None
            killed = 0
            for start in range(portion, count, portion):
                deliver(server, account, made[start : start + portion])
                killed += mortal_sync(torn, rng.uniform(0.001, 0.9 * longest)) is None
            assert killed > kills // 2, "the kills came too late to prove anything"
            torn.cli("sync")
            calm.cli("sync")
            whole = stored(calm.config["database"])  # type: ignore[arg-type]
            assert len(whole[0]) == count
            assert stored(torn.config["database"]) == whole  # type: ignore[arg-type]
            files = [path.name for path in (torn.folder / "data" / "files").rglob("*") if path.is_file()]
            assert {row["sha256"] for row in _attachments(torn)} <= set(files)
        finally:
            calm.close()
            torn.close()


def _attachments(program: Program) -> Iterator[dict[str, Any]]:
    for row in program.rows("message", "list"):
        yield from row["attachments"]


@pytest.mark.timeout(180)
def test_sync_survives_kills(pymap: Pymap) -> None:
    compare(pymap, pymap.new_user(), None, kills=8, count=150)


@pytest.mark.servers
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_sync_of_a_full_mailbox_survives_kills(dovecot: Dovecot, kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else None
    compare(dovecot, dovecot.new_user(), url, kills=20, count=1000)


@pytest.mark.servers
@pytest.mark.timeout(120)
def test_running_program_survives_kills_while_mail_arrives(dovecot: Dovecot, sink: Sink) -> None:
    account = dovecot.new_user()
    boxes = {"anna": mailbox("anna", dovecot, account, poll="1m")}
    program = Program(smarthost=sink.port, mailboxes=boxes)
    rng = random.Random(3)
    made = [mail for mail in mails(60, now=datetime.now(UTC), seed=4) if not mail.sent]
    try:
        program.start()
        for number, mail in enumerate(made):
            dovecot.deliver(account, mail.raw)
            if number % 8 == 7:
                time.sleep(rng.uniform(0, 0.05))  # any instant will do
                program.kill()
                program.start()
        program.stop()
        program.cli("sync")
        rows, counts = stored(program.config["database"])  # type: ignore[arg-type]
        assert [row.message_id for row in rows] == sorted(mail.message_id.strip("<>") for mail in made)
        assert {row[5] for row in rows} == {1}  # one place each
        assert counts[0][2] == 0
    finally:
        program.close()


@pytest.mark.torture
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_hundred_kills(dovecot: Dovecot, kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else None
    compare(dovecot, dovecot.new_user(), url, kills=100, count=1000)
