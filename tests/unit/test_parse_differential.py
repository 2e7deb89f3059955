"""Our lane against mail-parser on ordinary mail: they must agree."""

from __future__ import annotations

import base64
import hashlib
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP

import mailparser
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.mails import Kept, read

WORDS = st.text(st.sampled_from("abcdefghij ąćęłńóśźż äöü éèç привет 会议 .,!?-"), min_size=1, max_size=60).map(
    lambda text: " ".join(text.split()) or "x"
)
LINES = st.lists(WORDS, min_size=1, max_size=8).map("\n".join)
FILES = st.lists(
    st.tuples(
        st.sampled_from(["oferta.pdf", "umowa ż.docx", "zdjęcie.png", "a b.zip", "notes.txt"]),
        st.sampled_from(["application/pdf", "application/zip", "image/png", "application/octet-stream"]),
        st.binary(max_size=3_000),
    ),
    max_size=3,
)


def ordinary(
    subject: str, name: str, text: str, html: str | None, files: list[tuple[str, str, bytes]], cte: str
) -> bytes:
    mail = EmailMessage(policy=SMTP)
    shown = f'"{name}"' if name.isascii() else Header(name, "utf-8").encode(maxlinelen=0)  # a bare comma ends a name
    mail["From"] = f"{shown} <jan@klient.example>"
    mail["To"] = "Anna <anna@firma.example>, jan2@klient.example"
    mail["Subject"] = subject
    mail["Date"] = "Mon, 01 Jan 2024 10:00:00 +0100"
    mail["Message-ID"] = "<1@klient.example>"
    mail.set_content(text, cte=cte)
    if html is not None:
        mail.add_alternative(f"<html><body><p>{html}</p></body></html>", subtype="html")
    for filename, kind, data in files:
        maintype, _, subtype = kind.partition("/")
        mail.add_attachment(data, maintype=maintype, subtype=subtype, filename=filename)
    return mail.as_bytes()


def squeezed(text: str) -> str:
    return " ".join(text.split())


@settings(max_examples=60)
@given(WORDS, WORDS, LINES, st.none() | WORDS, FILES, st.sampled_from(["quoted-printable", "base64", "8bit"]))
@example("Oferta", "Kowalski, Jan", "Tak", None, [], "8bit")
def test_ordinary_mail_is_read_alike(
    subject: str, name: str, text: str, html: str | None, files: list[tuple[str, str, bytes]], cte: str
) -> None:
    raw = ordinary(subject, name, text, html, files, cte)
    kept = Kept()
    ours = read(raw, kept)
    theirs = mailparser.parse_from_bytes(raw)
    assert ours.problems == ()
    assert squeezed(ours.subject) == squeezed(theirs.subject) == squeezed(subject)
    assert ours.from_ is not None
    # Of a name with a comma in an encoded word, mail-parser on Python 3.13 makes two.
    assert (squeezed(ours.from_.name), ours.from_.email) == (squeezed(name), theirs.from_[0][1])
    assert [each.email for each in ours.to] == [email for _, email in theirs.to]
    assert ours.date is not None
    assert ours.date.replace(tzinfo=None) == theirs.date.replace(tzinfo=None)
    assert f"<{ours.message_id}>" == theirs.message_id
    assert squeezed(ours.text) == squeezed("\n".join(theirs.text_plain)) == squeezed(text)
    expected = [(name, kind, hashlib.sha256(data).hexdigest()) for name, kind, data in files]
    assert [(each.name, each.type, each.sha256) for each in ours.attachments] == expected
    found = [
        (each["filename"], each["mail_content_type"], base64.b64decode(each["payload"])) for each in theirs.attachments
    ]
    assert [(name, kind, hashlib.sha256(data).hexdigest()) for name, kind, data in found] == expected
    assert [kept.files[each.sha256] for each in ours.attachments] == [data for _, _, data in files]


@pytest.mark.parametrize(
    "codec", ["iso-8859-2", "windows-1250", "iso-8859-1", "windows-1251", "koi8-r", "gb2312", "euc-jp", "utf-16"]
)
def test_declared_charsets_are_read_alike(codec: str) -> None:
    text = {
        "windows-1251": "Привет мир",
        "koi8-r": "Привет мир",
        "gb2312": "会议纪要",
        "euc-jp": "会議の件",
        "iso-8859-1": "Größe",
    }
    head = (
        f"From: a@x.example\r\nContent-Type: text/plain; charset={codec}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    raw = head.encode() + base64.encodebytes(text.get(codec, "Zażółć gęślą").encode(codec))
    assert read(raw).text == mailparser.parse_from_bytes(raw).text_plain[0].strip() == text.get(codec, "Zażółć gęślą")
