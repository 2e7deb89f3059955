"""How much a first pass may download a day: the quota is shared with the rep's phone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mailcrm.config import Mailbox
from mailcrm.mail.imap_talk import Talk

GMAIL_MEGABYTES: Final = 500
_DAY: Final = 86_400.0


def daily_megabytes(mailbox: Mailbox, talk: Talk) -> int:
    """What this mailbox's first pass may take a day; 0 is no bound. Gmail's own limit is respected unasked."""
    if mailbox.daily_megabytes:
        return mailbox.daily_megabytes
    return GMAIL_MEGABYTES if "X-GM-EXT-1" in talk.capabilities else 0


class Budget:
    """The bytes a mailbox may still take, refilled evenly through the day.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken = 0.0
        self._at = clock()

    def gauge(self, megabytes: int) -> Callable[[int], bool]:
        """A function that is told the bytes taken, and answers whether it is enough for now."""

        def enough(taken: int) -> bool:
            self._flow(megabytes)
            self._taken += taken
            return bool(megabytes) and self._taken >= megabytes * 1e6

        return enough

    def wait(self, megabytes: int) -> float:
        """Seconds until a tenth of a day's megabytes may be taken again; 0 at once."""
        self._flow(megabytes)
        if not megabytes:
            return 0.0
        over = self._taken - 0.9 * megabytes * 1e6
        return max(0.0, over * _DAY / (megabytes * 1e6))

    def _flow(self, megabytes: int) -> None:
        now = self._clock()
        self._taken = max(0.0, self._taken - (now - self._at) * megabytes * 1e6 / _DAY)
        self._at = now
