"""Hostile mail: read or refused, always quickly."""

from __future__ import annotations

import base64
import random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.html_text import text_of
from mailcrm.core.model import Message
from mailcrm.mail.parse import Unparsable
from tests.unit.mails import HEAD, Kept, mail, multipart, read

SECONDS = 2.0  # of processor time, for three megabytes of the worst


def timed(raw: bytes, **limits: int) -> Message | str:
    """The message, or why it was refused; fails if either took long."""
    start = process_time()
    try:
        found: Message | str = read(raw, **limits)
    except Unparsable as error:
        found = str(error)
    assert process_time() - start < SECONDS
    return found


def test_ten_thousand_recipients_are_all_read() -> None:
    people = b",\r\n ".join(b'"Osoba nr %d" <osoba%d@klient%d.example>' % (n, n, n % 50) for n in range(10_000))
    found = timed(mail(b"From: a@x.example", b"To: " + people, b"Subject: x"))
    assert isinstance(found, Message)
    assert len(found.to) == 10_000
    assert (found.to[9_999].name, found.to[9_999].email) == ("Osoba nr 9999", "osoba9999@klient49.example")


def test_a_thousand_levels_are_refused() -> None:
    levels = b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(1000))
    found = timed(HEAD + b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n" + levels)
    assert found == "parts nested deeper than 50; raise parsing.max_depth if it is honest mail"


def test_a_hundred_thousand_parts_are_refused() -> None:
    found = timed(multipart(*[b"\r\nx"] * 100_000))
    assert found == "more than 2000 parts; raise parsing.max_parts if it is honest mail"


def test_parts_are_counted_over_all_levels() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=in\r\n\r\n" + b"--in\r\n\r\nx\r\n" * 100 + b"--in--"
    assert timed(multipart(*[inner] * 50)) == "more than 2000 parts; raise parsing.max_parts if it is honest mail"


def test_too_many_bytes_are_refused() -> None:
    assert timed(b"x" * 1001, max_bytes=1000) == "1001 bytes are more than parsing.max_bytes (1000)"


def test_a_header_without_end_is_refused() -> None:
    assert timed(b"X-Field: value\r\n" * 400_000) == "the header is larger than 4000000 bytes"


def _field(name: bytes, value: bytes) -> bytes:
    return mail(b"From: a@x.example", name + b": " + value, b"X-After: yes")


MB3 = 3_000_000
LONG = 200_000
PATTERNS = [
    *(
        b"=?utf-8?Q?",
        b"=?utf-8?B?" + b"A" * 50 + b"?= ",
        b"=?",
        b"?=",
        b'"',
        b'\\"',
        b"(",
        b"\\(",
        b"<",
        b"<a@b>",
        b"[",
    ),
    *(b",", b";", b":", b"a@", b"@", b" ", b"\r\n ", b"\r\n\t\r\n ", b'a;b="', b";a=", b"\xff", b"\xe4\xb8", b"\x1b$B"),
    *(b"\x1b", b"&lt;", b"''", b"%41"),
]


@pytest.mark.parametrize("name", [b"Subject", b"To", b"References", b"Content-Type"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_long_fields_of_one_pattern(name: bytes, pattern: bytes) -> None:
    assert isinstance(timed(_field(name, pattern * (LONG // len(pattern)))), Message)


@pytest.mark.parametrize("pattern", [b'"', b",", b" ", b";a=", b"=?utf-8?Q?"])
def test_three_megabytes_of_one_field(pattern: bytes) -> None:
    for name in (b"To", b"Subject"):
        assert isinstance(timed(_field(name, pattern * (MB3 // len(pattern)))), Message)


@pytest.mark.parametrize("name", [b"filename", b"filename*", b"filename*0*"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_long_file_names(name: bytes, pattern: bytes) -> None:
    value = pattern.replace(b"\r\n", b"") * (100_000 // len(pattern))
    part = b'Content-Disposition: attachment; %s="%s"\r\nContent-Type: application/pdf\r\n\r\nx' % (name, value)
    found = timed(multipart(part))
    assert isinstance(found, Message)
    assert all(len(each.name) <= 210 for each in found.attachments)


def test_a_hundred_thousand_parameters() -> None:
    sections = b"".join(b"; filename*%d*=%%41" % number for number in range(100_000))
    assert isinstance(timed(multipart(b"Content-Disposition: attachment" + sections + b"\r\n\r\nx")), Message)


@pytest.mark.parametrize(
    "line",
    [b"X-A: b\r\n", b"a:\r\n", b"To: a@x.example\r\n", b"no field\r\n", b" folded\r\n", b"Subject: x\r\njunk\r\n"],
)
def test_headers_of_many_lines(line: bytes) -> None:
    found = timed(HEAD + line * (LONG // len(line)) + b"\r\ntext")
    assert isinstance(found, Message)
    assert found.from_ is not None


@pytest.mark.parametrize(
    "body",
    [
        b"--" * (MB3 // 2),
        b"--=_b" * (MB3 // 5),
        b"\r\n--=_bx" * (MB3 // 8),
        b"\r\n--=_b " * (MB3 // 8),
        b"\r\n" * (MB3 // 2),
        b"\r" * MB3,
        b"\n--x\n" * (MB3 // 5),
    ],
)
def test_bodies_full_of_almost_boundaries(body: bytes) -> None:
    timed(HEAD + b'Content-Type: multipart/mixed; boundary="=_b"\r\n\r\n' + body)
    timed(HEAD + b"Content-Type: multipart/mixed\r\n\r\n" + body)


@pytest.mark.parametrize(
    "unit",
    [
        *(b"<div>", b"<p>", b"<blockquote>", b"<b", b"<a href='", b'<a href="', b"<!--", b"<!", b"&", b"&#x", b"<br>"),
        *(b"&#1114112;", b"<pre>\n", b"<style>", b"</p>", b"<td>", b"<a b='\">", b"\xc2\xa0", b"<x y=z \"' "),
    ],
)
def test_html_is_read_in_linear_time(unit: bytes) -> None:
    source = unit * (LONG // len(unit))
    found = timed(mail(b"From: a@x.example", b"Content-Type: text/html; charset=utf-8", body=source))
    assert isinstance(found, Message)


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"x-uuencode", b"7bit"])
@pytest.mark.parametrize("unit", [b"=", b"A", b"=4", b"\r\n", b" ", b">From ", b"> ", b" \n", b"\xff", b"+AAA-"])
def test_bodies_of_one_pattern(encoding: bytes, unit: bytes) -> None:
    for kind in (b"text/plain; format=flowed", b"text/plain; charset=utf-7", b"application/zip", b"message/rfc822"):
        fields = b"Content-Type: " + kind, b"Content-Transfer-Encoding: " + encoding
        assert isinstance(timed(mail(b"From: a@x.example", *fields, body=unit * (LONG // len(unit)))), Message)


@pytest.mark.parametrize(
    "label",
    [b"punycode", b"idna", b"unicode_escape", b"zlib", b"undefined", b"utf-7", b"iso-2022-jp", b"hz", b"x" * 5000],
)
def test_charsets_chosen_by_strangers(label: bytes) -> None:
    for unit in (b"\xff\xfe", b"~{", b"\x1b$B", b"+A-", b"a-", b"\\u0041"):
        found = timed(mail(b"From: a@x.example", b"Content-Type: text/plain; charset=" + label, body=unit * 250_000))
        assert isinstance(found, Message)
        found.text.encode()


CALENDAR = b"Content-Type: text/calendar; method=REPLY\r\n\r\nBEGIN:VCALENDAR"
NAMED = b"Content-Type: application/pdf; name*0*=utf-8''a; name*1=b\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD"
SAMPLES = [
    multipart(
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nza\xc5\xbc",
        b"Content-Type: text/html\r\n\r\n<p>x",
        kind=b"alternative",
    ),
    multipart(b"\r\nx", NAMED),
    multipart(b"Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz", CALENDAR),
    mail(
        b"From: =?utf-8?Q?a?= <a@x.example>",
        b"Date: Mon, 1 Jan 2024 10:00:00 +0100",
        b"References: <a@x> <b@x>",
        b"To: g: a@x, b@x;",
    ),
]
SPLICES = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\0",
        b"--=_b",
        b"--",
        b'"',
        b"=?utf-8?B?",
        b"?=",
        b";",
        b":",
        b"<",
        b"\xff",
        b"Content-Type: multipart/x",
        b"\x1b$B",
    ]
)


@settings(max_examples=200)
@given(st.data())
def test_mutated_mail_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(raw)))
        if data.draw(st.booleans()):
            raw[at:at] = data.draw(SPLICES)
        else:
            del raw[at : at + data.draw(st.integers(1, 40))]
    _whole(bytes(raw))


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_random_bytes_are_read_or_refused(raw: bytes) -> None:
    _whole(raw)


@given(st.text(st.sampled_from("<>/&;#x!-='\"ap brdivtuquoe \n"), max_size=300))
def test_html_never_raises(source: str) -> None:
    found = text_of(source)
    found.encode("utf-8")
    assert "\0" not in found


def _whole(raw: bytes) -> None:
    """What comes out can be stored: no surrogates, no NUL, no controls in header text. Our own lane did it."""
    found = None
    refusal = ""
    try:
        found = read(raw)
    except Unparsable as error:
        refusal = str(error)
    assert "could not be read" not in refusal
    if found is None:
        return
    assert not any("mail-parser" in problem for problem in found.problems)
    (found.text + found.subject).encode()
    assert "\0" not in found.text
    assert "\n" not in found.subject
    for values in found.headers.values():
        assert not any("\n" in value or "\0" in value for value in values)
    for each in found.attachments:
        assert "/" not in each.name
        assert each.name not in ("", ".", "..")


def test_a_large_attachment_stays_on_disk() -> None:
    data = base64.encodebytes(random.Random(1).randbytes(8_000_000))

    class Watching(Kept):
        largest = 0

        def put(self, content):  # type: ignore[no-untyped-def]
            for piece in content:
                self.largest = max(self.largest, len(piece))
            return "0" * 64, 0

    kept = Watching()
    read(multipart(b"Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + data), kept)
    assert 0 < kept.largest < 600_000
