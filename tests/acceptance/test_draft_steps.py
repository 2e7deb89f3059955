"""A sequence with a draft step, by the command line and over IMAP: as a rep and his mail program live it."""

from __future__ import annotations

import shutil
from email import policy
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.commands import EWA, Crm, settings
from tests.drafts_kit import edited, read
from tests.program import mailbox
from tests.servers.pymap import Pymap

SEQUENCE = """
kind = "sequence"
name = "Offer"
for = "deals"
owner = "anna"
[[step]]
type = "draft"
subject = "Oferta: {{ deal.title }}"
body = "Dzień dobry {{ person.first_name }}!"
remind = "4h"
[[step]]
type = "activity"
after = "1d"
activity = "call"
"""


@pytest.fixture
def crm(tmp_path: Path, migrated_sqlite: Path, pymap: Pymap, capsys: pytest.CaptureFixture[str]) -> Crm:
    shutil.copy(migrated_sqlite, tmp_path / "test.db")
    crm = Crm(tmp_path, settings(mailboxes={"anna": mailbox("anna", pymap, pymap.new_user())}), capsys.readouterr)
    crm("person", "add", "--name", "Ewa Zielińska", "--email", EWA)
    crm("deal", "add", "--title", "Regały", "--person", EWA, "--owner", "anna")
    return crm


def test_a_draft_is_placed_sent_from_the_mail_program_and_the_next_step_follows(crm: Crm, pymap: Pymap) -> None:
    # SEQ-11, SEQ-16, A18
    user = crm.settings["mailboxes"]["anna"]["login"]
    crm("sequence", "apply", crm.file(SEQUENCE), "--yes")
    crm("sequence", "enroll", "Offer", "--deal", "1")
    (done,) = crm.rows("tick")
    assert done["drafts"] == 1
    (asked,) = crm.rows("pulse")
    assert (asked["kind"], asked["due_at"]) == ("draft", "2026-11-02T13:00:00Z")
    with pymap.client(user) as client:
        client.select_folder("Drafts")
        [uid] = client.search()
        draft = read(client.fetch([uid], ["BODY[]"])[uid][b"BODY[]"])
        assert (draft["Subject"], draft["To"]) == ("Oferta: Regały", f"Ewa Zielińska <{EWA}>")
        crm.later("2h")
        edited(draft)
        del draft["Date"]
        draft["Date"] = format_datetime(crm.now)
        client.create_folder("Sent")
        client.append("Sent", draft.as_bytes(policy=policy.SMTP))
        client.delete_messages([uid])
        client.expunge()
    crm.later("20m")
    assert [row["kind"] for row in crm.rows("pulse")] == ["draft"]
    (row,) = crm.rows("sync")
    assert (row["stored"], row["fault"]) == (1, None)
    crm("tick")
    assert crm.rows("pulse") == []
    (run,) = crm.rows("sequence", "overview", "Offer")
    assert (run["status"], run["step"]) == ("in_progress", "step-2")
    crm.later("23h")
    assert crm.rows("activity", "list") == []
    crm.later("40m")  # a day after it was sent
    (call,) = crm.rows("activity", "list")
    assert call["type"] == "call"
    (run,) = crm.rows("sequence", "overview", "Offer")
    assert run["status"] == "completed"
