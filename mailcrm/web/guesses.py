"""Who asks for tokens that do not exist is made to wait: nobody guesses 128 bits, but each try costs a look-up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

MOST = 60
"""Unknown tokens that one client may ask for in a minute."""

_CLIENTS = 10_000


class Guesses:
    """Counts unknown tokens by client, for the minute that it is.

    Args:
        clock: seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._minute = 0
        self._counts: OrderedDict[str, int] = OrderedDict()

    def too_many(self, client: str) -> bool:
        """Whether this client is to wait before it may ask again."""
        self._turn()
        return self._counts.get(client, 0) >= MOST

    def wrong(self, client: str) -> None:
        """It asked for a token that does not exist."""
        self._turn()
        self._counts[client] = self._counts.pop(client, 0) + 1
        if len(self._counts) > _CLIENTS:
            self._counts.popitem(last=False)

    def _turn(self) -> None:
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
