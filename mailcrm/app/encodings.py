"""The encoding of a text file: by its mark, by being valid UTF-8, else by which letters come out."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from charset_normalizer import from_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SINGLE_BYTE = ("cp1250", "iso8859_2", "cp1252")
_CHUNK = 1 << 20
_SAMPLE = 1 << 18
_FOREIGN_LINE = re.compile(rb"[^\n]*[\x80-\xff][^\n]*\n?")
_WORD = re.compile(r"[^\W\d_]*[^\x00-\x7f][^\W\d_]*")
# How likely a letter is in this corner of Europe, where two encodings disagree about a byte.
_LIKELY = (
    dict.fromkeys("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ", 1.0)
    | dict.fromkeys("äöüßÄÖÜ", 1.0)
    | dict.fromkeys("éÉčšžřěýůďťňČŠŽŘĚÝŮĎŤŇáíúôÁÍÚ", 0.8)
    | dict.fromkeys("ñçãõâêÑÇ", 0.7)
    | dict.fromkeys("èàøåæïîëûœÈÀØÅÆŒ", 0.5)
    | dict.fromkeys("ľĺŕőűŐŰăşţșțđĐ", 0.3)
)
_SIGNS = frozenset("€„”“’‘–—…§°«»\xa0•©®™№")


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec's name and how to treat what is not of it (``open``'s ``errors``)."""

    name: str
    errors: str


def find_encoding(path: Path) -> Encoding:
    """The encoding of a file, read once in pieces.

    A file that is UTF-8 but for a few lines stays UTF-8: their stray bytes become surrogates, so that those rows
    alone are refused. Raises OSError.
    """
    with path.open("rb") as file:
        head = file.read(_CHUNK)
        for mark, name in _MARKS:
            if head.startswith(mark):
                return Encoding(name, "surrogatepass" if name == "utf-16" else "surrogateescape")
        if wide := _unmarked_utf16(head):
            return Encoding(wide, "surrogatepass")
        sample, good, bad = b"", 0, 0
        rest, chunk = b"", head
        while chunk:
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if not newline:
                whole, rest = rest, b""
            if not whole.isascii():
                found = _FOREIGN_LINE.findall(whole)
                valid = sum(map(_is_utf8, found))
                good, bad = good + valid, bad + len(found) - valid
                sample += b"".join(found)[: _SAMPLE - len(sample)]
            chunk = file.read(_CHUNK)
        if rest and not rest.isascii():
            good, bad = (good + 1, bad) if _is_utf8(rest) else (good, bad + 1)
            sample += rest[: max(0, _SAMPLE - len(sample))]
    if bad == 0:
        return Encoding("utf-8", "strict")
    if good > 9 * bad:
        return Encoding("utf-8", "surrogateescape")
    return Encoding(best_single_byte(sample), "surrogateescape")


def best_single_byte(sample: bytes) -> str:
    """Which of the encodings used in Poland and its neighbours makes words of the sample; else charset-normalizer's."""
    scores = {name: _likelihood(sample, name) for name in _SINGLE_BYTE}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] > 0.3:
        return best
    guess = from_bytes(sample).best()
    return guess.encoding if guess else best


def _likelihood(sample: bytes, encoding: str) -> float:
    """Mean likelihood of the letters outside ASCII, from -1 to 1; signs inside words and controls count against it."""
    text = sample.decode(encoding, "replace")
    counts = Counter(c for c in text if c > "\x7f")
    total = sum(counts.values())
    if not total:
        return 0.0
    score = 0.0
    for c, count in counts.items():
        if c == "\ufffd" or "\x80" <= c <= "\x9f":
            score -= count
        elif c.isalpha():
            score += count * _LIKELY.get(c, 0.1)
        elif c in _SIGNS:
            score += count * 0.5
        else:
            score -= count * 0.5
    broken = sum(
        1 for word in _WORD.findall(text) if len(word) > 2 and re.search(r"[a-ząćęłńóśźż][A-ZĄĆĘŁŃÓŚŹŻ]", word)
    )
    return (score - broken) / total


def _unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without its mark shows by NUL in every other byte of mostly Latin text."""
    piece = head[:2000]
    even, odd = piece[::2].count(0), piece[1::2].count(0)
    half = max(1, len(piece) // 2)
    if odd > 0.7 * half and even < 0.1 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.7 * half and odd < 0.1 * half else None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
