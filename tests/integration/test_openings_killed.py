"""The web server is killed while images are asked for: all but the openings of the last moment are stored."""

from __future__ import annotations

import random
import socket
import time

import pytest
from sqlalchemy import select

from mailcrm.store.tables import hit
from tests.bench.pixel import Ours

LOST = 0.05  # seconds
SECONDS = 0.6


def ask(server: Ours, seconds: float) -> dict[str, float]:
    """Ask for one image after the other; when each was answered, by its token."""
    answered: dict[str, float] = {}
    until = float("inf")  # from the first answer on
    with socket.create_connection((server.host, server.port), timeout=20) as client:
        for token in server.tokens:
            if time.monotonic() > until:
                break
            client.sendall(f"GET /o/{token}.gif HTTP/1.1\r\nHost: crm\r\nUser-Agent: {token}\r\n\r\n".encode())
            assert client.recv(2000).startswith(b"HTTP/1.1 200")
            answered[token] = time.monotonic()
            time.sleep(0.0005)  # a busy server, not a drowning one
            until = min(until, answered[token] + seconds)
    return answered


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_a_kill_loses_the_openings_of_a_moment() -> None:
    for seed in range(10):
        with Ours(20_000) as server:
            answered = ask(server, SECONDS * random.Random(seed).uniform(0.3, 1))
            killed = time.monotonic()
            server.kill()
            with server.database.read() as connection:
                stored = set(connection.execute(select(hit.c.token)).scalars())
        lost = {token: killed - at for token, at in answered.items() if token not in stored}
        assert len(answered) > 50
        assert all(age < LOST for age in lost.values()), (seed, sorted(lost.values())[-3:])
