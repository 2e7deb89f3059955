"""What broke the connection before, so that it is taken with care and in the end done without."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from mailcrm.mail.imap_faults import Away, Throttled

POISON: Final = 3
LISTING: Final = -1
CHECKING: Final = -2


class Suspects:
    """Remembers at what the connection broke, so that a poison message ends in quarantine, not in a loop."""

    __slots__ = ("_broke",)

    def __init__(self) -> None:
        self._broke: dict[tuple[bytes, int], int] = {}

    def blame(self, folder: bytes, uid: int) -> None:
        """The connection broke while this message was awaited."""
        self._broke[folder, uid] = self._broke.get((folder, uid), 0) + 1

    def suspected(self, folder: bytes, uid: int) -> bool:
        """Whether it is to be fetched by a command of its own."""
        return (folder, uid) in self._broke

    def poison(self, folder: bytes, uid: int) -> bool:
        """Whether it broke the connection too often to be tried again."""
        return self._broke.get((folder, uid), 0) >= POISON

    @contextlib.contextmanager
    def watching(self, folder: bytes, step: int) -> Iterator[None]:
        """Blame a step (``LISTING``, ``CHECKING``) if the connection breaks in it."""
        try:
            yield
        except Away as fault:
            if fault.retry_after is None or isinstance(fault, Throttled):
                self.blame(folder, step)
            raise
