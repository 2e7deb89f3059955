"""A letter as bytes for a mail server. Nothing that a letter or a name says can become a header of its own."""

from __future__ import annotations

import hashlib
import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import policy
from email.charset import QP, Charset
from email.header import Header, decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.utils import format_datetime, parseaddr, parsedate_to_datetime
from functools import lru_cache

from mailcrm.core import attached
from mailcrm.core.letters import Image, Letter, is_shown
from mailcrm.errors import Refused

_LONGEST_NAME = 120
_LINE = 57  # bytes that a line of base64 holds
_REFERENCES = 20  # ids: the first of the thread and the last of these (RFC 5322, 3.6.4, sets no limit; servers do)
_ID = re.compile(r"[!-;=?-~]{1,250}")
_TYPE = re.compile(r"image/[a-z]{1,20}")
_ODD = re.compile(r"[^A-Za-z0-9._-]")
# Not ASCII, a CR or LF alone, NUL, more than 998 bytes on a line (RFC 5322, 2.1.1).
_UNLAWFUL = re.compile(rb"[\x80-\xff\x00]|\r(?!\n)|(?<!\r)\n|[^\r\n]{999}")
_DATE = re.compile(rb"\r\nDate: ([ -~]*)")
_URL = re.compile(r"(?:https?://|mailto:)[!-;=?-~]{1,900}")


@dataclass(frozen=True, slots=True)
class ListUnsubscribe:
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
        reply_to_sender: that replies go to the sender is said outright, though they would anyway.
        list_unsubscribe: of campaign mail alone: mail to one person with a List header is answered by no out-of-office.
    """

    sender: str
    sender_name: str
    recipient: str
    recipient_name: str
    message_id: str
    date: datetime
    references: tuple[str, ...] = ()
    reply_to_sender: bool = False
    list_unsubscribe: ListUnsubscribe | None = None


def compose(letter: Letter, envelope: Envelope) -> bytes:
    """The message as it goes out: ASCII alone, lines of at most 76 bytes in its body, each ending in CRLF.

    Text alone is one part; text and HTML are alternatives (RFC 2046, 5.1.4), pictures related to the HTML (RFC 2387),
    and files that are attached come after all of that (RFC 2183).
    The same letter in the same envelope gives the same bytes. It is read again as a receiver reads it: what would come
    out as another header, subject, address or text than was meant (RFC 2047 words that hide a line break among them)
    is not sent.

    Raises:
        Refused: it can't be written so that it is read as it is meant, or what is attached is too large.
    """
    attached.checked(letter.attachments)
    headers = _headers(letter, envelope)
    if not is_shown(letter.subject) or not all(value.isascii() for value in headers.values()):
        raise _unsafe(envelope)
    # Pictures and files can't be read as anything else: the beginning of each shows how the mail is read.
    probe = replace(
        letter,
        images=tuple(replace(each, content=each.content[:_LINE]) for each in letter.images),
        attachments=tuple(replace(each, content=each.content[:_LINE]) for each in letter.attachments),
    )
    content = _written(probe, headers, envelope.message_id)
    if not _is_as_meant(content, headers, probe, envelope):
        raise _unsafe(envelope)
    return content if probe == letter else _written(letter, headers, envelope.message_id)


def redated(content: bytes, at: datetime) -> bytes:
    """A composed message with another Date; every other byte stays.

    Args:
        at: aware, in the sender's time zone.
    """
    head, blank, body = content.partition(b"\r\n\r\n")
    return _DATE.sub(f"\r\nDate: {format_datetime(at)}".encode(), head, count=1) + blank + body


def date_of(content: bytes) -> datetime | None:
    """The Date of a composed message; None: there is none."""
    found = _DATE.search(content.partition(b"\r\n\r\n")[0])
    try:
        date = parsedate_to_datetime(found[1].decode()) if found else None
    except ValueError:
        return None
    return date.replace(tzinfo=date.tzinfo or UTC) if date else None


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
    if envelope.reply_to_sender:
        headers["Reply-To"] = headers["From"]
    named = [each for each in envelope.references if _ID.fullmatch(each)]
    if named:
        kept = named if len(named) <= _REFERENCES else [named[0], *named[1 - _REFERENCES :]]
        headers["In-Reply-To"] = f"<{kept[-1]}>"
        headers["References"] = "\r\n ".join(f"<{each}>" for each in kept)
    if envelope.list_unsubscribe:
        ways = [envelope.list_unsubscribe.url]
        ways += [f"mailto:{envelope.list_unsubscribe.mailto}"] if envelope.list_unsubscribe.mailto else []
        if not all(_URL.fullmatch(way) for way in ways):
            raise Refused("the way to unsubscribe is no plain address; mend web.base_url")
        headers["List-Unsubscribe"] = ",\r\n ".join(f"<{way}>" for way in ways)
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _written(letter: Letter, headers: Mapping[str, str], message_id: str) -> bytes:
    part = _text("plain", letter.text)
    if letter.html is not None:
        page = _text("html", document(letter.html))
        if letter.images:
            kind = 'related; type="text/html"'  # RFC 2387, 3.1
            page = _multipart(kind, f"related:{message_id}", [page, *map(_picture, letter.images)])
        part = _multipart("alternative", f"alternative:{message_id}", [part, page])
    if letter.attachments:
        part = _multipart("mixed", f"mixed:{message_id}", [part, *map(attached.part, letter.attachments)])
    top = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "MIME-Version": "1.0"}.items())
    return top.encode("ascii") + part


def _text(kind: str, text: str) -> bytes:
    head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    return head.encode() + b2a_qp(text.replace("\n", "\r\n").encode(), istext=True)


def _picture(image: Image) -> bytes:
    if not _TYPE.fullmatch(image.type) or not _ID.fullmatch(image.cid):
        raise Refused(f"the picture {image.name!r:.100} has no proper type or id; apply its template again")
    name = _ODD.sub("-", image.name.rpartition("/")[2])[-60:]
    head = (
        f"Content-Type: {image.type}\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <{image.cid}>\r\n"
        f'Content-Disposition: inline; filename="{name}"\r\n\r\n'
    )
    return head.encode("ascii") + _base64(image.content)


@lru_cache(32)
def _base64(content: bytes) -> bytes:
    return encodebytes(content).replace(b"\n", b"\r\n")


def _multipart(kind: str, of: str, parts: Sequence[bytes]) -> bytes:
    """``of`` makes the boundary, which no part holds: "=_" is not quoted-printable, and "_" not base64."""
    boundary = f"=_{hashlib.sha256(of.encode()).hexdigest()[:40]}".encode()
    inner = b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts)
    head = f"Content-Type: multipart/{kind};\r\n".encode()
    return b'%s boundary="%s"\r\n\r\n%s--%s--\r\n' % (head, boundary, inner, boundary)


def _mailbox(name: str, address: str) -> str:
    """``Name <address>``; a name of other than plain words is encoded (RFC 2047)."""
    shown = " ".join("".join(c if is_shown(c) else " " for c in name).split())[:_LONGEST_NAME]
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


def _unsafe(envelope: Envelope) -> Refused:
    return Refused(f"the mail to {envelope.recipient} can't be written safely; mend its subject, names or address")


def _is_as_meant(content: bytes, headers: Mapping[str, str], letter: Letter, envelope: Envelope) -> bool:
    read = BytesParser(policy=policy.compat32).parsebytes(content)
    parts = list(read.walk())
    if any(part.defects for part in parts) or _UNLAWFUL.search(content):
        return False
    subject = str(make_header(decode_header(str(read["Subject"]).replace("\r\n", ""))))
    addresses = [parseaddr(str(read[name]))[1] for name in ("From", "To")]
    return (
        subject == letter.subject
        and addresses == [envelope.sender, envelope.recipient]
        and [sorted(part.keys()) for part in parts] == list(_names(headers, letter))
        and [_seen(part) for part in parts if not part.is_multipart()] == list(_meant(letter))
    )


def _names(headers: Mapping[str, str], letter: Letter) -> Iterator[list[str]]:
    """The headers of the whole and of its parts, as they are to be found."""
    text = ["Content-Transfer-Encoding", "Content-Type"]
    parts = [["Content-Type"]] if letter.attachments else []
    if letter.html is None:
        parts.append(text)
    else:
        parts += [["Content-Type"], text, *([["Content-Type"]] if letter.images else []), text]
        parts += [["Content-Disposition", "Content-ID", *text] for _ in letter.images]
    parts += [["Content-Disposition", *text] for _ in letter.attachments]
    yield sorted([*headers, "MIME-Version", *parts[0]])
    yield from parts[1:]


def _seen(part: Message) -> tuple[str, str, bytes]:
    """Type, Content-ID or the name of a file, and content of a part as a receiver finds them."""
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes), "it is no multipart"
    if part.get_content_disposition() == "attachment":
        return part.get_content_type(), str(part.get_filename()), content
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
    yield from ((each.type, attached.file_name(each), each.content) for each in letter.attachments)


_UTF8 = Charset("utf-8")
_UTF8.header_encoding = QP
