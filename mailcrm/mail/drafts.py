"""Keeps the drafts that flows ask for in the reps' own Drafts folders: places them, looks after them, takes them back.

What is noted is the truth for everybody else; what lies in the folder is the truth about the draft. Killed anywhere,
the next visit finds by a draft's signs what the last one did.
"""

from __future__ import annotations

import logging
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mailcrm.app import drafts as app
from mailcrm.app.context import Context
from mailcrm.core import drafts as core
from mailcrm.core.drafts import Evidence, Match
from mailcrm.errors import MailcrmError, Temporary
from mailcrm.mail.drafts_folder import DraftsFolder, Lying, digest_of
from mailcrm.mail.imap_faults import Away, Declined
from mailcrm.mail.imap_session import Dialer
from mailcrm.store import drafts, mailboxes, standstill
from mailcrm.store.drafts import Draft, State

LOOK = timedelta(minutes=30)
"""Between two looks into a Drafts folder in which a draft of ours lies."""
GONE = timedelta(hours=24)
"""After which a draft that is not in Drafts any more, nor in Sent, was deleted."""
VAIN = timedelta(seconds=10)
"""Between two looks at the notes for drafts that nobody waits for any more."""
PAUSE = timedelta(minutes=15)
"""After a visit that failed."""
AT_ONCE = 20
"""Drafts that one visit places, or takes back: a program that is to end waits for a visit that has begun."""
_LONGEST_PAUSE = 96
"""Times ``PAUSE``, for a draft that the server refuses again and again."""

log = logging.getLogger(__name__)


class DraftKeeper:
    """Looks after the drafts of mailboxes. For each mailbox one process at a time may ``tend``: that which owns it.

    Args:
        every: see ``VAIN``; that look takes longer the more drafts there are, and the first one is made at once.
    """

    def __init__(self, context: Context, dialer: Dialer, every: timedelta = VAIN) -> None:
        self._context = context
        self._dialer = dialer
        self._every = every
        self._next = context.clock()

    def busy(self) -> frozenset[str]:
        """The mailboxes in which there is something to do now. Raises Temporary: the database is away."""
        configured, now = self._context.config.mailboxes, self._context.clock()
        with self._context.db.read() as connection:
            keys = drafts.due(connection, now)
            if now >= self._next:
                keys |= drafts.vain(connection)
                self._next = now + self._every
            asleep = {each.key for each in mailboxes.every(connection) if each.state == "paused"} if keys else set()
        return frozenset(key for key in keys - asleep if key in configured and configured[key].host)

    def tend(self, key: str) -> int:
        """Do what there is to do in one mailbox.

        Returns:
            How many drafts were placed, ended or taken back.

        Raises:
            Temporary, LoginFailed, Permanent: as connecting; then its drafts are left alone for a while.
        """
        now = self._context.clock()
        with self._context.db.write() as connection:
            held = standstill.of(connection)
            mine = []
            for each in drafts.of_mailbox(connection, key, now):
                is_new = each.state == "wanted"
                if is_new and not each.wanted and not each.attempts:
                    drafts.closed(connection, each.id, "withdrawn", "not wanted any more before it was placed")
                    continue
                if is_new and each.wanted and held is not None and held.flows:
                    drafts.put_off(connection, [each.id], now + PAUSE, held.reason)
                    continue
                if each.state in drafts.OPEN and not each.wanted:
                    drafts.end(connection, each.id, "leaving", now, "", now)
                mine.append(each)
        if not mine:
            return 0
        try:
            with self._dialer.second(key, self._context.config.mailboxes[key]) as talk:
                folder = DraftsFolder(talk, self._context.config.parsing)
                done = _Visit(self._context, folder, mine, now).make()
                with suppress(Declined, Away):  # its goodbye
                    talk.do(b"LOGOUT")
        except MailcrmError as error:
            with suppress(Temporary), self._context.db.write() as connection:
                drafts.put_off(connection, [each.id for each in mine], now + PAUSE, str(error))
            raise
        if done:
            self._context.changed()
        return done


@dataclass(slots=True)
class _Visit:
    """One look into a Drafts folder.

    ``lying`` is what is there, ``known`` the place of each draft among that.
    """

    context: Context
    folder: DraftsFolder
    drafts: list[Draft]
    now: datetime
    uidvalidity: int = 0
    lying: list[Lying] = field(default_factory=list)
    known: dict[int, Match] = field(default_factory=dict)
    done: int = 0

    def make(self) -> int:
        """Bring notes and folder together; gives how many drafts were placed, ended or taken back."""
        self.uidvalidity, self.lying = self.folder.lying()
        self._recognise()
        absent = [each for each in self.drafts if each.wanted and each.id not in self.known]
        if absent:
            absent = self._without_sent(absent)
        self._there([each for each in self.drafts if each.wanted and each.id in self.known])
        self._missing([each for each in absent if each.state != "wanted"])
        for each in [each for each in absent if each.state == "wanted"][:AT_ONCE]:
            self._place(each)
        for each in [each for each in self.drafts if not each.wanted][:AT_ONCE]:
            self._tidy(each)
        return self.done

    def _recognise(self) -> None:
        """Find the drafts among what lies there: by UID, which never means another message, else by their signs."""
        at = {each.uid: index for index, each in enumerate(self.lying)}
        place = self.folder.folder.name, self.uidvalidity
        by_uid = [each for each in self.drafts if (each.folder, each.uidvalidity) == place]
        beyond = self.folder.there({each.uid for each in by_uid if each.uid and each.uid not in at})
        for each in by_uid:
            if each.uid in at:
                self.known[each.id] = Match(at[each.uid], Evidence.HEADER)
            elif each.uid in beyond:
                self.lying.append(Lying(each.uid, core.Found(self.now)))
                self.known[each.id] = Match(len(self.lying) - 1, Evidence.HEADER)
        rest = [each for each in self.drafts if each.id not in self.known]
        taken = {match.index for match in self.known.values()}
        for number, match in self._matches(rest, self.lying, taken).items():
            draft = rest[number]
            if match.evidence is not Evidence.THREAD or (draft.wanted and draft.placed_at is not None):
                self.known[draft.id] = match
        self._look_further([each for each in rest if each.placed_at and (each.folder, each.uidvalidity) != place])

    def _look_further(self, moved: list[Draft]) -> None:
        """Of a folder that was made anew all that is marked is looked at, not the newest alone."""
        moved = [each for each in moved if each.id not in self.known]
        if not moved:
            return
        found = self.folder.marked({each.uid for each in self.lying})
        for number, match in self._matches(moved, found).items():
            if match.evidence is not Evidence.THREAD:
                self.known[moved[number].id] = replace(match, index=match.index + len(self.lying))
        self.lying += found

    def _matches(self, some: list[Draft], lying: list[Lying], taken: Set[int] = frozenset()) -> dict[int, Match]:
        if not some:
            return {}
        places = [index for index in range(len(lying)) if index not in taken]
        signs = [lying[index].signs for index in places]
        with self.context.db.read() as connection:
            given = core.assign(app.sought(connection, some, signs), signs)
        return {number: Match(places[match.index], match.evidence) for number, match in given.items()}

    def _without_sent(self, absent: list[Draft]) -> list[Draft]:
        """Those that are not in Sent either; the others are done."""
        # One that is not seen for the first time went missing at this moment, as far as is known.
        lately = [_missing_now(each, self.now) for each in absent]
        own = {each.message_id for each in lately}
        sent = self.folder.sent()
        with self.context.db.read() as connection:
            others = drafts.named(connection, {each.signs.message_id for each in sent}) - own
        sent = [each for each in sent if each.signs.message_id not in others]
        found = {
            number: match
            for number, match in self._matches(lately, sent).items()
            if match.evidence is not Evidence.THREAD or lately[number].placed_at is not None
        }
        with self.context.db.write() as connection:
            for number, match in found.items():
                app.sent(connection, absent[number], sent[match.index].signs, match.evidence, self.now)
                self.done += 1
        return [each for number, each in enumerate(absent) if number not in found]

    def _there(self, some: list[Draft]) -> None:
        where = {
            each.id: (self.folder.folder.name, self.uidvalidity, self.lying[self.known[each.id].index].uid)
            for each in some
        }
        same = {each.id for each in some if each.state == "placed" and _place(each) == where[each.id]}
        digests = {each.id: self._own_digest(each) for each in some if each.state == "wanted"}
        with self.context.db.write() as connection:
            drafts.unchanged(connection, same, self.now + LOOK)
            for each in some:
                if each.state == "wanted":
                    drafts.placed(connection, each.id, where[each.id], digests[each.id], self.now, self.now + LOOK)
                    self.done += 1
                elif each.id not in same:
                    drafts.seen(connection, each.id, where[each.id], self.now + LOOK)

    def _own_digest(self, draft: Draft) -> str | None:
        """Of what was to be placed, by a visit that did not live to note what the server made of it."""
        with self.context.db.read() as connection:
            return digest_of(drafts.content(connection, draft.id), self.context.config.parsing)

    def _missing(self, some: list[Draft]) -> None:
        with self.context.db.write() as connection:
            for each in some:
                since = each.missing_since or self.now
                if self.now - since >= GONE:
                    app.skip(connection, each, self.now)
                    self.done += 1
                else:
                    drafts.missed(connection, each.id, since, min(self.now + LOOK, since + GONE))

    def _place(self, draft: Draft) -> None:
        pause = PAUSE * min(1 + draft.attempts, _LONGEST_PAUSE)
        with self.context.db.write() as connection:
            if not drafts.begin(connection, draft.id, draft.attempts, self.now + pause):
                return
            content = drafts.content(connection, draft.id)
        try:
            where = self.folder.place(content) or self._just_placed(draft)
        except Declined as error:  # it is too large, perhaps: the others are not to wait for it
            log.warning("a draft is not placed, its line in the pulse stands: %s", error)
            with self.context.db.write() as connection:
                drafts.put_off(connection, [draft.id], self.now + pause, str(error))
            return
        digest = None
        if where is not None and self.folder.open() == where[1]:
            digest = self.folder.digest(where[2])  # as the server keeps it: some write mail anew
        if where is not None:
            with self.context.db.write() as connection:
                drafts.placed(connection, draft.id, where, digest, self.now, self.now + LOOK)
        self.done += 1

    def _just_placed(self, draft: Draft) -> tuple[str, int, int] | None:
        """Where the server put it; None: it does not show yet, and the next visit will find it."""
        uidvalidity, lying = self.folder.lying()
        uid = max((each.uid for each in lying if draft.token in each.signs.tokens), default=None)
        return None if uid is None else (self.folder.folder.name, uidvalidity, uid)

    def _tidy(self, draft: Draft) -> None:
        """Nobody waits for it any more: what lies in Drafts goes, if the rep has not touched it."""
        state: State = "sent" if draft.state == "sent" else "withdrawn"
        reason = "nothing was left of it in Drafts"
        if draft.id in self.known:
            uid = self.lying[self.known[draft.id].index].uid
            digest = draft.digest if draft.placed_at else self._own_digest(draft)
            try:
                taken = bool(digest) and self.folder.take_back(uid, self.uidvalidity, digest or "")
            except Declined as error:  # the others are not to wait for it
                log.warning("a draft is not taken back yet: %s", error)
                with self.context.db.write() as connection:
                    drafts.put_off(connection, [draft.id], self.now + GONE, str(error))
                return
            reason = "taken out of Drafts, untouched" if taken else "left in Drafts, for the rep has changed it"
        with self.context.db.write() as connection:
            drafts.closed(connection, draft.id, state, reason)
        self.done += 1


def _place(draft: Draft) -> tuple[str | None, int | None, int | None]:
    return draft.folder, draft.uidvalidity, draft.uid


def _missing_now(draft: Draft, now: datetime) -> Draft:
    if draft.missing_since is not None or draft.placed_at is None:
        return draft
    return replace(draft, missing_since=now)
