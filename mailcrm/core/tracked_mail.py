"""Tracks in a mail that somebody else wrote: of its bytes only the HTML part changes."""

from __future__ import annotations

import codecs
import re
from base64 import b64decode, encodebytes
from binascii import b2a_qp
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from quopri import decodestring

from mailcrm.core.tracked import Track, tracked

_LONGEST = 1_000_000  # bytes of the HTML part
_LONGEST_LINE = 998  # RFC 5322, section 2.1.1
_AS_IT_IS = ("", "7bit", "8bit")
_LINE_END = re.compile(rb"\r?\n")


def with_tracks(
    content: bytes, base_url: str, tokens: Iterator[str], *, hidden: bool = True
) -> tuple[bytes, tuple[Track, ...]] | None:
    """A mail that tells of its opening and of clicks (``tracked``); None where that can't be done without harm.

    Mail without an HTML part stays as it is. So does one whose HTML can't be read for certain: an unknown charset,
    broken encoding, more than a megabyte.

    Args:
        content: as it goes out, lines ending in CRLF, neither signed nor encrypted.
        base_url, tokens, hidden: see ``tracked``.
    """
    try:
        part = _html(BytesParser(policy=compat32).parsebytes(content))
        if part is None:
            return None
        charset = part.get_content_charset("us-ascii")
        encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
        raw = _raw(part, encoding)
        if not raw or len(raw) > _LONGEST or content.count(raw) != 1:
            return None
        html = _decoded(raw, encoding).decode(codecs.lookup(charset).name)
        done = tracked(html, base_url, tokens, hidden=hidden)
        changed = _encoded(done.html.encode(charset), encoding, ends=raw.endswith(b"\n"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # of email too, for what is malformed
        return None
    at = content.find(raw)
    return content[:at] + changed + content[at + len(raw) :], done.tracks


def _html(mail: Message) -> Message | None:
    """The first HTML part that is shown, outside of forwarded messages."""
    kind = mail.get_content_type()
    if mail.is_multipart():
        parts = mail.get_payload() if mail.get_content_maintype() == "multipart" else []
        return next((found for each in parts if isinstance(each, Message) and (found := _html(each))), None)
    return mail if kind == "text/html" and mail.get_content_disposition() != "attachment" else None


def _raw(part: Message, encoding: str) -> bytes:
    """The part's bytes as they stand in the mail. Raises ValueError: encoded ones that are no ASCII."""
    if encoding in _AS_IT_IS:
        found = part.get_payload(decode=True)
        return found if isinstance(found, bytes) else b""
    return str(part.get_payload()).encode("ascii")


def _decoded(raw: bytes, encoding: str) -> bytes:
    """Raises ValueError for what can't be decoded for certain."""
    if encoding == "base64":
        return b64decode(_LINE_END.sub(b"", raw.strip()), validate=True)
    if encoding == "quoted-printable":
        return decodestring(raw)
    if encoding in _AS_IT_IS:
        return raw
    raise ValueError(encoding)


def _encoded(plain: bytes, encoding: str, *, ends: bool) -> bytes:
    """As the part was encoded; ``ends``: its last line had an end. Raises ValueError: a line would be too long."""
    if encoding == "base64":
        lines = encodebytes(plain)
    elif encoding == "quoted-printable":
        lines = b2a_qp(plain, istext=True)
    else:
        lines = plain
        if max(map(len, _LINE_END.split(plain))) > _LONGEST_LINE:
            raise ValueError("a line is too long")
    changed = _LINE_END.sub(b"\r\n", lines)
    return changed if ends else changed.removesuffix(b"\r\n")
