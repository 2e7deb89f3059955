"""Text cut into lines of a given width, and made of characters that a font has."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Set

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def printable(text: str, known: Set[int]) -> str:
    """The text in characters that a font has: what it lacks is a box, what can't be seen is left out.

    Args:
        known: the code points that the font has.
    """
    if text.isascii() and text.isprintable():
        return text
    blank = "□" if ord("□") in known else "?"
    found = []
    for each in unicodedata.normalize("NFC", text):
        if each == "\n" or (ord(each) in known and unicodedata.category(each) not in _UNSEEN):
            found.append(each)
        elif each == "\u202f":
            found.append("\u00a0")
        elif unicodedata.category(each) not in _UNSEEN and not unicodedata.combining(each):
            found.append(" " if each.isspace() else blank if not _is_selector(each) else "")
    return "".join(found)


def lines(text: str, width: float, measure: Callable[[str], float]) -> Iterator[str]:
    """The lines of a text that is at most so wide: broken between words, and within a word that is too long.

    Args:
        measure: how wide a text is.
    """
    for row in text.split("\n"):
        line, used, space = "", 0.0, measure(" ")
        for word in row.split(" "):
            wide = measure(word)
            if line and used + space + wide <= width:
                line, used = f"{line} {word}", used + space + wide
                continue
            if line:
                yield line
            while wide > width and len(word) > 1:
                cut = _fitting(word, width, measure)
                yield word[:cut]
                word = word[cut:]
                wide = measure(word)
            line, used = word, wide
        yield line


def _fitting(word: str, width: float, measure: Callable[[str], float]) -> int:
    """How many characters of a word fit, at least one."""
    used = 0.0
    for index, each in enumerate(word):
        used += measure(each)
        if used > width:
            return max(1, index)
    return len(word)


def _is_selector(each: str) -> bool:
    return "\ufe00" <= each <= "\ufe0f" or "\U0001f3fb" <= each <= "\U0001f3ff"
