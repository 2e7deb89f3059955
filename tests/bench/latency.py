"""From a delivery to the linked message, over the delivery hook and over IDLE, one message at a time."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import queue
import random
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

from sqlalchemy import func, select

from mailcrm.store.db import Database
from mailcrm.store.tables import link, message
from tests.bench import accounts
from tests.bench.mails import mails
from tests.bench.rows import Row, Scale, quantile
from tests.servers import Dovecot
from tests.servers.process import HOST, free_port, listening, wait_until

_COUNT = {"small": 200, "full": 500}
_MAILBOXES = 10
_SECRET = "bench-secret"
_WARM_UP = 20


def rows(scale: Scale) -> Iterator[Row]:
    """Measure."""
    count = _COUNT[scale]
    hook = _measure(count, _hook)
    p99 = quantile(hook, 0.99) * 1000
    ours = f"p50 {quantile(hook, 0.5) * 1000:.1f} ms, p99 {p99:.1f} ms"
    yield Row("latency: delivery hook to linked message", ours, "after LMTP's 250", p99, 20, "less", "ms")
    idle = _measure(count, _idle)
    p50 = quantile(idle, 0.5) * 1000
    ours = f"p50 {p50:.1f} ms, p99 {quantile(idle, 0.99) * 1000:.1f} ms"
    yield Row("latency: IDLE to linked message", ours, "after a bare socket's EXISTS", p50, 10, "less", "ms")


class _Bench:
    """Dovecot, our program watching its mailboxes, and what it takes to deliver to them."""

    def __init__(self, server: Dovecot, users: list[str], web: int, commits: queue.SimpleQueue[float]) -> None:
        self.server = server
        self.users = users
        self.commits = commits
        self.lmtp = smtplib.LMTP(server.host, server.lmtp_port)
        self.web = http.client.HTTPConnection(HOST, web)

    def deliver(self, user: str, raw: bytes) -> float:
        """Hand a message in; the time of its acknowledgement."""
        self.lmtp.sendmail("sender@klient.example", [user], raw)
        return time.monotonic()

    def ring(self, user: str) -> None:
        """Tell the delivery hook, as a mail server does."""
        body = json.dumps({"mailbox": user}).encode()
        signature = "sha256=" + hmac.new(_SECRET.encode(), body, hashlib.sha256).hexdigest()
        self.web.request("POST", "/hooks/delivery", body, {"X-Mailcrm-Signature": signature})
        response = self.web.getresponse()
        response.read()
        if response.status != 202:
            raise RuntimeError(f"the delivery hook answered {response.status}")

    def committed(self) -> float:
        """When the next commit was done."""
        return self.commits.get(timeout=60)


_Way = Callable[[_Bench, str, bytes], float]


def _hook(bench: _Bench, user: str, raw: bytes) -> float:
    acknowledged = bench.deliver(user, raw)
    bench.ring(user)
    return bench.committed() - acknowledged


def _idle(bench: _Bench, user: str, raw: bytes) -> float:
    with _listener(bench.server, user) as pushed:
        bench.deliver(user, raw)
        seen = pushed()
    return bench.committed() - seen


@contextmanager
def _listener(server: Dovecot, user: str) -> Iterator[Callable[[], float]]:
    """A bare connection that asks to be told as ours does (RFC 5465: Dovecot tells IDLE alone half a second later).

    The yielded function waits for the server's push and gives its time.
    """
    with socket.create_connection((server.host, server.port)) as connection:
        connection.settimeout(60)
        file = connection.makefile("rb")

        def until(*ends: bytes) -> None:
            while not file.readline().startswith(ends):
                pass

        until(b"* OK")
        notify = "NOTIFY SET (selected (MessageNew MessageExpunge)) (personal (MessageNew MessageExpunge))"
        commands = (f"a LOGIN {user} {server.PASSWORD}", f"b {notify}", "c EXAMINE INBOX", "d IDLE")
        connection.sendall("".join(f"{command}\r\n" for command in commands).encode())
        until(b"+")

        def pushed() -> float:
            while b"EXISTS" not in file.readline():
                pass
            return time.monotonic()

        yield pushed


def _measure(count: int, way: _Way) -> list[float]:
    """Seconds for each of ``count`` messages."""
    users = [f"rep{number}" for number in range(_MAILBOXES)]
    made = [mail.raw for mail in mails(2 * count, now=datetime.now(UTC)) if not mail.sent][: count + _WARM_UP]
    with Dovecot() as server, tempfile.TemporaryDirectory(prefix="mailcrm-bench-") as scratch:
        folder, port = Path(scratch) / "ours", free_port()
        more = f'[web]\nlisten = "{HOST}:{port}"\nsecret = "{_SECRET}"\n'
        config = accounts.write(folder, server, users, more=more)
        with _program(config) as commits:
            wait_until(lambda: listening(port), seconds=30, what="the web app")
            _quiet(commits, 3.0)
            bench = _Bench(server, users, port, commits)
            found = []
            for number, raw in enumerate(made):
                time.sleep(random.uniform(0.02, 0.06))  # deliveries do not come in step with anybody's clock
                found.append(way(bench, users[number % len(users)], raw))
                _quiet(commits, 0.0)
        _demand_links(folder, len(made))
    return found[_WARM_UP:]


@contextmanager
def _program(config: Path) -> Iterator[queue.SimpleQueue[float]]:
    """Our program running; the times of its commits."""
    commits: queue.SimpleQueue[float] = queue.SimpleQueue()
    command = [sys.executable, "-m", "tests.bench.ours_watch", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        Thread(target=lambda: [commits.put(float(line)) for line in lines], daemon=True).start()
        try:
            yield commits
        finally:
            process.terminate()
            process.wait(30)


def _quiet(commits: queue.SimpleQueue[float], seconds: float) -> None:
    """Wait until nothing was committed for so long."""
    while True:
        try:
            commits.get(timeout=seconds)
        except queue.Empty:
            return


def _demand_links(folder: Path, count: int) -> None:
    """Every message must be stored and linked to a thread."""
    database = Database(f"sqlite:///{folder}/mailcrm.db")
    with database.read() as connection:
        stored = connection.execute(select(func.count()).select_from(message)).scalar()
        linked = connection.execute(select(func.count(link.c.message_id.distinct()))).scalar()
    database.close()
    if not stored == linked == count:
        raise RuntimeError(f"of {count} delivered messages {stored} were stored and {linked} linked")
