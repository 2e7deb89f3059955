"""The buffered reader: segments cut anywhere, huge and hostile answers, ends of streams."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.errors import Temporary
from mailcrm.mail import imap_wire
from mailcrm.mail.imap_faults import Away, Garbled, pause_asked, printable
from mailcrm.mail.imap_wire import Spool, Wire


@pytest.fixture
def pair() -> Iterator[tuple[Wire, socket.socket]]:
    ours, theirs = socket.socketpair()
    wire = Wire(ours, "mailboxes.anna (anna at imap.example:993)", 2.0)
    yield wire, theirs
    wire.close()
    theirs.close()


def feed(sock: socket.socket, *pieces: bytes) -> threading.Thread:
    def run() -> None:
        for piece in pieces:
            sock.sendall(piece)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_literals_are_told_from_text_however_the_segments_are_cut(pair: tuple[Wire, socket.socket]) -> None:
    wire, theirs = pair
    text = b"* 1 FETCH (UID 7 BODY[] {13}\r\nline\r\n)line\r\n X {0}\r\n)\r\nm1 OK done\r\n"
    for cut in range(len(text) + 1):
        feed(theirs, text[:cut], text[cut:]).join()
        assert wire.parts() == [b"* 1 FETCH (UID 7 BODY[] ", b"line\r\n)line\r\n", b" X ", b"", b")"]
        assert wire.parts() == [b"m1 OK done"]
    assert not wire.buffer


def test_arrived_waits_for_the_whole_answer(pair: tuple[Wire, socket.socket]) -> None:
    wire, theirs = pair
    wire.sock.setblocking(False)
    text = b"* STATUS {5}\r\nINBOX (UIDNEXT 3)\r\n+ idling\r\n"
    for number, byte in enumerate(text, 1):
        theirs.sendall(bytes([byte]))
        assert wire.drain()
        whole = wire.arrived()
        if number == text.index(b")\r\n") + 3:
            assert whole == [b"* STATUS ", b"INBOX", b" (UIDNEXT 3)"]
        elif number == len(text):
            assert whole == [b"+ idling"]
        else:
            assert whole is None


def test_the_end_of_the_stream_is_temporary(pair: tuple[Wire, socket.socket]) -> None:
    wire, theirs = pair
    theirs.sendall(b"* 5 EXI")
    theirs.close()
    with pytest.raises(Away, match=r"mailboxes\.anna .* closed the connection"):
        wire.readline()
    assert issubclass(Away, Temporary)


def test_silence_is_temporary(pair: tuple[Wire, socket.socket]) -> None:
    wire, _ = pair
    wire.timeout = 0.05
    wire.sock.settimeout(0.05)
    with pytest.raises(Away, match="no answer"):
        wire.parts()


def test_drain_sees_the_end(pair: tuple[Wire, socket.socket]) -> None:
    wire, theirs = pair
    wire.sock.setblocking(False)
    assert wire.drain()
    theirs.close()
    assert not wire.drain()


def test_an_endless_line_is_refused(pair: tuple[Wire, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    wire, theirs = pair
    monkeypatch.setattr(imap_wire, "MAX_LINE", 10_000)
    thread = feed(theirs, b"x" * 30_000)
    with pytest.raises(Garbled):
        wire.readline()
    thread.join()
    wire.sock.setblocking(False)
    feed(theirs, b"x" * 30_000).join()
    with pytest.raises(Garbled):
        wire.drain()


def test_too_many_literals_and_too_large_ones_are_refused(pair: tuple[Wire, socket.socket]) -> None:
    wire, theirs = pair
    thread = feed(theirs, b"{0}\r\n" * 1000)
    with pytest.raises(Garbled):
        wire.parts()
    thread.join()
    wire.buffer = bytearray(b"* 1 FETCH (BODY[] {99999999999}\r\n")
    with pytest.raises(Garbled):
        wire.parts()
    wire.buffer = bytearray(b"* 1 FETCH (BODY[] {99999999999}\r\n")
    with pytest.raises(Garbled):
        wire.arrived()


def test_a_large_literal_is_spooled_to_a_file(
    pair: tuple[Wire, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, theirs = pair
    monkeypatch.setattr(imap_wire, "SPOOL_ABOVE", 1000)
    body = bytes(range(256)) * 300
    thread = feed(theirs, b"* 1 FETCH (BODY[] {%d}\r\n" % len(body), body[:5000], body[5000:], b")\r\n")
    parts = wire.parts()
    thread.join()
    spool = parts[1]
    assert isinstance(spool, Spool)
    path = spool.path
    assert path.read_bytes() == body
    assert parts[2] == b")"
    del parts, spool
    assert not path.exists()


@pytest.mark.parametrize(
    ("code", "text", "seconds"),
    [
        ("THROTTLED", "[THROTTLED] slow down", 300),
        ("UNAVAILABLE", "[UNAVAILABLE] later", 60),
        ("LIMIT", "[LIMIT] x", 300),
        ("OVERQUOTA", "[OVERQUOTA] x", 3600),
        ("", "[ALERT] Too many simultaneous connections. (Failure)", 300),
        ("", "Account exceeded command or bandwidth limits.", 3600),
        ("", "Request is throttled. Suggested Backoff Time: BackOffMilliseconds=299600", 299.6),
        ("", "Temporary authentication failure", 60),
        ("NONEXISTENT", "no such mailbox", None),
        ("", "Syntax error", None),
    ],
)
def test_hints_of_servers_are_understood(code: str, text: str, seconds: float | None) -> None:
    assert pause_asked(code, text) == seconds


@given(st.binary())
def test_a_servers_words_are_made_printable(words: bytes) -> None:
    assert printable(words).isprintable()
    assert len(printable(words)) <= 201
