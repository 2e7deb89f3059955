"""What is wrong in a definition file, all of it at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailcrm.core.definitions.places import places
from mailcrm.core.validation import Path
from mailcrm.errors import Refused

_AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and its mend.

    Args:
        line: counted from one.
        element: what it is about: ``nodes.clicked.within``; "" for the whole file.
    """

    file: str
    line: int
    element: str
    what: str
    mend: str

    def __str__(self) -> str:
        about = f"{_printable(self.element)}: " if self.element else ""
        return f"{self.file}:{self.line}: {about}{_printable(self.what)}; {_printable(self.mend)}"


class DefinitionError(Refused):
    """The definition is not stored: one line a fault, in the order of the file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line))
        super().__init__("\n".join(map(str, self.faults)))


class Faults:
    """Collects the faults of one file."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.found: list[Fault] = []
        self._places = places(text)

    def add(self, path: Path, what: str, mend: str) -> None:
        """Note a fault; its line is that of the path, or of what is nearest above it."""
        near = next(path[:size] for size in range(len(path), -1, -1) if path[:size] in self._places or not size)
        self.found.append(Fault(self.file, self._places.get(near, 1), element(path), what, mend))


def not_toml(file: str, text: str, problem: str) -> Fault:
    """The fault of text that is no TOML at all, as ``tomllib`` words it."""
    match = _AT_LINE.search(problem)
    lines = text.split("\n")
    line = int(match[1]) if match and match[1] else len(lines)
    what = problem[: match.start()] if match else problem
    key = lines[min(line, len(lines)) - 1].partition("=")[0].strip()
    if what.startswith("Cannot overwrite") and key == "other":
        return Fault(file, line, key, 'a second "other": only one is allowed', "leave one")
    if what.startswith(("Cannot overwrite", "Cannot declare")):
        return Fault(file, line, key.strip("[]"), "is written twice", "leave one")
    return Fault(file, line, "", f"this is not TOML: {what}", "mend the line")


def element(path: Path) -> str:
    """A path as people read it, counted from one: ``nodes.clicked.within``, ``step[3].after``; "" for the file."""
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _printable(text: str) -> str:
    """On one line, whatever the file holds."""
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= 300 else f"{text[:299]}…"
