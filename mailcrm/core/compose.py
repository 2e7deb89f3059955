"""A letter as bytes for a mail server. Nothing that a letter or a name says can become a header of its own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.charset import QP, Charset
from email.header import Header, decode_header, make_header
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import format_datetime, parseaddr

from mailcrm.core.letters import Letter
from mailcrm.errors import Refused

_LONGEST_NAME = 120
_LONGEST_LINE = 998  # bytes, without CRLF (RFC 5322, 2.1.1)
_REFERENCES = 20  # ids: the first of the thread and the last of these (RFC 5322, 3.6.4, sets no limit; servers do)
_ID = re.compile(r"[!-;=?-~]{1,250}")
_URL = re.compile(r"(?:https?://|mailto:)[!-;=?-~]{1,900}")


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """How a reader of campaign mail gets no more of it (RFC 2369, RFC 8058).

    Args:
        url: takes a POST without asking anything.
        mailto: an address, or none.
    """

    url: str
    mailto: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom to whom, and in which thread.

    Args:
        sender, recipient: normalised addresses, with names as people write them ("": none).
        message_id: without ``<>``.
        date: aware, in the sender's time zone.
        references: the Message-IDs of the thread so far, the oldest first; the last one is replied to.
        unsubscribing: of campaign mail alone: mail to one person with a List header is answered by no out-of-office.
    """

    sender: str
    sender_name: str
    recipient: str
    recipient_name: str
    message_id: str
    date: datetime
    references: tuple[str, ...] = ()
    unsubscribing: Unsubscribing | None = None


def compose(letter: Letter, envelope: Envelope) -> bytes:
    """The message as it goes out: ASCII alone, lines of at most 76 bytes in its body, each ending in CRLF.

    Text alone is one part; text and HTML are alternatives (RFC 2046, 5.1.4), pictures related to the HTML (RFC 2387).
    The same letter in the same envelope gives the same bytes. It is read again as a receiver reads it: what would come
    out as another header, subject, address or text than was meant (RFC 2047 words that hide a line break among them)
    is not sent.

    Raises:
        Refused: it can't be written so that it is read as it is meant.
    """
    headers = _headers(letter, envelope)
    top = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    content = b""
    if top.isascii() and letter.subject.isprintable():
        content = top.encode("ascii") + bytes(_body(letter, envelope.message_id))
    if not content or not _is_as_meant(content, headers, letter, envelope):
        raise Refused(f"the mail to {envelope.recipient} can't be written safely; mend its subject, names or address")
    return content


def document(html: str) -> str:
    """A fragment of HTML as a whole document."""
    head = '<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head><body>'
    return f"{head}\n{html.rstrip()}\n</body></html>\n"


def _headers(letter: Letter, envelope: Envelope) -> dict[str, str]:
    headers = {
        "From": _mailbox(envelope.sender_name, envelope.sender),
        "To": _mailbox(envelope.recipient_name, envelope.recipient),
        "Subject": _words(letter.subject, len("Subject: ")),
        "Date": format_datetime(envelope.date),
        "Message-ID": f"<{envelope.message_id}>",
    }
    named = [each for each in envelope.references if _ID.fullmatch(each)]
    if named:
        kept = named if len(named) <= _REFERENCES else [named[0], *named[1 - _REFERENCES :]]
        headers["In-Reply-To"] = f"<{kept[-1]}>"
        headers["References"] = "\r\n ".join(f"<{each}>" for each in kept)
    if envelope.unsubscribing:
        ways = [envelope.unsubscribing.url]
        ways += [f"mailto:{envelope.unsubscribing.mailto}"] if envelope.unsubscribing.mailto else []
        if not all(_URL.fullmatch(way) for way in ways):
            raise Refused("the way to unsubscribe is no plain address; mend web.base_url")
        headers["List-Unsubscribe"] = ",\r\n ".join(f"<{way}>" for way in ways)
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _body(letter: Letter, message_id: str) -> EmailMessage:
    """The parts, without the headers of the whole."""
    body = EmailMessage(policy=policy.SMTP)
    body.set_content(letter.text, cte="quoted-printable")
    if letter.html is None:
        return body
    body.add_alternative(document(letter.html), subtype="html", cte="quoted-printable")
    *_, page = body.iter_parts()
    assert isinstance(page, EmailMessage), "it was made so above"
    for image in letter.images:
        kind, _, subtype = image.type.partition("/")
        name = re.sub(r"[^A-Za-z0-9._-]", "-", image.name.rpartition("/")[2])[-60:]
        page.add_related(
            image.content, kind, subtype, cid=f"<{image.cid}>", filename=name, disposition="inline", cte="base64"
        )
    if letter.images:
        page.set_param("type", "text/html")  # RFC 2387, 3.1
    for part in body.walk():
        del part["MIME-Version"]
        if part.is_multipart():
            # Never in a part: "=_" is not quoted-printable, and "_" not base64.
            depth = "related" if part is page else "alternative"
            part.set_boundary(f"=_{hashlib.sha256(f'{depth}:{message_id}'.encode()).hexdigest()[:40]}")
    body["MIME-Version"] = "1.0"
    return body


def _mailbox(name: str, address: str) -> str:
    """``Name <address>``; a name of other than plain words is encoded (RFC 2047)."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in name).split())[:_LONGEST_NAME]
    if not shown:
        return address
    if all(c.isascii() and (c.isalnum() or c in " '-") for c in shown):
        return f"{shown} <{address}>"
    return f"{Header(shown, _UTF8, header_name='From').encode(linesep=chr(13) + chr(10))}\r\n <{address}>"


def _words(text: str, used: int) -> str:
    """Plain ASCII that fits on a line as it is; all else as encoded words, so that none in the text is decoded."""
    if text.isascii() and text.isprintable() and "=?" not in text and used + len(text) <= 78:
        return text
    return Header(text, _UTF8, header_name="Subject").encode(linesep="\r\n")


def _is_as_meant(content: bytes, headers: dict[str, str], letter: Letter, envelope: Envelope) -> bool:
    read = BytesParser(policy=policy.compat32).parsebytes(content)
    parts = list(read.walk())
    if any(part.defects for part in parts) or not _is_plain(content):
        return False
    subject = str(make_header(decode_header(str(read["Subject"]).replace("\r\n", ""))))
    addresses = [parseaddr(str(read[name]))[1] for name in ("From", "To")]
    return (
        subject == letter.subject
        and addresses == [envelope.sender, envelope.recipient]
        and [sorted(part.keys()) for part in parts] == list(_names(headers, letter))
        and [_seen(part) for part in parts if not part.is_multipart()] == list(_meant(letter))
    )


def _is_plain(content: bytes) -> bool:
    """Seven-bit, no bare CR or LF, no line too long."""
    lines = content.split(b"\r\n")
    return content.isascii() and all(
        len(line) <= _LONGEST_LINE and b"\n" not in line and b"\r" not in line and b"\0" not in line for line in lines
    )


def _names(headers: dict[str, str], letter: Letter) -> Iterator[list[str]]:
    """The headers of the whole and of its parts, as they are to be found."""
    text = ["Content-Transfer-Encoding", "Content-Type"]
    if letter.html is None:
        yield sorted([*headers, "MIME-Version", *text])
        return
    yield sorted([*headers, "MIME-Version", "Content-Type"])
    yield text
    if letter.images:
        yield ["Content-Type"]
    yield text
    yield from (["Content-Disposition", "Content-ID", *text] for _ in letter.images)


def _seen(part: Message) -> tuple[str, str, bytes]:
    """Type, Content-ID and content of a part as a receiver finds them."""
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes), "it is no multipart"
    is_text = part.get_content_maintype() == "text"
    return (
        part.get_content_type(),
        str(part.get("Content-ID", "")),
        content.replace(b"\r\n", b"\n") if is_text else content,
    )


def _meant(letter: Letter) -> Iterator[tuple[str, str, bytes]]:
    yield "text/plain", "", letter.text.encode()
    if letter.html is not None:
        yield "text/html", "", document(letter.html).encode()
        yield from ((image.type, f"<{image.cid}>", image.content) for image in letter.images)


_UTF8 = Charset("utf-8")
_UTF8.header_encoding = QP
