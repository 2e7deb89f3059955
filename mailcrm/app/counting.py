"""Counts mail for statistics: thread by thread, as soon as something in it has changed.

Safe in several processes at once, and to be killed: what a thread adds, and that it has been counted, are one
transaction, so it makes no difference in which order or how often threads are counted.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256

import msgspec

from mailcrm.app.context import Context
from mailcrm.core.answering import Key, Mail, Sum, changes, facts, moment
from mailcrm.store import counting, users
from mailcrm.store.counting import Stored

_ROUND = 100
"""Changes of threads in one transaction: on SQLite nobody else writes meanwhile."""


def is_due(context: Context) -> bool:
    """Whether something is to be counted."""
    with context.db.read() as connection:
        return counting.pending(connection, 1) > 0 or counting.house(connection) not in (None, _house(context))


def count_due(context: Context, limit: int = _ROUND) -> int:
    """Count the mail of threads that have changed.

    Who is meant by an address or a mailbox stands in the configuration: if that has changed, all are counted again.

    Returns:
        How many changes were worked off; 0: none is left, or another process is at it.

    Raises:
        Temporary: the database is locked or away; nothing was counted.
    """
    if not is_due(context):
        return 0
    with context.db.write() as connection:
        if not counting.alone(connection):
            return 0
        known, now = counting.house(connection), _house(context)
        if known != now:
            if known is not None:
                counting.mark_all(connection)
            counting.note_house(connection, now, context.clock())
        left = counting.pending(connection, limit)
        threads = counting.take(connection, limit)
        mails = defaultdict[int, list[Mail]](list)
        whose = _Whose(context, users.ids(connection, tuple(context.config.users)))
        for stored in counting.mails(connection, threads):
            if not stored.by_itself:
                mails[stored.thread].append(whose.mail(stored))
        before = counting.counted(connection, threads)
        after = {number: facts(mails[number]) for number in threads}
        changed = {number: new for number, new in after.items() if new != before.get(number, [])}
        more: dict[Key, Sum] = {}
        for number, new in changed.items():
            changes(before.get(number, []), new, more)
        counting.note_counted(connection, changed)
        counting.add(connection, more)
    return left


class _Whose:
    """Whose mailboxes and addresses there are."""

    def __init__(self, context: Context, ids: dict[str, int]) -> None:
        self._ours = context.ours
        self._ids = ids
        self._mailboxes = {
            key: frozenset(ids[each] for each in entry.people if each in ids)
            for key, entry in context.config.mailboxes.items()
        }

    def mail(self, stored: Stored) -> Mail:
        """The message as it counts. What one of ours handed in to the drop-box is his."""
        at = moment(stored.date, stored.received_at)
        if not stored.came:
            return Mail(stored.id, at, False, self._writer(stored.from_email))
        if stored.forwarded_by:
            return Mail(stored.id, at, True, self._writer(stored.forwarded_by))
        users = (self._mailboxes.get(key, frozenset()) for key in stored.mailboxes)
        return Mail(stored.id, at, True, frozenset[int]().union(*users))

    def _writer(self, email: str | None) -> frozenset[int]:
        number = self._ids.get(self._ours.user(email or "") or "")
        return frozenset() if number is None else frozenset((number,))


def _house(context: Context) -> str:
    people = sorted((key, *entry.people) for key, entry in context.config.mailboxes.items())
    addresses = sorted(context.ours.users.items())
    return sha256(msgspec.json.encode((people, addresses))).hexdigest()
