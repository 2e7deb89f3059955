"""A buffered reader over one IMAP connection: whole answers, literals included, however the segments are cut."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import tempfile
import time
import weakref
from pathlib import Path
from typing import Final

from mailcrm.mail.imap_faults import Away, Garbled

MAX_LINE: Final = 4 << 20  # VANISHED (EARLIER) of a large folder is the longest honest line
MAX_LITERALS: Final = 200
SPOOL_ABOVE: Final = 8 << 20
MAX_LITERAL: Final = 256 << 20
_CHUNK: Final = 1 << 18
_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # Linux
_LITERAL = re.compile(rb"~?\{(\d{1,19})\+?\}\r?\n$")


class Spool:
    """A large literal in a temporary file, which goes when this object does."""

    __slots__ = ("__weakref__", "path", "size")

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        weakref.finalize(self, path.unlink, missing_ok=True)

    def __len__(self) -> int:
        return self.size


Literal = bytes | Spool
Part = bytes | Spool


class Wire:
    """Reads and writes one socket, blocking or not; small enough to keep a thousand.

    Args:
        sock: connected, perhaps wrapped in TLS. Its timeout is the longest silence endured in a read.
        where: names account and server in errors.
    """

    __slots__ = ("buffer", "max_literal", "received", "sock", "timeout", "where")

    def __init__(self, sock: socket.socket, where: str, timeout: float) -> None:
        self.sock = sock
        self.where = where
        self.timeout = timeout
        self.buffer = bytearray()
        self.received = 0
        self.max_literal = MAX_LITERAL
        sock.settimeout(timeout)

    def send(self, data: bytes) -> None:
        """Write all of it. Raises Away if the line is cut or stuck."""
        try:
            self.sock.sendall(data)
        except (OSError, ValueError) as error:
            raise Away(f"{self.where}: the connection broke while sending: {_reason(error)}") from None

    def readline(self) -> bytes:
        """One line with its end. Raises Away on a cut line or silence, Garbled if it is absurdly long."""
        start, deadline = 0, 0.0
        while True:
            end = self.buffer.find(b"\n", start)
            if end >= 0:
                return self._take(end + 1)
            start = len(self.buffer)
            if start > MAX_LINE:
                raise Garbled(f"{self.where}: the server sent a line of over {MAX_LINE >> 20} MB; reconnecting")
            deadline = deadline or time.monotonic() + 2 * self.timeout
            self._fill(deadline)

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes. Raises Away on a cut line, silence, or a drip slower than 1 kB/s."""
        deadline = 0.0
        while len(self.buffer) < size:
            deadline = deadline or time.monotonic() + 2 * self.timeout + size / 1000
            self._fill(deadline)
        return self._take(size)

    def literal(self, size: int) -> Literal:
        """The bytes of a literal: in memory, or above some megabytes in a temporary file."""
        if size > self.max_literal:
            raise Garbled(f"{self.where}: the server announced {size} bytes in one piece; reconnecting")
        if size <= SPOOL_ABOVE:
            return self.read(size)
        left, deadline = size, time.monotonic() + 2 * self.timeout + size / 1000
        with tempfile.NamedTemporaryFile(prefix="mailcrm-", delete=False) as file:
            spool = Spool(Path(file.name), size)
            while left:
                if not self.buffer:
                    self._fill(deadline)
                piece = self._take(min(left, len(self.buffer)))
                left -= file.write(piece)
        return spool

    def parts(self) -> list[Part]:
        """One whole response: pieces of text, and between them the literals (RFC 9051 section 4.3).

        ``parts[0::2]`` is text without line ends, ``parts[1::2]`` are the literals.
        """
        found: list[Part] = []
        while True:
            line = self.readline()
            announced = _LITERAL.search(line, max(0, len(line) - 26))
            if announced is None:
                found.append(line.rstrip(b"\r\n"))
                return found
            if len(found) > 2 * MAX_LITERALS:
                raise Garbled(f"{self.where}: the server sent an answer of too many pieces; reconnecting")
            found += (line[: announced.start()], self.literal(int(announced[1])))

    def drain(self) -> bool:
        """Take in what has arrived, without waiting. The socket must be non-blocking.

        TLS may hold decrypted bytes that no selector sees, so this reads until the socket has no more.

        Returns:
            False at the end of the stream.

        Raises:
            Away: the connection was reset, or an absurd amount came unasked.
        """
        while True:
            try:
                data = self.sock.recv(1 << 14)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return True
            except (OSError, ValueError) as error:
                raise Away(f"{self.where}: the connection broke: {_reason(error)}") from None
            if not data:
                return False
            self.buffer += data
            if len(self.buffer) > MAX_LINE:
                raise Garbled(f"{self.where}: the server sent {MAX_LINE >> 20} MB unasked; reconnecting")

    def arrived(self) -> list[Part] | None:
        """One whole response out of what ``drain`` took in, or None while it is incomplete."""
        start = 0
        found: list[Part] = []
        while True:
            end = self.buffer.find(b"\n", start)
            if end < 0:
                return None
            line = bytes(memoryview(self.buffer)[start : end + 1])
            start = end + 1
            announced = _LITERAL.search(line, max(0, len(line) - 26))
            if announced is None:
                found.append(line.rstrip(b"\r\n"))
                self._drop(start)
                return found
            size = int(announced[1])
            if size > MAX_LINE or len(found) > 2 * MAX_LITERALS:
                raise Garbled(f"{self.where}: the server sent {size} bytes unasked; reconnecting")
            if len(self.buffer) < start + size:
                return None
            found += (line[: announced.start()], bytes(memoryview(self.buffer)[start : start + size]))
            start += size

    def close(self) -> None:
        """Drop the connection; a thread that reads from it sees its end. Never fails."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self.sock.close()

    def _fill(self, deadline: float) -> None:
        if _QUICKACK is not None:
            # servers that do not set TCP_NODELAY hold their next answer back until this one is acknowledged: 40 ms
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        try:
            data = self.sock.recv(_CHUNK)
        except TimeoutError:
            raise Away(f"{self.where}: no answer for {self.timeout:.0f} s; reconnecting") from None
        except (OSError, ValueError) as error:
            raise Away(f"{self.where}: the connection broke: {_reason(error)}") from None
        if not data:
            raise Away(f"{self.where}: the server closed the connection")
        self.received += len(data)
        self.buffer += data
        if time.monotonic() > deadline:
            raise Away(f"{self.where}: the server answers too slowly; reconnecting")

    def _take(self, size: int) -> bytes:
        taken = bytes(memoryview(self.buffer)[:size])
        self._drop(size)
        return taken

    def _drop(self, size: int) -> None:
        if size == len(self.buffer):
            self.buffer = bytearray()  # gives the memory back: most connections sleep most of the time
        else:
            del self.buffer[:size]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
