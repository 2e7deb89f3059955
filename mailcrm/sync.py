"""One pass over a mailbox on its server, as ``mailcrm sync`` does it: first look, new mail, first pass, drafts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from types import TracebackType
from typing import TypeAlias

from mailcrm.app.context import Context
from mailcrm.app.intake import StoreIntake
from mailcrm.app.look import look
from mailcrm.config import Mailbox
from mailcrm.core import spans
from mailcrm.core.model import FolderRole, Message
from mailcrm.errors import LoginFailed, MailcrmError, NotFound, Refused, Temporary
from mailcrm.mail import imap_sync
from mailcrm.mail.drafts import DraftKeeper
from mailcrm.mail.imap_desk import Counts
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.keepers import Keepers
from mailcrm.mail.readers import Readers
from mailcrm.mail.sent_copy import SentCopies
from mailcrm.store import mailboxes
from mailcrm.store.ownership import Ownership

MOST_REFUSALS = 3
Head: TypeAlias = tuple[Message, FolderRole, datetime]


class Syncer:
    """Syncs mailboxes, one after the other; to be closed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._dialer = Dialer(context.config)
        self._readers = Readers(context.config.data / "files", context.config.parsing)
        self._ownership = Ownership(context.db, context.config.data / "locks")

    def sync(self, key: str, progress: Callable[[int, int], None]) -> Counts:
        """Bring one mailbox up to date.

        Raises:
            NotFound: it is not configured.
            Refused: it has no server, is paused, waits for the operator, or another process reads it.
            Temporary: its server or the database is away.
            LoginFailed: name or password was refused; the third time pauses it, for servers punish repeated tries.
        """
        mailbox = self._configured(key)
        if not self._ownership.take(key):
            raise Refused(f"the mailbox {key} is being read by another process (`mailcrm run`?); it will see new mail")
        try:
            return self._sync(key, mailbox, progress)
        except LoginFailed as error:
            with self._context.db.write() as connection:
                if mailboxes.count_refusal(connection, key) >= MOST_REFUSALS:
                    mailboxes.set_state(connection, key, "paused", reason=str(error))
            raise
        finally:
            self._ownership.release(key)

    def _sync(self, key: str, mailbox: Mailbox, progress: Callable[[int, int], None]) -> Counts:
        with self._context.db.read() as connection:
            state = mailboxes.find(connection, key)
        since = spans.before(self._context.clock(), mailbox.backfill_since)
        if state.state == "new":
            first_look(self._context, key, mailbox, self._dialer, self._readers)
            with self._context.db.read() as connection:
                state = mailboxes.find(connection, key)
        if state.state in ("paused", "waiting"):
            raise Refused(f"the mailbox {key} is not read: {state.reason}")
        intake = StoreIntake(self._context)
        counts = imap_sync.sync(
            key, mailbox, self._dialer, intake, self._readers, self._context.blobs, since=since, progress=progress
        )
        keepers(self._context, self._dialer).tend(key)
        return counts

    def _configured(self, key: str) -> Mailbox:
        mailbox = self._context.config.mailboxes.get(key)
        if mailbox is None:
            known = ", ".join(self._context.config.mailboxes) or "none"
            raise NotFound(f"no mailbox {key!r}; configured are: {known}")
        if not mailbox.host:
            raise Refused(f"mailboxes.{key} has no host: it is fed by `mailcrm ingest` or LMTP alone")
        return mailbox

    def close(self) -> None:
        """End the reading processes."""
        self._readers.close()
        self._ownership.close()

    def __enter__(self) -> Syncer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def keepers(context: Context, dialer: Dialer, settle: timedelta = timedelta()) -> Keepers:
    """All who look after mailboxes beside the reading.

    Args:
        settle: how long a copy of sent mail is waited for before it is put there.
    """
    return Keepers(DraftKeeper(context, dialer), SentCopies(context, dialer, settle))


def tend_mailboxes(context: Context) -> tuple[int, list[str]]:
    """Look after drafts and copies of sent mail in every mailbox where it is due and that no other process reads.

    Returns:
        How many were placed, ended or taken back, and why some were not.
    """
    keeper = keepers(context, Dialer(context.config))
    done = 0
    faults = []
    ownership = Ownership(context.db, context.config.data / "locks")
    try:
        for key in sorted(keeper.busy()):
            if not ownership.take(key):
                continue
            try:
                done += keeper.tend(key)
            except MailcrmError as error:
                faults.append(str(error))
            finally:
                ownership.release(key)
    finally:
        ownership.close()
    return done, faults


def first_look(
    context: Context,
    key: str,
    mailbox: Mailbox,
    dialer: Dialer,
    readers: Readers,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Count what a first pass would do; see ``app.look``. A mailbox with little mail is only counted.

    Args:
        stopping: asked with each message whether to leave off.

    Raises:
        Temporary, LoginFailed, ConfigError: as connecting; or it left off, and nothing is changed.
    """
    since = spans.before(context.clock(), mailbox.backfill_since)
    total, heads = imap_sync.first_sight(key, mailbox, dialer, readers, since=since)
    with closing(heads):
        if total <= context.config.linking.first_sight:
            next(heads, None)  # one that was never begun would not close its connection
            look(context, key, ())
        else:
            look(context, key, _until(stopping, ((each.message, each.role, each.received_at) for each in heads)))


def _until(stopping: Callable[[], bool], found: Iterable[Head]) -> Iterator[Head]:
    for each in found:
        if stopping():
            raise Temporary("the program is stopping")
        yield each
