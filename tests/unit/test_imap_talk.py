"""One connection's talk: whatever a server says unasked is taken note of, or a clear error."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailcrm.errors import MailcrmError
from mailcrm.mail.imap_faults import Away, Declined, Throttled
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_wire import Wire


@pytest.fixture
def pair() -> Iterator[tuple[Talk, socket.socket]]:
    ours, theirs = socket.socketpair()
    talk = Talk(Wire(ours, "mailboxes.anna", 2.0), frozenset({"IDLE"}))
    yield talk, theirs
    talk.wire.close()
    theirs.close()


WORDS = st.sampled_from(
    [
        b"*",
        b"+",
        b"m1",
        b"OK",
        b"NO",
        b"BYE",
        b"5",
        b"99999999999",
        b"EXISTS",
        b"EXPUNGE",
        b"FETCH",
        b"VANISHED",
        b"STATUS",
        b"(EARLIER)",
        b"1:4294967295",
        b"(UIDNEXT 3",
        b")",
        b"INBOX",
        b"[NOTIFICATIONOVERFLOW]",
        b'"',
        b"{3}",
        b"",
        b"\xff",
    ]
)


@given(st.lists(WORDS, max_size=7), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_whatever_is_told_is_noted_or_refused(
    pair: tuple[Talk, socket.socket], spoken: list[bytes], starred: bool
) -> None:
    talk, _ = pair
    with contextlib.suppress(MailcrmError):
        talk.note([(b"* " if starred else b"") + b" ".join(spoken)])
    assert talk.exists >= 0


def test_what_is_told_unasked(pair: tuple[Talk, socket.socket]) -> None:
    talk, _ = pair
    for line in (
        b"* 3 EXISTS",
        b"* VANISHED 4,7:8",
        b'* STATUS "A b" (UIDNEXT 4 MESSAGES 1 MAILBOXID (x))',
        b"* 1 EXPUNGE",
    ):
        talk.note([line])
    assert talk.fresh
    assert talk.gone
    assert talk.vanished == [(4, 4), (7, 8)]
    assert talk.exists == 0
    assert talk.news == {b"A b": {b"UIDNEXT": 4, b"MESSAGES": 1}}
    with pytest.raises(Away) as caught:
        talk.note([b"* BYE [UNAVAILABLE] maintenance"])
    assert caught.value.retry_after == 60


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"NO [NOPERM] no", Declined), (b"BAD what", Declined), (b"NO [THROTTLED] wait", Throttled)],
)
def test_refusals(pair: tuple[Talk, socket.socket], answer: bytes, error: type[Exception]) -> None:
    talk, theirs = pair
    theirs.sendall(b"* 1 EXISTS\r\nm1 " + answer + b"\r\n")
    with pytest.raises(error, match=r"mailboxes\.anna"):
        talk.do(b"NOOP")


def test_done_waits_for_the_plus(pair: tuple[Talk, socket.socket]) -> None:
    talk, theirs = pair
    talk.idle()
    theirs.sendall(b"* 2 EXISTS\r\n+ idling\r\nm1 OK done\r\nm2 OK\r\n")
    talk.leave_idle()
    talk.do(b"NOOP")
    assert theirs.recv(1000) == b"m1 IDLE\r\nDONE\r\nm2 NOOP\r\n"
    assert talk.fresh


def test_a_refused_idle_is_not_left(pair: tuple[Talk, socket.socket]) -> None:
    talk, theirs = pair
    talk.idle()
    theirs.sendall(b"m1 BAD what?\r\n")
    talk.leave_idle()
    assert theirs.recv(1000) == b"m1 IDLE\r\n"
    assert "IDLE" not in talk.capabilities


def test_commands_asked_together_pass_over_refusals(pair: tuple[Talk, socket.socket]) -> None:
    talk, theirs = pair
    theirs.sendall(b"* STATUS A (UIDNEXT 4)\r\nm1 OK\r\nm2 NO gone\r\n")
    talk.ask([b"STATUS A (UIDNEXT)", b"STATUS B (UIDNEXT)"])
    assert talk.news == {b"A": {b"UIDNEXT": 4}}
