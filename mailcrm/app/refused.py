"""Readable mail that the store refused, put aside whole: attachments stay files, the rest becomes one."""

from __future__ import annotations

from typing import Any

import msgspec

from mailcrm.app.context import Context
from mailcrm.core.model import Message, Reading, Unreadable
from mailcrm.core.text import clean


class _Kept(msgspec.Struct, frozen=True, tag="mailcrm message", tag_field="is"):
    message: Message
    reading: Reading


def keep(context: Context, content: tuple[Message, Reading], error: Exception) -> Unreadable:
    """Write a read message to a file, with what went wrong as the reason."""
    plain = _plain(msgspec.to_builtins(_Kept(*content)))
    name, size = context.blobs.put(msgspec.json.encode(plain))
    context.blobs.settle({name})
    return Unreadable(f"it was read, but not stored: {type(error).__name__}: {error}"[:500], name, size)


def kept(raw: bytes) -> tuple[Message, Reading] | None:
    """The message that ``keep`` wrote; None if these are other bytes."""
    try:
        found = msgspec.json.decode(raw, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found.message, found.reading


def _plain(value: Any) -> Any:
    """The same in text that can be written."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(name): _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
