"""The image that tells of an opening, against nginx's ``empty_gif``, which stores nothing."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import uvloop
from sqlalchemy import func, insert, select

from mailcrm.core.tracked import Track
from mailcrm.store import tracks
from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from mailcrm.store.tables import hit, outbox
from tests.bench.rows import Row, Scale, quantile
from tests.servers.process import HOST, Server, free_port, listening, program, wait_until

_SECONDS = {"small": 4, "full": 15}
_HOT = 40_000  # asked for in turn, as often as can be; of one token no more than tracks.MOST openings are stored
_TOKENS = {"small": 80_000, "full": 240_000}
_CONNECTIONS = 20
_ROUNDS = 3
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_CONFIG = """\
database = "sqlite:///bench.db"
[web]
listen = "{host}:{port}"
base_url = "https://crm.firma.example"
secret = "bench-secret"
"""
_NGINX = """\
daemon off;
worker_processes auto;
pid {folder}/pid;
error_log {folder}/log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  server {{ listen {host}:{port}; location / {{ empty_gif; }} }}
}}
"""
_LUA = """\
local tokens, i = {{ {tokens} }}, 0
wrk.headers["User-Agent"] = "{agent}"
request = function() i = i + 1; return wrk.format("GET", "/o/" .. tokens[i % #tokens + 1] .. ".gif") end
"""


def rows(scale: Scale) -> Iterator[Row]:
    """Measure, in turn, a few times; the middle ratio counts."""
    wrk = program("wrk", package="wrk")
    with _Nginx() as nginx, Ours(_TOKENS[scale]) as ours:
        nginx_pages, our_pages, ratios = [], [], []
        for _ in range(_ROUNDS):
            nginx_pages.append(_most(wrk, nginx.port, ours.script, _SECONDS[scale]))
            our_pages.append(_most(wrk, ours.port, ours.script, _SECONDS[scale]))
            ratios.append(our_pages[-1] / nginx_pages[-1])
        ratio = quantile(ratios, 0.5)
        theirs = f"nginx empty_gif {quantile(nginx_pages, 0.5):,.0f}/s"
        yield Row("open pixel", f"{quantile(our_pages, 0.5):,.0f}/s", theirs, ratio, 0.2)
        rate = 0.1 * quantile(nginx_pages, 0.5)  # half of what is demanded
        calm = uvloop.run(_paced(nginx.port, ours.tokens, rate, _SECONDS[scale]))
        before = ours.stored()
        waits = uvloop.run(_paced(ours.port, ours.tokens[_HOT:], rate, _SECONDS[scale]))
        p99 = quantile(waits, 0.99) * 1000
        said = f"p50 {quantile(waits, 0.5) * 1000:.1f} ms, p99 {p99:.1f} ms"
        theirs = f"{rate:,.0f}/s; nginx's p99 {quantile(calm, 0.99) * 1000:.1f} ms"
        yield Row("open pixel at half that load", said, theirs, p99, 20, "less", "ms")
        openings = min(len(waits), len(ours.tokens) - _HOT)
        wait_until(lambda: ours.stored() - before >= openings, what="the openings in the store")


class _Nginx(Server):
    name = "nginx"

    def __init__(self) -> None:
        self._nginx = program("nginx", package="nginx-light")
        super().__init__()
        self.port = free_port()
        self._config = self.folder / "nginx.conf"
        self._config.write_text(_NGINX.format(folder=self.folder, host=HOST, port=self.port))

    def start(self) -> None:
        command = [self._nginx, "-p", str(self.folder), "-e", str(self.folder / "log"), "-c", str(self._config)]
        self.spawn(command, ready=lambda: listening(self.port))


class Ours(Server):
    """``mailcrm run --roles web`` over a database with that many tracked mails."""

    name = "mailcrm"

    def __init__(self, count: int) -> None:
        super().__init__()
        self.host, self.port = HOST, free_port()
        (self.folder / "config.toml").write_text(_CONFIG.format(host=HOST, port=self.port))
        self.database = Database(f"sqlite:///{self.folder / 'bench.db'}")
        upgrade(self.database)
        source = tracks.tokens()
        self.tokens = [next(source) for _ in range(count)]
        now = datetime.now(UTC)
        with self.database.write() as connection:
            values = {
                "key": "k",
                "kind": "flow",
                "message_id": "m@firma.example",
                "sender": "anna@firma.example",
                "recipient": "ewa@klient.example",
                "subject": "s",
                "content": b"",
                "state": "sent",
            }
            times = {"due_at": now, "created_at": now, "sent_at": now}
            mail = connection.execute(insert(outbox).values(**values, **times).returning(outbox.c.id)).scalar_one()
            tracks.put(connection, mail, [Track(token, "open") for token in self.tokens])
        self.script = self.folder / "tokens.lua"
        listed = ",".join(f'"{token}"' for token in self.tokens[:_HOT])
        self.script.write_text(_LUA.format(tokens=listed, agent=_AGENT))

    def start(self) -> None:
        command = [sys.executable, "-m", "mailcrm.cli.app", "--config", str(self.folder / "config.toml")]
        self.spawn([*command, "run", "--roles", "web"], ready=lambda: listening(self.port))

    def stored(self) -> int:
        with self.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(hit)).scalar_one())

    def close(self) -> None:
        self.database.close()
        super().close()


def _most(wrk: str, port: int, script: Path, seconds: int) -> float:
    """Requests a second, as many as can be."""
    url = f"http://{HOST}:{port}/"
    command = [wrk, "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None or "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"wrk could not measure:\n{said}")
    return float(rate[1])


class _Client(asyncio.Protocol):
    """One connection: what is answered, and when."""

    def __init__(self, waits: list[float]) -> None:
        self._waits, self._seen = waits, b""
        self._asked: deque[float] = deque()
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)

    def ask(self, token: str, due: float) -> None:
        assert self.transport
        self._asked.append(due)
        request = f"GET /o/{token}.gif HTTP/1.1\r\nHost: bench\r\nUser-Agent: {_AGENT}\r\n\r\n"
        self.transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        self._seen += data
        while (head := self._seen.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"(?i)content-length: (\d+)", self._seen[:head])
            end = head + 4 + int(length[1] if length else 0)
            if len(self._seen) < end:
                return
            self._seen = self._seen[end:]
            self._waits.append(time.perf_counter() - self._asked.popleft())


async def _paced(port: int, tokens: Sequence[str], rate: float, seconds: int) -> list[float]:
    """How long each answer took, from when the request was due: so many a second, whether or not answers come."""
    loop = asyncio.get_running_loop()
    waits: list[float] = []
    clients = [(await loop.create_connection(lambda: _Client(waits), HOST, port))[1] for _ in range(_CONNECTIONS)]
    begun, asked, total = time.perf_counter(), 0, int(rate * seconds)
    while asked < total:
        now = time.perf_counter()
        while asked < total and begun + asked / rate <= now:
            clients[asked % _CONNECTIONS].ask(tokens[asked % len(tokens)], begun + asked / rate)
            asked += 1
        await asyncio.sleep(0.001)
    deadline = time.perf_counter() + 10
    while len(waits) < total and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    if len(waits) < total:
        raise RuntimeError(f"{total - len(waits)} of {total} requests were not answered")
    for client in clients:
        if client.transport:
            client.transport.close()
    return waits
