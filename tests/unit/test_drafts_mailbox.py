"""Drafts in a rep's mailbox on an IMAP server: placed, known again whatever was done to them, taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import msgspec
import pytest

from mailcrm.app import drafts, enrolling
from mailcrm.app.enrolling import Item
from mailcrm.config import Mailbox
from mailcrm.core.enrollment import Status
from mailcrm.errors import LoginFailed
from mailcrm.mail import drafts as keeping
from mailcrm.mail import drafts_folder, imap_own, imap_writing
from mailcrm.mail.drafts import DraftKeeper
from mailcrm.mail.imap_faults import Declined
from mailcrm.mail.imap_folders import Folder
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.imap_talk import Talk
from mailcrm.store import drafts as stored
from mailcrm.store import standstill
from mailcrm.store.db import Database
from tests.drafts_kit import Edit, Office, bare, edited, office, outlook
from tests.sequence_house import DRAFT
from tests.servers.pymap import Pymap

SECOND = DRAFT.replace("Szkic", "Drugi szkic")


@pytest.fixture
def desk(tmp_path: Path, sqlite: Database, pymap: Pymap) -> Office:
    return office(sqlite, tmp_path, pymap, pymap.new_user())


class Plain(Dialer):
    """Talks as if the server could do nothing beyond RFC 3501."""

    def connect(self, key: str, mailbox: Mailbox) -> Talk:
        talk = super().connect(key, mailbox)
        talk.capabilities = frozenset({"IMAP4REV1"})
        return talk


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
    assert desk.there() == ["Szkic Pompy"]


@pytest.mark.parametrize("edit", [edited, outlook, bare])
def test_sent_by_the_reps_own_program_it_is_done_as_of_then(desk: Office, edit: Edit) -> None:
    # SEQ-11, A18: saved anew, its Message-ID changed, its header and its references dropped
    item = desk.asked()
    desk.sync()
    desk.home.pass_(hours=3)
    desk.save_anew(edit)
    desk.home.pass_(minutes=31)
    desk.tend()
    assert (desk.states, desk.is_done(item)) == (["placed"], False)
    desk.send(edit)
    desk.home.pass_(minutes=29)
    desk.sync()
    assert (desk.states, desk.is_done(item), desk.home.pulse()) == (["sent"], True, [])
    desk.home.pass_(minutes=31)
    desk.home.run()
    assert len(desk.home.activities()) == 1  # an hour after it was sent, not after it was seen


def test_what_is_found_in_sent_before_the_mail_is_read_counts_too(desk: Office) -> None:
    item = desk.asked()
    desk.send(edited)
    desk.home.pass_(minutes=31)
    desk.tend()
    assert (desk.states, desk.is_done(item)) == (["sent"], True)
    desk.sync()
    assert (desk.states, desk.home.pulse()) == (["sent"], [])


def test_a_deleted_draft_is_skipped_after_a_day_and_the_flow_goes_on(desk: Office) -> None:
    # A18
    item = desk.asked()
    desk.delete()
    desk.home.pass_(minutes=31)
    desk.tend()
    assert (desk.states, desk.is_done(item)) == (["missing"], False)
    desk.home.pass_(hours=23, minutes=59)
    desk.tend()
    assert desk.states == ["missing"]
    desk.home.pass_(minutes=1)
    desk.tend()
    assert (desk.states, desk.is_done(item)) == (["skipped"], True)
    [notice] = desk.home.pulse()
    assert notice.kind == "notice"
    assert "'Szkic Pompy', was deleted; its step is skipped" in notice.text
    desk.home.pass_(hours=1)
    desk.home.run()
    assert (desk.home.status(item), len(desk.home.activities())) == (Status.COMPLETED, 1)


def test_a_draft_that_comes_back_was_not_deleted(desk: Office) -> None:
    # in between it lay in a folder of his, or only in the memory of his mail program
    item = desk.asked()
    saved = desk.draft()
    desk.delete()
    desk.home.pass_(minutes=31)
    desk.tend()
    desk.server.append(desk.user, saved.as_bytes(), "Drafts")
    for hours in (12, 13, 24):
        desk.home.pass_(hours=hours)
        desk.tend()
    assert (desk.states, desk.rows()[0].missing_since, desk.is_done(item)) == (["placed"], None, False)


def test_what_is_only_marked_as_deleted_is_gone(desk: Office) -> None:
    desk.asked()
    with desk.server.client(desk.user) as client:
        client.select_folder("Drafts")
        client.delete_messages(client.search())
    desk.home.pass_(minutes=31)
    desk.tend()
    assert desk.states == ["missing"]


@pytest.mark.parametrize("way", ["done", "complete", "leave"])
def test_done_in_another_way_an_untouched_draft_is_withdrawn(desk: Office, way: str) -> None:
    item = desk.asked()
    if way == "done":
        drafts.done(desk.home.context, desk.home.anna, desk.home.pulse()[0].id)
    else:
        end = enrolling.complete if way == "complete" else enrolling.leave
        end(desk.home.context, desk.home.anna, "Warm", [item])
    desk.tend()
    assert (desk.there(), desk.states, desk.home.pulse()) == ([], ["withdrawn"], [])
    assert desk.rows()[0].content == b""


def test_saved_anew_without_a_change_it_is_still_untouched(desk: Office) -> None:
    desk.asked()
    desk.save_anew(outlook)
    desk.home.pass_(minutes=31)
    desk.tend()
    drafts.done(desk.home.context, desk.home.anna, desk.home.pulse()[0].id)
    desk.tend()
    assert (desk.there(), desk.states) == ([], ["withdrawn"])


@pytest.mark.parametrize("looked", [True, False])
def test_what_the_rep_has_written_on_is_left(desk: Office, looked: bool) -> None:
    desk.asked()
    desk.save_anew(edited)
    if looked:
        desk.home.pass_(minutes=31)
        desk.tend()
    drafts.done(desk.home.context, desk.home.anna, desk.home.pulse()[0].id)
    desk.tend()
    assert (desk.there(), desk.states) == (["Szkic Pompy"], ["withdrawn"])
    assert desk.rows()[0].reason == "left in Drafts, for the rep has changed it"
    assert desk.tend() == 0


def test_a_file_or_a_copy_that_he_added_is_a_change(desk: Office) -> None:
    def attached(message: EmailMessage) -> None:
        message.add_attachment(b"1,2", maintype="text", subtype="csv", filename="cennik.csv")

    desk.asked()
    desk.save_anew(attached)
    drafts.done(desk.home.context, desk.home.anna, desk.home.pulse()[0].id)
    desk.tend()
    assert desk.there() == ["Szkic Pompy"]


def test_a_mail_by_hand_in_the_thread_ends_it_and_takes_the_draft_back(desk: Office) -> None:
    item = desk.asked()
    desk.home.pass_(hours=5)
    by_hand(desk, "pompy@klient.example", "Re: Szkic Pompy")
    desk.sync()
    assert (desk.is_done(item), desk.states, desk.there()) == (True, ["sent"], ["Szkic Pompy"])
    desk.home.pass_(minutes=16)
    desk.tend()
    assert (desk.states, desk.there()) == (["sent"], [])


def test_another_mail_by_hand_is_not_the_draft(desk: Office) -> None:
    item = desk.asked()
    desk.home.pass_(hours=5)
    by_hand(desk, "pompy@klient.example", "Faktura")
    by_hand(desk, "kto.inny@klient.example", "Szkic Pompy")
    desk.home.pass_(hours=68)
    by_hand(desk, "pompy@klient.example", "Re: Szkic Pompy")
    desk.sync()
    assert (desk.is_done(item), desk.states, desk.there()) == (False, ["placed"], ["Szkic Pompy"])


def test_only_our_own_draft_is_expunged(desk: Office) -> None:
    desk.server.append(desk.user, by_somebody("Prywatny"), "Drafts")
    with desk.server.client(desk.user) as client:
        client.select_folder("Drafts")
        client.delete_messages(client.search())  # marked, and not expunged by its owner
    desk.asked()
    drafts.done(desk.home.context, desk.home.anna, desk.home.pulse()[0].id)
    desk.tend()
    with desk.server.client(desk.user) as client:
        client.select_folder("Drafts")
        assert len(client.search()) == 1
    assert desk.states == ["withdrawn"]


def test_a_plain_server_keeps_what_is_taken_back_as_deleted(desk: Office) -> None:
    # no LITERAL+, no APPENDUID asked for, no UID EXPUNGE: a plain EXPUNGE would take along what is not ours
    desk.keeper = DraftKeeper(desk.home.context, Plain(desk.home.context.config), timedelta(0))
    desk.asked()
    drafts.done(desk.home.context, desk.home.anna, desk.home.pulse()[0].id)
    desk.tend()
    assert (desk.states, desk.there()) == (["withdrawn"], [])
    with desk.server.client(desk.user) as client:
        client.select_folder("Drafts")
        assert len(client.search("DELETED")) == 1


def test_without_appenduid_it_is_found_by_its_token(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def append(*arguments: object) -> None:
        imap_writing.append(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(imap_own, "append", append)
    desk.asked()
    [uid] = desk.drafts()
    assert (desk.states, desk.rows()[0].uid) == (["placed"], uid)


class Killed(BaseException):
    pass


def killed_before_the_note(desk: Office, monkeypatch: pytest.MonkeyPatch) -> Item:
    """A draft lies in Drafts, and nothing says so."""

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(stored, "placed", killed)
        desk.home.apply(DRAFT)
        item = desk.home.deal()
        desk.home.enroll(item)
        with pytest.raises(Killed):
            desk.tend()
    assert (desk.there(), desk.states) == (["Szkic Pompy"], ["wanted"])
    return item


def test_killed_before_it_was_noted_it_is_not_placed_twice(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_before_the_note(desk, monkeypatch)
    desk.save_anew(edited)
    desk.home.pass_(minutes=16)
    desk.tend()
    assert (desk.there(), desk.states) == (["Szkic Pompy"], ["placed"])
    drafts.done(desk.home.context, desk.home.anna, desk.home.pulse()[0].id)
    desk.tend()
    assert desk.there() == ["Szkic Pompy"]  # what he wrote meanwhile is not taken for what we placed


def test_killed_before_it_was_noted_and_sent_it_is_done(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_before_the_note(desk, monkeypatch)
    desk.send(edited)
    desk.home.pass_(minutes=16)
    desk.tend()
    assert (desk.there(), desk.states) == ([], ["sent"])


def test_killed_before_it_was_noted_it_is_still_taken_back(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    item = killed_before_the_note(desk, monkeypatch)
    enrolling.leave(desk.home.context, desk.home.anna, "Warm", [item])
    desk.tend()
    assert (desk.there(), desk.states) == ([], ["withdrawn"])


def test_many_are_placed_visit_by_visit(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "AT_ONCE", 2)
    desk.home.apply(DRAFT)
    desk.home.enroll(*(desk.home.deal(title) for title in ("A", "B", "C")))
    assert (desk.tend(), desk.tend(), desk.tend()) == (2, 1, 0)
    assert desk.there() == ["Szkic A", "Szkic B", "Szkic C"]


def test_not_wanted_any_more_it_is_never_placed(desk: Office) -> None:
    desk.home.apply(DRAFT)
    item = desk.home.deal()
    desk.home.enroll(item)
    enrolling.leave(desk.home.context, desk.home.anna, "Warm", [item])
    assert desk.tend() == 0
    assert (desk.states, desk.drafts()) == (["withdrawn"], {})


def test_a_server_that_lets_us_not_in_is_asked_again_later_and_the_pulse_stands(desk: Office) -> None:
    box = desk.home.context.config.mailboxes["anna"]
    wrong = msgspec.structs.replace(
        desk.home.context.config, mailboxes={"anna": msgspec.structs.replace(box, password="wrong")}
    )
    refused = DraftKeeper(replace(desk.home.context, config=wrong), Dialer(wrong))
    desk.home.apply(DRAFT)
    desk.home.enroll(desk.home.deal())
    with pytest.raises(LoginFailed):
        refused.tend("anna")
    assert desk.keeper.busy() == frozenset()
    assert [entry.kind for entry in desk.home.pulse()] == ["draft"]
    assert "login was refused" in desk.rows()[0].reason
    desk.home.pass_(minutes=15)
    desk.tend()
    assert desk.states == ["placed"]
    drafts.done(desk.home.context, desk.home.anna, desk.home.pulse()[0].id)
    assert desk.keeper.busy() == {"anna"}
    with pytest.raises(LoginFailed):
        refused.tend("anna")
    assert desk.keeper.busy() == frozenset()


def test_a_folder_of_another_name_is_used_and_none_is_made(desk: Office) -> None:
    with desk.server.client(desk.user) as client:
        client.create_folder("Wersje robocze")
    desk.asked()
    assert desk.there("Wersje robocze") == ["Szkic Pompy"]
    assert desk.rows()[0].folder == "Wersje robocze"
    assert desk.drafts() == {}


def test_a_folder_made_anew_has_other_uids(desk: Office) -> None:
    item = desk.asked()
    saved = desk.draft().as_bytes()
    with desk.server.client(desk.user) as client:
        client.delete_folder("Drafts")
        client.create_folder("Drafts")
        client.append("Drafts", by_somebody("Prywatny"))
        client.append("Drafts", saved)
    desk.home.pass_(minutes=31)
    desk.tend()
    assert (desk.states, desk.is_done(item)) == (["placed"], False)
    drafts.done(desk.home.context, desk.home.anna, desk.home.pulse()[0].id)
    desk.tend()
    assert desk.there() == ["Prywatny"]


def test_of_a_folder_made_anew_the_old_ones_are_looked_at_too(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts_folder, "MOST", 2)
    item = desk.asked()
    saved = desk.draft().as_bytes()
    with desk.server.client(desk.user) as client:
        client.delete_folder("Drafts")
        client.create_folder("Drafts")
        for each in (by_somebody("A"), saved, by_somebody("B"), by_somebody("C")):
            client.append("Drafts", each)
    for _ in range(3):
        desk.home.pass_(hours=13)
        desk.tend()
    assert (desk.states, desk.is_done(item)) == (["placed"], False)
    drafts.done(desk.home.context, desk.home.anna, desk.home.pulse()[0].id)
    desk.tend()
    assert desk.there() == ["A", "B", "C"]


def test_one_that_the_server_refuses_holds_up_no_other(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def append(talk: Talk, folder: Folder, raw: bytes, flags: bytes) -> tuple[int, int] | None:
        if b"Subject: Szkic A" in raw:
            raise Declined("APPEND: too large", "TOOBIG")
        return imap_writing.append(talk, folder, raw, flags)

    monkeypatch.setattr(imap_own, "append", append)
    desk.home.apply(DRAFT)
    desk.home.enroll(*(desk.home.deal(title) for title in ("A", "B")))
    desk.tend()
    assert (desk.there(), desk.states) == (["Szkic B"], ["wanted", "placed"])
    assert desk.rows()[0].reason == "APPEND: too large"
    assert desk.keeper.busy() == frozenset()  # it is tried again, ever more rarely
    assert [entry.kind for entry in desk.home.pulse()] == ["draft", "draft"]
    monkeypatch.undo()
    desk.home.pass_(minutes=15)
    desk.tend()
    assert desk.there() == ["Szkic A", "Szkic B"]

    def remove(talk: Talk, uid: int) -> None:
        if uid == desk.rows()[0].uid:
            raise Declined("STORE: not permitted")
        imap_writing.remove(talk, uid)

    monkeypatch.setattr(drafts_folder, "remove", remove)
    for entry in desk.home.pulse():
        drafts.done(desk.home.context, desk.home.anna, entry.id)
    desk.tend()
    assert (desk.there(), desk.states) == (["Szkic A"], ["leaving", "withdrawn"])
    assert desk.keeper.busy() == frozenset()


def test_while_everything_stands_still_none_is_placed(desk: Office) -> None:
    # this may be a copy of the database, and the draft long sent
    with desk.home.context.db.write() as connection:
        standstill.begin(connection, "this is another host than before", desk.home.now, flows=True)
    desk.asked()
    assert (desk.states, desk.drafts(), desk.keeper.busy()) == (["wanted"], {}, frozenset())
    with desk.home.context.db.write() as connection:
        standstill.end(connection, desk.home.now)
    desk.home.pass_(minutes=15)
    desk.tend()
    assert (desk.states, desk.there()) == (["placed"], ["Szkic Pompy"])


def test_two_drafts_to_one_person_are_told_apart(desk: Office) -> None:
    item = desk.asked()
    desk.home.apply(SECOND, "Second")
    desk.home.enroll(item, name="Second")
    desk.tend()
    assert desk.there() == ["Drugi szkic Pompy", "Szkic Pompy"]
    second = next(uid for uid, each in desk.drafts().items() if each["Subject"].startswith("Drugi"))
    message = desk.drafts()[second]
    desk.delete(second)
    desk.server.append(desk.user, message.as_bytes(), "Sent")
    desk.sync()
    assert desk.states == ["placed", "sent"]
    assert desk.home.status(item, "Second") is Status.COMPLETED
    assert not desk.is_done(item)


@pytest.mark.parametrize("edit", [lambda _: None, bare])
def test_a_mail_that_was_one_draft_is_not_another_too(desk: Office, edit: Edit) -> None:
    item = desk.asked()
    desk.home.apply(DRAFT, "Second")
    desk.home.enroll(item, name="Second")
    desk.tend()
    first, second = desk.drafts()
    message = desk.drafts()[first]
    desk.delete(first, second)
    edit(message)
    desk.server.append(desk.user, message.as_bytes(), "Sent")
    desk.home.pass_(minutes=31)
    desk.tend()
    assert desk.states == ["sent", "missing"]
    desk.home.pass_(minutes=31)
    desk.sync()
    assert desk.states == ["sent", "missing"]


def test_a_draft_in_a_thread_goes_on_with_it(desk: Office) -> None:
    desk.asked(DRAFT + DRAFT.replace('subject = "Szkic {{ deal.title }}"\n', "in_thread = true\n"))
    desk.send(edited)
    desk.sync()
    desk.tend()
    draft = desk.draft()
    first, second = desk.rows()
    assert draft["Subject"] == "Re: Szkic Pompy"
    assert draft["In-Reply-To"] == f"<{first.message_id}>"
    assert str(draft["References"]).split() == [f"<d.{second.token}@firma.example>", f"<{first.message_id}>"]


def by_hand(desk: Office, to: str, subject: str) -> None:
    """A mail that the rep wrote himself, in Sent."""
    desk.server.append(desk.user, by_somebody(subject, to, desk.home.now), "Sent")


def by_somebody(
    subject: str, to: str = "ktos@prywatny.example", at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Anna Nowak <anna@firma.example>", to, subject
    message["Date"], message["Message-ID"] = format_datetime(at), f"<{subject.replace(' ', '.')}@mail.example>"
    message.set_content("Dzień dobry")
    return message.as_bytes()
