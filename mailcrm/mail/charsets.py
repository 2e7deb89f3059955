"""Bytes to text: declared character sets, the ones that are really meant, and guesses where none is declared.

Hostile input chooses the labels, so only codecs of the families below are ever looked up (``punycode`` takes
quadratic time, ``unicode_escape`` makes surrogates), and labels that are no plausible name don't reach the registry.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

_LABEL = re.compile(r"[a-z0-9][a-z0-9_.:+\-]{1,39}")
_FAMILIES = re.compile(
    r"ascii|utf-(?:7|8|8-sig|16|16-le|16-be|32|32-le|32-be)|iso8859-\d{1,2}|cp\d{3,5}|koi8-[rtu]|gb2312|gbk|gb18030|hz"
    r"|big5|big5hkscs|euc_(?:jp|kr|jis_2004|jisx0213)|shift_jis(?:_2004|x0213)?|iso2022_\w{2,9}|mac-\w{4,12}|tis-620"
    r"|kz1048|ptcp154|johab|hp-roman8"
)
# Labels without a codec of that name, and those that say nothing (None: guess).
_ALIASES: dict[str, str | None] = {
    "unicode-1-1-utf-7": "utf-7", "x-unicode-2-0-utf-7": "utf-7", "utf8mb4": "utf-8", "unicode": "utf-16",
    "iso-8859-8-i": "iso8859-8", "iso-8859-8-e": "iso8859-8", "ks_c_5601-1987": "cp949", "ks_c_5601": "cp949",
    "x-sjis": "cp932", "windows-31j": "cp932", "ms_kanji": "cp932", "x-euc-jp": "euc_jp", "x-gbk": "gb18030",
    "x-mac-roman": "mac-roman", "macintosh": "mac-roman", "x-mac-ce": "mac-latin2", "x-cp1250": "cp1250",
    "x-cp1251": "cp1251", "x-cp1252": "cp1252", "ansi_x3.110-1983": "cp1252", "iso-8559-1": "cp1252",
    "iso-8559-2": "iso8859-2", "unknown-8bit": None, "x-unknown": None, "8bit": None, "binary": None,
    "us-ascii": None, "ascii": None, "x-user-defined": None, "default": None, "default_charset": None,
}  # fmt: skip
# What senders that declare the left one really write (the WHATWG Encoding Standard does the same).
_WIDER = {
    "ascii": None, "iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949",
    "shift_jis": "cp932", "iso8859-9": "cp1254", "tis-620": "cp874", "iso8859-11": "cp874", "big5": "big5hkscs",
    "utf-8-sig": "utf-8",
}  # fmt: skip
_WINDOWS = {"iso8859-2": "cp1250", "iso8859-5": "cp1251", "iso8859-7": "cp1253", "iso8859-15": "cp1252"}
_STATEFUL = re.compile(r"utf-(?:7|16|32)|hz|iso2022")
_C1 = re.compile(rb"[\x80-\x9f]")
_CONTROLS = bytes(c for c in range(32) if c not in (9, 10, 13)) + b"\x7f"
_CONTROLS_AND_CR = _CONTROLS + b"\r"
_CONTROL_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_SAMPLE = 4_000
_JAPANESE = ("iso2022_jp", "iso2022_jp_3", "iso2022_jp_ext")


def codec(label: str) -> str | None:
    """The Python codec for a charset label, widened to what is meant by it; None where it must be guessed."""
    return _codec(label) if len(label) < 60 else None


@lru_cache(512)
def _codec(label: str) -> str | None:
    name = label.strip().strip("\"'").lower().partition("*")[0]
    if name in _ALIASES:
        return _ALIASES[name]
    if not _LABEL.fullmatch(name):
        return None
    try:
        found = codecs.lookup(name.removeprefix("x-") if name.startswith("x-mac") else name).name
    except (LookupError, ValueError):
        return None
    if not _FAMILIES.fullmatch(found):
        return None
    return _WIDER.get(found, found)


def decode(data: bytes, label: str | None = None) -> str:
    """Text from bytes. Never raises: what the label does not fit is guessed.

    Args:
        data: decoded from its transfer encoding, in any charset.
        label: the declared charset, if any.
    """
    name = codec(label) if label else None
    if name is None:
        if data.isascii() and b"\x1b" not in data:
            return data.decode("ascii")
        return guess(data)
    if name in _WINDOWS and _C1.search(data):
        name = _WINDOWS[name]
    try:
        text = data.decode(name)
    except (UnicodeDecodeError, ValueError):
        text = _mended(data, name)
    return _without_surrogates(text) if name == "utf-7" else text


def body(data: bytes, label: str | None) -> str:
    """``decode`` for a text part: newlines become ``\\n``, other control characters go, a byte order mark too."""
    name = codec(label) if label else None
    if name is not None and _STATEFUL.match(name):
        text = decode(data, label).replace("\r\n", "\n").replace("\r", "\n")
        return _CONTROL_TEXT.sub("", text).removeprefix("\ufeff")
    if name is None and (data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x1b$" in data):
        return _CONTROL_TEXT.sub("", decode(data).replace("\r\n", "\n").replace("\r", "\n"))
    lines = data.translate(None, _CONTROLS_AND_CR)
    if len(data) - len(lines) != data.count(b"\r\n"):  # something else went than the CR of a CRLF
        lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").translate(None, _CONTROLS)
    return decode(lines, label).removeprefix("\ufeff")


def guess(data: bytes) -> str:
    """Text from bytes that nothing is said about, or something wrong."""
    if b"\x1b$" in data:
        for name in _JAPANESE:
            try:
                return data.decode(name)
            except UnicodeDecodeError:
                continue
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _without_surrogates(data.decode("utf-16", "replace"))
    if _mostly_utf8(data):
        return data.decode("utf-8", "replace")
    return data.decode(_likeliest(data), "replace")


def _mended(data: bytes, name: str) -> str:
    if name.startswith("iso2022_jp"):
        return guess(data) if b"\x1b$" not in data else _japanese(data)
    if _STATEFUL.match(name):
        return _without_surrogates(data.decode(name, "replace"))
    if name == "utf-8":
        return guess(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode(name, "replace")
    return (
        text if text.count("\ufffd") * 20 <= sum(c > "\x7f" for c in text) or len(text) > _SAMPLE * 50 else guess(data)
    )


def _japanese(data: bytes) -> str:
    for name in _JAPANESE[1:]:
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    return data.decode("iso2022_jp", "replace")


def _mostly_utf8(data: bytes) -> bool:
    """True for UTF-8 that was cut or has a stray byte: far more good sequences than bad bytes."""
    text = data[:_SAMPLE].decode("utf-8", "replace")
    bad = text.count("\ufffd")
    return bad * 4 <= sum("\x7f" < c != "\ufffd" for c in text)


def _without_surrogates(text: str) -> str:
    """UTF-7 and UTF-16 may hold halves of pairs, which no database takes."""
    if not _SURROGATES.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# Letters by how much they speak for a code page; everything else counts by what it is (see _weight).
_EASTERN = (
    dict.fromkeys("ąłśżźĄŁŚŻŹ", 3.0) | dict.fromkeys("ęćńěřůčšžťňő", 1.5) | dict.fromkeys("óéáíýúöüäßűţşăČŘŠŽ", 1.0)
)
_LETTERS = {
    "cp1250": _EASTERN | dict.fromkeys("„”–’…", 1.0),
    "iso8859-2": _EASTERN,
    "cp1252": dict.fromkeys("èàñêåøæãõ", 1.6) | dict.fromkeys("óéáíýúöüäßçëôîïâûùœÄÖÜÉÅØ“”„–—’‘…€•", 1.0),
    "cp1251": dict.fromkeys("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёіїєґ", 1.0),
    "koi8-r": dict.fromkeys("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", 1.0),
    "cp1253": dict.fromkeys("αβγδεζηθικλμνξοπρςστυφχψωάέήίόύώ", 1.0),
}  # fmt: skip
_LATIN = ("cp1250", "iso8859-2", "cp1252")
_ASCII_TRAILS = ("big5hkscs", "cp932")  # second bytes look like Latin letters
_ASCII = bytes(range(128))
_HIGH_WORD = re.compile(rb"[A-Za-z]{0,40}[\x80-\xff][A-Za-z\x80-\xff]{0,80}")  # with at least one letter outside ASCII
_SCRIPT_WORD = re.compile(rb"(?<![A-Za-z\x80-\xff])[\x80-\xff]{4,80}(?![A-Za-z\x80-\xff])")  # with no other
_POLISH_ENDINGS = re.compile(rb"i\xea|[\xea\xe6\xf1](?![A-Za-z\x80-\xff])")  # ie and words in e, c, n with their tails
_PAIRS = {  # byte pairs of the everyday characters of each double-byte set
    "gb18030": re.compile(rb"[\xb0-\xd7][\xa1-\xfe]|\xa3[\xa1-\xfe]|\xa1[\xa2-\xb7]"),
    "big5hkscs": re.compile(rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]|\xa1[\x40-\x7e]"),
    "cp949": re.compile(rb"[\xb0-\xc8][\xa1-\xfe]"),
    "euc_jp": re.compile(rb"[\xa4\xa5][\xa1-\xf6]|[\xb0-\xcf][\xa1-\xfe]|\xa1[\xa1-\xbf]"),
    "cp932": re.compile(rb"\x82[\x9f-\xf1]|\x83[\x40-\x96]|[\x88-\x97][\x40-\x7e\x80-\xfc]|\x81[\x40-\x5b]"),
}


def _likeliest(data: bytes) -> str:
    """The code page in which the bytes read best; a detector is asked only where none reads well."""
    sample = data[:_SAMPLE]
    high = len(sample.translate(None, _ASCII))
    latin = 1.0 - len(_SCRIPT_WORD.findall(sample)) / len(_HIGH_WORD.findall(sample))
    scores = {
        name: sum(_weight(c, letters) for c in sample.decode(name, "replace") if c > "\x7f") / high
        for name, letters in _LETTERS.items()
    } | _double_byte(sample, high)
    polish = 2 * len(_POLISH_ENDINGS.findall(sample)) / high
    for name in scores:
        if name in _LATIN:
            scores[name] += latin + (0 if name == "cp1252" else polish)
        else:
            scores[name] += max(1 - latin, 0.8 if name in _ASCII_TRAILS else 0)
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0.5 else _detected(sample)


def _double_byte(sample: bytes, high: int) -> dict[str, float]:
    scores = {}
    for name, pairs in _PAIRS.items():
        try:
            codecs.getincrementaldecoder(name)().decode(sample)
        except UnicodeDecodeError:
            continue
        hits = pairs.findall(sample)
        scores[name] = sum((hit[0] > 127) + (hit[1] > 127) for hit in hits) / high
        if name == "cp949" and len(hits) > 4:
            scores[name] *= 1.05  # its pairs are half of those of GB 2312: all of them in that half is no chance
    if "euc_jp" in scores:  # Japanese without a single hiragana is Chinese or Korean
        scores["euc_jp"] *= 1.2 if re.search(rb"\xa4[\xa1-\xf3]", sample) else 0.5
    return scores


def _weight(char: str, letters: dict[str, float]) -> float:
    known = letters.get(char)
    if known is not None:
        return known
    if char == "\ufffd" or "\x80" <= char <= "\x9f":
        return -3.0
    return 0.2 if char.isalpha() else -1.0


def _detected(sample: bytes) -> str:
    from charset_normalizer import from_bytes  # large, and hardly ever needed

    found = from_bytes(sample, steps=3, chunk_size=256).best()
    name = codec(found.encoding) if found else None
    return name or "cp1252"
