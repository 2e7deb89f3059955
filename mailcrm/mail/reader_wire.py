"""What a reading process and its parent say to each other: MessagePack in frames of a 4-byte length. No pickle:
the child handles hostile input, so what it answers is checked against these types."""

from __future__ import annotations

import msgspec

from mailcrm import config
from mailcrm.core.model import Message, Reading, Unreadable

LENGTH = 4
MAX_FRAME = 256_000_000


class Setup(msgspec.Struct, frozen=True):
    """The first frame to a child. Without a folder, attachments are only counted."""

    folder: str | None
    limits: config.Parsing


class Request(msgspec.Struct, frozen=True):
    """One message to read: its bytes, or where they lie."""

    raw: bytes = b""
    path: str | None = None
    mail_from: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """The answer to one request, in order. ``trouble`` is a fault of the surroundings, not of the message."""

    message: Message | None = None
    reading: Reading | None = None
    unreadable: Unreadable | None = None
    trouble: str | None = None


def framed(value: Setup | Request | Reply) -> bytearray:
    """One value as a frame."""
    frame = bytearray(LENGTH)
    _ENCODER.encode_into(value, frame, LENGTH)
    frame[:LENGTH] = (len(frame) - LENGTH).to_bytes(LENGTH, "big")
    return frame


_ENCODER = msgspec.msgpack.Encoder()
