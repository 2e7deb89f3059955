"""Tells other processes that something may be due: LISTEN and NOTIFY on PostgreSQL, nothing on SQLite.

A call that is lost costs a moment and nothing else, for workers look by themselves as well.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mailcrm.store.db import Database

_CHANNEL = "mailcrm_due"
_LOOK = 1.0  # seconds after which a listener sees whether it is to stop
_PAUSE = 5.0  # seconds after a lost connection
log = logging.getLogger(__name__)


def call(database: Database) -> None:
    """Wake whoever listens, in every process."""
    if database.is_sqlite:
        return
    try:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"NOTIFY {_CHANNEL}")
    except (DBAPIError, PoolTimeout) as error:
        log.debug("workers could not be called: %s", error)


def listen(database: Database, heard: Callable[[], None], stopping: threading.Event) -> None:
    """Call ``heard`` whenever somebody called, until ``stopping`` is set; a lost connection is made anew."""
    import psycopg  # here, for who has SQLite does without it

    while not stopping.is_set():
        try:
            with psycopg.connect(_plain(database), autocommit=True) as connection:
                connection.execute(f"LISTEN {_CHANNEL}")
                heard()  # what was called meanwhile
                while not stopping.is_set():
                    for _ in connection.notifies(timeout=_LOOK, stop_after=1):
                        heard()
        except psycopg.Error as error:
            log.debug("calls to workers are not heard just now: %s", error)
            stopping.wait(_PAUSE)


def _plain(database: Database) -> str:
    """The address as the driver takes it."""
    return database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
