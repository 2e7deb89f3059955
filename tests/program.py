"""The real program as a child process, on private servers: what acceptance and integration tests drive."""

from __future__ import annotations

import json
import sys
import tomllib
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from tests.called import called
from tests.house import NOW
from tests.servers.process import HOST, Server, free_port

COMMAND = [sys.executable, "-m", "mailcrm.cli.app"]


class Program(Server):
    """``mailcrm run`` with a configuration of its own; ``with`` starts and stops it.

    Args:
        settings: sections that are added to, or replace those of, a working configuration without mailboxes.
    """

    name = "program"

    def __init__(self, *, smarthost: int, **settings: Any) -> None:
        super().__init__()
        self.web, self.lmtp = free_port(), free_port()
        self.config = {
            "database": f"sqlite:///{self.folder / 'mailcrm.db'}",
            "domains": ["firma.example"],
            "users": {
                "anna": {"email": "anna@firma.example", "name": "Anna Nowak"},
                "jan": {"email": "jan@firma.example", "name": "Jan Lis"},
            },
            "smarthost": {"host": HOST, "port": smarthost, "tls": "none"},
            "lmtp": {"listen": f"{HOST}:{self.lmtp}", "drop_box": "crm@firma.example"},
            "web": {"listen": f"{HOST}:{self.web}", "base_url": f"http://{HOST}:{self.web}", "secret": "quite secret"},
        } | settings
        self.file = self.folder / "config.toml"
        self.write()

    def write(self) -> None:
        """Write the configuration anew, after ``config`` was changed."""
        self.file.write_text(_toml(self.config))
        tomllib.loads(self.file.read_text())

    def start(self) -> None:
        self.spawn([*COMMAND, "--config", str(self.file), "run"], ready=self.alive, seconds=30)

    def alive(self) -> bool:
        """Whether the web app answers."""
        try:
            with urlopen(f"http://{HOST}:{self.web}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def cli(self, *arguments: str, code: int = 0) -> str:
        """Run a command on the same database, in this process; its standard output."""
        done = called("--config", str(self.file), *arguments)
        assert done.code == code, f"{arguments}: {done.code}\n{done.out}\n{done.err}"
        return done.out

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects that a command prints with ``--json``."""
        return [json.loads(line) for line in self.cli(*arguments, "--json").splitlines()]

    def __enter__(self) -> Self:
        return super().__enter__()


def mailbox(user: str, server: Any, account: str, **more: Any) -> dict[str, Any]:
    """A ``[mailboxes.X]`` section for an account of one of the test servers."""
    return {
        "user": user,
        "host": server.host,
        "port": server.port,
        "tls": "none",
        "login": account,
        "password": server.PASSWORD,
    } | more


def letter(
    number: int | str,
    text: str,
    *,
    sender: str = "Ewa Zielińska <ewa@klient.example>",
    to: str = "Anna Nowak <anna@firma.example>",
    subject: str = "Oferta",
    replies_to: str | None = None,
) -> bytes:
    """A message as bytes; dated now."""
    from datetime import UTC, datetime

    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{number}@test.example>"
    if replies_to:
        message["In-Reply-To"] = message["References"] = f"<{replies_to.strip('<>')}>"
    message.set_content(text)
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _toml(config: dict[str, Any]) -> str:
    return msgspec.toml.encode(config).decode()


__all__ = ["NOW", "Path", "Program", "letter", "mailbox"]
