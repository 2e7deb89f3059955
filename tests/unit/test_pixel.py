"""The open pixel over real connections: its short way answers as the app does, and leaves the rest to it."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import uvicorn
from sqlalchemy import insert, select
from uvicorn.server import ServerState

from mailcrm.app.tracking import Request
from mailcrm.core.hits import LONGEST_AGENT, SCANNER
from mailcrm.core.tracked import Track
from mailcrm.store import tracks
from mailcrm.store.db import Database
from mailcrm.store.tables import hit, outbox
from mailcrm.web.app import create
from mailcrm.web.pixel import Openings, Pixel
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

    def stored(self, agent: str) -> list[str]:
        """What the addresses told of the hits of this agent, which may take a moment."""

        def found() -> list[str]:
            with self.database.read() as connection:
                return list(connection.execute(select(hit.c.reasons).where(hit.c.agent == agent)).scalars())

        return wait_until(found, what=f"a hit of {agent}")


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
    long = served.say(IMAGE.replace("140", "141") + "Connection: close\r\n", closed=True)
    assert head(short) == head(long) - {"connection"} == {
        *("content-type", "content-length", "cache-control", "x-content-type-options", "date"),
    }  # fmt: skip
    assert short.partition("\r\n\r\n")[2] == long.partition("\r\n\r\n")[2]
    assert short.partition("\r\n\r\n")[2].startswith("GIF89a")
    assert served.stored(FIREFOX) == served.stored(FIREFOX.replace("140", "141")) == [""]


def test_many_on_one_connection_are_all_answered(served: Served) -> None:
    images = [IMAGE.replace("140", number) for number in ("101", "102", "103")]
    answer = served.say(images[0], "GET /healthz HTTP/1.1\r\nHost: crm\r\n", images[1], images[2])
    assert re.findall(r"HTTP/1\.1 (\d+)", answer) == ["200"] * 4
    assert re.search("GIF89a.*ok\n.*GIF89a.*GIF89a", answer, re.DOTALL)
    for number in ("101", "102", "103"):
        assert served.stored(FIREFOX.replace("140", number)) == [""]


def test_who_does_not_read_is_answered_no_further() -> None:
    """Or what he is to be told would pile up in memory."""
    asyncio.run(_unread())


async def _unread() -> None:
    noted: list[Request] = []
    openings = Openings(noted.extend)

    async def app(*_: object) -> None:
        raise AssertionError

    pixel = Pixel(app, openings, lambda: NOW)
    config = uvicorn.Config(pixel, log_config=None, lifespan="off")
    config.load()
    made = protocol(pixel)(config=config, server_state=ServerState(), app_state={})
    transport = Mock(asyncio.Transport)
    transport.get_extra_info.return_value = None
    transport.is_closing.return_value = False
    made.connection_made(transport)
    made.pause_writing()
    made.data_received((f"{IMAGE}\r\n" * 3).encode())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not transport.write.called
    assert transport.pause_reading.called
    made.resume_writing()
    for _ in range(50):
        await asyncio.sleep(0)
    assert b"".join(call.args[0] for call in transport.write.call_args_list).count(b"GIF89a") == 3
    await openings.close()
    assert len(noted) == 3


def test_an_agent_of_any_length_takes_little_room() -> None:
    openings = Mock()
    Pixel(Mock(), openings, lambda: NOW).noted(f"/o/{TOKEN}.gif", [(b"user-agent", b"x" * 60_000)], "")
    assert len(openings.add.call_args.args[0].agent) == LONGEST_AGENT


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


@pytest.mark.parametrize(("addresses", "number"), [("40.107.1.1", "121"), ("203.0.113.9, 40.107.1.1", "122")])
def test_the_client_behind_a_proxy_of_ours_is_judged(served: Served, addresses: str, number: str) -> None:
    served.say(IMAGE.replace("140", number) + f"X-Forwarded-For: {addresses}\r\n")
    assert served.stored(FIREFOX.replace("140", number)) == [SCANNER]
