"""What is written into a mailbox, byte by byte, and what is made of the server's answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from mailcrm.core.model import FolderRole
from mailcrm.mail.imap_faults import Away, Declined, Garbled, Throttled
from mailcrm.mail.imap_folders import Folder
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_wire import Wire
from mailcrm.mail.imap_writing import append, create, remove, select

DRAFTS = Folder("Drafts", b'"Drafts"', FolderRole.DRAFTS)
RAW = b"Subject: x\r\n\r\nDzie\xc5\x84 dobry\r\n"


class Pair:
    """A connection whose server has said beforehand what it will say."""

    def __init__(self, capabilities: str = "IMAP4REV1") -> None:
        ours, self.theirs = socket.socketpair()
        self.talk = Talk(Wire(ours, "mailboxes.anna", 2.0), frozenset(capabilities.split()))

    def says(self, *lines: bytes) -> Talk:
        self.theirs.sendall(b"".join(line + b"\r\n" for line in lines))
        return self.talk

    def heard(self) -> bytes:
        self.talk.wire.close()
        found = b""
        while piece := self.theirs.recv(65536):
            found += piece
        return found


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made: list[Pair] = []
    yield made
    for pair in made:
        pair.talk.wire.close()
        pair.theirs.close()


def pair(pairs: list[Pair], capabilities: str = "IMAP4REV1") -> Pair:
    pairs.append(Pair(capabilities))
    return pairs[-1]


def test_a_message_waits_for_the_servers_word(pairs: list[Pair]) -> None:
    one = pair(pairs)
    talk = one.says(b"* 3 EXISTS", b"+ go on", b"* 4 EXISTS", b"m1 OK [APPENDUID 38505 3955] done")
    assert append(talk, DRAFTS, RAW, b"\\Draft \\Seen") == (38505, 3955)
    assert one.heard() == b'm1 APPEND "Drafts" (\\Draft \\Seen) {%d}\r\n' % len(RAW) + RAW + b"\r\n"


@pytest.mark.parametrize(
    ("capabilities", "size", "at_once"),
    [("LITERAL+", 9_000, True), ("LITERAL-", 4_096, True), ("LITERAL-", 4_097, False)],
)
def test_a_message_goes_at_once_where_the_server_takes_that(
    pairs: list[Pair],
    capabilities: str,
    size: int,
    at_once: bool,
) -> None:
    one = pair(pairs, capabilities)
    talk = one.says(*([] if at_once else [b"+ go on"]), b"m1 OK done")
    assert append(talk, DRAFTS, b"x" * size, b"\\Draft") is None  # not every server tells the UID
    assert (b"{%d+}" % size in one.heard()) is at_once


@pytest.mark.parametrize("answer", [b"APPENDUID", b"APPENDUID 1", b"APPENDUID x 2", b"APPENDUID 1 2:3", b"UIDNEXT 4 5"])
def test_an_odd_appenduid_is_none(pairs: list[Pair], answer: bytes) -> None:
    talk = pair(pairs, "LITERAL+").says(b"m1 OK [" + answer + b"] done")
    assert append(talk, DRAFTS, RAW, b"") is None


@pytest.mark.parametrize("capabilities", ["LITERAL+", "IMAP4REV1"])
def test_a_refusal_says_why(pairs: list[Pair], capabilities: str) -> None:
    talk = pair(pairs, capabilities).says(b"m1 NO [TRYCREATE] no such folder", b"m2 NO [OVERQUOTA] full")
    with pytest.raises(Declined) as refused:
        append(talk, DRAFTS, RAW, b"")
    assert refused.value.code == "TRYCREATE"
    with pytest.raises(Throttled):
        append(talk, DRAFTS, RAW, b"")


def test_a_broken_line_and_a_hasty_server_are_told_apart_from_a_refusal(pairs: list[Pair]) -> None:
    with pytest.raises(Garbled):
        append(pair(pairs).says(b"m1 OK done"), DRAFTS, RAW, b"")
    one = pair(pairs)
    one.says(b"+ go on")
    one.theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(Away):
        append(one.talk, DRAFTS, RAW, b"")


def test_only_one_uid_is_ever_expunged(pairs: list[Pair]) -> None:
    one = pair(pairs, "UIDPLUS")
    talk = one.says(b"* OK [UIDVALIDITY 7] ok", b"m1 OK [READ-WRITE] done", b"m2 OK", b"m3 OK")
    assert select(talk, DRAFTS) == 7
    remove(talk, 12)
    assert one.heard().split(b"\r\n")[:3] == [
        b'm1 SELECT "Drafts"',
        b"m2 UID STORE 12 +FLAGS.SILENT (\\Deleted)",
        b"m3 UID EXPUNGE 12",
    ]
    plain = pair(pairs)
    remove(plain.says(b"m1 OK"), 12)
    assert b"EXPUNGE" not in plain.heard()


def test_a_folder_without_uidvalidity_is_not_written_to(pairs: list[Pair]) -> None:
    with pytest.raises(Garbled):
        select(pair(pairs).says(b"* 3 EXISTS", b"m1 OK done"), DRAFTS)


@pytest.mark.parametrize(
    ("capabilities", "sent"),
    [("CREATE-SPECIAL-USE", b'm1 CREATE "Szkice &AUE-" (USE (\\Drafts))'), ("", b'm1 CREATE "Szkice &AUE-"')],
)
def test_a_folder_is_made_for_its_use(pairs: list[Pair], capabilities: str, sent: bytes) -> None:
    one = pair(pairs, capabilities)
    assert create(one.says(b"m1 OK", b"m2 NO never mind"), "Szkice Ł", b"\\Drafts")
    assert one.heard().split(b"\r\n")[0] == sent
    assert not create(pair(pairs).says(b"m1 NO not here"), "Drafts")
