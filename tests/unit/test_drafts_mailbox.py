"""Drafts in a rep's mailbox on an IMAP server: placed, known again whatever was done to them, taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailcrm.store.db import Database
from tests.drafts_kit import Edit, Office, edited, office, without
from tests.servers.pymap import Pymap

OUTLOOK = without("Message-ID", "X-Mailcrm-Draft")
BARE = without("Message-ID", "X-Mailcrm-Draft", "References", "In-Reply-To")


@pytest.fixture
def desk(tmp_path: Path, migrated_sqlite: Path, pymap: Pymap) -> Office:
    import shutil

    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    return office(database, tmp_path, pymap, pymap.new_user())


def both(*edits: Edit) -> Edit:
    def edit(message: object) -> None:
        for each in edits:
            each(message)  # type: ignore[arg-type]

    return edit


def test_a_draft_lies_in_the_reps_own_drafts_and_nothing_is_sent(desk: Office) -> None:
    # SEQ-11, SEQ-16
    desk.asked()
    draft = desk.draft()
    [row] = desk.rows()
    assert (draft["From"], draft["To"]) == (
        "Anna Nowak <anna@firma.example>",
        "Ewa Zielińska <pompy@klient.example>",
    )
    assert (draft["Subject"], draft["Message-ID"]) == ("Szkic Pompy", f"<{row.message_id}>")
    assert draft["X-Mailcrm-Draft"] == row.token
    assert draft["References"] == f"<d.{row.token}@firma.example>"
    assert draft["In-Reply-To"] is None
    assert draft.get_content().startswith("Dzień dobry Ewa!")
    assert (row.state, row.folder, row.placed_at) == ("placed", "Drafts", desk.home.now)
    assert [entry.kind for entry in desk.home.pulse()] == ["draft"]
    assert desk.tend() == 0


@pytest.mark.parametrize("edit", [lambda _: None, edited, OUTLOOK, both(OUTLOOK, edited), BARE])
def test_sent_by_the_reps_own_program_it_is_done_as_of_then(desk: Office, edit: Edit) -> None:
    # SEQ-11, A18
    item = desk.asked()
    desk.sync()
    desk.home.pass_(hours=3)
    desk.save_anew(edit)  # he writes on it, and saves
    desk.home.pass_(minutes=31)
    desk.tend()
    assert desk.states == ["placed"]
    desk.send(edit)
    desk.sync()
    assert desk.states == ["sent"]
    assert (desk.is_done(item), desk.home.pulse()) == (True, [])
    assert desk.home.activities() == []
    desk.home.pass_(hours=1)
    desk.home.run()
    assert len(desk.home.activities()) == 1  # an hour after it was sent
