"""LMTP through real sockets: what is taken, what is refused, what survives."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailcrm import config
from mailcrm.errors import Permanent, Temporary
from mailcrm.mail.smtp_in import MOST_RECIPIENTS, accepted_addresses, serve
from tests.servers.process import wait_until

BOX = "crm@firma.example"
ANNA = "anna@firma.example"
MAIL = b"From: jan@klient.example\r\nSubject: x\r\n\r\nhello\r\n"


@dataclass
class Taken:
    """Stands for ingest."""

    mails: list[tuple[bytes, str, list[str]]] = field(default_factory=list)
    error: Exception | None = None
    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def deliver(self, raw: bytes, mail_from: str, recipients: list[str]) -> None:
        self.begun.set()
        assert self.go.wait(10)
        if self.error:
            raise self.error
        self.mails.append((raw, mail_from, recipients))


@pytest.fixture
def taken() -> Iterator[Taken]:
    taken = Taken()
    taken.go.set()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> asyncio.Server:
        return await serve("127.0.0.1:0", {BOX, ANNA}, taken.deliver, max_bytes=200_000)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await loop.shutdown_default_executor()

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    taken.port = server.sockets[0].getsockname()[1]
    yield taken
    taken.go.set()
    asyncio.run_coroutine_threadsafe(stop(server), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


class Client:
    """Speaks LMTP in bytes, so that it can speak it badly."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")
        assert self.reply().startswith("220")
        assert self.say(b"LHLO client.example").startswith("250")

    def reply(self) -> str:
        text = ""
        while True:
            line = self.file.readline().decode()
            text += line
            if len(line) < 4 or line[3] != "-":
                return text

    def say(self, line: bytes) -> str:
        self.socket.sendall(line + b"\r\n")
        return self.reply()

    def send(
        self, content: bytes, sender: bytes = b"jan@klient.example", recipients: tuple[str, ...] = (BOX,)
    ) -> list[str]:
        assert self.say(b"MAIL FROM:<" + sender + b">").startswith("250")
        for recipient in recipients:
            assert self.say(f"RCPT TO:<{recipient}>".encode()).startswith("250")
        assert self.say(b"DATA").startswith("354")
        self.socket.sendall(content + b".\r\n")
        return [self.reply() for _ in recipients]

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@contextmanager
def client(taken: Taken) -> Iterator[Client]:
    talk = Client(taken.port)
    try:
        yield talk
    finally:
        talk.close()


def test_a_mail_is_handed_on_as_it_came(taken: Taken) -> None:
    with client(taken) as talk:
        body = MAIL + b"..stuffed\r\n\xff\x00 8 bit\r\n" + b"long " * 30_000 + b"\r\n"
        assert talk.send(body) == ["250 2.0.0 stored\r\n"]
        assert talk.send(MAIL, sender=b"")[0].startswith("250")
    assert taken.mails == [
        (body.replace(b"..stuffed", b".stuffed"), "jan@klient.example", [BOX]),
        (MAIL, "", [BOX]),
    ]


def test_each_recipient_is_answered(taken: Taken) -> None:
    with client(taken) as talk:
        recipients = ("CRM@Firma.example", "crm+deal-7@firma.example", ANNA)
        assert [reply[:3] for reply in talk.send(MAIL, recipients=recipients)] == ["250"] * 3
    assert taken.mails[0][2] == [BOX, "crm+deal-7@firma.example", ANNA]


def test_others_mail_is_not_taken(taken: Taken) -> None:
    with client(taken) as talk:
        talk.say(b"MAIL FROM:<jan@klient.example>")
        assert talk.say(b"RCPT TO:<somebody@elsewhere.example>").startswith("550 5.1.1")
        assert talk.say(b"DATA").startswith("503")
        assert talk.say(b"EHLO x").startswith("500")
    assert not taken.mails


def test_recipients_are_bounded(taken: Taken) -> None:
    with client(taken) as talk:
        talk.say(b"MAIL FROM:<jan@klient.example>")
        replies = [talk.say(b"RCPT TO:<crm+%d@firma.example>" % n)[:9] for n in range(MOST_RECIPIENTS + 1)]
    assert replies[-2:] == ["250 2.1.5", "452 4.5.3"]


def test_a_mail_too_large_is_refused_for_each_recipient_and_the_next_one_taken(taken: Taken) -> None:
    with client(taken) as talk:
        replies = talk.send(MAIL + b"x" * 300_000 + b"\r\n", recipients=(BOX, ANNA))
        assert [reply[:9] for reply in replies] == ["552 5.3.4"] * 2
        assert talk.send(MAIL)[0].startswith("250")
    assert len(taken.mails) == 1


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\r.\r\n", b"\r\n.\r\r\n"]
)
def test_no_second_mail_is_smuggled(taken: Taken, end: bytes) -> None:
    """The end of data is CRLF.CRLF and nothing else; a bare CR or LF refuses the mail."""
    inner = b"MAIL FROM:<boss@firma.example>\r\nRCPT TO:<crm@firma.example>\r\nDATA\r\nSubject: forged\r\n\r\nx\r\n"
    with client(taken) as talk:
        assert talk.send(MAIL + b"text" + end + inner)[0].startswith("554 5.6.0")
        assert talk.say(b"NOOP").startswith("250")
    assert not taken.mails


def test_what_fails_is_asked_for_again_without_telling_why(taken: Taken) -> None:
    with client(taken) as talk:
        taken.error = RuntimeError("the database /secret/path is broken")
        assert talk.send(MAIL, recipients=(BOX, ANNA)) == ["451 4.3.0 not stored now, try again later\r\n"] * 2
        taken.error = Temporary("locked")
        assert talk.send(MAIL)[0].startswith("451")
        taken.error = Permanent("no")
        assert talk.send(MAIL)[0].startswith("554")
        taken.error = None
        assert talk.send(MAIL)[0].startswith("250")


def test_hanging_up_does_not_undo_a_commit_that_has_begun(taken: Taken) -> None:
    taken.go.clear()
    talk = Client(taken.port)
    talk.say(b"MAIL FROM:<jan@klient.example>")
    talk.say(b"RCPT TO:<crm@firma.example>")
    talk.say(b"DATA")
    talk.socket.sendall(MAIL + b".\r\n")
    assert taken.begun.wait(10)
    talk.close()
    with client(taken) as other:
        assert other.say(b"NOOP").startswith("250")
    taken.go.set()
    wait_until(lambda: taken.mails, what="the mail")


def test_hanging_up_within_a_mail_stores_nothing(taken: Taken) -> None:
    talk = Client(taken.port)
    talk.say(b"MAIL FROM:<jan@klient.example>")
    talk.say(b"RCPT TO:<crm@firma.example>")
    talk.say(b"DATA")
    talk.socket.sendall(MAIL)
    talk.close()
    with client(taken) as other:
        assert other.send(MAIL + b"whole\r\n")[0].startswith("250")
    assert [mail[0] for mail in taken.mails] == [MAIL + b"whole\r\n"]


def test_pipelined_commands_are_all_answered(taken: Taken) -> None:
    with client(taken) as talk:
        one = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<crm@firma.example>\r\nDATA\r\n" + MAIL + b".\r\n"
        talk.socket.sendall(one * 3)
        assert [talk.reply()[:3] for _ in range(12)] == ["250", "250", "354", "250"] * 3
    assert len(taken.mails) == 3


def test_whose_mail_is_taken() -> None:
    given = {
        "users": {
            "anna": {"email": "Anna@firma.example", "aliases": ["a@firma.example"]},
            "jan": {"email": "j@f.example"},
        },
        "mailboxes": {
            "anna": {"user": "anna"},
            "office": {"members": ["anna", "jan"], "host": "h", "login": "office@firma.example", "password": "x"},
        },
    }
    parsed = config.parse(given, base=Path())
    assert accepted_addresses(parsed, BOX) == {
        ANNA: "anna",
        "a@firma.example": "anna",
        "office@firma.example": "office",
        BOX: None,
    }
