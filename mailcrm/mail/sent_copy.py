"""A copy of what was sent in a rep's name, in his own Sent folder; and whether a mail lies there already.

Many providers put into Sent what they take: there we do not. Before a copy is put anywhere, it is looked for by its
Message-ID, so one that was put there by the server, or by a process that died before it could note it, is the only one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from mailcrm.app.context import Context
from mailcrm.app.handover import SMARTHOST, route_of
from mailcrm.config import Config, Submission
from mailcrm.core.own_copy import own_copy
from mailcrm.errors import MailcrmError
from mailcrm.mail.imap_faults import Away, Declined
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.sent_folder import SentFolder
from mailcrm.store import copies, mailboxes
from mailcrm.store.copies import Outcome, Wanted

SETTLE = timedelta(seconds=5)
"""How long a server that files what it takes has to do so, before it is looked for."""
PAUSE = timedelta(minutes=5)
"""After a mailbox could not be reached, or refused a copy."""
OLDEST = timedelta(days=2)
"""After which a copy that is refused is given up."""

_REFUSALS = 10  # copies, after which it is the mailbox that takes none
_FILING = frozenset(
    {
        "smtp.gmail.com",
        "smtp.googlemail.com",
        "smtp.office365.com",
        "smtp-legacy.office365.com",
        "smtp-mail.outlook.com",
    }
)

log = logging.getLogger(__name__)


def files_itself(server: Submission) -> bool:
    """Whether the server puts what it takes into the sender's Sent folder, as far as is known beforehand."""
    return server.sent_copy == "server" or (server.sent_copy == "auto" and server.host.casefold() in _FILING)


def sent_box(config: Config, user: str | None, route: str) -> str | None:
    """In which mailbox a user's Sent folder is: that by whose server the mail goes, else the first of his own."""
    own = [key for key, box in config.mailboxes.items() if box.host and user is not None and user in box.people]
    if route in own:
        return route
    return next((key for key in own if config.mailboxes[key].user == user), None)


class SentCopies:
    """Puts copies into Sent. For each mailbox one process at a time may ``tend``: that which owns it.

    Args:
        settle: see SETTLE.
    """

    def __init__(self, context: Context, dialer: Dialer, settle: timedelta = SETTLE) -> None:
        self._context = context
        self._dialer = dialer
        self._settle = settle
        self._not_before: dict[str, datetime] = {}

    def busy(self) -> frozenset[str]:
        """The mailboxes in which copies are wanted now. Raises Temporary: the database is away."""
        now = self._context.clock()
        with self._context.db.read() as connection:
            wanting = copies.senders(connection, now - self._settle)
            asleep = {each.key for each in mailboxes.every(connection) if each.state == "paused"} if wanting else set()
        found = {box for each in wanting if (box := self._box(*each)) is not None}
        return frozenset(box for box in found - asleep if now >= self._not_before.get(box, now))

    def tend(self, key: str) -> int:
        """Put the copies that are wanted into one mailbox.

        Returns:
            For how many mails that is done.

        Raises:
            Temporary, LoginFailed, Permanent: as connecting; then it is left alone for a while.
        """
        if key not in self.busy():
            return 0
        done = last = 0
        refused: list[Declined] = []
        users = self._context.config.mailboxes[key].people
        until = self._context.clock() - self._settle
        try:
            with _connected(self._context, self._dialer, key) as folder:
                while True:
                    with self._context.db.read() as connection:
                        found = copies.wanted(connection, users, until, last)
                    for mail in found:
                        if self._box(mail.user, mail.sender) == key:
                            try:
                                done += self._copy(folder, mail)
                            except Declined as error:  # of this one, perhaps: others have their turn
                                refused.append(error)
                                if len(refused) == _REFUSALS:
                                    raise
                    if not found:
                        break
                    last = found[-1].id
                if refused:
                    raise refused[0]
        except MailcrmError:
            self._not_before[key] = self._context.clock() + PAUSE
            raise
        return done

    def _copy(self, folder: SentFolder, mail: Wanted) -> bool:
        config = self._context.config
        server = server_of(config, route_of(config, mail.user, mail.sender))
        outcome: Outcome = "done"
        if server is None or not files_itself(server):
            with self._context.db.read() as connection:
                content = copies.content(connection, mail.id)
                links = copies.links(connection, mail.id)
            try:
                if content and not folder.holds(mail.message_id):
                    folder.put(own_copy(content, config.web.base_url, links))
            except Declined as error:
                if self._context.clock() - mail.sent_at < OLDEST:
                    raise
                log.warning("mail %s has no copy in Sent: %s", mail.id, error)
                outcome = "failed"
        with self._context.db.write() as connection:
            copies.note(connection, mail.id, outcome)
        return outcome == "done"

    def _box(self, user: str, sender: str) -> str | None:
        config = self._context.config
        return sent_box(config, user, route_of(config, user, sender))


class SentLook:
    """See ``handover.Filed``."""

    def __init__(self, context: Context, dialer: Dialer) -> None:
        self._context = context
        self._dialer = dialer

    def filed(self, route: str, user: str | None, message_id: str) -> bool | None:
        """See ``handover.Filed``."""
        config = self._context.config
        server, box = server_of(config, route), sent_box(config, user, route)
        if server is None or box is None or server.sent_copy == "append":
            return None
        try:
            with _connected(self._context, self._dialer, box) as folder:
                if folder.holds(message_id):
                    return True
                return False if files_itself(server) and folder.folder is not None else None
        except MailcrmError as error:
            log.warning("can't tell whether <%s> lies in Sent: %s", message_id, error)
            return None


def server_of(config: Config, route: str) -> Submission | None:
    """The server of a route, if it is configured."""
    if route == SMARTHOST:
        return config.smarthost
    mailbox = config.mailboxes.get(route)
    return mailbox.submission if mailbox else None


@contextmanager
def _connected(context: Context, dialer: Dialer, key: str) -> Iterator[SentFolder]:
    with dialer.second(key, context.config.mailboxes[key]) as talk:
        yield SentFolder(talk)
        with suppress(Declined, Away):  # its goodbye
            talk.do(b"LOGOUT")
