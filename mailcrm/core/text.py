"""Text that both databases can hold."""

from __future__ import annotations

LONGEST = 1_000_000


def clean(text: str) -> str:
    """The text without NUL and lone surrogates, and not endless."""
    if text.isascii():
        nul = "\0" in text
    else:
        try:
            nul = b"\0" in text.encode()  # in a text of wide characters, half of the bytes are NUL: slow to look at
        except UnicodeEncodeError:
            text = text.encode("utf-8", "replace").decode()
            nul = True
    return (text.replace("\0", "") if nul else text)[:LONGEST]
