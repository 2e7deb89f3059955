"""One full pass over a mailbox, and the look at it beforehand that stores nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mailcrm.config import Mailbox
from mailcrm.core.model import FolderRole, Message, Unreadable
from mailcrm.errors import Temporary
from mailcrm.mail.imap_desk import Counts, Desk
from mailcrm.mail.imap_faults import Away, Declined
from mailcrm.mail.imap_folders import Folder, chosen, list_folders, sifted
from mailcrm.mail.imap_intake import Blobs, Intake, Readers
from mailcrm.mail.imap_listing import headers
from mailcrm.mail.imap_pacing import Budget, daily_megabytes
from mailcrm.mail.imap_pass import catch_up, first_pass
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.imap_suspects import Suspects
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_windows import windows

TRIES: Final = 6
_FIRST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 5.0
_HEADERS_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Sighted:
    """A message seen without its body, before anything is stored. ``received_at`` is INTERNALDATE."""

    folder: str
    role: FolderRole
    received_at: datetime
    message: Message


def sync(
    key: str,
    mailbox: Mailbox,
    dialer: Dialer,
    intake: Intake,
    readers: Readers,
    blobs: Blobs,
    *,
    since: datetime | None = None,
    progress: Callable[[int, int], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Counts:
    """Bring a whole mailbox up to date: new mail, changes, then the first pass where it is not done.

    A broken connection is opened anew and the pass goes on where it was.

    Args:
        key: the mailbox's name in the configuration.
        since: mail with an older INTERNALDATE is left alone in a first pass; aware.
        progress: told how many messages of the first pass are done, and of how many.

    Returns:
        What was done; ``paced`` if the day's megabytes ended it early.

    Raises:
        Temporary: the server or the store is away, also after some tries.
        LoginFailed, Untrusted, ConfigError: a person is needed.
    """
    desk = Desk(key, intake, readers, blobs, progress)
    budget = Budget()
    total, wait, tries = Counts(), _FIRST_WAIT, TRIES
    while True:
        before = total.stored + total.known + total.unreadable
        try:
            _once(key, mailbox, dialer, desk, total, since, budget)
        except Temporary as fault:
            asked = fault.retry_after if isinstance(fault, Away) else None
            if total.stored + total.known + total.unreadable > before:
                wait, tries = _FIRST_WAIT, TRIES
            tries -= 1
            if not tries or (asked or 0) > _LONGEST_WAIT:
                raise
            sleep(asked or wait)
            wait = min(2 * wait, _LONGEST_WAIT)
        else:
            intake.alive(key)
            return total


def _once(
    key: str, mailbox: Mailbox, dialer: Dialer, desk: Desk, total: Counts, since: datetime | None, budget: Budget
) -> None:
    if desk.unfinished():
        desk.readers.start()
        desk.intake.start()
    talk = dialer.connect(key, mailbox)
    try:
        listed = list_folders(talk)
        folders = chosen(listed, mailbox)
        for folder in (*folders, *(sifted(listed, mailbox) if desk.intake.expecting() else ())):
            with contextlib.suppress(Declined):  # a folder removed meanwhile does not stop the others
                catch_up(talk, desk, folder, total)
        for folder in expecting(talk, desk, folders):
            with contextlib.suppress(Declined):
                enough = budget.gauge(daily_megabytes(mailbox, talk))
                first_pass(talk, desk, folder, total, since=since, enough=enough)
            if total.paced:
                return
    finally:
        talk.wire.close()


def expecting(talk: Talk, desk: Desk, folders: Sequence[Folder]) -> list[Folder]:
    """The folders whose first pass is not done; how much they hold is told to the progress."""
    found = []
    for folder in folders:
        cursor = desk.cursor(folder)
        if cursor is None or cursor.backfill_uid > 1:
            found.append(folder)
            desk.expect(messages(talk, folder))
    return found


def messages(talk: Talk, folder: Folder) -> int:
    """How many messages a folder holds; 0 where the server won't tell."""
    talk.news.clear()
    try:
        talk.do(b"STATUS " + folder.wire + b" (MESSAGES)")
    except Declined:
        return 0
    return max((told.get(b"MESSAGES", 0) for told in talk.news.values()), default=0)


def first_sight(
    key: str, mailbox: Mailbox, dialer: Dialer, readers: Readers, *, since: datetime | None = None
) -> tuple[int, Generator[Sighted]]:
    """How many messages a first pass would see, and their heads, newest first in each folder; nothing is stored.

    The connection is closed when the iterator ends or is closed.

    Raises:
        Temporary, LoginFailed, Untrusted, ConfigError: as ``sync``; also while iterating.
    """
    readers.start()
    with contextlib.ExitStack() as stack:
        talk = stack.enter_context(dialer.second(key, mailbox))
        folders = chosen(list_folders(talk), mailbox)
        total = sum(messages(talk, folder) for folder in folders)
        return total, _heads(stack.pop_all(), talk, folders, readers, since)


def _heads(
    connected: contextlib.ExitStack, talk: Talk, folders: Sequence[Folder], readers: Readers, since: datetime | None
) -> Generator[Sighted]:
    with connected:
        for folder in folders:
            try:
                opened = talk.examine(folder.wire)
            except Declined:
                continue
            last, without = opened.uidnext - 1, folder.without
            for _, _, entries in windows(talk, Suspects(), 1, last, descending=True, without=without):
                wanted = [e for e in reversed(entries) if since is None or e.received_at >= since]
                for start in range(0, len(wanted), _HEADERS_AT_ONCE):
                    dates = {entry.uid: entry.received_at for entry in wanted[start : start + _HEADERS_AT_ONCE]}
                    found = headers(talk, list(dates), b"HEADER")
                    have = [uid for uid in dates if uid in found]
                    read = readers.read_many([raw for uid in have if isinstance(raw := found[uid].raw, bytes)])
                    for uid, content in zip(have, read, strict=True):
                        if not isinstance(content, Unreadable):
                            yield Sighted(folder.name, folder.role, dates[uid], content[0])
