"""Tracks in a mail that a rep wrote with his own program: only its HTML part changes, and what it says does not."""

from __future__ import annotations

import itertools
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from mailcrm.core.tracked import Track
from mailcrm.core.tracked_mail import with_tracks

BASE = "https://crm.firma.example"
HTML = '<html><body><p>Gęślą <a href="https://firma.example/a?b=1&amp;c=2">jaźń</a></p>\n</body></html>\n'


def tracked(content: bytes) -> tuple[bytes, tuple[Track, ...]] | None:
    return with_tracks(content, BASE, (f"t{number}" for number in itertools.count()))


def written(html: str = HTML, cte: str = "quoted-printable", charset: str = "utf-8") -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "anna@firma.example", "ewa@klient.example", "Oferta"
    mail.set_content("Gęślą jaźń")
    mail.add_alternative(html, subtype="html", cte=cte, charset=charset)
    mail.add_attachment(b"%PDF-1.4 \x00\xff", maintype="application", subtype="pdf", filename="oferta.pdf")
    return mail.as_bytes(policy=policy.SMTP)


@pytest.mark.parametrize("cte", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-2"])
def test_only_the_html_part_changes(cte: str, charset: str) -> None:
    content = written(cte=cte, charset=charset)
    done = tracked(content)
    assert done is not None
    changed, tracks = done
    html = message_from_bytes(changed, policy=policy.default).get_body(("html",))
    assert html is not None
    text = html.get_content().replace("\r\n", "\n")
    assert "Gęślą" in text
    assert f'href="{BASE}/c/t0"' in text
    assert f'src="{BASE}/o/t2.gif"' in text
    assert [(each.kind, each.url, each.hidden) for each in tracks] == [
        ("click", "https://firma.example/a?b=1&c=2", False),
        ("click", "https://firma.example/a?b=1&c=2", True),
        ("open", None, False),
    ]
    # Before the part, and after it, nothing has changed.
    mark = b"text/html"
    head = content[: content.index(b"\r\n\r\n", content.index(mark))]
    tail = content[content.rindex(b"application/pdf") :]
    assert changed.startswith(head)
    assert changed.endswith(tail)
    assert b"\n" not in changed.replace(b"\r\n", b"")
    assert max(map(len, changed.split(b"\r\n"))) <= 998


def test_a_mail_of_html_alone() -> None:
    content = b"From: a@firma.example\r\nContent-Type: text/html; charset=us-ascii\r\n\r\n<p>Hello</p>\r\n"
    done = tracked(content)
    assert done is not None
    assert done[0].startswith(content.removesuffix(b"\r\n"))
    assert f"{BASE}/o/t0.gif".encode() in done[0]


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: x\r\n\r\n<p>text alone</p>\r\n",
        b"Content-Type: text/html; charset=x-unknown\r\n\r\n<p>Hello</p>\r\n",
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>\xb3</p>\r\n",
        b"Content-Type: text/html; charset=us-ascii\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+*\r\n",
        b"Content-Type: text/html; charset=us-ascii\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n<p>Hello</p>\r\n",
        b"Content-Type: text/html\r\nContent-Disposition: attachment\r\n\r\n<p>Hello</p>\r\n",
        b"Content-Type: text/html\r\n\r\n" + b'<a href="https://a.example">' + b"x" * 965 + b"</a>\r\n",
        b"Content-Type: text/html\r\n\r\n" + b"<p>x</p>\r\n" * 110_000,
        b"Content-Type: text/html\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" * 9_000,
        b"",
    ],
    ids=["text", "charset", "bytes", "base64", "encoding", "attached", "long-line", "huge", "empty", "deep", "nothing"],
)
def test_what_can_t_be_done_without_harm_is_left_alone(content: bytes) -> None:
    assert tracked(content) is None


def test_a_forwarded_message_is_somebody_else_s() -> None:
    inner = EmailMessage()
    inner.set_content("<p>old</p>", subtype="html")
    outer = EmailMessage()
    outer.set_content("see below")
    outer.add_attachment(inner)
    assert tracked(outer.as_bytes(policy=policy.SMTP)) is None


def test_a_part_that_stands_twice_is_left_alone() -> None:
    """Which of the two a reader shows is not for us to tell."""
    part = "--b\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n"
    content = f"Content-Type: multipart/mixed; boundary=b\r\n\r\n{part}{part}--b--\r\n".encode()
    assert tracked(content) is None
