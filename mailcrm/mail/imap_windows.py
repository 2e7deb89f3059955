"""Walking a folder in UID windows, so that neither 200,000 messages nor four billion unused UIDs flood anybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mailcrm.mail.imap_listing import Entry, listing
from mailcrm.mail.imap_suspects import Suspects
from mailcrm.mail.imap_talk import Talk

FIRST: Final = 2_000
FEW: Final = 500
MANY: Final = 4_000
WIDEST: Final = 1_000_000


def windows(
    talk: Talk,
    suspects: Suspects,
    low: int,
    high: int,
    *,
    descending: bool,
    without: frozenset[bytes] = frozenset(),
) -> Iterator[tuple[int, int, list[Entry]]]:
    """The open folder's messages from ``low`` to ``high``, window by window without a gap.

    Windows widen where UIDs are sparse; an empty stretch is jumped over where the server can tell where it ends.

    Args:
        without: see ``listing``.

    Yields:
        The lowest and highest UID of the window, and what lies in it, ascending.
    """
    width = FIRST
    while low <= high:
        first, last = (max(low, high - width + 1), high) if descending else (low, min(high, low + width - 1))
        entries = listing(talk, suspects, first, last, without)
        if not entries:
            edge = _edge(talk, low, first - 1) if descending else _edge(talk, last + 1, high, lowest=True)
            if edge is not None and descending:
                first = edge + 1 if edge else low
            elif edge is not None:
                last = edge - 1 if edge else high
        yield first, last, entries
        if descending:
            high = first - 1
        else:
            low = last + 1
        if len(entries) < FEW:
            width = min(width * 4, WIDEST)
        elif len(entries) > MANY:
            width = max(width // 4, FEW)


def _edge(talk: Talk, low: int, high: int, *, lowest: bool = False) -> int | None:
    """The nearest UID beyond an empty window; 0 if there is none, None if the server can't tell."""
    return talk.edge(b"UID %d:%d" % (low, high), lowest=lowest) if low <= high else 0
