"""A letter as bytes for a mail server. Nothing that a letter or a name says can become a header of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.charset import QP, Charset
from email.header import Header, decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, parseaddr

from mailcrm.core.letters import Letter
from mailcrm.errors import Refused

_LONGEST_NAME = 120
_REFERENCES = 20  # ids: the first of the thread and the last of these (RFC 5322, 3.6.4, sets no limit; servers do)


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom to whom, and in which thread.

    Args:
        sender, recipient: normalised addresses, with names as people write them ("": none).
        message_id: without ``<>``.
        date: aware, in the sender's time zone.
        references: the Message-IDs of the thread so far, the oldest first; the last one is replied to.
    """

    sender: str
    sender_name: str
    recipient: str
    recipient_name: str
    message_id: str
    date: datetime
    references: tuple[str, ...] = ()


def compose(letter: Letter, envelope: Envelope) -> bytes:
    """The message as it goes out: plain text in UTF-8, lines ending in CRLF.

    It is read again as a receiver reads it: what would come out as another header, subject or address than was meant
    (RFC 2047 words that hide a line break among them) is not sent.

    Raises:
        Refused: it can't be written so that it is read as it is meant.
    """
    headers = {
        "From": _mailbox(envelope.sender_name, envelope.sender),
        "To": _mailbox(envelope.recipient_name, envelope.recipient),
        "Subject": _words(letter.subject, len("Subject: ")),
        "Date": format_datetime(envelope.date),
        "Message-ID": f"<{envelope.message_id}>",
    }
    if envelope.references:
        named = envelope.references
        kept = named if len(named) <= _REFERENCES else (named[0], *named[1 - _REFERENCES :])
        headers["In-Reply-To"] = f"<{kept[-1]}>"
        headers["References"] = "\r\n ".join(f"<{each}>" for each in kept)
    body = EmailMessage(policy=policy.SMTP)
    body.set_content(letter.text, cte="quoted-printable")
    top = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    content = (
        top.encode("ascii", "surrogateescape") + bytes(body) if top.isascii() and letter.subject.isprintable() else b""
    )
    if not content or not _is_as_meant(content, headers, letter, envelope):
        raise Refused(f"the mail to {envelope.recipient} can't be written safely; mend its subject, names or address")
    return content


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
    written = [*headers, "Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
    if sorted(read.keys()) != sorted(written) or read.is_multipart() or read.defects:
        return False
    subject = str(make_header(decode_header(str(read["Subject"]).replace("\r\n", ""))))
    addresses = [parseaddr(str(read[name]))[1] for name in ("From", "To")]
    text = read.get_payload(decode=True)
    return (
        subject == letter.subject
        and addresses == [envelope.sender, envelope.recipient]
        and isinstance(text, bytes)
        and text.decode("utf-8").replace("\r\n", "\n") == letter.text
        and b"\n" not in content.replace(b"\r\n", b"")
    )


_UTF8 = Charset("utf-8")
_UTF8.header_encoding = QP
