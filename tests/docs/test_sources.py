"""What holds for every source file."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
POSSESSIVE_GROUP = re.compile(r"\)(?:[*+?]|\{[\d,]+\})\+")


def test_no_pattern_has_a_possessive_group() -> None:
    # Python 3.11.0 to 3.11.4 match them wrongly (python/cpython#106052); Debian 12 brings 3.11.2.
    sources = [file for folder in ("mailcrm", "plugins") for file in (ROOT / folder).rglob("*.py")]
    assert sources
    assert POSSESSIVE_GROUP.search(r"(?:a|b)*+")
    assert [str(file) for file in sources if POSSESSIVE_GROUP.search(file.read_text(encoding="utf-8"))] == []
