"""Header fields: where they end, which of them are kept, and what their bytes say (RFC 5322, RFC 2047, RFC 2231).

Everything here is linear in the size of the header, whatever is in it.
"""

from __future__ import annotations

import binascii
import mmap
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from mailcrm.mail import charsets
from mailcrm.mail.transfer import base64_bytes

Buffer = bytes | mmap.mmap
Fields = Mapping[str, Sequence[bytes]]

MAX_HEAD = 4_000_000  # bytes of one header block: 10,000 recipients are 500,000
MAX_TEXT = 64_000  # bytes of one field that is not a list of addresses
MAX_NAME = 100  # characters of a field name
MAX_REPEATS = 100  # occurrences of one field that are looked at
_SMALL = 300  # bytes of a part's header
MAX_KEPT = 8_000  # characters of a value in Message.headers

# What classification, linking, authentication and the store read besides the addresses, subject, date and ids.
_KEPT = """
return-path sender errors-to delivered-to envelope-to x-original-to x-gm-original-to original-recipient
auto-submitted precedence x-auto-response-suppress x-ms-exchange-inbox-rules-loop
x-mail-autoreply x-ms-exchange-generated-message-source x-gmail-vacation x-vacation vacation x-cron-env x-loop
mailing-list x-mailing-list x-mailman-version x-campaign x-campaignid x-mailgun-sid x-facebook-notify
feedback-id x-report-abuse x-spam-flag x-spam-status x-spam-level x-spam x-ms-exchange-organization-scl
x-failed-recipients x-actual-recipient x-bogosity x-dspam-result x-precedence preference x-post-messageclass
x-fc-machinegenerated x-amazon-auto-reply x-yahoo-autoresponse disposition-notification-to return-receipt-to
x-mailer user-agent date
thread-topic thread-index content-language content-type importance x-priority references in-reply-to
"""
KEPT: dict[str, int] = dict.fromkeys(_KEPT.split(), 20) | {  # how many of each
    "received": 3, "authentication-results": 10, "arc-authentication-results": 3,
}  # fmt: skip
KEPT_PREFIXES = ("x-mailcrm-", "x-zimbra-", "list-", "x-auto", "resent-", "x-forwarded-")
_READ = "from to cc bcc reply-to subject message-id content-transfer-encoding content-disposition content-id"
KNOWN = frozenset((*KEPT, *_READ.split()))
_TELLING = frozenset(
    b"from to subject date message-id mime-version content-type content-transfer-encoding received return-path".split()
)
_NAME = re.compile(rb"[!-9;-~]{1,100}[ \t]*")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ENCODED = re.compile(r"=\?([\w.:+*\-]{1,50})\?([bBqQ])\?")


class Head(NamedTuple):
    """A header block. ``body`` is where the body starts; ``fields`` are raw values, unfolded, by lower-case name.

    Nobody changes ``fields``: parts share them.
    """

    fields: Fields
    body: int
    problems: tuple[str, ...] = ()


def beginning(raw: Buffer) -> int:
    """Where the header starts: after blank lines and an mbox ``From `` line."""
    at = 0
    while raw[at : at + 1] in (b"\r", b"\n") and at < 1_000:
        at += 1
    if raw[at : at + 5] == b"From " or raw[at : at + 6] == b">From ":
        newline = raw.find(b"\n", at, at + 10_000)
        at = newline + 1 if newline >= 0 else at
    return at


def read_head(raw: Buffer, start: int, end: int) -> Head:
    """The header fields between ``start`` and the first blank line, at most ``end``.

    A line that is no field ends the header where no field follows that only a header has; else it is taken as a
    continuation that lost its indent. CRLF and bare LF may be mixed.
    """
    first = raw[start : start + 2]
    if first == b"\r\n" or first[:1] == b"\n":
        return Head({}, start + (2 if first == b"\r\n" else 1))
    stop = min(end, start + MAX_HEAD)
    blank = raw.find(b"\n\r\n", start, stop)
    bare = raw.find(b"\n\n", start, stop if blank < 0 else blank + 1)
    if bare >= 0:
        stop, body = bare, bare + 2
    elif blank >= 0:
        stop, body = blank, blank + 3
    else:
        body = stop
    block = raw[start:stop]
    fields = _few_fields(block) if len(block) < _SMALL else _fields(block)
    return _odd_head(raw, start, stop, body) if fields is None else Head(fields, body)


def _fields(block: bytes) -> Fields | None:
    """The fields of a header block; None if there are lines in it that are no fields."""
    block = block.rstrip(b"\r\n").replace(b"\r\n", b"\n").replace(b"\n ", b" ").replace(b"\n\t", b" ")
    fields: dict[str, list[bytes]] = {}
    for line in block.split(b"\n"):
        name, colon, value = line.partition(b":")
        key = _key(name) if colon and len(name) < MAX_NAME else None
        if key:
            if key not in fields:
                fields[key] = [value]
            elif len(fields[key]) < MAX_REPEATS:
                fields[key].append(value)
        elif key is None and line.strip():
            return None
    return fields


@lru_cache(1_024)
def _few_fields(block: bytes) -> Fields | None:
    """``_fields`` of a part: they are the same in most messages."""
    return _fields(block)


@lru_cache(2_048)
def _key(name: bytes) -> str | None:
    """A field's name if it is read or kept, "" if it is neither, None if it is no field name (RFC 5322 3.6.8)."""
    if not _NAME.fullmatch(name):
        return None
    key = name.decode("ascii").rstrip().lower()
    return key if key in KNOWN or key.startswith(KEPT_PREFIXES) else ""


def _odd_head(raw: Buffer, start: int, stop: int, body: int) -> Head:
    """A header block with lines in it that are no fields."""
    pieces: dict[str, list[list[bytes]]] = {}
    last: list[bytes] | None = None
    lines = raw[start:stop].splitlines(keepends=True)
    telling = [index for index, line in enumerate(lines) if line.partition(b":")[0].lower() in _TELLING]
    final = telling[-1] if telling else -1
    offset = start
    problem = "a header line that is no field"
    for index, line in enumerate(lines):
        indented = line[:1] in b" \t"
        name, colon, value = line.partition(b":")
        key = _key(name) if colon and not indented and len(name) < MAX_NAME else None
        if key is not None:
            last = [value.strip()]
            values = pieces.setdefault(key, [])
            if len(values) < MAX_REPEATS:
                values.append(last)
        elif indented or index < final or index == 0 or not line.strip():
            if last is not None:
                last.append(line.strip())
        else:
            body, problem = offset, "no blank line between header and body"
            break
        offset += len(line)
    return Head({key: [b" ".join(each) for each in values] for key, values in pieces.items() if key}, body, (problem,))


def text(value: bytes, charset: str | None = None) -> str:
    """The text of an unstructured field: encoded words and raw 8-bit decoded, on one line, without controls.

    Args:
        value: as ``read_head`` gives it.
        charset: the message's own charset, the best hint at what raw 8-bit means.
    """
    if value.isascii() and b"=?" not in value:
        line = value.decode("ascii") if len(value) < MAX_TEXT else value[:MAX_TEXT].decode("ascii")
        if line.isprintable():
            return line.strip()
    return _decoded(value, charset) if len(value) < 1_000 else _decoded.__wrapped__(value[:MAX_TEXT], charset)


@lru_cache(2_048)
def _decoded(value: bytes, charset: str | None) -> str:
    return clean(words(raw_text(value, charset)))


def raw_text(value: bytes, charset: str | None = None) -> str:
    """The characters of a field before encoded words are read."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    try:
        return value.decode("utf-8") if b"\x1b$" not in value else charsets.guess(value)
    except UnicodeDecodeError:
        return charsets.decode(value, charset)


def clean(line: str) -> str:
    """One line without control characters: nothing decoded can start a header or move a terminal's cursor."""
    if not line.isprintable():
        line = _UNPRINTABLE.sub(" ", line)
    return line.strip()


def words(line: str) -> str:
    """Encoded words decoded (RFC 2047), also in quotes, glued together, cut in mid-character or badly padded."""
    if "=?" not in line:
        return line
    out: list[str] = []
    held: list[bytes] = []
    label = ""
    position = 0
    while (match := _ENCODED.search(line, position)) is not None:
        between = line[position : match.start()]
        end = line.find("?=", match.end())
        if end < 0:  # cut off: the last word runs to the end of its run of characters
            end = next((i for i in range(match.end(), len(line)) if line[i].isspace()), len(line))
        if held and (between.strip() or match[1].lower() != label):
            out.append(charsets.decode(b"".join(held), label))
            held.clear()
        if between.strip() or position == 0:
            out.append(between)
        label = match[1].lower()
        held.append(_word(match[2], line[match.end() : end]))
        position = end + 2
    if held:
        out.append(charsets.decode(b"".join(held), label))
    out.append(line[position:])
    return "".join(out)


def _word(encoding: str, content: str) -> bytes:
    data = content.encode("utf-8", "replace")
    return base64_bytes(data) if encoding in "bB" else binascii.a2b_qp(data, header=True)


_BRACKETED = re.compile(r"<([^<>]*)>")
_SPACE = re.compile(r"\s+")


def message_ids(values: Sequence[bytes], most: int = 200) -> tuple[str, ...]:
    """Message ids without ``<>``, each once, in order; beyond ``most`` those in the middle are left out.

    Spaces inside, missing brackets and encoded words are mended; what is no id is left out.
    """
    found: dict[str, None] = {}
    for value in values:
        line = raw_text(value[: MAX_TEXT * 4])
        if "=?" in line:
            line = words(line)
        if "&lt;" in line:
            line = line.replace("&lt;", "<").replace("&gt;", ">")
        ids = _BRACKETED.findall(line) if "<" in line else []
        if not ids:
            pieces = line.replace("<", " ").replace(">", " ").replace(",", " ").split()
            ids = [piece for piece in pieces if "@" in piece] or (pieces if len(pieces) == 1 else [])
        for each in ids:
            name = each if each.isascii() and each.isprintable() and " " not in each else clean(_SPACE.sub("", each))
            if name:
                found[name[:998]] = None
    names = tuple(found)
    return names if len(names) <= most else names[: most // 2] + names[-(most // 2) :]


def kept(fields: Fields, charset: str | None) -> dict[str, tuple[str, ...]]:
    """The decoded values of the fields that rules read (``Message.headers``)."""
    values = {}
    for name, found in fields.items():
        most = KEPT.get(name) or (20 if name.startswith(KEPT_PREFIXES) else 0)
        if most:
            values[name] = tuple([text(value[:MAX_KEPT], charset) for value in found[:most]])
    return values
