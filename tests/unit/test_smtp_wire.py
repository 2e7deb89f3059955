"""The bytes of SMTP: answers in pieces, messages that end once."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailcrm.mail.smtp_wire import Answer, Answers, Garbled, Offers, strict, stuffed

_PIECE = st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"x", b"\0", b"\xc5\xbc", b"MAIL FROM:<a@b>"])


@given(st.lists(_PIECE, max_size=40).map(b"".join))
@example(b"\rx\n.\rx\n")  # as many CR as LF, by turns, and yet bare
def test_one_mail_stays_one(content: bytes) -> None:
    """Whatever a server takes for the end of a line, the mail ends where it ends, and is what it was."""
    sent = stuffed(strict(content))
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", sent)
    assert (b"\r\n" + sent).find(b"\r\n.\r\n") == len(sent) - 3
    lines = sent.removesuffix(b".\r\n").split(b"\r\n")
    assert b"\r\n".join(line.removeprefix(b".") for line in lines) == strict(content)
    assert strict(strict(content)) == strict(content)
    assert re.split(rb"\r\n|\r|\n", content.rstrip(b"\r\n")) == strict(content).rstrip(b"\r\n").split(b"\r\n")


@given(
    st.lists(st.tuples(st.integers(200, 599), st.lists(st.text("ab 0-", max_size=8), min_size=1)), max_size=6),
    st.data(),
)
def test_answers_come_in_any_pieces(answers: list[tuple[int, list[str]]], data: st.DataObject) -> None:
    wire = b""
    for code, lines in answers:
        *before, last = lines
        wire += b"".join(b"%d-%s\r\n" % (code, line.encode()) for line in before) + b"%d %s\r\n" % (code, last.encode())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    reader, found = Answers(), []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        found += reader.feed(wire[start:end])
    assert found == [Answer(code, "\n".join(lines)) for code, lines in answers]


@pytest.mark.parametrize(
    "wire", [b"hello\r\n", b"\r\n", b"25\r\n", b"250_x\r\n", b"999 x\r\n", b"2500 x\r\n", b"250-a\r\nb\r\n"]
)
def test_what_is_no_answer(wire: bytes) -> None:
    with pytest.raises(Garbled):
        Answers().feed(wire + b"\r\n")


def test_an_answer_without_an_end_is_left() -> None:
    reader = Answers()
    reader.feed(b"250-x\r\n" * 1_000)
    with pytest.raises(Garbled, match="1,000 lines"):
        reader.feed(b"250-x\r\n")
    with pytest.raises(Garbled, match="without an end"):
        Answers().feed(b"2" * 70_000)


def test_offers() -> None:
    offers = Offers.of(Answer(250, "here\npipelining\nSIZE 35882577\nAUTH PLAIN login\nAUTH=LOGIN XOAUTH2\nSMTPUTF8\n"))
    assert offers == Offers(
        pipelining=True, utf8=True, sized=True, size=35882577, auth=("PLAIN", "LOGIN", "LOGIN", "XOAUTH2")
    )
    for odd in ("SIZE", "SIZE x", "SIZE ٣", "SIZE " + "9" * 40):
        assert Offers.of(Answer(250, f"here\n{odd}")) == Offers(sized=True)
