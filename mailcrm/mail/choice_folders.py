"""Makes the folders ``CRM/<deal>`` into which a rep may move a thread to answer; only where he turned them on."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from mailcrm.app.context import Context
from mailcrm.core.choices import folder_name
from mailcrm.mail.imap_faults import Away, Declined
from mailcrm.mail.imap_folders import list_folders
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_writing import create
from mailcrm.store import choices

ROOT = "CRM"
PAUSE = timedelta(minutes=15)
"""After a mailbox could not be reached."""


class ChoiceFolders:
    """Offers each mailbox a folder for every deal that an open question of its owner names.

    What was made is remembered, so that a mailbox is only connected to when a new deal is asked about.
    """

    def __init__(self, context: Context, dialer: Dialer) -> None:
        self._context = context
        self._dialer = dialer
        self._made: dict[str, set[str]] = {}
        self._not_before: dict[str, datetime] = {}

    def offer(self, key: str) -> int:
        """Make the folders that a mailbox lacks.

        Returns:
            How many were made.

        Raises:
            Temporary, LoginFailed, ConfigError: as connecting; then the mailbox is left alone for a while.
        """
        mailbox = self._context.config.mailboxes[key]
        if not mailbox.host or not mailbox.choice_folders:
            return 0
        made = self._made.setdefault(key, set())
        missing = self._wanted(mailbox.people) - made
        now = self._context.clock()
        if not missing or now < self._not_before.get(key, now):
            return 0
        self._not_before[key] = now + PAUSE
        with self._dialer.second(key, mailbox) as talk:
            count = _make(talk, missing)
            with suppress(Declined, Away):  # its goodbye
                talk.do(b"LOGOUT")
        made |= missing
        del self._not_before[key]
        return count

    def _wanted(self, people: Iterable[str]) -> set[str]:
        with self._context.db.read() as connection:
            return {folder_name(*found) for found in choices.asked_deals(connection, people).items()}


def _make(talk: Talk, names: Iterable[str]) -> int:
    folders = list_folders(talk)
    there = {folder.name for folder in folders}
    delimiter = next((folder.delimiter for folder in folders if folder.delimiter), "/")
    count = 0
    for name in sorted(names):
        # Some servers keep all personal folders below the INBOX.
        places = [delimiter.join((ROOT, name)), delimiter.join(("INBOX", ROOT, name))]
        if there.isdisjoint(places):
            count += any(create(talk, place) for place in places)
    return count
