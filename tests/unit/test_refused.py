"""One message that the store refuses never stops the others, and is not lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mailcrm.app import quarantine
from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.app.refused import kept
from mailcrm.core.model import Attachment, Cursor, Unreadable
from mailcrm.store import mailboxes, tables
from mailcrm.store.db import Database
from tests.house import NOW, batch, build, mail
from tests.unit.test_ingest import at, count, imap, rows

POISON = datetime(2026, 11, 1, 12, 0)


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Context:
    return build(database, tmp_path)


def unreadable(raw: bytes) -> Unreadable:
    raise AssertionError(raw)


def test_the_others_are_stored_and_the_cursor_moves(house: Context) -> None:
    sha, size = house.blobs.put(b"PDF")
    file = Attachment("oferta.pdf", "application/pdf", size, sha)
    poison = mail(2, date=POISON, subject="zła\ud800", attachments=(file,))
    story = imap(at(5, mail(1)), at(6, poison), at(7, mail(3, replies_to=(1, 2))), last=7)
    outcome = ingest(house, story)
    assert (outcome.stored, outcome.quarantined) == (2, 1)
    with house.db.read() as connection:
        assert mailboxes.cursors(connection, "anna") == {"INBOX": Cursor(1, 7)}
    (row,) = rows(house, tables.quarantine)
    assert (row.uid, "without zone" in row.reason) == (6, True)
    message, reading = kept(house.blobs.read(row.sha256)) or pytest.fail("not kept")
    assert message == replace(poison, subject="zła?")
    assert reading == story.arrivals[1].content[1]
    again = ingest(house, story)
    assert (again.stored, again.quarantined, count(house, tables.quarantine)) == (0, 0, 1)


def test_what_was_refused_is_stored_when_it_can_be(house: Context) -> None:
    ingest(house, imap(at(6, mail(2, date=POISON)), at(7, mail(3))))
    (entry,) = quarantine.listing(house)
    (result,) = quarantine.retry(house, [entry], unreadable)
    assert "without zone" in (result[1] or "")
    assert rows(house, tables.quarantine)[0].attempts == 2
    mended = kept(house.blobs.read(entry.sha256)) or pytest.fail("not kept")
    raw = house.blobs.read(entry.sha256).replace(b"2026-11-01T12:00:00", b"2026-11-01T12:00:00Z")
    name, _ = house.blobs.put(raw)
    assert mended[0].date == POISON
    assert quarantine.retry(house, [replace(entry, sha256=name)], unreadable) == [(replace(entry, sha256=name), None)]
    assert quarantine.listing(house) == []
    assert {row.uid for row in rows(house, tables.location)} == {6, 7}


def test_a_retry_takes_no_place_that_was_given_away(house: Context) -> None:
    sha, size = house.blobs.put(b"poison")
    ingest(house, batch(folder="INBOX", arrivals=(at(6, mail(1)),), cursor=Cursor(1, 6)))
    entry = quarantine.Quarantined(1, "anna", "INBOX", 6, NOW, size, sha, "", NOW, 1)
    content = at(0, mail(2)).content
    assert not isinstance(content, Unreadable)
    quarantine.retry(house, [entry], lambda _: content)  # type: ignore[arg-type,return-value]
    assert {row.uid for row in rows(house, tables.location)} == {6, None}


def test_if_all_are_refused_nothing_is_put_aside(house: Context) -> None:
    with pytest.raises(Exception, match="without zone"):
        ingest(house, imap(*(at(uid, mail(uid, date=POISON + timedelta(uid))) for uid in (5, 6)), last=6))
    assert count(house, tables.quarantine) == 0
    with house.db.read() as connection:
        assert mailboxes.cursors(connection, "anna") == {}
