"""Values with parameters: Content-Type and Content-Disposition, and safe file names (RFC 2045, 2183, 2231)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from mailcrm.mail import charsets
from mailcrm.mail.headers import text

MAX_VALUE = 16_000  # bytes of one field
MAX_FILE_NAME = 200  # characters

_PARAM = re.compile(r';?\s*([^\s=;"]{1,60})\s*=\s*("[^"\\]*(?:\\.[^"\\]*)*(?:"|$)|[^;]*)', re.DOTALL)
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+\-]{0,100}/[a-z0-9][a-z0-9!#$&^_.+\-]{0,100}")
_ESCAPE = re.compile(r'\\(["\\])')
_SECTION = re.compile(r"(.+?)\*(\d{1,3})?(\*)?")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ud800-\udfff]")
_ENDINGS = {
    "text/plain": "txt", "text/html": "html", "text/calendar": "ics", "text/csv": "csv", "text/x-vcard": "vcf",
    "text/vcard": "vcf", "text/rfc822-headers": "txt", "image/jpeg": "jpg", "image/svg+xml": "svg",
    "image/tiff": "tif", "image/x-icon": "ico", "message/rfc822": "eml", "application/pgp-signature": "asc",
    "application/pgp-keys": "asc", "application/pkcs7-signature": "p7s", "application/x-pkcs7-signature": "p7s",
    "application/pkcs7-mime": "p7m", "application/x-pkcs7-mime": "p7m", "application/msword": "doc",
    "application/vnd.ms-excel": "xls", "application/vnd.ms-powerpoint": "ppt", "application/ms-tnef": "dat",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.oasis.opendocument.text": "odt", "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/javascript": "js", "application/x-zip-compressed": "zip", "application/gzip": "gz",
    "audio/mpeg": "mp3", "audio/x-wav": "wav", "video/quicktime": "mov",
}  # fmt: skip


class Value(NamedTuple):
    """The first word, lower-case, and the parameters by lower-case name, characters standing for bytes (Latin-1)."""

    word: str
    params: dict[str, str]


def value(field: bytes) -> Value:
    """A field such as ``multipart/mixed; boundary="x"`` taken apart."""
    return _cached(field) if len(field) < 300 else _value(field[:MAX_VALUE])


def _value(field: bytes) -> Value:
    line = field.decode("latin-1")
    word, semicolon, rest = line.partition(";")
    if not semicolon and "=" in word:  # text/plain charset=utf-8
        word, _, rest = word.strip().partition(" ")
    params: dict[str, str] = {}
    if "=" in rest:
        for match in _PARAM.finditer(rest):
            name, content = match[1].lower(), match[2]
            if content[:1] == '"':
                content = _ESCAPE.sub(r"\1", content[1:-1] if content[-1:] == '"' and len(content) > 1 else content[1:])
            params.setdefault(name, content.strip())
            if len(params) > 200:
                break
    return Value(word.partition("(")[0].strip().strip('"').lower(), params)


@lru_cache(1_024)
def _cached(field: bytes) -> Value:
    return _value(field)


def content_type(word: str, default: str) -> str:
    """A content type, or ``default`` where the word is none (RFC 2045 section 5.2)."""
    return word if _TYPE.fullmatch(word) else default


def param(params: dict[str, str], name: str, charset: str | None = None) -> str | None:
    """The decoded text of a parameter: plain, raw 8-bit, as encoded words, or in RFC 2231's pieces."""
    plain = params.get(name)
    pieces: list[tuple[int, bool, str]] = []
    for key, content in params.items():
        if key.startswith(name) and (match := _SECTION.fullmatch(key)) and match[1] == name:
            pieces.append((int(match[2] or 0), match[3] is not None or match[2] is None, content))
    if not pieces:
        return None if plain is None else text(plain.encode("latin-1"), charset)
    label, data = "", b""
    for number, extended, content in sorted(pieces, key=lambda piece: piece[0]):
        if extended and number == 0 and content.count("'") >= 2:
            label, _, content = content.split("'", 2)
        data += unquote_to_bytes(content.encode("latin-1")) if extended else content.encode("latin-1")
    if label:
        return charsets.decode(data, label)
    return text(data, charset)


def safe_name(name: str) -> str:
    """A file name without folders, controls or tricks of direction; "" where nothing is left."""
    name = _UNSAFE.sub("", name.replace("\\", "/").rpartition("/")[2]).strip()
    name = name.lstrip(". ").rstrip(". ")
    if len(name) > MAX_FILE_NAME:
        stem, dot, ending = name.rpartition(".")
        name = f"{stem[: MAX_FILE_NAME - 20]}.{ending}" if dot and len(ending) < 20 else name[:MAX_FILE_NAME]
    return name


def ending(kind: str) -> str:
    """The usual file name ending of a content type, the same on every machine."""
    known = _ENDINGS.get(kind)
    if known:
        return known
    subtype = kind.rpartition("/")[2].removeprefix("x-")
    return subtype if subtype.isalnum() and len(subtype) <= 5 else "bin"
