"""Processes that share a PostgreSQL database call one another."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from mailcrm.store import wake
from mailcrm.store.db import Database


class _Ear:
    """Counts what it hears."""

    def __init__(self, database: Database) -> None:
        self.heard = threading.Semaphore(0)
        self.deaf = threading.Event()
        self.thread = threading.Thread(target=wake.listen, args=(database, self.heard.release, self.deaf))
        self.thread.start()

    def hears(self) -> bool:
        return self.heard.acquire(timeout=20)

    def close(self) -> None:
        self.deaf.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


def test_a_call_is_heard_also_after_the_connection_was_lost(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "_PAUSE", 0.05)
    caller, listener = Database(postgres_url), Database(postgres_url)
    ear = _Ear(listener)
    try:
        assert ear.hears()  # it listens
        wake.call(caller)
        assert ear.hears()
        with caller.write() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            assert connection.execute(text(others)).all() == [(True,)]
        assert ear.hears()  # it listens again
        wake.call(caller)
        assert ear.hears()
    finally:
        ear.close()
        caller.close()
        listener.close()


def test_a_database_that_is_away_hinders_nobody_who_calls(caplog: pytest.LogCaptureFixture) -> None:
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with caplog.at_level("DEBUG"):
        wake.call(away)
    away.close()
    assert "workers could not be called" in caplog.text
