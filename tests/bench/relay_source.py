"""Hands mail in over persistent connections, pipelined: ``-m tests.bench.relay_source PORT COUNT RUN [PASSWORD]``.

What ``smtp-source`` does, with a login: each connection says MAIL, RCPT, DATA at once, then the message.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Iterator

CONNECTIONS = 10
SIZE = 5_000  # bytes of a message's text
PERSONS = 300
_TEXT = (b"x" * 70 + b"\r\n") * (SIZE // 72)


async def one(port: int, numbers: Iterator[int], password: str | None, run: str) -> None:
    """One connection, until there are no more numbers. Raises RuntimeError: a mail was not taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def said(expected: bytes) -> None:
        while (line := await reader.readline())[3:4] == b"-":
            pass
        if not line.startswith(expected):
            raise RuntimeError(line.decode("ascii", "replace"))

    await said(b"220")
    writer.write(b"EHLO source.example\r\n")
    await said(b"250")
    if password is not None:
        writer.write(b"AUTH PLAIN " + base64.b64encode(f"\0anna\0{password}".encode()) + b"\r\n")
        await said(b"235")
    for number in numbers:
        recipient = f"p{number % PERSONS}@klient.example"
        writer.write(f"MAIL FROM:<anna@firma.example>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode())
        for code in (b"250", b"250", b"354"):
            await said(code)
        head = (
            f"From: Anna Nowak <anna@firma.example>\r\nTo: {recipient}\r\nSubject: Message {number}\r\n"
            f"Message-ID: <{run}.{number}@firma.example>\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\n\r\n"
        )
        writer.write(head.encode() + _TEXT + b".\r\n")
        await said(b"250")
    writer.write(b"QUIT\r\n")
    writer.close()


async def main(port: int, count: int, password: str | None, run: str) -> None:
    """All connections at once."""
    numbers = iter(range(count))
    await asyncio.gather(*(one(port, numbers, password, run) for _ in range(min(CONNECTIONS, count))))


if __name__ == "__main__":
    _, port, count, run, *password = sys.argv
    asyncio.run(main(int(port), int(count), password[0] if password else None, run))
