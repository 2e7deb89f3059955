"""At most two connections to a mailbox: the one that listens, and one more, which all others share in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Final

from mailcrm.mail.imap_faults import Away

PATIENCE: Final = 60.0  # seconds


class Seats:
    """Who has the second connection of which mailbox. For all threads of a process.

    Args:
        patience: seconds that the second connection is waited for.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._changed = Condition()
        self._taken: set[str] = set()
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def taken(self, key: str) -> Iterator[None]:
        """Have it, as soon as it is free.

        Raises:
            Away: somebody else has it all the time.
        """
        with self._changed:
            self._waiting[key] += 1
            try:
                if not self._changed.wait_for(lambda: key not in self._taken, self._patience):
                    raise Away(f"mailboxes.{key}: its second connection is in use; this is tried again later")
                self._taken.add(key)
            finally:
                self._waiting[key] -= 1
        try:
            yield
        finally:
            with self._changed:
                self._taken.discard(key)
                self._changed.notify_all()

    def is_wanted(self, key: str) -> bool:
        """Whether somebody waits for it: who has it for long is to make way."""
        return self._waiting[key] > 0
