"""Counts in words."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """``1 mail waits``, ``2 mails wait``: the count and what there is of it.

    Args:
        one: of a single one; ``many``: of none or several, where that is more than an ``s`` at the end.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
