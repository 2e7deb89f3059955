"""Drafts in a rep's mailbox at a real Dovecot: what mail programs do to them, a crash, the running program."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from email import policy
from pathlib import Path

import pytest
from imapclient import IMAPClient

from mailcrm.app import drafts
from mailcrm.store.db import Database
from tests.drafts_kit import Edit, Office, bare, edited, office, outlook, rewritten
from tests.program import Program, mailbox
from tests.sequence_house import DRAFT
from tests.servers import Dovecot, Sink
from tests.servers.process import wait_until

pytestmark = pytest.mark.servers


@pytest.fixture
def desk(tmp_path: Path, sqlite: Database, dovecot: Dovecot) -> Office:
    return office(sqlite, tmp_path, dovecot, dovecot.new_user("drafts"))


@pytest.mark.parametrize("edit", [lambda _: None, edited, outlook, rewritten, bare])
def test_appended_anew_and_sent_it_is_done(desk: Office, edit: Edit) -> None:
    # SEQ-11, A18: as Thunderbird saves it, as Outlook does, as programs do that keep no field that they don't know
    item = desk.asked()
    assert desk.draft()["X-Mailcrm-Draft"] == desk.rows()[0].token
    desk.sync()
    for _ in range(2):
        desk.home.pass_(minutes=31)
        desk.save_anew(edit, flags=("\\Draft", "\\Seen"))
        desk.tend()
        assert (desk.states, desk.is_done(item)) == (["placed"], False)
    desk.send(edit)
    desk.sync()
    assert (desk.states, desk.is_done(item), desk.home.pulse()) == (["sent"], True, [])


def test_moved_to_sent_it_is_done(desk: Office) -> None:
    item = desk.asked()
    with desk.server.client(desk.user) as client:
        client.select_folder("Drafts")
        client.move(client.search(), "Sent")
        client.select_folder("Sent", readonly=True)
        [flags] = client.get_flags(client.search()).values()
        assert b"\\Draft" in flags
    desk.sync()
    assert (desk.states, desk.is_done(item)) == (["sent"], True)


def test_moved_to_the_trash_it_is_skipped_after_a_day(desk: Office) -> None:
    item = desk.asked()
    with desk.server.client(desk.user) as client:
        client.select_folder("Drafts")
        client.move(client.search(), "Trash")
    for hours in (1, 12, 12):
        assert not desk.is_done(item)
        desk.home.pass_(hours=hours)
        desk.sync()
    assert (desk.states, desk.is_done(item)) == (["skipped"], True)


def test_taken_back_untouched_and_nothing_else(desk: Office) -> None:
    item = desk.asked()
    desk.server.append(desk.user, desk.draft().as_bytes(policy=policy.SMTP).replace(b"Szkic", b"Inny "), "Drafts")
    with desk.server.client(desk.user) as client:
        client.select_folder("Drafts")
        client.delete_messages([max(client.search())])
    drafts.done(desk.home.context, desk.home.anna, desk.home.pulse()[0].id)
    desk.tend()
    with desk.server.client(desk.user) as client:
        client.select_folder("Drafts")
        assert len(client.search("DELETED")) == len(client.search()) == 1
    assert (desk.states, desk.is_done(item)) == (["withdrawn"], True)


def test_the_folder_that_the_server_names_is_used(tmp_path: Path, migrated_sqlite: Path) -> None:
    # its name says nothing, and a folder "Drafts" of somebody's own lies beside it
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    with Dovecot(settings=_NAMED) as server:
        desk = office(database, tmp_path, server, "anna")
        desk.asked()
        assert desk.there("Brudnopis") == ["Szkic Pompy"]
        database.close()


def test_killed_between_append_and_note_there_is_one_draft(desk: Office, tmp_path: Path) -> None:
    desk.home.apply(DRAFT)
    desk.home.enroll(desk.home.deal())
    for _ in range(3):
        victim = [sys.executable, "-m", "tests.drafts_victim", str(tmp_path), str(desk.server.port), desk.user]
        done = subprocess.run(victim, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert (desk.there(), desk.states) == (["Szkic Pompy"], ["wanted"])
    desk.home.pass_(hours=1)
    desk.tend()
    assert (desk.there(), desk.states) == (["Szkic Pompy"], ["placed"])


@pytest.fixture
def program(dovecot: Dovecot, sink: Sink) -> Iterator[tuple[Program, str]]:
    user = dovecot.new_user("drafts")
    with Program(smarthost=sink.port, mailboxes={"anna": mailbox("anna", dovecot, user)}) as program:
        yield program, user


def test_the_running_program_places_and_recognises(program: tuple[Program, str], dovecot: Dovecot) -> None:
    running, user = program
    running.cli("person", "add", "--name", "Ewa Zielińska", "--email", "ewa@klient.example")
    running.cli("deal", "add", "--title", "Regały", "--person", "ewa@klient.example", "--owner", "anna")
    file = running.folder / "sequence.toml"
    file.write_text(f'kind = "sequence"\nname = "Offer"\nfor = "deals"\nowner = "anna"\n{DRAFT}', encoding="utf-8")
    running.cli("--as", "anna", "sequence", "apply", str(file), "--yes")
    running.cli("--as", "anna", "sequence", "enroll", "Offer", "--deal", "1")
    with dovecot.client(user) as client:
        wait_until(lambda: _count(client, "Drafts") == 1, seconds=30, what="the draft")
        client.select_folder("Drafts")
        client.move(client.search(), "Sent")
    wait_until(lambda: running.rows("pulse", "--user", "anna") == [], seconds=30, what="its end")
    [run] = running.rows("sequence", "overview", "Offer")
    assert run["status"] == "completed"


def _count(client: IMAPClient, folder: str) -> int:
    return int(client.folder_status(folder, ["MESSAGES"])[b"MESSAGES"])


_NAMED = """
namespace inbox {
  mailbox Drafts {
    special_use =
    auto = create
  }
  mailbox Brudnopis {
    special_use = \\Drafts
    auto = create
  }
}
"""
