"""Makes realistic mail, the same for the same arguments: threads of 1 to 10 messages, 2 to 60 kB each.

Polish, English, German and French; several charsets and transfer encodings; HTML alternatives, pictures,
attachments, quoted replies, signatures, newsletters, delivery headers of the usual bulk.
"""

from __future__ import annotations

import base64
import quopri
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.header import Header
from email.utils import format_datetime

from tests.bench.words import BY_CHARSET, COMPANY, FIRST, LAST, TOPIC


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who writes or is written to."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One message. ``at`` is when it arrived, or was sent; ``sent``: our rep wrote it, so it lies in Sent."""

    at: datetime
    raw: bytes
    sent: bool
    message_id: str
    thread: int


REP = Party("Anna Nowak", "anna@firma.example")

_CHARSETS = ("utf-8", "us-ascii", "windows-1252", "iso-8859-2", "iso-8859-1")
_CHARSET_WEIGHTS = (60, 22, 7, 7, 4)
_FILES = (
    ("oferta.pdf", "application/pdf"),
    ("umowa.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("cennik 2026.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("zdjęcie próbki.jpg", "image/jpeg"),
    ("Rechnung-März.pdf", "application/pdf"),
    ("notes.txt", "text/plain"),
)
_CLIENTS = ("Microsoft Outlook 16.0", "Apple Mail (2.3774)", "Mozilla Thunderbird", "Roundcube Webmail/1.6")
_CRLF = b"\r\n"


@dataclass(slots=True)
class _Thread:
    number: int
    party: Party
    copied: Sequence[Party]
    subject: str
    charset: str
    left: int
    ids: list[str] = field(default_factory=list)
    last: str = ""


def mails(count: int, *, now: datetime, seed: int = 7, days: float = 5.0, rep: Party = REP) -> Iterator[Mail]:
    """Make ``count`` messages, oldest first.

    Args:
        now: aware; the last message arrives about then.
        days: over how long a time they are spread.
        rep: whose mailbox it is. He begins a fifth of the threads and writes 40 % of the answers.
    """
    maker = _Maker(random.Random(seed), rep, people=max(20, count // 8))
    at, step = now - timedelta(days=days), timedelta(days=days) / count
    open_threads: list[_Thread] = []
    threads = 0
    for _ in range(count):
        at += step
        if open_threads and maker.random.random() < 0.6:
            thread = maker.random.choice(open_threads)
        else:
            threads += 1
            thread = maker.thread(threads)
            open_threads.append(thread)
        yield maker.mail(thread, at)
        if thread.left == 0:
            open_threads.remove(thread)
        elif len(open_threads) > 300:
            open_threads.pop(0)


class _Maker:
    def __init__(self, source: random.Random, rep: Party, people: int) -> None:
        self.random = source
        self.rep = rep
        self.noise = base64.encodebytes(source.randbytes(300_000)).replace(b"\n", _CRLF)
        self.sentences = {charset: [self._sentence(words) for _ in range(400)] for charset, words in BY_CHARSET.items()}
        self.people = [self._party(number) for number in range(people)]

    def _sentence(self, words: Sequence[str]) -> str:
        return " ".join(self.random.choices(words, k=self.random.randint(6, 17))).capitalize() + "."

    def _party(self, number: int) -> Party:
        first, last = self.random.choice(FIRST), self.random.choice(LAST)
        local = "".join(c for c in f"{first}.{last}{number}".lower() if c.isascii() and c != "'")
        company = self.random.choice(COMPANY)
        domain = f"{company}{number % 211}.example" if number % 4 else "gmail.com"
        return Party(f"{first} {last}", f"{local}@{domain}")

    def thread(self, number: int) -> _Thread:
        """Begin a thread."""
        choose = self.random
        charset = choose.choices(_CHARSETS, _CHARSET_WEIGHTS)[0]
        party, *copied = choose.sample(self.people, choose.choices((1, 2, 3), (70, 22, 8))[0])
        words = choose.choice(self.sentences[charset])[: choose.randint(12, 50)].strip(" .")
        left = choose.choices(range(1, 11), (26, 18, 14, 11, 9, 7, 6, 4, 3, 2))[0]
        return _Thread(number, party, copied, f"{choose.choice(TOPIC)}: {words}", charset, left)

    def mail(self, thread: _Thread, at: datetime) -> Mail:
        """The next message of a thread."""
        choose = self.random
        sent = choose.random() < (0.4 if thread.ids else 0.2)
        author, reader = (self.rep, thread.party) if sent else (thread.party, self.rep)
        number = choose.getrandbits(96)
        domain = author.email.partition("@")[2]
        message_id = f"{number:024x}@{domain}" if number % 3 else f"CA{number:x}@mail.gmail.com"
        newsletter = not sent and not thread.ids and thread.left == 1 and choose.random() < 0.25
        text = self._text(thread.charset, choose.randint(2, 13))
        written = text
        if thread.last and choose.random() < 0.8:
            quoted = "".join(f"> {line}\r\n" for line in thread.last.split("\r\n")[:80])
            text += f"\r\n\r\nW dniu {at:%Y-%m-%d %H:%M}, {reader.name} pisze:\r\n".replace("ń", "n") + quoted
        head = [*self._trace(author, reader, at), f"Date: {format_datetime(at)}", f"From: {_address(author)}"]
        head.append(f"To: {_address(reader)}")
        if thread.copied:
            head.append("Cc: " + ",\r\n ".join(map(_address, thread.copied)))
        head.append("Subject: " + _encoded(("Re: " if thread.ids else "") + thread.subject))
        head.append(f"Message-ID: <{message_id}>")
        if thread.ids:
            head.append(f"In-Reply-To: <{thread.ids[-1]}>")
            head.append("References: " + "\r\n ".join(f"<{known}>" for known in thread.ids))
        if newsletter:
            head.append(f"List-Unsubscribe: <https://{domain}/u/{number % 10**8}>\r\nPrecedence: bulk")
        head.extend(("MIME-Version: 1.0", f"X-Mailer: {choose.choice(_CLIENTS)}"))
        raw = "\r\n".join(head).encode("ascii") + _CRLF + self._body(text, thread.charset)
        thread.ids.append(message_id)
        thread.last = written
        thread.left -= 1
        return Mail(at, raw, sent, message_id, thread.number)

    def _text(self, charset: str, paragraphs: int) -> str:
        choose, sentences = self.random, self.sentences[charset]
        text = "\r\n\r\n".join(" ".join(choose.choices(sentences, k=choose.randint(2, 6))) for _ in range(paragraphs))
        return f"{text}\r\n\r\n-- \r\n{self.random.choice(TOPIC)} 22 555 {choose.randint(1000, 9999)}\r\n"

    def _trace(self, author: Party, reader: Party, at: datetime) -> Iterator[str]:
        choose, stamp, domain = self.random, format_datetime(at), author.email.partition("@")[2]
        yield f"Return-Path: <{author.email}>"
        for hop in range(choose.randint(1, 5)):
            yield (
                f"Received: from mx{hop}.{domain} (mx{hop}.{domain} [203.0.113.{choose.randint(1, 254)}])\r\n"
                f"\tby in{choose.randint(1, 9)}.firma.example (Postfix) with ESMTPS id {choose.getrandbits(40):X}\r\n"
                f"\tfor <{reader.email}>; {stamp}"
            )
        if choose.random() < 0.8:
            yield (
                f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1;\r\n"
                f"\th=from:to:subject:date:message-id; bh={self._base64(1).decode()};\r\n"
                f"\tb={self._base64(5).replace(_CRLF, _CRLF + b' ').decode()}"
            )
            yield f"Authentication-Results: in.firma.example; dkim=pass header.d={domain}; spf=pass; dmarc=pass"
        if choose.random() < 0.3:
            seal = self._base64(4).replace(_CRLF, _CRLF + b" ").decode()
            yield f"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=arc.example; s=a1;\r\n\tb={seal}"

    def _base64(self, lines: int) -> bytes:
        """Lines of 76 characters of base64 without the last line end."""
        start = self.random.randrange(len(self.noise) // 78 - lines) * 78
        return self.noise[start : start + lines * 78 - 2]

    def _body(self, text: str, charset: str) -> bytes:
        choose = self.random
        plain = self._part(text, "plain", charset)
        kind = choose.random()
        if kind < 0.18:
            return plain
        rows = "".join(
            f'<p style="margin:0 0 12px 0;font-family:Calibri,Arial,sans-serif;font-size:11pt">{line}</p>\r\n'
            for line in text.split("\r\n")
            if line
        )
        page = f"<html><head><style>p{{margin:0}}</style></head><body>\r\n{rows}</body></html>\r\n"
        both = self._multipart("alternative", plain, self._part(page, "html", charset))
        if kind < 0.62:
            return both
        if kind < 0.74:
            return self._multipart("related", both, self._file("image001.png", "image/png", inline=True))
        files = [self._file(*choose.choice(_FILES)) for _ in range(choose.choices((1, 2), (80, 20))[0])]
        return self._multipart("mixed", both, *files)

    def _part(self, text: str, subtype: str, charset: str) -> bytes:
        content = text.encode(charset, "replace")
        encoding = "7bit" if charset == "us-ascii" else self.random.choice(("quoted-printable", "base64", "8bit"))
        if encoding == "quoted-printable" or max(map(len, content.split(_CRLF))) > 900:
            encoding = "quoted-printable"
            content = quopri.encodestring(content.replace(_CRLF, b"\n")).replace(b"\n", _CRLF)
        elif encoding == "base64":
            content = base64.encodebytes(content).replace(b"\n", _CRLF)
        head = f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        return head.encode() + content + _CRLF

    def _file(self, name: str, kind: str, *, inline: bool = False) -> bytes:
        if name.isascii():
            naming = f'filename="{name}"'
        else:
            naming = "filename*=UTF-8''" + "".join(
                chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in name.encode()
            )
        where = f"inline; {naming}\r\nContent-ID: <{name}@firma>" if inline else f"attachment; {naming}"
        head = f"Content-Type: {kind}\r\nContent-Disposition: {where}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        return head.encode() + self._base64(self.random.randint(30, 120 if inline else 420)) + _CRLF

    def _multipart(self, subtype: str, *parts: bytes) -> bytes:
        boundary = f"----=_Part_{self.random.getrandbits(64):016x}"
        line = f"--{boundary}\r\n".encode()
        pieces = b"".join(line + part + _CRLF for part in parts)
        return (
            f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'.encode()
            + pieces
            + line[:-2]
            + b"--\r\n"
        )


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=70).encode(linesep="\r\n")


def _address(party: Party) -> str:
    if party.name.isascii():
        return f'"{party.name}" <{party.email}>'
    return f"{Header(party.name, 'utf-8').encode()} <{party.email}>"
