"""Awkward mail, written for these tests, with helpers to build and read it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mailcrm import config
from mailcrm.core.model import Message
from mailcrm.mail.parse import parse


class Kept:
    """A place for attachments that the test can look into."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put(self, content: bytes | Iterable[bytes]) -> tuple[str, int]:
        data = content if isinstance(content, bytes) else b"".join(content)
        name = hashlib.sha256(data).hexdigest()
        self.files[name] = data
        return name, len(data)


HEAD = b"From: Jan Kowalski <jan@klient.example>\r\nTo: anna@firma.example\r\nSubject: Oferta\r\n"


def read(raw: bytes, kept: Kept | None = None, **limits: int) -> Message:
    return parse(raw, kept or Kept(), config.Parsing(**limits))  # type: ignore[arg-type]


def mail(*fields: bytes, body: bytes = b"Tekst\r\n") -> bytes:
    """A mail with just these fields."""
    return b"\r\n".join(fields) + b"\r\n\r\n" + body


def multipart(*parts: bytes, kind: bytes = b"mixed", boundary: bytes = b"=_b", end: bool = True) -> bytes:
    """A multipart mail; each part is header, blank line, content."""
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    closing = b"--" + boundary + b"--\r\n" if end else b""
    return HEAD + b'Content-Type: multipart/%s; boundary="%s"\r\n\r\n' % (kind, boundary) + body + closing
