"""Is this mail the draft that we put into a rep's Drafts folder, and did he change it?

Mail programs save a draft by appending it anew and deleting the old one; Outlook gives it another Message-ID, many drop
header fields that they don't know. So it is known by several signs, the surest first.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import policy
from email.parser import BytesHeaderParser
from enum import IntEnum

from mailcrm.core.addresses import domain_of
from mailcrm.core.model import FolderRole, Message
from mailcrm.core.threads import normal_subject

HEADER = "X-Mailcrm-Draft"
WINDOW = timedelta(hours=72)
"""How far a mail that is known by recipient and thread alone may lie from the draft that it is taken for."""
_DELIVERED = (
    "delivered-to",
    "authentication-results",
)  # what the receiving server writes, also into Gmail's one folder


class Evidence(IntEnum):
    """By what a draft was known again; the surest is the greatest."""

    THREAD = 1
    REFERENCE = 2
    MESSAGE_ID = 3
    HEADER = 4


@dataclass(frozen=True, slots=True)
class Sought:
    """A draft of ours as it is looked for.

    Args:
        token, message_id, recipient, subject: as it was written.
        thread: the Message-IDs of the thread that it goes on with; empty: it begins one.
        placed_at: when it was put there.
        missing_since: since when it is not seen in Drafts; None: it was there when somebody looked last.
    """

    token: str
    message_id: str
    recipient: str
    subject: str
    placed_at: datetime
    thread: frozenset[str] = frozenset()
    missing_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A mail of the rep's: what may tell which draft it was. ``at``: when he wrote it; ``ids``: those of its thread."""

    at: datetime
    message_id: str = ""
    tokens: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    subject: str = ""


def token_of(secret: bytes, key: str) -> str:
    """What marks the draft of an action, signed, so that nobody else can make one: 32 hex digits.

    Args:
        key: the action's: ``enrollment.hop.index``. The same at every try, so that a draft is found before it is
            placed twice.
    """
    return hmac.new(secret, b"draft:" + key.encode(), hashlib.sha256).hexdigest()[:32]


def reference_of(token: str, message_id: str) -> str:
    """The id that stands for the token among the References, which mail programs keep."""
    return f"d.{token}@{domain_of(message_id)}"


def marked(content: bytes, token: str, message_id: str) -> bytes:
    """The composed letter with its token, as a field of its own and as the first of its References.

    Args:
        content: with CRLF, as ``core.compose`` makes it.
    """
    head, blank, body = content.partition(b"\r\n\r\n")
    reference = f"<{reference_of(token, message_id)}>".encode()
    before, name, after = head.partition(b"\r\nReferences: ")
    head = before + name + reference + b"\r\n " + after if name else head + b"\r\nReferences: " + reference
    return f"{HEADER}: {token}\r\n".encode() + head + blank + body


def thread_of(content: bytes, token: str) -> frozenset[str]:
    """The Message-IDs of the thread that a draft of ours goes on with, out of ``marked``'s References.

    Args:
        content: may be cut off after its fields.
    """
    fields = BytesHeaderParser(policy=policy.compat32).parsebytes(content)
    named = str(fields.get("References", "")).split()
    return frozenset(each.strip("<>") for each in named if not each.startswith(f"<d.{token}@"))


def found(message: Message, at: datetime) -> Found:
    """The signs that a mail bears."""
    recipients = (*message.to, *message.cc, *message.bcc)
    return Found(
        at=at,
        message_id=message.message_id or "",
        tokens=frozenset(value.strip() for value in message.headers.get(HEADER.lower(), ())),
        ids=frozenset((*message.in_reply_to, *message.references)),
        recipients=frozenset(each.email for each in recipients if each.email),
        subject=message.subject,
    )


def evidence(sought: Sought, mail: Found) -> Evidence | None:
    """Why this mail is the draft; None: it is not, as far as can be told.

    The marks hold whatever else was edited. Without them, and without another draft's, it takes the recipient, the
    thread (or, where mail programs lose that, the subject) and a time within ``WINDOW`` of when the draft was placed or
    went missing.
    """
    if sought.token in mail.tokens:
        return Evidence.HEADER
    if mail.message_id == sought.message_id:
        return Evidence.MESSAGE_ID
    if reference_of(sought.token, sought.message_id) in mail.ids:
        return Evidence.REFERENCE
    if mail.tokens:
        return None
    same_thread = bool(sought.thread & mail.ids) or normal_subject(mail.subject) == normal_subject(sought.subject)
    if sought.recipient in mail.recipients and same_thread and _is_near(sought, mail.at):
        return Evidence.THREAD
    return None


def _is_near(sought: Sought, at: datetime) -> bool:
    if at < sought.placed_at.replace(microsecond=0):  # a Date has whole seconds
        return False
    missing = sought.missing_since
    return at - sought.placed_at <= WINDOW or (missing is not None and abs(at - missing) <= WINDOW)


@dataclass(frozen=True, slots=True)
class Match:
    """Which mail a draft was taken for: its place among those given, and why."""

    index: int
    evidence: Evidence


def assign(sought: Sequence[Sought], mails: Sequence[Found]) -> Mapping[int, Match]:
    """Give each draft at most one mail and each mail to at most one draft, the surest first, then the oldest.

    Returns:
        The place of a draft among ``sought`` -> its mail.
    """
    bearing: defaultdict[str, set[int]] = defaultdict(set)  # where anything stands by which a draft may be known
    for index, mail in enumerate(mails):
        for sign in (*mail.tokens, mail.message_id, *mail.ids, *mail.recipients):
            bearing[sign].add(index)
    pairs = [
        (-why, one.placed_at, mails[index].at, number, index, why)
        for number, one in enumerate(sought)
        for sign in {one.token, one.message_id, reference_of(one.token, one.message_id), one.recipient}
        for index in bearing.get(sign, ())
        if (why := evidence(one, mails[index])) is not None
    ]
    given: dict[int, Match] = {}
    taken: set[int] = set()
    for *_, number, index, why in sorted(pairs):
        if number not in given and index not in taken:
            given[number] = Match(index, why)
            taken.add(index)
    return given


def is_own_copy(message: Message, role: FolderRole, flags: Iterable[str], *, has_server: bool) -> bool:
    """Whether a mail written from one of our addresses did leave: it is the copy that a rep's mail program files.

    Anybody can write our address into From. So what lies elsewhere than in Sent must be free of what every server
    writes into mail that it takes in; only mail from files, which an operator gave, needs no proof.

    Args:
        flags: as the server spells them; a draft is no mail yet.
        has_server: it was found in a mailbox on its server.
    """
    if role is FolderRole.SENT or not has_server:
        return True
    if is_unsent(role, flags):
        return False
    if role is FolderRole.ALL:  # there also a copy of what was sent bears the path that it took from the rep's machine
        return not any(message.headers.get(name) for name in _DELIVERED)
    return not any(message.headers.get(name) for name in ("received", "return-path", *_DELIVERED))


def is_unsent(role: FolderRole, flags: Iterable[str]) -> bool:
    """Whether it is a draft, which is no mail yet. Some programs move it to Sent with its flag: there it is sent."""
    if role is FolderRole.SENT:
        return False
    return role is FolderRole.DRAFTS or any(flag.casefold() == "\\draft" for flag in flags)


def digest_of(message: Message) -> str:
    """The same for a draft that was only saved anew, whatever became of its encoding, line breaks and ids."""
    words = [
        " ".join(message.subject.split()),
        *(sorted({each.email for each in field}) for field in (message.to, message.cc, message.bcc)),
        " ".join(message.text.split()),
        sorted(each.sha256 for each in message.attachments),
    ]
    return hashlib.sha256(json.dumps(words, ensure_ascii=True).encode()).hexdigest()
