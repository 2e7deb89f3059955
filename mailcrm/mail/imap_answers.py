"""Understanding IMAP responses (RFC 9051 section 7): one response in, one value out; nothing here does IO."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from mailcrm.mail.imap_wire import Literal, Part, Spool

Value = bytes | Spool | None | list["Value"]
Ranges = list[tuple[int, int]]

MAX_TEXT: Final = 1 << 18
MAX_DEPTH: Final = 30
_HEAD = re.compile(rb"(\S+)(?: (?:(\d{1,10}) )?([A-Za-z]+))?(?: |$)")
_CODE = re.compile(rb"\[([A-Za-z0-9.\-]{1,40})(?: ([^\]]{0,4000}))?\] ?")
_TOKEN = re.compile(
    rb' *(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|([^\s()"\[\]]*\[[^\]]{0,2000}\](?:<\d+>)?|[^\s()"]+))',
)
_QUOTED = re.compile(rb"\\(.)")
_DATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d\d\d\d)")
_MONTHS = {name: i for i, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}


class Unclear(ValueError):
    """A response that does not follow the grammar."""


@dataclass(slots=True)
class Answer:
    """One response. ``tag`` is ``*``, ``+`` or a command's tag; ``word`` is in capitals (OK, FETCH, EXISTS, …)."""

    tag: bytes
    number: int
    word: bytes
    parts: list[Part]

    @property
    def text(self) -> bytes:
        """What follows the word, for responses without literals."""
        first = self.parts[0]
        return first if isinstance(first, bytes) else b""

    def code(self) -> tuple[str, bytes]:
        """The response code in capitals and its argument, or ("", b"")."""
        match = _CODE.match(self.text)
        return (match[1].decode("ascii").upper(), match[2] or b"") if match else ("", b"")

    def values(self) -> list[Value]:
        """What follows the word, as nested lists. Raises Unclear."""
        return tokens(self.parts)

    def items(self) -> dict[bytes, Value]:
        """The pairs of a FETCH response, names in capitals. Raises Unclear."""
        found = self.values()
        if len(found) != 1 or not isinstance(found[0], list):
            raise Unclear("a FETCH response without its list")
        return pairs(found[0])


def answer(parts: list[Part]) -> Answer:
    """Tell what sort of response it is. Raises Unclear for what is none."""
    line = parts[0]
    match = _HEAD.match(line) if isinstance(line, bytes) else None
    if match is None or not isinstance(line, bytes):
        raise Unclear("no response")
    if match[1] == b"+":
        return Answer(b"+", 0, b"", [line[1:].lstrip(), *parts[1:]])
    if match[3] is None:
        raise Unclear("a response without a word")
    return Answer(match[1], int(match[2] or 0), match[3].upper(), [line[match.end() :], *parts[1:]])


def tokens(parts: Sequence[Part]) -> list[Value]:
    """Text and literals as nested lists of values: NIL is None, all else bytes. Raises Unclear."""
    stack: list[list[Value]] = [[]]
    if sum(len(text) for text in parts[0::2]) > MAX_TEXT:
        raise Unclear("too long")
    for index, part in enumerate(parts):
        if index % 2:
            stack[-1].append(part)
            continue
        if isinstance(part, Spool):
            raise Unclear("text was expected")
        text, position = part, 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                if text[position:].strip():
                    raise Unclear("no token")
                break
            position = match.end()
            kind = match.lastindex
            if kind == 4:
                stack[-1].append(None if match[4].upper() == b"NIL" else match[4])
            elif kind == 3:
                stack[-1].append(_QUOTED.sub(rb"\1", match[3]) if b"\\" in match[3] else match[3])
            elif kind == 1:
                inner: list[Value] = []
                stack[-1].append(inner)
                stack.append(inner)
                if len(stack) > MAX_DEPTH:
                    raise Unclear("nested too deeply")
            else:
                stack.pop()
                if not stack:
                    raise Unclear("a closing parenthesis too many")
    if len(stack) != 1:
        raise Unclear("a closing parenthesis is missing")
    return stack[0]


def pairs(values: Sequence[Value]) -> dict[bytes, Value]:
    """``name value name value`` as a mapping, names in capitals. Raises Unclear."""
    if len(values) % 2:
        raise Unclear("a name without a value")
    found: dict[bytes, Value] = {}
    for name, value in zip(values[0::2], values[1::2], strict=True):
        if not isinstance(name, bytes):
            raise Unclear("a name was expected")
        found[name.upper()] = value
    return found


def number(value: Value) -> int:
    """A number, also one in parentheses as MODSEQ gives it. Raises Unclear."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, bytes) or not value.isdigit() or len(value) > 20:
        raise Unclear("a number was expected")
    return int(value)


def literal(value: Value) -> Literal | None:
    """The bytes of a string, or None for NIL and lists."""
    return None if isinstance(value, list) else value


def words(value: Value) -> tuple[str, ...]:
    """A list of atoms, such as flags, as text."""
    if not isinstance(value, list):
        return ()
    return tuple(item.decode("ascii", "replace") for item in value[:500] if isinstance(item, bytes))


def moment(value: Value) -> datetime:
    """INTERNALDATE (RFC 9051 date-time) in UTC. Raises Unclear."""
    match = _DATE.match(value) if isinstance(value, bytes) else None
    if match is None:
        raise Unclear("a date was expected")
    day, month, year, hour, minute, second, zone = match.groups()
    try:
        number_of_month = _MONTHS[month.lower()]
        when = datetime(int(year), number_of_month, int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC)
        return when - _offset(zone)
    except (ValueError, KeyError, OverflowError):
        raise Unclear("a date was expected") from None


@lru_cache(256)
def _offset(zone: bytes) -> timedelta:
    """How far a zone such as ``+0200`` is ahead of UTC. Raises ValueError for a day or more."""
    ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    if ahead >= timedelta(days=1):
        raise ValueError("no zone")
    return -ahead if zone[:1] == b"-" else ahead


def ranges(text: bytes) -> Ranges:
    """A UID set such as ``3,7:9`` as ascending, merged ranges; never expanded, for it may name four billion.

    Raises:
        Unclear: it is no set of numbers.
    """
    found = []
    for piece in text.split(b","):
        low, colon, high = piece.strip().partition(b":")
        if not low.isdigit() or (colon and not high.isdigit()) or len(low) > 10 or len(high) > 10:
            raise Unclear("a set of numbers was expected")
        first, last = int(low), int(high) if colon else int(low)
        found.append((min(first, last), max(first, last)))
    return merged(found)


def merged(pieces: Iterable[tuple[int, int]]) -> Ranges:
    """Ranges in ascending order, touching ones joined."""
    found: Ranges = []
    for low, high in sorted(pieces):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def as_set(uids: Iterable[int]) -> bytes:
    """UIDs as the shortest set: ``1:3,7``."""
    return b",".join(
        b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in merged((u, u) for u in uids)
    )


def expand(pieces: Ranges, limit: int) -> Iterator[int]:
    """The numbers in the ranges, at most ``limit`` of them."""
    for low, high in pieces:
        for value in range(low, min(high, low + limit - 1) + 1):
            yield value
            limit -= 1
            if limit <= 0:
                return
