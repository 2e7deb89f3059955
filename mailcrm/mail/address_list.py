"""Address fields read tolerantly (RFC 5322, and what is really sent).

One pass over tokens; no regular expression here can look at a character more than a few times.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice

from mailcrm.core.addresses import normalise
from mailcrm.core.model import Address
from mailcrm.mail.headers import clean, raw_text, words

MAX_FIELD = 4_000_000  # bytes
MAX_TOKENS = 300_000
MAX_ENTRIES = 50_000
MAX_EMAIL = 400  # characters; RFC 5321 allows 254
MAX_NAME = 500  # characters

_SIMPLE = re.compile(
    r'\s*(?:"([^"\\<>]{0,200})"|([^"<>,;:@()\[\]\\]{0,200}))\s*<([^<>\s",;:()]{1,320}@[^<>\s"@,;:()]{1,255})>\s*'
)
_BARE = re.compile(r"[^<>\s\",;:()@\[\]]{1,320}@[^<>\s\",;:()@\[\]]{1,255}")
_TOKEN = re.compile(
    r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|$)|\([^()\\]*(?:\\.[^()\\]*)*(?:\)|$)|<[^<>]*+(?:>|$)|\[[^\[\]<>,;]*+\]|[^",;:<>()\[]+|.',
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def addresses(value: bytes, charset: str | None = None) -> tuple[Address, ...]:
    """Every address of a From, To, Cc, Bcc, Reply-To or Sender field, in order.

    An entry without a usable address keeps its name, with ``email`` "" (``MAILER-DAEMON``).
    Groups are opened, encoded and raw 8-bit names decoded, ``;`` taken for ``,``, lost brackets found.
    """
    if len(value) < 300:
        return _cached(value, charset)
    return tuple(_read(raw_text(value[:MAX_FIELD], charset)))


@lru_cache(4_096)
def _cached(value: bytes, charset: str | None) -> tuple[Address, ...]:
    return tuple(_read(raw_text(value, charset)))


def _read(line: str, *, decoding: bool = False) -> list[Address]:
    line = line.strip()
    if len(line) < 1_000:
        simple = _SIMPLE.fullmatch(line)
        if simple:
            return _whole(simple[1] or simple[2] or "", simple[3])
        if _BARE.fullmatch(line):
            return _whole("", line)
    found: list[Address] = []
    entry = _Entry()
    for token in _tokens(line):
        first = token[0]
        if first in ",;":
            entry.close(found, separator=first)
            if len(found) >= MAX_ENTRIES:
                return found
        elif first == ":":
            entry.colon()
        elif first == "<":
            entry.bracket(token.strip("<>"))
        elif first == "(" and len(token) > 1:
            entry.comments.append(token.strip("()"))
        elif first == '"' and len(token) > 1:
            entry.phrase.append((_ESCAPE.sub(r"\1", token[1:-1]), True))
        else:
            entry.phrase.append((token, False))
    entry.close(found, separator="")
    if not decoding and "=?" in line and found and not any(address.email for address in found):
        inner = words(line[: MAX_NAME * 20])  # some encode the whole field, address and all
        if "@" in inner:
            return _read(clean(inner), decoding=True)
    return found


def _tokens(line: str) -> list[str]:
    tokens = [match[0] for match in islice(_TOKEN.finditer(line), MAX_TOKENS)]
    last = tokens[-1] if tokens else ""
    if last[:1] == '"' and (len(last) == 1 or last[-1] != '"'):  # a quote that is never closed quotes nothing
        tokens.pop()
        tokens += _TOKEN.findall(last[: MAX_NAME * 200].replace('"', " "))
    return tokens


def _whole(name: str, email: str) -> list[Address]:
    normal = _normal(email)
    return [Address(_name(name), normal)] if normal else [Address(_name(name) or clean(email)[:MAX_NAME], "")]


def _name(phrase: str) -> str:
    name = clean(words(phrase[: MAX_NAME * 20]))
    if not name:
        return ""
    if "\\" in name:
        name = _ESCAPE.sub(r"\1", name)
    if name[0] in "\"'" and name[-1] == name[0]:
        name = name[1:-1]
    return " ".join(name[: MAX_NAME * 2].split())[:MAX_NAME]


class _Entry:
    """One address as it is being read."""

    def __init__(self) -> None:
        self.phrase: list[tuple[str, bool]] = []
        self.comments: list[str] = []
        self.angle: str | None = None
        self.before = ""  # "Kowalski" of an unquoted "Kowalski, Jan <…>"

    def bracket(self, content: str) -> None:
        """``<…>``: the address. A second one in the same entry replaces one that held no address."""
        if self.angle is None or "@" not in self.angle:
            self.angle = content

    def colon(self) -> None:
        """What stands before a colon is a group's name, or a scheme such as ``mailto``."""
        if self.angle is None:
            self.phrase.clear()
            self.before = ""

    def close(self, found: list[Address], separator: str) -> None:
        """End of the entry: add its address, if any, and begin anew."""
        phrase = "".join(text for text, _ in self.phrase)
        angle, comments = self.angle, self.comments
        pieces = self.phrase
        quoted = any(within for _, within in pieces)
        self.phrase, self.comments, self.angle = [], [], None
        if angle is not None:
            email = _email(angle)
            name = _name(f"{self.before}, {phrase}" if self.before else phrase) or _name(" ".join(comments))
            self.before = ""
            if not email and "@" in phrase:
                email = next(
                    (normal for word in words(phrase[: MAX_NAME * 20]).split() if (normal := _normal(_bare(word)))),
                    "",
                )
            if email or name or angle.strip():
                found.append(Address(name or ("" if email else _name(angle)), email))
            return
        if self.before:
            found.append(Address(_name(self.before), ""))
            self.before = ""
        if not phrase.strip():
            return
        if "@" not in phrase:
            if separator == ",":
                self.before = phrase.strip()[:MAX_NAME]
            else:
                found.append(Address(_name(phrase), ""))
            return
        email = _normal(phrase) if quoted else ""
        name = _name(" ".join(comments))
        local_quoted = quoted and any(text.startswith("@") for text, within in pieces if not within)
        if not email and local_quoted:  # "a b"@x: its words are no addresses
            name = name or _name(phrase)
        elif not email:
            rest = []
            for word in phrase[: MAX_NAME * 20].split():
                normal = "" if email else _normal(_bare(word))
                email = email or normal
                if not normal:
                    rest.append(word)
            name = _name(" ".join(rest)) or name
        found.append(Address(name, email))


def _bare(word: str) -> str:
    """The word without what it is set in, but with the bracket that ends an address literal."""
    return word.strip("'\"()") if "@[" in word else word.strip("'\"()[]")


def _email(angle: str) -> str:
    text = angle.strip()
    if "=?" in text:
        text = words(text)
    if text.startswith("@") and ":" in text:  # an obsolete source route
        text = text.rpartition(":")[2]
    if text.lower().startswith("mailto:"):
        text = text[7:]
    return _normal(text) or ("" if '"' in text else _normal("".join(text.split())))


def _normal(text: str) -> str:
    """Only what may be an address gets into the cache of ``normalise``."""
    return normalise(text) if len(text) <= MAX_EMAIL and "@" in text else ""
