"""An SMTP server on loopback that says what a test tells it to, and keeps every byte that it is sent."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from tests.servers.process import HOST, wait_until

HANG_UP = None


@dataclass
class Scripted:
    """Takes every mail, pipelined, unless told otherwise.

    ``answer``: (command) -> its answer, "" to go on as usual, HANG_UP to close. ``end``: the same for a whole mail.
    ``behind_tls``: what it says in clear behind its 220 to STARTTLS. ``reads``: bytes of a mail before it hangs up.
    ``flights``: what came in between two answers.
    """

    offers: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 1000000")
    tls: ssl.SSLContext | None = None
    offers_in_tls: tuple[str, ...] = ()
    behind_tls: bytes = b""
    answer: Callable[[str], str | None] = lambda _command: ""
    end: Callable[[bytes], str | None] = lambda _content: ""
    reads: int | None = None
    mails: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    flights: list[bytes] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0
    port: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._server = socket.create_server((HOST, 0))
        self.port = self._server.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._accepting.join(10)
        self.drop()
        for thread in self._threads:
            thread.join(10)

    def drop(self) -> None:
        """Break all connections."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: self._now == 0, seconds=10, what="connections closed")

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self._sockets.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                with self._lock:
                    self._now += 1
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            self.most_at_once = max(self.most_at_once, self._now)
        talk = _Talk(self, connection)
        try:
            with suppress(OSError):
                talk.run()
        finally:
            talk.sock.close()
            with self._lock:
                self._now -= 1


class _Talk:
    def __init__(self, server: Scripted, sock: socket.socket) -> None:
        self.server, self.sock, self.buffer, self.offers = server, sock, b"", server.offers

    def run(self) -> None:
        self.say("220 here")
        while (line := self.line(b"\r\n")) is not None:
            command = line.decode()
            self.server.commands.append(command)
            verb = command.split(" ")[0].upper()
            told = self.server.answer(command)
            if told is HANG_UP:
                return
            if told:
                self.say(told)
            elif verb == "EHLO":
                self.say("".join(f"250-{each}\r\n" for each in ("here", *self.offers)) + "250 ENHANCEDSTATUSCODES")
            elif verb == "STARTTLS" and self.server.tls is not None:
                self.sock.sendall(b"220 go\r\n" + self.server.behind_tls)
                self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
                self.offers = self.server.offers_in_tls
            elif verb != "DATA":
                self.say("221 bye" if verb == "QUIT" else "250 2.0.0 fine")
                if verb == "QUIT":
                    return
            else:
                self.say("354 go on")
            if verb == "DATA" and (not told or told.startswith("354")):
                content = self.line(b"\r\n.\r\n", start=b"\r\n")
                if content is None:
                    return
                told = self.server.end(content)
                if told is HANG_UP:
                    return
                if not told:
                    self.server.mails.append(content)
                self.say(told or f"250 2.0.0 kept {len(self.server.mails)}")

    def line(self, until: bytes, start: bytes = b"") -> bytes | None:
        """Up to that mark; None at the end. ``start``: what is thought to stand before."""
        self.buffer = start + self.buffer
        while until not in self.buffer:
            data = self.sock.recv(65536)
            if not data or (start and self.server.reads is not None and len(self.buffer) > self.server.reads):
                return None
            self.server.flights.append(data)
            self.buffer += data
        found, _, self.buffer = self.buffer.partition(until)
        return (found + b"\r\n")[len(start) :] if start else found

    def say(self, text: str) -> None:
        self.sock.sendall(text.encode() + b"\r\n")
