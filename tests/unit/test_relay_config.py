"""What of ``[relay]`` can be served, and what ``check`` and the start say of the rest."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from mailcrm import config
from mailcrm.cli.probes import _relay
from mailcrm.errors import ConfigError
from mailcrm.mail.readers import Readers
from mailcrm.mail.relay import RelayRole
from mailcrm.store.db import Database
from tests.house import build
from tests.servers import certificate

FILES = {"cert": "certificate.pem", "key": "key.pem"}


def parsed(folder: Path, relay: dict[str, Any], **more: Any) -> config.Config:
    return config.parse({"relay": relay, **more}, base=folder)


@pytest.mark.parametrize(
    ("relay", "said"),
    [
        ({"listen": "0.0.0.0:587"}, "clear text"),
        ({"listen": "[::]:587"}, "clear text"),
        ({"listen": "192.0.2.1:587"}, "clear text"),
        ({"listen": "mail.firma.example:587"}, "clear text"),
        ({"listen": "0.0.0.0:587", "tls": "starttls"}, "relay.cert and relay.key"),
        ({"listen": "127.0.0.1:587", "tls": "implicit", "cert": "c.pem"}, "relay.cert and relay.key"),
        ({"listen": "5587"}, "ADDRESS:PORT"),
        ({"listen": ":5587"}, "ADDRESS:PORT"),
        ({"listen": "127.0.0.1:smtp"}, "ADDRESS:PORT"),
        ({"listen": "127.0.0.1:25"}, "would go to 127.0.0.1:25 again"),
    ],
)
def test_what_can_not_be_served_is_refused(tmp_path: Path, relay: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parsed(tmp_path, relay, smarthost={"host": "localhost", "port": 25})


@pytest.mark.parametrize("listen", ["127.0.0.1:5587", "127.0.0.2:5587", "[::1]:5587", "localhost:5587"])
def test_without_tls_on_this_machine_alone(tmp_path: Path, listen: str) -> None:
    given = parsed(tmp_path, {"listen": listen}, smarthost={"host": "127.0.0.1", "port": 25})
    assert given.relay is not None


def test_check_says_what_is_wrong(tmp_path: Path) -> None:
    certificate.write(tmp_path / "certificate.pem", tmp_path / "key.pem")
    (tmp_path / "other.pem").write_text("nothing")

    def states(relay: dict[str, Any]) -> list[tuple[str, str]]:
        return [(finding.state, finding.text) for finding in _relay(parsed(tmp_path, relay))]

    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = f"127.0.0.1:{taken.getsockname()[1]}"
        assert states({"listen": busy, "tls": "starttls", **FILES}) == [("ok", f"somebody listens at {busy}")]
    assert [each.state for each in _relay(config.parse({}, base=tmp_path))] == ["note"]
    for cert in ("other.pem", "missing.pem"):
        ((state, text),) = states({"listen": "127.0.0.1:0", "tls": "implicit", "cert": cert, "key": "key.pem"})
        assert (state, cert in text) == ("fault", True)
    ((state, text),) = states({"listen": "192.0.2.1:5587", "tls": "implicit", **FILES})
    assert (state, "192.0.2.1:5587" in text) == ("fault", True)


def test_the_program_does_not_start_on_a_port_that_is_taken(tmp_path: Path, sqlite: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        house = build(sqlite, tmp_path, relay={"listen": f"127.0.0.1:{port}"})
        with Readers(None, house.config.parsing) as readers, pytest.raises(ConfigError, match="is it in use"):
            asyncio.run(RelayRole(house, readers).open())


def test_without_a_section_nothing_listens(tmp_path: Path, sqlite: Database) -> None:
    house = build(sqlite, tmp_path)

    async def opened() -> int:
        role = RelayRole(house, readers)
        await role.open()
        await role.close(0)
        return role.port

    with Readers(None, house.config.parsing) as readers:
        assert asyncio.run(opened()) == 0
