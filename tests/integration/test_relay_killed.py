"""Killed at any instant under load, the relay has lost no mail that it took, and sent few twice."""

from __future__ import annotations

import random
import smtplib
import threading
import time
from collections import Counter
from typing import Self

import pytest

from tests.program import COMMAND, Program
from tests.relay_kit import set_password
from tests.servers import Sink
from tests.servers.process import free_port, listening, wait_until

CLIENTS = 4
CONNECTIONS = 5  # to the smarthost; so many mails are on their way at once
NOTED_LATE = 50  # mails that were taken within the moments that a note of it may be late


class Load:
    """Clients that hand in one mail after another, whatever happens to their connections."""

    def __init__(self, port: int, name: str) -> None:
        self._port, self._name = port, name
        self._over = threading.Event()
        self.taken: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: int) -> None:
        number = 0
        while not self._over.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self._port, timeout=10) as smtp:
                    smtp.login("anna", "battery staple")
                    while not self._over.is_set():
                        number += 1
                        name = f"{self._name}.{client}.{number}@firma.example"
                        raw = f"From: anna@firma.example\r\nSubject: x\r\nMessage-ID: <{name}>\r\n\r\nhello\r\n"
                        smtp.sendmail("anna@firma.example", ["ewa@klient.example"], raw)
                        self.taken.append(name)
            except (OSError, smtplib.SMTPException):
                self._over.wait(0.02)


def killed(sink: Sink, database: str | None, kills: int) -> None:
    port = free_port()
    more = {"database": database} if database else {}
    program = Program(
        smarthost=sink.port, relay={"listen": f"127.0.0.1:{port}"}, mailboxes={"anna": {"user": "anna"}}, **more
    )
    rng = random.Random(7)
    try:
        program.cli("db", "upgrade")
        set_password(program, "anna", "battery staple")
        with Load(port, "k") as load:
            for _ in range(kills):
                start(program, port)
                wanted = len(load.taken) + 3
                wait_until(lambda wanted=wanted: len(load.taken) > wanted, seconds=60, what="mail that is taken")
                time.sleep(rng.uniform(0, 0.5))  # any instant will do
                program.kill()
        start(program, port)
        taken = set(load.taken)
        wait_until(lambda: stored(program, "message", "message_id") >= taken, seconds=60, what="all in their threads")
        wait_until(lambda: stored(program, "outbox", "state") == {"sent"}, seconds=120, what="an empty outbox")
        sent = Counter(str(mail.message["Message-ID"]).strip("<>") for mail in sink.mails)
        assert taken - sent.keys() == set()
        assert sum(sent.values()) - len(sent) <= kills * (CONNECTIONS + NOTED_LATE)
        assert len(taken) == len(load.taken) > 4 * kills
    finally:
        program.close()


def start(program: Program, port: int) -> None:
    command = [*COMMAND, "--config", str(program.file), "run", "--roles", "relay,worker"]
    program.spawn(command, ready=lambda: listening(port), seconds=30)


def stored(program: Program, noun: str, column: str) -> set[str]:
    return {row[column] for row in program.rows(noun, "list")}


@pytest.mark.servers
@pytest.mark.timeout(300)
def test_ten_kills_lose_nothing(sink: Sink) -> None:
    killed(sink, None, 10)


@pytest.mark.torture
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_hundred_kills_lose_nothing(sink: Sink, kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else None
    killed(sink, url, 100)
