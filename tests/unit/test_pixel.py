"""The open pixel over real connections: its short way answers as the app does, and leaves the rest to it."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import insert, select

from mailcrm.core.hits import PERSON, SCANNER
from mailcrm.core.tracked import Track
from mailcrm.store import tracks
from mailcrm.store.db import Database
from mailcrm.store.tables import hit, outbox
from mailcrm.web.app import create
from mailcrm.web.pixel_protocol import protocol
from tests.house import NOW, build
from tests.servers.process import free_port, listening, wait_until

TOKEN = "0123456789abcdef" * 2
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IMAGE = f"GET /o/{TOKEN}.gif HTTP/1.1\r\nHost: crm\r\nUser-Agent: {FIREFOX}\r\n"


class Served:
    """A web server with our protocol, and what came of the requests."""

    def __init__(self, database: Database, port: int) -> None:
        self.database, self.port = database, port

    def say(self, *requests: str, closed: bool = False) -> str:
        """What comes back on one connection, for requests in one piece."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            client.sendall("\r\n".join([*requests, ""]).encode())
            seen = b""
            ends = len(requests)
            while len(re.findall(rb"HTTP/1\.[01] \d{3}", seen)) < ends or not seen.endswith((b";", b"\n", b"}")):
                piece = client.recv(10_000)
                if not piece:
                    break
                seen += piece
            if closed:
                assert client.recv(10) == b""
        return seen.decode("latin-1")

    def hits(self) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(hit).order_by(hit.c.id)))

    def stored(self, count: int) -> list[Any]:
        return wait_until(lambda: found if len(found := self.hits()) >= count else None, what=f"{count} hits") or []


@pytest.fixture(scope="module")
def served(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("pixel")
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, folder / 'test.db')}")
    values = {"key": "k", "kind": "flow", "message_id": "m", "sender": "a@b.example", "recipient": "c@d.example"}
    with database.write() as connection:
        times = {"due_at": NOW, "created_at": NOW, "sent_at": NOW}
        connection.execute(insert(outbox).values(id=1, subject="s", content=b"", state="sent", **values, **times))
        tracks.put(connection, 1, [Track(TOKEN, "open")])
    app = create(build(database, folder), lambda key: False, dict)
    port = free_port()
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(app, http=protocol(app.state.pixel), log_config=None, server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    wait_until(lambda: listening(port), what="the web server")
    yield Served(database, port)
    server.should_exit = True
    thread.join()
    database.close()


def head(answer: str) -> set[str]:
    return {line.partition(":")[0].lower() for line in answer.partition("\r\n\r\n")[0].split("\r\n")[1:]}


def test_both_ways_answer_alike(served: Served) -> None:
    short = served.say(IMAGE)
    served.stored(1)
    long = served.say(IMAGE + "Connection: close\r\n", closed=True)
    assert head(short) == head(long) - {"connection"} == {
        *("content-type", "content-length", "cache-control", "x-content-type-options", "date"),
    }  # fmt: skip
    assert short.partition("\r\n\r\n")[2] == long.partition("\r\n\r\n")[2]
    assert short.partition("\r\n\r\n")[2].startswith("GIF89a")
    before = served.stored(2)
    assert [(row.reasons, row.agent) for row in before] == [(PERSON, FIREFOX)] * 2


def test_many_on_one_connection_are_all_answered(served: Served) -> None:
    before = len(served.hits())
    agents = [IMAGE.replace("Firefox/140.0", f"Firefox/{number}.0") for number in (101, 102, 103)]
    answer = served.say(agents[0], "GET /healthz HTTP/1.1\r\nHost: crm\r\n", agents[1], agents[2])
    assert re.findall(r"HTTP/1\.1 (\d+)", answer) == ["200"] * 4
    assert re.search("GIF89a.*ok\n.*GIF89a.*GIF89a", answer, re.DOTALL)
    assert len(served.stored(before + 3)) == before + 3


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (IMAGE.replace("GET", "POST") + "Content-Length: 0\r\n", "404"),
        (IMAGE.replace(TOKEN, TOKEN[:-1]), "404"),
        (IMAGE.replace(TOKEN, TOKEN + "/../x"), "404"),
        (IMAGE.replace("HTTP/1.1", "HTTP/1.0"), "200"),
        (IMAGE + "Content-Length: 2\r\n\r\nhi", "200"),
        (IMAGE + "Sec-Purpose: prefetch\r\n", "200"),
        (IMAGE.replace("/o/", "/o/?x=/o/"), "404"),
    ],
)
def test_what_is_not_plain_is_right_all_the_same(served: Served, request_: str, status: str) -> None:
    assert served.say(request_).split()[1] == status
    assert served.say(IMAGE).split()[1] == "200"


def test_the_client_behind_a_proxy_of_ours_is_judged(served: Served) -> None:
    for address in ("40.107.1.1", "203.0.113.9, 40.107.1.1"):
        before = len(served.hits())
        served.say(IMAGE + f"X-Forwarded-For: {address}\r\n")
        assert served.stored(before + 1)[-1].reasons == f"{PERSON}; {SCANNER}"
