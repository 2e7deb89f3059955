"""The bytes of SMTP (RFC 5321): answers as they come in, envelopes and messages as they go out. No sockets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import idna

from mailcrm.errors import Permanent

_MOST = 65_536  # bytes of one answer; RFC 5321 section 4.5.3.1.5 has 512 a line
_ANSWER = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_ADDRESS = re.compile(
    r'(?:[^\s<>"\\\x00-\x1f\x7f-\x9f]+|"(?:[^"\\\x00-\x1f\x7f-\x9f]|\\[ -~])*")@[^\s<>@\x00-\x1f\x7f-\x9f]+'
)


class Garbled(Exception):
    """What came is no SMTP answer."""


class Answer(NamedTuple):
    """A server's answer, its lines joined by spaces."""

    code: int
    text: str

    @property
    def good(self) -> bool:
        """It is 2xx."""
        return 200 <= self.code < 300

    @property
    def lines(self) -> list[str]:
        """As they came."""
        return self.text.split("\n")


class Answers:
    """Cuts what comes in into answers, whatever pieces it comes in."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[str] = []

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that are complete now. Raises Garbled."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        found: list[Answer] = []
        for line in lines:
            match = _ANSWER.fullmatch(line.rstrip(b"\r"))
            if match is None:
                raise Garbled(line[:100].decode("utf-8", "replace"))
            self._lines.append((match[3] or b"").decode("utf-8", "replace"))
            if match[2] != b"-":
                found.append(Answer(int(match[1]), "\n".join(self._lines)))
                self._lines = []
            elif len(self._lines) > 1_000:
                raise Garbled("an answer of more than 1,000 lines")
        if len(self._rest) > _MOST:
            raise Garbled("a line without an end")
        return found

    @property
    def empty(self) -> bool:
        """Nothing of a next answer has come yet."""
        return not self._rest and not self._lines


@dataclass(frozen=True, slots=True)
class Offers:
    """What a server can do (EHLO). ``size`` is the longest mail in bytes; 0: it named none. ``auth``: mechanisms."""

    pipelining: bool = False
    starttls: bool = False
    eight_bit: bool = False
    utf8: bool = False
    sized: bool = False
    size: int = 0
    auth: tuple[str, ...] = ()

    @classmethod
    def of(cls, answer: Answer) -> Offers:
        """Read the answer to EHLO."""
        words: dict[str, list[str]] = {}
        for line in answer.lines[1:]:
            name, *values = line.replace("AUTH=", "AUTH ").upper().split() or [""]
            words.setdefault(name, []).extend(values)
        size = words.get("SIZE", [])
        return cls(
            pipelining="PIPELINING" in words,
            starttls="STARTTLS" in words,
            eight_bit="8BITMIME" in words,
            utf8="SMTPUTF8" in words,
            sized="SIZE" in words,
            size=int(size[0]) if size and size[0].isascii() and size[0].isdigit() and len(size[0]) < 16 else 0,
            auth=tuple(words.get("AUTH", [])),
        )


def strict(content: bytes) -> bytes:
    """A message with every line ended by CRLF, the last one too: a bare CR or LF may end a mail for some servers."""
    if not content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n"):
        content = _BARE.sub(b"\r\n", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def stuffed(content: bytes) -> bytes:
    """A strict message as it follows DATA, with the dot that ends it (RFC 5321 section 4.5.2)."""
    content = content.replace(b"\r\n.", b"\r\n..")
    return (b"." if content.startswith(b".") else b"") + content + b".\r\n"


def envelope(sender: str, recipient: str, content: bytes, offers: Offers) -> tuple[bytes, bytes]:
    """The commands MAIL and RCPT for one mail, without line ends.

    Args:
        sender: "" is the null sender.
        content: strict, and not stuffed.

    Raises:
        Permanent: an address is none, or the server takes no mail of that kind or size.
    """
    if offers.size and len(content) > offers.size:
        raise Permanent(f"the mail has {len(content):,} bytes; the server takes at most {offers.size:,}")
    head = content[: content.find(b"\r\n\r\n") + 4] if b"\r\n\r\n" in content else content
    addresses = [_address(sender, offers) if sender else "", _address(recipient, offers)]
    wide = not all(each.isascii() for each in addresses)
    if wide and not offers.utf8:
        raise Permanent("an address beyond ASCII (SMTPUTF8), which the server does not take")
    parameters = b" SMTPUTF8" if offers.utf8 and (wide or not head.isascii()) else b""
    if offers.eight_bit and not content.isascii():
        parameters += b" BODY=8BITMIME"
    if offers.sized:
        parameters += b" SIZE=%d" % len(content)
    return b"MAIL FROM:<%s>%s" % (addresses[0].encode(), parameters), b"RCPT TO:<%s>" % addresses[1].encode()


def _address(address: str, offers: Offers) -> str:
    """Fit for a command line: nothing in it can end the line or the brackets."""
    if not _ADDRESS.fullmatch(address) or len(address.encode("utf-8", "replace")) > 320:
        raise Permanent(f"{address[:100]!r} is no address that mail can be sent to")
    if address.isascii() or offers.utf8:
        return address
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError:
        raise Permanent(f"{address[:100]!r} is no address that mail can be sent to") from None
