"""A process that places what is due in a mailbox, and dies by kill -9 before it can note that.

Run as ``python -m tests.drafts_victim FOLDER PORT USER``: the folder holds ``test.db``.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from mailcrm.store import drafts
from mailcrm.store.db import Database
from mailcrm.store.tables import draft
from tests.drafts_kit import office
from tests.servers import Dovecot


def main(folder: str, port: str, user: str) -> None:
    """Place, and die."""

    class Server(Dovecot):
        """One that is running already."""

        def __init__(self) -> None:
            self.host, self.port = "127.0.0.1", int(port)

    database = Database(f"sqlite:///{Path(folder) / 'test.db'}")
    desk = office(database, Path(folder), Server(), user)
    desk.home.now += timedelta(minutes=20)
    with database.write() as connection:
        connection.execute(update(draft).values(due_at=desk.home.now))
    drafts.placed = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    desk.tend()


if __name__ == "__main__":
    main(*sys.argv[1:])
