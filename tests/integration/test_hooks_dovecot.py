"""The recipes of docs/events.md, as they stand there, in a real Dovecot: a delivery wakes the mailbox."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from mailcrm.store.db import Database
from mailcrm.web.app import create
from tests.house import SETTINGS, build
from tests.servers import Dovecot
from tests.servers.process import free_port, listening, wait_until

pytestmark = pytest.mark.servers
RECIPES = (Path(__file__).parents[2] / "docs/events.md").read_text(encoding="utf-8")
RAW = b"From: ewa@klient.example\r\nTo: anna@firma.example\r\nSubject: Offer\r\n\r\nHello\r\n"
SECRET = "not so secret"


def recipe(heading: str) -> list[str]:
    """The blocks under a heading, for this machine's loopback."""
    section = RECIPES.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    return re.findall(r"```\w*\n(.*?)```", section, re.DOTALL)


@contextmanager
def web(database: Path, folder: Path, user: str) -> Iterator[tuple[int, list[str]]]:
    """The web app on a port of its own, and the mailboxes that it was told to wake."""
    woken: list[str] = []
    secret = SECRET.replace(" ", "-")
    opened = Database(f"sqlite:///{shutil.copy(database, folder / 'test.db')}")
    mailboxes = {"anna": {"user": "anna", "host": "127.0.0.1", "login": user, "password": "pw"}}
    settings = {**SETTINGS["web"], "secret": secret}
    context = build(opened, folder, mailboxes=mailboxes, web=settings)
    port = free_port()

    def wake(key: str) -> bool:
        woken.append(key)
        return True

    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(create(context, wake, dict), log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        wait_until(lambda: listening(port), what="the web app")
        yield port, woken
    finally:
        server.should_exit = True
        thread.join()
        opened.close()


def here(text: str, port: int) -> str:
    return text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("SECRET", SECRET.replace(" ", "-"))


def test_push_notification_wakes_the_mailbox(migrated_sqlite: Path, tmp_path: Path) -> None:
    settings, switch = recipe("Dovecot: push notification")
    with web(migrated_sqlite, tmp_path, "anna1") as (port, woken):
        with Dovecot(settings=here(settings, port)) as server:
            command = switch.replace("-u anna", "-u anna1").replace("user=anna", "user=anna1").replace('""', "").split()
            server.doveadm(*command[1:6], "", *command[6:])
            server.deliver("anna1", RAW)
            wait_until(lambda: woken, seconds=30, what="the wake")
        assert woken == ["anna"]


def test_a_sieve_script_wakes_the_mailbox(migrated_sqlite: Path, tmp_path: Path) -> None:
    settings, script, program = recipe("Dovecot: Sieve")
    with web(migrated_sqlite, tmp_path, "anna1") as (port, woken):
        server = Dovecot()
        folder = server.folder
        paths = {
            "/etc/dovecot/mailcrm.sieve": folder / "mailcrm.sieve",
            "/usr/local/lib/mailcrm": folder,
            "/etc/mailcrm/hook": folder / "hook",
        }
        for there, path in paths.items():
            settings, program = settings.replace(there, str(path)), program.replace(there, str(path))
        config = folder / "dovecot.conf"
        config.write_text(config.read_text() + settings)
        (folder / "mailcrm.sieve").write_text(script)
        (folder / "hook").write_text(here("Authorization: Bearer SECRET\n", port))
        (folder / "announce").write_text(here(program, port))
        for name, mode in {"announce": 0o755, "hook": 0o644, "mailcrm.sieve": 0o644}.items():
            (folder / name).chmod(mode)
        with server:
            server.deliver("anna1", RAW)
            wait_until(lambda: woken, seconds=30, what="the wake")
            with server.client("anna1") as client:
                assert client.select_folder("INBOX")[b"EXISTS"] == 1
        assert woken == ["anna"]
