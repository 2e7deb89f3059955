"""The nouns of incoming mail. All frozen, all free of IO; times are aware and in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class Kind(StrEnum):
    """What sort of message it is; only ``HUMAN`` and ``UNSUBSCRIBE`` count as replies."""

    HUMAN = "human"
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    BULK = "bulk"
    UNSUBSCRIBE = "unsubscribe"
    RECEIPT = "receipt"
    CALENDAR = "calendar"


REPLIES = frozenset({Kind.HUMAN, Kind.UNSUBSCRIBE})


class Direction(StrEnum):
    """``OUT`` is a message written by one of our users, whatever folder it lies in."""

    IN = "in"
    OUT = "out"


class FolderRole(StrEnum):
    """What a mail folder is for (RFC 6154 special use)."""

    INBOX = "inbox"
    SENT = "sent"
    DRAFTS = "drafts"
    TRASH = "trash"
    JUNK = "junk"
    ARCHIVE = "archive"
    ALL = "all"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox address. ``email`` is normalised (``addresses.normalise``), or "" where the header names none."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message. ``sha256`` (hex) names its bytes in the blob folder; ``size`` is in bytes, decoded."""

    name: str
    type: str
    size: int
    sha256: str
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Embedded:
    """A machine-readable or forwarded part, as text of at most 64 kB.

    ``type`` is the lower-case content type: ``message/delivery-status``, ``message/feedback-report``,
    ``message/disposition-notification``, ``text/calendar``, ``text/rfc822-headers`` or ``message/rfc822``
    (its head, unfolded and decoded, a blank line, and its own text).
    """

    type: str
    text: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One parsed message. Message ids are without ``<>``; header names in ``headers`` are lower-case.

    ``headers`` holds the decoded values, in order, of those fields that some rule reads (``mail.headers.KEPT``).
    ``text`` is clean (``core.text``).
    ``problems`` lists what had to be repaired, for ``mailcrm parse`` and the logs.
    """

    message_id: str | None
    date: datetime | None
    from_: Address | None
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    content_type: str = "text/plain"
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    embedded: tuple[Embedded, ...] = ()
    size: int = 0
    problems: tuple[str, ...] = ()

    def header(self, name: str) -> str | None:
        """The first value of the field ``name`` (lower-case), or None."""
        values = self.headers.get(name)
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a bounce says. ``permanent``: the address or host does not exist, has moved, or accepts no mail."""

    recipient: str | None
    status: str | None
    permanent: bool
    reason: str
    original_id: str | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """The message that a forward carries: its author, subject and date as quoted; None where unreadable."""

    author: Address | None
    subject: str | None = None
    date: datetime | None = None
    message_id: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What classification found out about one message; ``rule`` names the evidence for ``kind``."""

    kind: Kind
    rule: str
    reply_text: str = ""
    bounce: Bounce | None = None
    returns_on: date | None = None
    forward: Forward | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a message could not be read. ``sha256`` names its raw bytes in the blob folder."""

    reason: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Known:
    """A message whose content is stored already, found at another place; ``identity`` is ``threads.identity``."""

    identity: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it was found in a folder, read or unreadable, on its way into the store.

    Args:
        uid: the IMAP UID; None for mail that came from a file or by LMTP.
        received_at: INTERNALDATE (RFC 3501), or the time of delivery.
        content: the message and its reading, why there is none, or that it is stored already.
        flags: IMAP flags and keywords as the server spells them.
        thread_hint: the server's own thread id (X-GM-THRID, RFC 8474 THREADID), prefixed with its kind.
        mail_from: the envelope sender where known ("" is the null sender), else None.
    """

    uid: int | None
    received_at: datetime
    content: tuple[Message, Reading] | Unreadable | Known
    flags: tuple[str, ...] = ()
    thread_hint: str | None = None
    mail_from: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder has been read; written in the transaction of the rows it covers.

    New mail has UIDs above ``last_uid``. While the first pass goes on, newest first, UIDs below ``backfill_uid``
    are still to come; ``backfill_uid`` 1 means that it is done. ``modseq`` is CONDSTORE's (RFC 7162), 0 without it.
    """

    uidvalidity: int
    last_uid: int = 0
    backfill_uid: int = 1
    modseq: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What one fetch found in one folder of one mailbox: stored whole, with the cursor, or not at all.

    ``vanished`` are UIDs expunged from this folder; ``flags`` the keywords that changed on known UIDs.
    ``cursor`` is None for mail without a server (files, LMTP); then ``folder`` is "".
    """

    mailbox: str
    folder: str
    role: FolderRole
    arrivals: tuple[Arrival, ...]
    cursor: Cursor | None = None
    vanished: tuple[int, ...] = ()
    flags: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
