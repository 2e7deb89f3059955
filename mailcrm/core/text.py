"""Text that both databases can hold."""

from __future__ import annotations

LONGEST = 1_000_000


def clean(text: str) -> str:
    """The text without NUL and lone surrogates, and not endless."""
    if "\0" in text:
        text = text.replace("\0", "")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-8", "replace").decode()
    return text[:LONGEST]
