"""Those who look after mailboxes beside the reading: drafts, copies of sent mail."""

from __future__ import annotations

from typing import Protocol

from mailcrm.errors import LoginFailed, MailcrmError


class Keeper(Protocol):
    """One who looks after mailboxes."""

    def busy(self) -> frozenset[str]:
        """The mailboxes in which there is something to do now. Raises Temporary: the database is away."""

    def tend(self, key: str) -> int:
        """Do what there is to do in one mailbox, and say how much that was. Raises MailcrmError."""


class Keepers:
    """Several who look after mailboxes, as one; what stops one of them stops no other."""

    def __init__(self, *keepers: Keeper) -> None:
        self._keepers = keepers

    def busy(self) -> frozenset[str]:
        """The mailboxes in which one of them has something to do."""
        return frozenset().union(*(each.busy() for each in self._keepers))

    def tend(self, key: str) -> int:
        """Let all do what they have to in one mailbox; gives how much that was. Raises the first one's error.

        A refused login is raised at once: theirs would be refused too, and servers punish repeated tries.
        """
        done = 0
        problem: Exception | None = None
        for each in self._keepers:
            try:
                done += each.tend(key)
            except LoginFailed:
                raise
            except MailcrmError as error:
                problem = problem or error
        if problem is not None:
            raise problem
        return done
