"""Configurations for many mailboxes on one private server."""

from __future__ import annotations

from pathlib import Path

from tests.servers import Dovecot


def write(folder: Path, server: Dovecot, users: list[str], *, tls: bool = False, more: str = "") -> Path:
    """Write a configuration in which each of ``users`` has a mailbox, and return its path.

    Args:
        more: tables to add.
    """
    port, mode = (server.tls_port, "implicit") if tls else (server.port, "none")
    trust = f'tls_ca = "{server.certificate}"\n' if tls else ""
    text = 'domains = ["firma.example"]\n[linking]\nfirst_sight = 1000000\n' + more
    for user in users:
        text += (
            f'[users.{user}]\nemail = "{user}@firma.example"\n'
            f'[mailboxes.{user}]\nuser = "{user}"\nhost = "{server.host}"\nport = {port}\ntls = "{mode}"\n{trust}'
            f'login = "{user}"\npassword = "{server.PASSWORD}"\n'
        )
    folder.mkdir(exist_ok=True)
    path = folder / "config.toml"
    path.write_text(text)
    return path
