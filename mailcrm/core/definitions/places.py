"""On which line each key of a TOML file stands: ``tomllib`` reads the values, but does not tell."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

from mailcrm.core.validation import Path

# Without possessive groups: they go wrong in Python before 3.11.4, which Debian 12 has.
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]+")


def places(text: str) -> dict[Path, int]:
    """The line, counted from one, of each table, key and array item, by its path.

    Args:
        text: TOML that ``tomllib`` has accepted: nothing is checked here.
    """
    return _Walk(text).found


class _Walk:
    """One pass over the text, following its grammar only as far as keys and nesting go."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.found: dict[Path, int] = {}
        self.rows: dict[Path, int] = {}  # arrays of tables: how many so far
        table: Path = ()
        while self._skip() < len(text):
            table = self._statement(table)

    def _statement(self, table: Path) -> Path:
        """A header or a key with its value; returns the table that it leaves open."""
        start = self.at
        if self.text[start] != "[":
            self._pair(table)
            return table
        double = self.text.startswith("[[", start)
        self.at += 2 if double else 1
        *above, last = self._key()
        self.at = self.text.index("]", self.at) + (2 if double else 1)
        table = ()
        for part in above:
            self._mark((*table, part), start)
            table = self._newest((*table, part))
        table = (*table, last)
        if double:
            self._mark(table, start)
            self.rows[table] = self.rows.get(table, 0) + 1
            table = self._newest(table)
        self._mark(table, start)
        return table

    def _newest(self, path: Path) -> Path:
        return (*path, self.rows[path] - 1) if path in self.rows else path

    def _pair(self, table: Path) -> None:
        start, path = self.at, table
        for part in self._key():
            path = (*path, part)
            self._mark(path, start)
        self.at = self.text.index("=", self.at) + 1
        self._value(path)

    def _key(self) -> list[str]:
        """A dotted key; ends behind its last part."""
        parts = []
        while True:
            self._skip()
            match = _BARE_KEY.match(self.text, self.at) or _STRING.match(self.text, self.at)
            assert match, "tomllib accepted it"
            raw = match[0]
            parts.append(tomllib.loads(f"key = {raw}")["key"] if raw[0] in "\"'" else raw)
            self.at = match.end()
            if self._skip() == len(self.text) or self.text[self.at] != ".":
                return parts
            self.at += 1

    def _value(self, path: Path) -> None:
        match self.text[self._skip()]:
            case "[":
                self._items(path)
            case "{":
                self.at += 1
                while self.text[self._skip()] != "}":
                    self._pair(path)
                    self._comma()
                self.at += 1
            case _:
                match = _STRING.match(self.text, self.at) or _BARE_VALUE.match(self.text, self.at)
                assert match, "tomllib accepted it"
                self.at = match.end()

    def _items(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self.text[self._skip()] != "]":
            self._mark((*path, index), self.at)
            self._value((*path, index))
            self._comma()
            index += 1
        self.at += 1

    def _comma(self) -> None:
        if self.text[self._skip()] == ",":
            self.at += 1

    def _skip(self) -> int:
        match = _BLANK.match(self.text, self.at)
        assert match, "it matches nothing, too"
        self.at = match.end()
        return self.at

    def _mark(self, path: Path, start: int) -> None:
        self.found.setdefault(path, bisect_right(self.newlines, start) + 1)
