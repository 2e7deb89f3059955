"""Mail handed in at the relay, stored for good, checked, linked and delivered to the next server, against Postfix.

Both take the same mails over ten connections and pass them on to ``smtp-sink``, until nothing waits any more.
Ours runs as it is deployed under load: the relay in one process, the worker in another.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.bench.relay_source import CONNECTIONS, SIZE
from tests.bench.rows import Row, Scale
from tests.program import COMMAND, Program
from tests.relay_kit import set_password
from tests.servers import Postfix, free_port, wait_until
from tests.servers.process import HOST, listening, program

_PASSWORD = "battery staple"
_WARM = 50


def rows(scale: Scale) -> list[Row]:
    """The rates from the first mail handed in to the last one delivered, and their ratio."""
    count = 2_000 if scale == "small" else 20_000
    with sink() as port:
        theirs = postfix(port, count)
        ours, linked = mailcrm(port, count)
    return [
        Row(
            f"relay: durable, end to end, {CONNECTIONS} connections",
            f"{ours:,.0f}/s (in their threads {linked:,.0f}/s)",
            f"Postfix {theirs:,.0f}/s",
            ours / theirs,
            1.5,
        )
    ]


@contextmanager
def sink() -> Iterator[int]:
    """Postfix's ``smtp-sink``; its port."""
    port = free_port()
    command = [program("smtp-sink", package="postfix"), "-u", "postfix", f"{HOST}:{port}", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listening(port), what="smtp-sink")
        yield port
    finally:
        process.kill()
        process.wait()


def postfix(next_: int, count: int) -> float:
    """Mails a second through Postfix; of two sources, ours and its own ``smtp-source``, the better one."""
    with Postfix(routes={}, relay=next_, settings={"smtp_destination_concurrency_limit": "20"}) as server:

        def empty() -> bool:
            queues = (server.folder / "queue" / name for name in ("incoming", "active", "deferred"))
            return not any(files for queue in queues for _, _, files in os.walk(queue))

        rates = []
        own = [program("smtp-source", package="postfix"), "-d", "-s", str(CONNECTIONS), "-l", str(SIZE)]
        own += ["-f", "anna@firma.example", "-t", "ewa@klient.example"]
        source(server.port, _WARM, "warm")
        wait_until(empty, seconds=60, what="Postfix's empty queue")
        for command in ([*own, "-m", str(count), f"{HOST}:{server.port}"], None):
            begun = time.monotonic()
            if command:
                subprocess.run(command, check=True)
            else:
                source(server.port, count, "theirs")
            wait_until(empty, seconds=300, what="Postfix's empty queue")
            rates.append(count / (time.monotonic() - begun))
        return max(rates)


def mailcrm(next_: int, count: int) -> tuple[float, float]:
    """Mails a second through our relay and outbox, and into their threads."""
    port = free_port()
    ours = Program(smarthost=next_, relay={"listen": f"{HOST}:{port}"}, mailboxes={"anna": {"user": "anna"}})
    processes: list[subprocess.Popen[bytes]] = []
    try:
        ours.cli("db", "upgrade")
        set_password(ours, "anna", _PASSWORD)
        with (ours.folder / "output").open("ab") as output:
            for role in ("relay", "worker"):
                command = [*COMMAND, "--config", str(ours.file), "run", "--roles", role]
                processes.append(subprocess.Popen(command, stdout=output, stderr=output))
        wait_until(lambda: listening(port), seconds=60, what=f"the relay\n{ours.log()}\n")
        with closing(sqlite3.connect(ours.folder / "mailcrm.db")) as database:

            def number(query: str) -> int:
                return int(database.execute(query).fetchone()[0])

            def wait_for(query: str, wanted: int) -> float:
                while number(query) != wanted:
                    if any(process.poll() is not None for process in processes):
                        raise RuntimeError(ours.log())
                    time.sleep(0.02)
                return time.monotonic()

            sent, linked = "SELECT count(*) FROM outbox WHERE state = 'sent'", "SELECT count(*) FROM message"
            source(port, _WARM, "warm", _PASSWORD)
            wait_for(sent, _WARM)
            wait_for(linked, _WARM)
            begun = time.monotonic()
            source(port, count, "ours", _PASSWORD)
            out = wait_for(sent, _WARM + count) - begun
            return count / out, count / (wait_for(linked, _WARM + count) - begun)
    finally:
        for process in processes:
            process.terminate()
            process.wait(30)
        ours.close()


def source(port: int, count: int, run: str, *password: str) -> None:
    """Hand in so many mails."""
    command = [sys.executable, "-m", "tests.bench.relay_source", str(port), str(count), run, *password]
    subprocess.run(command, check=True)
