"""The store as the watcher sees it: cursors, what is known, where mail is handed in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from mailcrm.app.context import Context
from mailcrm.app.ingest import Outcome, ingest
from mailcrm.core.addresses import load_suffixes
from mailcrm.core.letter_ids import run_of
from mailcrm.core.model import Batch, Cursor
from mailcrm.store import enrollments, lookup, mailboxes


@dataclass(frozen=True, slots=True)
class StoreIntake:
    """Hands what was fetched to ``ingest``.

    Args:
        told: called with each batch and what became of it, after it was committed.
    """

    context: Context
    told: Callable[[Batch, Outcome], None] = lambda _batch, _outcome: None

    def start(self) -> None:
        """Load what linking needs, while the readers are starting."""
        load_suffixes()

    def cursors(self, mailbox: str) -> Mapping[str, Cursor]:
        """How far each folder has been read, by folder name."""
        with self.context.db.read() as connection:
            return mailboxes.cursors(connection, mailbox)

    def uids(self, mailbox: str, folder: str, low: int, high: int) -> Sequence[int]:
        """UIDs from ``low`` to ``high`` that are believed to lie in the folder, ascending."""
        with self.context.db.read() as connection:
            return mailboxes.uids(connection, mailbox, folder, low, high)

    def known(self, identities: Sequence[str]) -> frozenset[str]:
        """Which of these messages are stored already."""
        with self.context.db.read() as connection:
            return frozenset(lookup.messages(connection, identities))

    def expecting(self) -> bool:
        """Whether flows go on, so that their letters may be answered."""
        with self.context.db.read() as connection:
            return enrollments.any_goes_on(connection)

    def awaited(self, message_ids: Collection[str]) -> frozenset[str]:
        """Which of these Message-IDs are those of letters of flows that go on."""
        named = {each: run for each in message_ids if (run := run_of(self.context.secret, each)) is not None}
        if not named:
            return frozenset()
        with self.context.db.read() as connection:
            live = {run.id for run in enrollments.with_ids(connection, set(named.values()))}
        return frozenset(each for each, run in named.items() if run in live)

    def store(self, batch: Batch) -> None:
        """Store rows and cursor in one transaction. Raises Temporary: the same batch may come again."""
        self.told(batch, ingest(self.context, batch))

    def refused(self, mailbox: str) -> None:
        """The server refused the login; its user's automatic mail is held until it is ``alive`` again."""
        with self.context.db.write() as connection:
            mailboxes.count_refusal(connection, mailbox)

    def paused(self, mailbox: str, reason: str) -> None:
        """The mailbox needs a person: it is left alone until ``mailbox resume``."""
        with self.context.db.write() as connection:
            mailboxes.set_state(connection, mailbox, "paused", reason=reason)
        self.context.changed()

    def alive(self, mailbox: str) -> None:
        """The mailbox is in step with its server as of now."""
        with self.context.db.write() as connection:
            mailboxes.set_alive(connection, mailbox, self.context.clock())
