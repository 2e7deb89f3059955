"""A message out of a FETCH response: at a glance as most servers write it, else by the grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from mailcrm.mail.imap_answers import Answer, Unclear, Value, literal, moment, number, tokens, words
from mailcrm.mail.imap_listing import UNDATED, Fetched, attempt
from mailcrm.mail.imap_wire import Part

_USUAL = re.compile(
    rb"\((?:(?:UID (?P<uid>\d{1,20})|FLAGS (?P<flags>\([^()\"\[\]\r\n]{0,2000}\))"
    rb'|INTERNALDATE "(?P<date>[^"\\\r\n]{1,60})"|RFC822\.SIZE \d{1,20}|MODSEQ \(\d{1,20}\)'
    rb"|X-GM-THRID (?P<gmail>\d{1,20})|THREADID \((?P<thread>(?!(?i:NIL)\))[\w\-]{1,255})\)) ){1,12}BODY\[\] "
)


def fetched(one: Answer) -> Fetched | None:
    """The message in a FETCH response; None if it is about flags alone. Raises Unclear."""
    return usual(one.parts) or unusual(one)


def usual(parts: Sequence[Part]) -> Fetched | None:
    """As ``unusual``, for a response that ends with the body and has before it what was asked for, in any order.

    None for every other response.
    """
    if len(parts) != 3 or parts[2] != b")" or not isinstance(parts[0], bytes):
        return None
    match = _USUAL.fullmatch(parts[0])
    if match is None:
        return None
    uid, flags, date, gmail, thread = match.groups()
    if uid is None or flags is None or date is None:
        return None
    return Fetched(int(uid), parts[1], attempt(moment, date, UNDATED), _flags(flags), _hint(gmail, thread))


@lru_cache(1_024)
def _flags(text: bytes) -> tuple[str, ...]:
    return words(tokens([text])[0])


def unusual(one: Answer) -> Fetched | None:
    """The message in any FETCH response that follows the grammar; None if there is none in it. Raises Unclear."""
    items = one.items()
    if b"BODY[]" not in items:
        return None
    raw = literal(items[b"BODY[]"])
    if raw is None:
        raise Unclear("no content")
    date = attempt(moment, items.get(b"INTERNALDATE"), UNDATED)
    hint = _hint(items.get(b"X-GM-THRID"), items.get(b"THREADID"))
    return Fetched(number(items.get(b"UID")), raw, date, words(items.get(b"FLAGS")), hint)


def _hint(gmail: Value, thread: Value) -> str | None:
    if gmail is not None:
        return f"gm:{number(gmail)}"
    inner = thread[0] if isinstance(thread, list) and thread else thread
    return f"oid:{inner[:255].decode('ascii', 'replace')}" if inner and isinstance(inner, bytes) else None
