"""Transfer encodings undone (RFC 2045): whole for small parts, in pieces for large ones. Never raises."""

from __future__ import annotations

import binascii
import mmap
import re
from collections.abc import Iterator

import pybase64

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_CODED = _ALPHABET + b"=\r\n"
_FOREIGN = bytes(c for c in range(256) if c not in _ALPHABET + b"=")
_NOT_BASE64 = re.compile(rb"(?<=\S)[ \t]+(?=\S)|[^A-Za-z0-9+/=\s\0]")
_STEP = 1 << 19
_NAME = re.compile(rb"[a-z0-9\-]+")


def name_of(value: bytes | None) -> str:
    """The encoding's name from a Content-Transfer-Encoding value, lower-case; "" for the identity ones."""
    if not value:
        return ""
    match = _NAME.search(value.lower())
    name = match[0].decode("ascii") if match else ""
    if name in ("base64", "quoted-printable"):
        return name
    return "uuencode" if name in ("x-uuencode", "uuencode", "x-uue", "uue") else ""


def decoded(raw: bytes | mmap.mmap, start: int, end: int, encoding: str, most: int | None = None) -> bytes:
    """The bytes of a part.

    Args:
        encoding: as ``name_of`` gives it.
        most: stop after about so many decoded bytes.
    """
    if most is not None:
        end = min(end, start + most * (3 if encoding == "quoted-printable" else 2 if encoding else 1))
    data = raw[start:end]
    if encoding == "base64":
        data = base64_bytes(data)
    elif encoding == "quoted-printable":
        data = binascii.a2b_qp(data)
    elif encoding == "uuencode":
        data = _uudecoded(data)
    return data if most is None else data[:most]


def is_really_plain(data: bytes) -> bool:
    """True for text that is labelled base64 and is not: it has spaces between words, or punctuation."""
    return bool(data.translate(None, _CODED)) and len(_NOT_BASE64.findall(data)) > 2


def pieces(raw: bytes | mmap.mmap, start: int, end: int, encoding: str) -> Iterator[bytes]:
    """The bytes of a part, a piece at a time, so that a large attachment needs no memory of its size."""
    if encoding == "base64":
        yield from _base64_pieces(raw, start, end)
    elif encoding == "quoted-printable":
        rest = b""
        for at in range(start, end, _STEP):
            data = rest + raw[at : min(at + _STEP, end)]
            cut = len(data)
            if at + _STEP < end and (escape := data.rfind(b"=", cut - 2)) >= 0:
                cut = escape  # not between = and its two digits
            rest = data[cut:]
            yield binascii.a2b_qp(data[:cut])
    elif encoding == "uuencode":
        yield decoded(raw, start, end, encoding)
    else:
        for at in range(start, end, _STEP):
            yield raw[at : min(at + _STEP, end)]


def _base64_pieces(raw: bytes | mmap.mmap, start: int, end: int) -> Iterator[bytes]:
    rest = b""
    for at in range(start, end, _STEP):
        data = rest + raw[at : min(at + _STEP, end)].translate(None, _FOREIGN)
        padding = data.find(b"=")
        if padding >= 0:
            rest = data[:padding]
            break
        cut = len(data) // 4 * 4
        rest = data[cut:]
        yield pybase64.b64decode(data[:cut])
    yield _padded(rest)


def base64_bytes(data: bytes) -> bytes:
    """Base64 decoded, whatever its padding and whatever stands between."""
    try:
        return pybase64.b64decode(data)
    except binascii.Error:
        data = data.translate(None, _FOREIGN)
        return _padded(data[: data.index(b"=")] if b"=" in data else data)


def _padded(data: bytes) -> bytes:
    if len(data) % 4 == 1:
        data = data[:-1]
    return pybase64.b64decode(data + b"=" * (-len(data) % 4))


def _uudecoded(data: bytes) -> bytes:
    out = []
    for line in data.splitlines():
        if line.startswith(b"begin ") or not line:
            continue
        if line[0] & 63 == 32:  # a line of no bytes ends it
            break
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            size = (((line[0] - 32) & 63) * 4 + 5) // 3  # some encoders add a character to each line
            try:
                out.append(binascii.a2b_uu(line[:size]))
            except binascii.Error:
                continue
    return b"".join(out)
