"""A message attached to a message: what it says is decoded, bounded, and read no deeper (RFC 2046 section 5.2.1)."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.core.forwards import forwarded
from mailcrm.core.model import Address
from tests.unit.mails import Kept, mail, multipart, read

WORDS = "Zażółć gęślą jaźń = 100 %"
FROM = b"From: =?utf-8?Q?Ewa_Wi=C5=9Bniewska?= <ewa@klient.example>"
SUBJECT = b"Subject: =?utf-8?Q?Pytanie_o_cen=C4=99?=\r\n =?utf-8?Q?_=C5=82opat?="
TOP = (FROM, SUBJECT, b"Date: Tue, 3 Nov 2026 12:00:00 +0100", b"Message-ID:\r\n <p1@klient.example>")
QUOTED = (b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: quoted-printable")
CODED = (b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: base64")
QP = b"Za=C5=BC=C3=B3=C5=82=C4=87 g=C4=99=C5=9B=\r\nl=C4=85 ja=C5=BA=C5=84 =3D 100 %"
B64 = base64.encodebytes(WORDS.encode())
PLAIN = b"\r\n".join(QUOTED) + b"\r\n\r\n" + QP
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>" + WORDS.encode() + b"</p>"


def carrying(inner: bytes, *fields: bytes) -> bytes:
    head = b"".join(field + b"\r\n" for field in (b"Content-Type: message/rfc822", *fields))
    return multipart(b"\r\nW za\xc5\x82\xc4\x85czeniu.", head + b"\r\n" + inner)


def parts(*inside: bytes, kind: bytes) -> bytes:
    body = b"".join(b"--in\r\n" + part + b"\r\n" for part in inside) + b"--in--\r\n"
    return mail(*TOP, b"Content-Type: multipart/" + kind + b"; boundary=in", body=body)


@pytest.mark.parametrize(
    "inner",
    [
        mail(*TOP, *QUOTED, body=QP),
        mail(*TOP, *CODED, body=B64),
        mail(*TOP, b"Content-Type: text/plain; charset=iso-8859-2", body=WORDS.encode("iso-8859-2")),
        mail(*TOP, b"Content-Type: text/html; charset=utf-8", body=b"<p>" + WORDS.encode()),
        parts(PLAIN, HTML, kind=b"alternative"),
        parts(PLAIN, b"Content-Type: application/pdf; name=a.pdf\r\n\r\n\0secret", kind=b"mixed"),
        parts(PLAIN, b"Content-Type: message/rfc822\r\n\r\nSubject: a third\r\n\r\nsecret", kind=b"mixed"),
        b"\r\nFrom ewa Tue Nov  3 12:00:00 2026\r\n" + mail(*TOP, *QUOTED, body=QP),
    ],
    ids=["quoted-printable", "base64", "8bit", "html", "alternative", "with a file", "with a third", "mbox"],
)
def test_a_forward_as_attachment_is_read_decoded(inner: bytes) -> None:  # DATA-19
    kept = Kept()
    message = read(carrying(inner), kept)
    found = forwarded(message)
    assert found is not None
    assert found.author == Address("Ewa Wiśniewska", "ewa@klient.example")
    assert (found.subject, found.text) == ("Pytanie o cenę łopat", WORDS)
    assert (found.date, found.message_id) == (datetime(2026, 11, 3, 11, tzinfo=UTC), "p1@klient.example")
    assert message.text == "W załączeniu."
    assert kept.files[message.attachments[0].sha256] == inner


def test_an_attached_message_in_base64_is_read_too() -> None:
    inner = base64.encodebytes(mail(*TOP, *QUOTED, body=QP))
    found = forwarded(read(carrying(inner, b"Content-Transfer-Encoding: base64")))
    assert found is not None
    assert found.text == WORDS


def test_an_encoded_field_starts_no_other() -> None:
    inner = mail(b"Subject: =?utf-8?Q?x=0AFrom:_<evil@bad.example>?=", FROM)
    found = forwarded(read(carrying(inner)))
    assert found is not None
    assert found.author == Address("Ewa Wiśniewska", "ewa@klient.example")


def test_zeros_never_reach_the_text() -> None:
    (attached,) = read(carrying(mail(*TOP, *QUOTED, body=b"hello =00 world"))).embedded
    assert attached.text.endswith("hello  world")


def test_all_fields_of_a_returned_message_are_kept() -> None:
    (attached,) = read(carrying(mail(*TOP, b"X-Mailcrm-Choice: 7", b"Odd: x", *CODED, body=B64))).embedded
    assert "\nX-Mailcrm-Choice: 7\nOdd: x\n" in attached.text


@pytest.mark.parametrize(
    "inner",
    [
        b"".join(b"Content-Type: message/rfc822\r\n\r\n" for _ in range(9_000)),
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(4_000)),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20_000,
        b"Subject: " + b"=?utf-8?Q?a" * 20_000 + b"\r\n\r\nx",
        b"Content-Type: text/html\r\n\r\n" + b"<blockquote>" * 20_000,
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b"eHh4" * 60_000,
        b"\r\n" * 100_000,
        b"",
    ],
    ids=["messages", "multiparts", "parts", "words", "quotes", "base64", "blanks", "nothing"],
)
def test_hostile_messages_cost_little(inner: bytes) -> None:
    started = time.process_time()
    (attached,) = read(carrying(inner)).embedded
    assert time.process_time() - started < 2
    assert len(attached.text) <= 64_000


@settings(max_examples=60)
@given(st.binary(max_size=300), st.sampled_from([b"", b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"]))
def test_whatever_is_attached_is_read(inner: bytes, start: bytes) -> None:
    (attached,) = read(carrying(start + inner.replace(b"--=_b", b""))).embedded
    assert "\0" not in attached.text
