"""A private pymap from PyPI: IMAP without CONDSTORE, so that the plain path is met too. In memory; needs no rights."""

from __future__ import annotations

import gc
import itertools
import sys
from argparse import ArgumentParser, Namespace
from datetime import datetime
from typing import Any, Self

from imapclient import IMAPClient

from tests.servers.process import HOST, Server, free_port, listening


class Pymap(Server):
    """Logs in each of ``users`` (and those that ``new_user`` hands out) with ``PASSWORD``."""

    name = "pymap"
    PASSWORD = "pw"

    def __init__(self, users: tuple[str, ...] = (), *, spare: int = 100) -> None:
        super().__init__()
        self.host = HOST
        self.port = free_port()
        self._spare = itertools.count(1)
        self._names = (*users, *(f"user{number}" for number in range(1, spare + 1)))

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.servers.pymap", "--no-tls", "--host", self.host]
        command += ["--port", str(self.port), "users", *self._names]
        self.spawn(command, ready=lambda: listening(self.port))

    def new_user(self) -> str:
        """A user name that no other test has, with an empty mailbox."""
        return f"user{next(self._spare)}"

    def client(self, user: str) -> IMAPClient:
        """A logged-in connection, as the rep's own mail program would open."""
        client = IMAPClient(self.host, self.port, ssl=False)
        client._imap.debug = 0
        client.login(user, self.PASSWORD)
        return client

    def append(self, user: str, raw: bytes, folder: str = "INBOX", *, at: datetime | None = None) -> None:
        """Put a message into a folder, as the rep's mail program does with sent mail. ``at`` is its INTERNALDATE."""
        with self.client(user) as client:
            if not client.folder_exists(folder):
                client.create_folder(folder)
            client.append(folder, raw, msg_time=at)

    def deliver(self, user: str, raw: bytes) -> None:
        """Put a message into the inbox."""
        self.append(user, raw)


def main() -> None:
    """Run pymap with a backend of several named users."""
    from pymap.backend import backends
    from pymap.backend.dict import Config, DictBackend, Identity, Login
    from pymap.main import main as run
    from pymap.user import UserMetadata
    from pysasl.hashing import Cleartext

    class Users(DictBackend):
        @classmethod
        def add_subparser(cls, name: str, subparsers: Any) -> ArgumentParser:
            parser: ArgumentParser = subparsers.add_parser(name)
            parser.add_argument("users", nargs="+")
            parser.set_defaults(demo_data=False, demo_user="", demo_password="")
            return parser

        @classmethod
        async def init(cls, args: Namespace, **overrides: Any) -> tuple[Self, Config]:
            config = Config.from_args(args, hash_context=Cleartext(), **overrides)
            login = Login(config)
            for name in args.users:
                user = UserMetadata(config, name, password=Pymap.PASSWORD)
                await Identity(name, login, None, frozenset()).set(user)
            return cls(login, config), config

    gc.disable()  # of Python 3.13: it takes connections that pymap is still serving, which then break
    backends.add("users", Users)
    run()


if __name__ == "__main__":
    main()
