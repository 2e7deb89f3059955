"""What became of mail is noted soon: as much as waits for that is sent twice if the process is killed."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mailcrm.app import notes
from mailcrm.app.context import Context
from mailcrm.app.notes import Notes
from mailcrm.app.outcomes import Sent
from mailcrm.errors import Temporary
from mailcrm.store.db import Database
from tests.house import build

MAIL: Any = SimpleNamespace(kind="flow")


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


def test_no_more_is_handed_over_while_nothing_can_be_noted(house: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    free, added = threading.Event(), []

    def note(_connection: Any, _context: Any, group: list[Any], _now: Any) -> tuple[int, int]:
        assert free.wait(10)
        return len(group), 0

    monkeypatch.setattr(notes, "note", note)
    with Notes(house) as noted:

        def hand_over() -> None:
            for _ in range(200):
                noted.add(MAIL, Sent("250"))
                added.append(1)

        handing = threading.Thread(target=hand_over)
        handing.start()
        handing.join(0.3)
        assert handing.is_alive()
        assert len(added) == 64
        free.set()
        handing.join()
    assert noted.sent == 200


def test_who_waits_for_room_is_told_that_nothing_can_be_noted(house: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def note(*_given: Any) -> tuple[int, int]:
        raise Temporary("the disk is full")

    monkeypatch.setattr(notes, "note", note)

    def hand_over() -> None:
        with Notes(house) as noted:
            while True:
                noted.add(MAIL, Sent("250"))

    with pytest.raises(Temporary, match="the disk is full"):
        hand_over()


def test_a_bell_that_fails_keeps_nobody_waiting(house: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def bell() -> None:
        raise RuntimeError("no bell")

    monkeypatch.setattr(notes, "note", lambda *_given: (1, 0))

    def hand_over() -> None:
        with Notes(replace(house, changed=bell)) as noted:
            while True:
                noted.add(MAIL, Sent("250"))

    with pytest.raises(RuntimeError, match="no bell"):
        hand_over()
