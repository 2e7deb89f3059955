"""Clients of the web server that are slow, silent or without end, over real connections."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import pytest
import uvicorn

from mailcrm.web.patience import LONGEST_HEAD, MOST, SLOW, PatientProtocol
from mailcrm.web.pixel_protocol import protocol
from tests.servers.process import wait_until

ASK = b"GET / HTTP/1.1\r\nHost: crm\r\n"


async def app(scope: dict[str, object], receive: Callable[[], object], send: Callable[[object], object]) -> None:
    """Thinks for a while about ``/slow``."""
    if scope["path"] == "/slow":
        await asyncio.sleep(0.6)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})  # type: ignore[misc]
    await send({"type": "http.response.body", "body": b"fine"})  # type: ignore[misc]


@contextmanager
def serving(slow: float = 30.0, most: int = 500) -> Iterator[int]:
    class Protocol(PatientProtocol):
        pass

    Protocol.slow, Protocol.most = slow, most
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=Protocol, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        wait_until(lambda: server.started, what="the web server")
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def connect(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def ended(client: socket.socket) -> bytes:
    """What comes until the server hangs up, which it must: else the client's time is over, an error."""
    seen = b""
    try:
        while piece := client.recv(10_000):
            seen += piece
    except ConnectionResetError:
        pass
    return seen


def sends_until_gone(client: socket.socket, piece: bytes) -> None:
    """Says it again and again; nothing is answered but the end."""
    client.settimeout(0.02)

    def gone() -> bool:
        try:
            client.sendall(piece)
            return not client.recv(1_000)
        except TimeoutError:
            return False
        except OSError:
            return True

    wait_until(gone, seconds=5, what="the end of a request without end")


@pytest.fixture(scope="module")
def hasty() -> Iterator[int]:
    with serving(slow=0.2) as port:
        yield port


@pytest.mark.parametrize(
    "said",
    [
        b"",
        ASK,
        b"GET /" + b"x" * 100,
        b"POST / HTTP/1.1\r\nHost: crm\r\nContent-Length: 10\r\n\r\nhalf",
        b"\r\n",
        ASK + b"\r\n" + ASK,
    ],
)
def test_who_does_not_go_on_is_sent_away(hasty: int, said: bytes) -> None:
    with connect(hasty) as client:
        client.sendall(said)
        ended(client)


def test_a_byte_now_and_then_is_not_enough(hasty: int) -> None:
    with connect(hasty) as client:
        client.sendall(ASK + b"X: ")
        sends_until_gone(client, b"x")


def test_empty_lines_between_requests_keep_nothing_open(hasty: int) -> None:
    with connect(hasty) as client:
        client.sendall(ASK + b"\r\n")
        assert client.recv(1_000).endswith(b"fine")
        client.sendall(b"\r\n")
        ended(client)


def test_who_is_answered_slowly_is_not_sent_away(hasty: int) -> None:
    with connect(hasty) as client:
        client.sendall(ASK.replace(b"/ ", b"/slow ") + b"Connection: close\r\n\r\n")
        assert ended(client).endswith(b"fine")


@pytest.fixture(scope="module")
def patient() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.mark.parametrize("begun", [b"GET /", ASK + b"X: ", ASK])
def test_a_header_without_end_is_not_kept(patient: int, begun: bytes) -> None:
    piece = b"X: y\r\n" * 2_000 if begun == ASK else b"x" * 12_000
    with connect(patient) as client:
        client.sendall(begun)
        sends_until_gone(client, piece)


def test_what_is_long_but_no_header_passes(patient: int) -> None:
    with connect(patient) as client:
        client.sendall((ASK + b"\r\n") * 3_000 + b"GET / HTTP/1.1\r\nHost: crm\r\nConnection: close\r\n\r\n")
        assert ended(client).count(b"fine") == 3_001


def test_there_is_room_for_so_many() -> None:
    with serving(most=2) as port, connect(port) as first, connect(port) as second:
        for each in (first, second):
            each.sendall(ASK + b"\r\n")
            assert each.recv(1_000).endswith(b"fine")
        with connect(port) as third:
            assert ended(third) == b""
        first.close()

        def let_in() -> bool:
            with connect(port) as another:
                another.sendall(ASK + b"Connection: close\r\n\r\n")
                return ended(another).endswith(b"fine")

        wait_until(let_in, what="room for another one")


def test_the_programs_web_server_is_so() -> None:
    made = protocol(Mock())
    assert issubclass(made, PatientProtocol)
    assert (made.slow, made.most, LONGEST_HEAD) == (SLOW, MOST, 64_000) == (30.0, 500, 64_000)
