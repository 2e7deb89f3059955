"""What is handed in at the relay is looked at before it is taken: its form, in whose name it is, who wrote it.

Nothing in it is changed but this: Bcc and our own marks (X-Mailcrm-…) are taken out, and plain mail to one recipient
gets the Message-ID or Date that it lacks (RFC 6409, section 8), and, if its writer wants that, what tells of openings
(``app.submit``). What is signed, encrypted, an invitation or goes to several is otherwise passed on byte for byte. No
Received field is added: it would tell the world where a rep sits.
"""

from __future__ import annotations

import re
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, getaddresses
from functools import lru_cache

from mailcrm.app.logins import Login
from mailcrm.app.submit import Handed
from mailcrm.core.addresses import domain_of, normalise
from mailcrm.mail import headers
from mailcrm.mail.address_list import addresses

MOST_HOPS = 25
_LONGEST_HEAD = 512_000  # bytes
_LONGEST_FROM = 4_000  # bytes
_NAME = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_MARK = b"x-mailcrm-"
_FLOW = "x-mailcrm-flow"
_MASS = re.compile(  # nobody writes these by hand; the latter are what automatic repliers set
    r"list-.+|feedback-id|mailing-list|x-auto-?(?:reply|respond|response|responder)|x-autoreply-from|x-mail-autoreply"
    r"|x-vacation"
)
_PRECEDENCE = frozenset({"bulk", "junk", "list", "auto_reply", "auto-reply", "autoreply"})
_WRITERS = ("from", "sender", "resent-from", "resent-sender")
_OPAQUE = re.compile(
    rb"^(?:[ \t]*(?:multipart/(?:signed|encrypted)|application/(?:x-)?pkcs7-mime|text/calendar))", re.IGNORECASE
)
_INSIDE = re.compile(rb"text/calendar|-----BEGIN PGP|multipart/signed|application/(?:x-)?pkcs7-mime", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rejected(Exception):
    """The answer of SMTP (RFC 5321, RFC 3463) to what is not taken."""

    answer: str


def examine(content: bytes, login: Login, sender: str, recipients: Sequence[str], now: datetime) -> Handed:
    """A message as it will be stored.

    Args:
        content: lines ending in CRLF, none in anything else.
        login: who hands it in.
        sender: of the envelope, his own.
        recipients: of the envelope.
        now: aware; becomes the Date where there is none.

    Raises:
        Rejected: it is malformed, goes in circles, is in somebody else's name, or automatic without a flow.
    """
    head = _Head(content)
    if len(head.fields["received"]) >= MOST_HOPS:
        raise Rejected("554 5.4.6 it has come round too often: more than 25 Received fields")
    _own(head, login)
    flow = _flow(head)
    cut = [
        span
        for name in head.spans
        if name.encode() in (b"bcc", b"resent-bcc") or name.encode().startswith(_MARK)
        for span in head.spans[name]
    ]
    going = _without(content, cut)
    ids = headers.message_ids(head.fields["message-id"][:1], 1)
    message_id = ids[0] if ids else f"{secrets.token_hex(16)}@{domain_of(sender)}"
    added = b"" if head.fields["message-id"] else f"Message-ID: <{message_id}>\r\n".encode()
    added += b"" if head.fields["date"] else f"Date: {format_datetime(now)}\r\n".encode()
    watched = login.track_by_hand and flow is None
    free = len(recipients) == 1 and (added or watched) and not is_opaque(content, head.fields)
    if added and free:
        going, content = added + going, added + content
    subject = headers.text(head.fields["subject"][0]) if head.fields["subject"] else ""
    tracked = bool(watched and free)
    return Handed(login, sender, tuple(dict.fromkeys(recipients)), going, content, message_id, subject, flow, tracked)


def is_opaque(content: bytes, fields: dict[str, list[bytes]]) -> bool:
    """True for mail that must not be touched: signed, encrypted, or an invitation, as a whole or in a part."""
    kinds = fields["content-type"]
    if fields["dkim-signature"] or any(_OPAQUE.match(kind) for kind in kinds):
        return True
    return _INSIDE.search(content) is not None


class _Head:
    """The header, read strictly: what two programs could read differently is not passed on."""

    def __init__(self, content: bytes) -> None:
        end = content.find(b"\r\n\r\n")
        end = len(content) if end < 0 else end + 2
        if end > _LONGEST_HEAD:
            raise Rejected("552 5.3.4 the header is too large")
        head = content[:end]
        if b"\0" in head:
            raise Rejected("554 5.6.0 a NUL in the header")
        self.fields: defaultdict[str, list[bytes]] = defaultdict(list)
        self.spans: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        at = 0
        name = ""
        for line in head.split(b"\r\n")[:-1]:
            stop = at + len(line) + 2
            if line[:1] in (b" ", b"\t") and name:
                self.fields[name][-1] += b" " + line.strip()
                self.spans[name][-1] = (self.spans[name][-1][0], stop)
            elif match := _NAME.match(line):
                name = match[1].decode("ascii").lower()
                self.fields[name].append(line[match.end() :].strip())
                self.spans[name].append((at, stop))
            else:
                raise Rejected("554 5.6.0 a line of the header is no field")
            at = stop
        if not name:
            raise Rejected("554 5.6.0 there is no header")


def _own(head: _Head, login: Login) -> None:
    """Every name that it is written in is the user's. Two readers of addresses have to agree."""
    if len(head.fields["from"]) != 1:
        raise Rejected("554 5.6.0 a message has one From field")
    for name in _WRITERS:
        for value in head.fields[name]:
            if len(value) > _LONGEST_FROM:
                raise Rejected(f"554 5.6.0 {name.title()} is too long")
            if not _named(value) <= login.addresses:
                raise Rejected(f"550 5.7.1 {name.title()} is to be an address of {login.key}'s own")


@lru_cache(1_000)
def _named(value: bytes) -> frozenset[str]:
    """Every address that one of two readers sees in a field; "" where one sees none."""
    ours = [each.email for each in addresses(value)] or [""]
    return frozenset((*ours, *(normalise(each) for _, each in getaddresses([headers.raw_text(value)]))))


def _flow(head: _Head) -> str | None:
    """The flow that it is automatic mail of; None for what a rep writes himself."""
    named = {headers.text(value) for value in head.fields[_FLOW]}
    automatic = any(_word(value) != "no" for value in head.fields["auto-submitted"])
    automatic = automatic or any(_MASS.fullmatch(name) for name in head.spans)
    precedences = (*head.fields["precedence"], *head.fields["x-precedence"])
    automatic = automatic or any(_word(value) in _PRECEDENCE for value in precedences)
    if len(named) > 1 or "" in named or (automatic and not named):
        raise Rejected("550 5.7.1 automatic mail is to name its flow, in the field X-Mailcrm-Flow")
    return named.pop() if named else None


def _word(value: bytes) -> str:
    """A field's first word; what comments and parameters stand behind it is nothing to us."""
    return re.split(rb"[\s;(]", value, maxsplit=1)[0].decode("latin-1").lower()


def _without(content: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
    """The content without these pieces of its header."""
    for start, stop in sorted(spans, reverse=True):
        content = content[:start] + content[stop:]
    return content
