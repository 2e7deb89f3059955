"""kill -9 at any instruction: no message is lost, none is stored twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.imap_kit import SqliteIntake, at, mail
from tests.scripted_imap import MODERN, PLAIN, ScriptedImap
from tests.servers import Dovecot


def killed_often(port: int, login: str, file: Path, times: int, between: Callable[[int], None]) -> None:
    """Sync again and again, killing each run after a random while; then let one run end."""
    chance = random.Random(7)
    for number in range(times):
        command = [sys.executable, "-m", "tests.imap_victim", str(port), login, str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as victim:
            assert victim.stdout is not None
            assert victim.stdout.readline() == b"begun\n"
            time.sleep(chance.uniform(0.0, 0.12))
            victim.kill()
        between(number)
    subprocess.run([sys.executable, "-m", "tests.imap_victim", str(port), login, str(file)], check=True, timeout=50)


@pytest.mark.parametrize("capabilities", [MODERN, PLAIN], ids=["qresync", "plain"])
def test_killed_against_a_scripted_server(tmp_path: Path, capabilities: str) -> None:
    with ScriptedImap(capabilities) as server:
        for number in range(600):
            server.append(mail(number), at=at(1))
        for number in range(40):
            server.append(mail(9_000 + number), "Sent", at=at(1))

        def between(number: int) -> None:
            server.append(mail(1_000 + number))
            if number == 3:
                server.renumber()
            if number > 3:
                server.expunge(min(server.boxes["INBOX"].mails))

        killed_often(server.port, "anna", tmp_path / "intake.db", 8, between)
        intake = SqliteIntake(tmp_path / "intake.db")
        for folder, box in server.boxes.items():
            assert [uid for name, uid, _ in intake.places() if name == folder] == sorted(box.mails)


@pytest.mark.servers
@pytest.mark.torture
def test_killed_against_dovecot(dovecot: Dovecot, tmp_path: Path) -> None:
    user = dovecot.new_user()
    dovecot.fill(user, [(at(1 + n % 28), mail(n, size=n * 37 % 9000)) for n in range(3000)])
    count = [3000]

    def between(number: int) -> None:
        dovecot.deliver(user, mail(100_000 + number))
        count[0] += 1
        with dovecot.client(user) as client:
            client.select_folder("INBOX")
            client.delete_messages([number + 5])
            client.expunge()
            count[0] -= 1

    killed_often(dovecot.port, user, tmp_path / "intake.db", 25, between)
    intake = SqliteIntake(tmp_path / "intake.db")
    with dovecot.client(user) as client:
        client.select_folder("INBOX", readonly=True)
        assert [uid for _, uid, _ in intake.places()] == sorted(client.search())
    assert len(intake.places()) == count[0]
