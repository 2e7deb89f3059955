"""A relay on a loopback port whose mail goes into a list, and clients that speak to it well or badly."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from mailcrm.app.logins import Login
from mailcrm.app.submit import Handed, Refusal
from mailcrm.config_sending import Relay
from mailcrm.errors import MailcrmError
from mailcrm.mail.relay_door import Door, Patience
from mailcrm.mail.relay_server import RelayServer, rules
from mailcrm.mail.relay_session import RelaySession, Rules
from tests.program import COMMAND, Program

ANNA = Login(1, "anna", "anna@firma.example", frozenset({"anna@firma.example", "a.nowak@firma.example"}))
PASSWORD = "correct horse"
EWA = "ewa@klient.example"
HEAD = b"From: anna@firma.example\r\nMessage-ID: <1@firma.example>\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\n"
MAIL = HEAD + b"\r\nhello\r\n"
AUTH = b"AUTH PLAIN " + base64.b64encode(f"\0anna\0{PASSWORD}".encode())
QUICK = Patience(delay=0.0)


@dataclass
class OnePassword:
    """Stands for the users' passwords; notes what it was asked."""

    asked: list[str] = field(default_factory=list)

    def quickly(self, name: str, password: str) -> Login | None:
        return ANNA if (name, password) == ("anna", "known " + PASSWORD) else None

    def check(self, name: str, password: str) -> Login | None:
        self.asked.append(name)
        return ANNA if (name, password) == ("anna", PASSWORD) else None


@dataclass
class Relayed:
    """A running relay. ``fate`` is what becomes of what is handed in, once ``go`` is set."""

    mails: list[Handed] = field(default_factory=list)
    fate: Refusal | MailcrmError | Exception | None = None
    passwords: OnePassword = field(default_factory=OnePassword)
    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    loop: asyncio.AbstractEventLoop = field(default_factory=uvloop.new_event_loop)
    server: RelayServer = field(default_factory=RelayServer)
    door: Door | None = None

    async def hand_in(self, mail: Handed) -> Refusal | MailcrmError | None:
        self.begun.set()
        while not self.go.is_set():
            await asyncio.sleep(0.005)
        if isinstance(self.fate, Exception) and not isinstance(self.fate, MailcrmError):
            raise self.fate
        if self.fate is None:
            self.mails.append(mail)
        return self.fate

    def drain(self, seconds: float = 5.0) -> None:
        asyncio.run_coroutine_threadsafe(self.server.drain(seconds), self.loop).result(20)


@contextmanager
def relay(
    tls: str = "none", *, patience: Patience = QUICK, folder: Path | None = None, **more: float
) -> Iterator[Relayed]:
    """A relay that listens; ``folder`` has ``certificate.pem`` and ``key.pem``. ``more`` are times of ``Rules``."""
    made = Relayed()
    made.go.set()
    thread = threading.Thread(target=made.loop.run_forever)
    thread.start()
    config = Relay(
        listen="127.0.0.1:0",
        tls=tls,  # type: ignore[arg-type]
        cert="certificate.pem" if folder else None,
        key="key.pem" if folder else None,
        max_bytes=300_000,
    )
    made.door = Door(made.passwords, patience)
    base = (folder or Path()).joinpath
    held: Rules = replace(rules(config, base, lambda: datetime(2026, 11, 22, 9, 0, tzinfo=UTC), "relay.test"), **more)
    listening = made.server.listen(config, held, made.door, made.hand_in)
    asyncio.run_coroutine_threadsafe(listening, made.loop).result(10)
    made.port = made.server.port
    try:
        yield made
    finally:
        made.go.set()
        made.drain(0.5)
        asyncio.run_coroutine_threadsafe(_end(), made.loop).result(10)
        made.loop.call_soon_threadsafe(made.loop.stop)
        thread.join(10)
        made.loop.close()


async def _end() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()


class Client:
    """Speaks SMTP in bytes, so that it can speak it badly."""

    def __init__(self, port: int, *, context: ssl.SSLContext | None = None) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")

    def reply(self) -> str:
        """One answer, all its lines; "" when the server has hung up."""
        text = ""
        while True:
            try:
                line = self.file.readline().decode()
            except ConnectionResetError:
                return ""
            text += line
            if len(line) < 4 or line[3] != "-":
                return text

    def say(self, line: bytes) -> str:
        self.socket.sendall(line + b"\r\n")
        return self.reply()

    def hello(self, *, login: bool = True) -> Client:
        assert self.reply().startswith("220")
        assert self.say(b"EHLO client.example").startswith("250")
        if login:
            assert self.say(AUTH).startswith("235")
        return self

    def envelope(self, *recipients: str, sender: str = ANNA.email) -> None:
        assert self.say(f"MAIL FROM:<{sender}>".encode()).startswith("250")
        for recipient in recipients or (EWA,):
            assert self.say(f"RCPT TO:<{recipient}>".encode()).startswith("250")
        assert self.say(b"DATA").startswith("354")

    def send(self, content: bytes, *recipients: str) -> str:
        """A whole message; ``content`` ends with CRLF and has its dots stuffed."""
        self.envelope(*recipients)
        return self.say(content + b".")

    def start_tls(self, context: ssl.SSLContext) -> None:
        assert self.say(b"STARTTLS").startswith("220")
        self.file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def set_password(program: Program, user: str, password: str) -> None:
    """As the operator does: by standard input."""
    command = [*COMMAND, "--config", str(program.file), "user", "password", user]
    subprocess.run(command, input=password + "\n", text=True, check=True, capture_output=True, timeout=60)


__all__ = [
    "ANNA",
    "AUTH",
    "EWA",
    "HEAD",
    "MAIL",
    "PASSWORD",
    "QUICK",
    "Client",
    "RelaySession",
    "Relayed",
    "relay",
    "set_password",
]
