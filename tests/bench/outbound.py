"""Handing mail over, against aiosmtplib on kept connections; signing it, against dkimpy. In turns, in one process."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import aiosmtplib
import dkim as dkimpy
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailcrm import config
from mailcrm.app.handover import Parcel
from mailcrm.mail.dkim import Signer
from mailcrm.mail.smtp_out import SmtpTransport
from tests.bench.rows import Row, Scale
from tests.servers.process import HOST, free_port, listening, program, wait_until

LINES = 128  # of 80 bytes: a mail of some 10 kB, as Postfix's own measurements have it
HEAD = (
    "From: Anna Nowak <anna@firma.example>\r\nTo: jan@klient.example\r\nSubject: An offer\r\n"
    "Date: Sun, 22 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{0}@firma.example>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nList-Unsubscribe: <https://crm.firma.example/u/x>\r\n"
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n"
)
BODY = ("x" * 78 + "\r\n") * LINES
SIGNED = ("from", "to", "subject", "date", "message-id", "mime-version", "content-type", "list-unsubscribe",
          "list-unsubscribe-post")  # fmt: skip
CONNECTIONS, ROUNDS = 10, 12


class _Spent(NamedTuple):
    """Seconds."""

    passed: float
    cpu: float


def rows(scale: Scale) -> Iterator[Row]:
    """The rates of both; of handing over also the CPU time, which neighbours on the machine disturb less."""
    yield from _delivered(5_000 if scale == "full" else 1_000)
    yield _signed(2.0 if scale == "full" else 0.7)


def _delivered(count: int) -> Iterator[Row]:
    port = free_port()
    command = [program("smtp-sink", package="postfix"), "-u", "nobody", f"{HOST}:{port}", "100"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as sink:
        try:
            wait_until(lambda: listening(port), what="smtp-sink")
            mails = [(HEAD.format(number) + BODY).encode() for number in range(count)]
            settings = {"host": HOST, "port": port, "tls": "none", "connections": CONNECTIONS, "per_connection": 10**9}
            over = SmtpTransport(config.parse({"smarthost": settings}, base=Path()))
            with asyncio.Runner() as runner:
                clients = [
                    aiosmtplib.SMTP(hostname=HOST, port=port, start_tls=False, local_hostname="bench.example")
                    for _ in range(CONNECTIONS)
                ]
                for client in clients:
                    runner.run(client.connect())
                ours: list[_Spent] = []
                theirs: list[_Spent] = []
                for _ in range(ROUNDS):
                    ours.append(_spent(lambda: _ours(over, mails)))
                    theirs.append(_spent(lambda: runner.run(_theirs(clients, mails))))
                for client in clients:
                    runner.run(client.quit())
            over.close()
        finally:
            sink.terminate()
    name = f"mail handed over, {CONNECTIONS} connections, 10 kB"
    mine, peer = (count / min(each.passed for each in side) for side in (ours, theirs))  # the least disturbed round
    yield Row(name, f"{mine:,.0f}/s", f"aiosmtplib, connections kept {peer:,.0f}/s", mine / peer, 4)
    mine, peer = (1e6 * statistics.median(each.cpu for each in side) / count for side in (ours, theirs))
    yield Row(f"{name}: CPU of one", f"{mine:.0f} µs", f"aiosmtplib {peer:.0f} µs", peer / mine, 4)


def _ours(over: SmtpTransport, mails: list[bytes]) -> None:
    told: list[object] = []
    parcels = (Parcel(number, "a@firma.example", "b@klient.example", mail) for number, mail in enumerate(mails))
    over.deliver("smarthost", parcels, lambda _parcel, result: told.append(result), lambda: None)
    assert len(told) == len(mails)
    assert all(isinstance(each, str) for each in told)


async def _theirs(clients: list[aiosmtplib.SMTP], mails: list[bytes]) -> None:
    given = iter(mails)

    async def work(client: aiosmtplib.SMTP) -> None:
        for mail in given:
            await client.sendmail("a@firma.example", ["b@klient.example"], mail)

    await asyncio.gather(*(work(client) for client in clients))


def _signed(seconds: float) -> Row:
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    mail = (HEAD.format(1) + BODY).encode()
    signer = Signer(config.parse({"dkim": {"firma.example": {"selector": "s", "key": pem.decode()}}}, base=Path()))
    names = [name.encode() for name in SIGNED]

    def theirs() -> None:
        dkimpy.sign(mail, b"s", b"firma.example", pem, canonicalize=(b"relaxed", b"relaxed"), include_headers=names)

    assert signer.signed(mail).startswith(b"DKIM-Signature: ")
    pairs = [(_repeated(lambda: signer.signed(mail), seconds), _repeated(theirs, seconds)) for _ in range(3)]
    mine, peer = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    return Row("mail signed, DKIM RSA-2048, 10 kB", f"{mine:,.0f}/s", f"dkimpy {peer:,.0f}/s", ratio, 8)


def _spent(act: Callable[[], None]) -> _Spent:
    start, cpu = time.perf_counter(), time.process_time()
    act()
    return _Spent(time.perf_counter() - start, time.process_time() - cpu)


def _repeated(act: Callable[[], object], seconds: float) -> float:
    """How often a second."""
    start, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        act()
        done += 1
    return done / passed
