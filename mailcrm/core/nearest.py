"""The mend of a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], what: str = "known here") -> str:
    """``write X``, the known name that is most like this one; if none is, all of them: ``known here: X, Y``."""
    names = sorted(known)
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"write {match[0]}" if match else f"{what}: {', '.join(names) or 'none'}"
