"""Which message is it, and which thread does it belong to? (RFC 5322 section 3.6.4; linking rules, section 2)"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from datetime import UTC, datetime
from hashlib import blake2b

from msgspec import Struct

from mailcrm.core.model import Message, Reading
from mailcrm.core.text import clean

FORWARDED = "forward:"  # begins the key of mail that a forward quotes without its id, with what was quoted
_LONGEST_KEY = 600  # bytes; an index of PostgreSQL holds no more than 2,700
_PREFIX = re.compile(
    r"^\s*(?:(?:re|aw|sv|vs|antw|odp|ynt|bls|res|fwd?|fw|wg|pd|tr|rv|enc|vb|doorst|i)\s*(?:\[\d+\]|\(\d+\))?\s*[:：]\s*)+",
    re.IGNORECASE,
)


def identity(message_id: str | None, from_email: str, date: datetime | None) -> str | None:
    """What makes two copies one message: Message-ID, From and Date, whatever banners did to the bytes.

    Args:
        message_id: without ``<>``.
        from_email: normalised, "" if there is none.
        date: the Date field; only its second counts.

    Returns:
        32 hex digits, or None without a Message-ID: then only the content can tell (``identity_of``). They begin with
        the day, so that new mail lies side by side in an index, however much there is.
    """
    if not message_id:
        return None
    if date is None:
        return _digest(message_id, from_email, "")
    moment = date.astimezone(UTC)
    return f"{moment.toordinal():06x}{_digest(message_id, from_email, moment.strftime('%Y%m%d%H%M%S'))[6:]}"


def identity_of(message: Message) -> str:
    """``identity`` of a whole message; without a Message-ID, from what it says."""
    sender = message.from_.email if message.from_ else ""
    known = identity(message.message_id, sender, message.date)
    if known:
        return known
    when = message.date.isoformat() if message.date else ""
    recipients = ",".join(address.email for address in (*message.to, *message.cc))
    files = ",".join(attachment.sha256 for attachment in message.attachments)
    received = "\n".join(message.headers.get("received", ())) if not (when or message.text.strip() or files) else ""
    return _digest("", sender, when, recipients, message.subject, message.text, files, received)


def key_of(reference: str) -> str:
    """The form in which a message id or server thread id is stored and looked up: bounded, in plain text."""
    key = clean(reference)
    return key if len(key.encode()) <= _LONGEST_KEY else f"long:{_digest(key)}"


def references_of(message: Message, thread_hint: str | None) -> tuple[str, ...]:
    """Every id that places the message in a thread, nearest first: its own, In-Reply-To, References, the server's."""
    found = (
        *((message.message_id,) if message.message_id else ()),
        *message.in_reply_to,
        *reversed(message.references),
        *((thread_hint,) if thread_hint else ()),
    )
    return tuple(key for key in dict.fromkeys(map(key_of, found)) if key)


def keys_of(message: Message, reading: Reading, thread_hint: str | None) -> tuple[str, ...]:
    """``references_of``, and the ids that a bounce or a forward quotes."""
    quoted = (
        reading.bounce.original_id if reading.bounce else None,
        reading.forward.message_id if reading.forward else None,
    )
    keys = (*references_of(message, thread_hint), *(key_of(each) for each in quoted if each))
    return tuple(key for key in dict.fromkeys(keys) if key)


class Placement(Struct, frozen=True, gc=False):
    """Where a message goes: an existing thread (None: a new one), which others that joins, and why."""

    thread: int | None
    joins: tuple[int, ...]
    rule: str
    evidence: str


def place(keys: Iterable[str], known: Mapping[str, int], apart: Set[tuple[int, int]] = frozenset()) -> Placement:
    """Find the thread of a message from its ids, nearest first.

    A message that refers to several threads bridges them: they join the oldest. Where two of them were split by hand
    (``apart``, both orders), the nearer one is its thread and the other is left alone.

    Args:
        keys: from ``references_of``.
        known: ids known or announced so far -> thread.
    """
    found: dict[int, str] = {}
    for key in keys:
        thread = known.get(key)
        if thread is not None and thread not in found:
            found[thread] = key
    if not found:
        return Placement(None, (), "new thread", "refers to no message that is known")
    nearest = next(iter(found))
    evidence = found[nearest]
    rule = "server thread id" if evidence.startswith(("gm:", "oid:")) else "reference"
    if evidence.startswith(FORWARDED):
        rule, evidence = "mail that it quotes", evidence.removeprefix(FORWARDED)
    together: list[int] = []
    for thread in found:
        if not any((thread, other) in apart for other in together):
            together.append(thread)
    oldest = min(together)
    return Placement(oldest, tuple(each for each in together if each != oldest), rule, evidence)


def normal_subject(subject: str) -> str:
    """The subject without reply and forward prefixes of many languages, blanks folded, case-folded."""
    return " ".join(_PREFIX.sub("", subject).split()).casefold()


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
