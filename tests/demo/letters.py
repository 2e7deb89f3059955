"""Makes the story's mails: as mail programs, mailing tools and mail systems write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

Attached = tuple[str, str, bytes]
"""File name, content type, bytes."""


@dataclass(frozen=True)
class Post:
    """Where letters get their dates and names from.

    Args:
        now: the time of the story's end; letters are dated in minutes before it.
        token: makes Message-IDs of this run its own.
    """

    now: datetime
    token: str

    def id(self, name: str) -> str:
        """The Message-ID of the letter with this name, without ``<>``."""
        return f"{name}.{self.token}@mail.example"

    def letter(
        self,
        name: str,
        sender: str,
        to: str,
        subject: str,
        text: str,
        *,
        ago: int,
        cc: str = "",
        answers: Sequence[str] = (),
        attached: Sequence[Attached] = (),
        charset: str = "utf-8",
        headers: Mapping[str, str] | None = None,
        html: str | None = None,
    ) -> bytes:
        """One letter.

        Args:
            ago: minutes before the story's end.
            answers: names of the letters that it refers to, the newest last.
        """
        message = EmailMessage(policy=SMTP)
        message["From"] = _addresses(sender)
        message["To"] = _addresses(to)
        if cc:
            message["Cc"] = _addresses(cc)
        message["Subject"] = subject
        message["Date"] = format_datetime(self.now - timedelta(minutes=ago))
        message["Message-ID"] = f"<{self.id(name)}>"
        if answers:
            message["In-Reply-To"] = f"<{self.id(answers[-1])}>"
            message["References"] = " ".join(f"<{self.id(each)}>" for each in answers)
        for key, value in (headers or {}).items():
            message[key] = value
        message.set_content(text, charset=charset, cte="8bit" if charset != "utf-8" else "quoted-printable")
        if html is not None:
            message.add_alternative(html, subtype="html")
        for file, kind, content in attached:
            maintype, _, subtype = kind.partition("/")
            message.add_attachment(content, maintype=maintype, subtype=subtype, filename=file)
        return message.as_bytes()

    def bounce(self, name: str, rep: str, lost: bytes, recipient: str, *, ago: int) -> bytes:
        """What a mail system writes to ``rep`` about the letter ``lost`` that it could not deliver (RFC 3464)."""
        head = lost.partition(b"\r\n\r\n")[0].decode()
        domain = recipient.partition("@")[2]
        date = format_datetime(self.now - timedelta(minutes=ago))
        return _crlf(
            f"""From: MAILER-DAEMON@mx.firma.example (Mail Delivery System)
To: {rep}
Subject: Undelivered Mail Returned to Sender
Date: {date}
Message-ID: <{self.id(name)}>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_report"

--=_report
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.firma.example.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients.

<{recipient}>: host mx.{domain} said: 550 5.1.1 User unknown

--=_report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.firma.example
Arrival-Date: {date}

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.{domain}
Diagnostic-Code: smtp; 550 5.1.1 User unknown

--=_report
Content-Type: text/rfc822-headers

{head}

--=_report--
"""
        )

    def invitation(self, name: str, sender: str, to: str, subject: str, *, ago: int) -> bytes:
        """A calendar program's invitation (RFC 5546)."""
        start = self.now + timedelta(days=3)
        event = (
            "BEGIN:VCALENDAR\r\nPRODID:-//Kalendarz//PL\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n"
            f"UID:{self.id(name)}\r\nDTSTAMP:{self.now:%Y%m%dT%H%M%SZ}\r\nDTSTART:{start:%Y%m%dT%H0000Z}\r\n"
            f"DTEND:{start + timedelta(hours=1):%Y%m%dT%H0000Z}\r\nSUMMARY:{subject}\r\n"
            f"ORGANIZER:mailto:{parseaddr(sender)[1]}\r\nATTENDEE:mailto:{parseaddr(to)[1]}\r\n"
            "END:VEVENT\r\nEND:VCALENDAR\r\n"
        )
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"], message["Subject"] = _addresses(sender), _addresses(to), subject
        message["Date"] = format_datetime(self.now - timedelta(minutes=ago))
        message["Message-ID"] = f"<{self.id(name)}>"
        message.set_content("Zaproszenie w załączniku.\n")
        message.add_alternative(event.encode(), "text", "calendar", params={"method": "REQUEST", "charset": "utf-8"})
        return message.as_bytes()

    def receipt(self, name: str, sender: str, to: str, read: str, *, ago: int) -> bytes:
        """A mail program's notice that the letter ``read`` was displayed (RFC 8098)."""
        return _crlf(
            f"""From: {sender}
To: {to}
Subject: Read: your message
Date: {format_datetime(self.now - timedelta(minutes=ago))}
Message-ID: <{self.id(name)}>
In-Reply-To: <{self.id(read)}>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary="=_mdn"

--=_mdn
Content-Type: text/plain; charset=us-ascii

Your message was displayed.

--=_mdn
Content-Type: message/disposition-notification

Final-Recipient: rfc822; {parseaddr(sender)[1]}
Original-Message-ID: <{self.id(read)}>
Disposition: manual-action/MDN-sent-manually; displayed

--=_mdn--
"""
        )

    def broken(self, name: str, sender: str, to: str, *, ago: int) -> bytes:
        """What an old program wrote: raw ISO-8859-2 in the header, an odd date, a part that never ends."""
        date = (self.now - timedelta(minutes=ago)).strftime("%d.%m.%Y %H:%M")
        head = (
            f"From: {sender}\nTo: {to}\nSubject: Zapytanie o łóżka i materace\nDate: {date}\n"
            f"Message-ID: <{self.id(name)}>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=xx\n\n"
            "--xx\nContent-Type: text/plain; charset=iso-8859-2\nContent-Transfer-Encoding: 8bit\n\n"
            "Dzień dobry,\npotrzebuję dwunastu łóżek z materacami. Proszę o wycenę.\nŁucja Gęsicka\n"
        )
        return _crlf(head, "iso-8859-2")

    def poison(self, name: str, sender: str, to: str, *, ago: int) -> bytes:
        """Parts within parts within parts: made to choke its reader."""
        date = format_datetime(self.now - timedelta(minutes=ago))
        head = f"From: {sender}\nTo: {to}\nSubject: You have won\nDate: {date}\nMessage-ID: <{self.id(name)}>\n"
        parts = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(60))
        return _crlf(f"{head}MIME-Version: 1.0\n{parts}Content-Type: text/plain\n\nboo\n")


def forwarded(author: str, to: str, subject: str, date: datetime, text: str) -> str:
    """The text of a forward, as a popular web mail writes it."""
    head = f"From: {author}\nDate: {date:%a, %d %b %Y at %H:%M}\nSubject: {subject}\nTo: {to}"
    return f"Do zapisania w CRM.\n\n---------- Forwarded message ---------\n{head}\n\n\n{text}"


def _addresses(line: str) -> tuple[Address, ...]:
    found = []
    for piece in line.split(", "):
        name, email = parseaddr(piece)
        found.append(Address(name, addr_spec=email))
    return tuple(found)


def _crlf(text: str, charset: str = "utf-8") -> bytes:
    return text.replace("\n", "\r\n").encode(charset)
