"""What a reading process and its parent say to each other: MessagePack in frames of a 4-byte length. No pickle:
the child handles hostile input, so what it answers is checked against these types."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from mailcrm import config
from mailcrm.core.model import Message, Reading, Unreadable

T = TypeVar("T")

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


def add_frame(outgoing: bytearray, value: Setup | Request | Reply) -> None:
    """Append one value as a frame."""
    start = len(outgoing)
    outgoing += _UNKNOWN
    _ENCODER.encode_into(value, outgoing, -1)
    outgoing[start : start + LENGTH] = (len(outgoing) - start - LENGTH).to_bytes(LENGTH, "big")


def take_frames(incoming: bytearray, decoder: msgspec.msgpack.Decoder[T], most: int | None = None) -> list[T]:
    """Cut the whole frames, at most ``most``, off the beginning of what came in, and read them.

    Raises:
        msgspec.MsgspecError: a frame is none, or holds something else.
    """
    found: list[T] = []
    start = 0
    with memoryview(incoming) as view:
        while len(view) - start >= LENGTH and len(found) != most:
            end = start + LENGTH + int.from_bytes(view[start : start + LENGTH], "big")
            if end - start > MAX_FRAME:
                raise msgspec.DecodeError("a frame too large to be one")
            if end > len(view):
                break
            found.append(decoder.decode(view[start + LENGTH : end]))
            start = end
    del incoming[:start]
    return found


_ENCODER = msgspec.msgpack.Encoder()
_UNKNOWN = bytes(LENGTH)  # until the frame's length is known
