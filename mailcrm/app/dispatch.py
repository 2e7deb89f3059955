"""Hands the outbox over to the servers that take mail: at least once, with the same Message-ID at every try.

Mail is claimed in batches, whoever's it is; each route (a mailbox's own server, the smarthost) has a lane of its own,
so that a slow one holds up no other. What may not leave is found in the claim, and once more at the instant of sending.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Collection, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, text

from mailcrm.app.context import Context
from mailcrm.app.handover import SMARTHOST, Filed, Parcel, Transport, route_of
from mailcrm.app.notes import Notes
from mailcrm.app.outcomes import (
    BLOCKED_DELAY,
    FLOW,
    LOGIN_DELAY,
    Failed,
    Later,
    Outcome,
    Sent,
    hold_sender,
    later,
    note,
    of_answer,
    of_hindrance,
    smarthost_refused,
    wants_copy,
)
from mailcrm.app.vetoing import vetoed
from mailcrm.core.compose import date_of, redated
from mailcrm.errors import LoginFailed, MailcrmError, Temporary
from mailcrm.store import clearance, leaving, outbox, rest, standstill, users
from mailcrm.store.leaving import LEASE, OURS, Leaving
from mailcrm.store.limits import AUTOMATIC

BATCH = 200
OLD_DATE = timedelta(hours=1)
"""By how much a letter's Date may differ from when it leaves."""
_LANES = 8  # routes served at once
_FREE = 0.05  # seconds for which a user's mail by hand is known to be free: consent is not asked for it
_APART = 0.1  # seconds from a claim that found few to the next: one for few costs almost what one for many does
_LOOK = 1.0  # seconds after which further mail is looked for while some is on its way
_LOCK = 0x6D61696C6F7574  # names our advisory lock on PostgreSQL

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What became of the mails that were due."""

    sent: int = 0
    failed: int = 0
    delayed: int = 0
    reason: str | None = None


def dispatch(context: Context, transport: Transport, filed: Filed | None = None) -> Dispatched:
    """Hand over everything that is due. Safe to run in several processes.

    Args:
        filed: looks for mail of which nobody knows whether it was taken; None: it is sent again.

    Returns:
        How many were sent, failed for good, or have to wait, and the last reason for waiting.
    """
    if not _anything(context):
        return Dispatched()
    with Notes(context) as notes:
        run = _Run(context, transport, filed, notes)
        run.run()
    return Dispatched(notes.sent, notes.failed + run.refused, run.delayed, run.reason)


def _anything(context: Context) -> bool:
    """Whether something is to be claimed. What was held since a mailbox was not read is looked at if it is again."""
    now = context.clock()
    with context.db.read() as connection:
        waiting = leaving.waits_for(connection, clearance.MAILBOX)
        known = {each.id: each.key for each in users.every(connection)} if waiting else {}
        stale = rest.stale(connection, context.config, {known[number] for number in waiting}, now) if waiting else {}
    if fresh := [number for number in waiting if known[number] not in stale]:
        with context.db.write() as connection:
            leaving.look_again(connection, fresh, clearance.MAILBOX, now)
    with context.db.read() as connection:
        due = leaving.next_due(connection)
        held = standstill.of(connection)
    if held is not None and due is not None:
        with context.db.write() as connection:
            outbox.hold_new(connection)
    return due is not None and due <= now


@dataclass(slots=True)
class _Lane:
    """The mail of one route: ``waiting`` to be handed over, ``out`` on its way. ``fault``: nothing leaves here now."""

    route: str
    waiting: deque[Leaving] = field(default_factory=deque)
    out: dict[int, Leaving] = field(default_factory=dict)
    work: Future[None] | None = None
    fault: MailcrmError | None = None

    @property
    def full(self) -> bool:
        """It is to be given no more mail now."""
        return self.fault is not None or len(self.waiting) >= BATCH // 2


class _Run:
    """One call of ``dispatch``."""

    def __init__(self, context: Context, transport: Transport, filed: Filed | None, notes: Notes) -> None:
        self._context, self._transport, self._filed, self._notes = context, transport, filed, notes
        self._lanes: dict[str, _Lane] = {}
        self._turn = threading.Event()
        self._lock = threading.Lock()
        self._keeping = threading.Lock()
        self._renewed = context.clock()
        self._not_before = 0.0  # when the next mail is claimed
        self._mine: dict[
            int, int
        ] = {}  # id -> attempts, of what is claimed; also of what ended since the leases were renewed
        with context.db.read() as connection:
            known = users.every(connection)
        self._free: dict[tuple[str, int | None], float] = {}
        self._keys = {each.id: each.key for each in known}
        self._routes = {each.id: route_of(context.config, each.key, each.email) for each in known}
        self.refused = 0
        self.delayed = 0
        self.reason: str | None = None

    def run(self) -> None:
        with ThreadPoolExecutor(_LANES, thread_name_prefix="mail-out") as pool:
            try:
                while True:
                    self._turn.clear()
                    more = self._more()
                    for lane in self._lanes.values():
                        if lane.waiting and lane.work is None and lane.fault is None:
                            lane.work = pool.submit(self._serve, lane)
                    working = [lane for lane in self._lanes.values() if lane.work is not None]
                    if not working and not more:
                        return
                    if working and not more:
                        self._turn.wait(_LOOK)
                    for lane in working:
                        if lane.work is not None and lane.work.done():
                            work, lane.work = lane.work, None
                            work.result()
                    self._keep()
            except BaseException:
                for lane in self._lanes.values():
                    lane.waiting.clear()  # what is not begun is claimed anew when its lease has run out
                raise

    # --- claiming ---

    def _more(self) -> bool:
        """``_fill``; while mail is on its way, a database that is busy just now is asked anew a little later."""
        try:
            return self._fill()
        except Temporary as error:
            if all(lane.work is None for lane in self._lanes.values()):
                raise
            log.info("no more mail can be claimed just now: %s", error)
            return False

    def _fill(self) -> bool:
        """Claim a batch for lanes that have room; whether there may be more."""
        only, without = self._room()
        if only is not None and not only:
            return False
        now = self._context.clock()
        with self._context.db.read() as connection:
            due = leaving.next_due(connection)
        if due is None or due > now:
            return False
        if (wait := self._not_before - time.monotonic()) > 0:
            time.sleep(wait)
            now = self._context.clock()
        with self._context.db.write() as connection:
            mails = self._claim(connection, now, only, without)
        if mails.free:
            self._context.db.settle()  # after a power cut, too, it is known which mails were perhaps taken
        self._not_before = 0.0 if mails.full else time.monotonic() + _APART
        for mail in mails.free:
            self._lane(mail).waiting.append(mail)
        for lane in self._lanes.values():
            if lane.fault is not None and lane.waiting:
                self._give_back(lane, lane.fault)
        return mails.full

    def _claim(
        self, connection: Connection, now: datetime, only: Collection[int] | None, without: Collection[int]
    ) -> _Claim:
        """In one transaction: a batch, and what may not leave of it (SEQ-25)."""
        if not self._context.db.is_sqlite:  # or two processes would each count without the other's batch
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        held = standstill.of(connection) is not None
        mails = leaving.claim(connection, now, BATCH, only=only, without=without, released=held)
        ids = [mail.id for mail in mails]
        found = clearance.hindrances(connection, self._context.config, self._context.secret, ids, now)
        results = [(mail, of_hindrance(mail, found[mail.id])) for mail in mails if mail.id in found]
        if results:
            _, failed = note(connection, self._context, results, now)
            self.refused += failed
            self._count(outcome for _, outcome in results)
        free = [self._dated(connection, mail, now) for mail in mails if mail.id not in found]
        with self._lock:
            self._mine |= {mail.id: mail.attempts for mail in free}
        return _Claim(free, len(mails) == BATCH)

    def _dated(self, connection: Connection, mail: Leaving, now: datetime) -> Leaving:
        """A flow's letter that waited long bears the time at which it leaves; its words stay (SEQ-18).

        One that was perhaps taken already stays the same mail.
        """
        written = date_of(mail.content) if mail.kind == FLOW and not mail.doubt else None
        if written is None or abs(now - written) < OLD_DATE:
            return mail
        user = self._context.config.users.get(self._user(mail) or "")
        content = redated(mail.content, now.astimezone(user.zone if user else None))
        leaving.rewrite(connection, mail.id, content)
        return replace(mail, content=content)

    def _lane(self, mail: Leaving) -> _Lane:
        route = route_of(self._context.config, self._user(mail), mail.sender)
        return self._lanes.setdefault(route, _Lane(route))

    def _user(self, mail: Leaving) -> str | None:
        """In whose name it goes; None: it is the program's own."""
        return None if mail.kind in OURS or mail.user_id is None else self._keys.get(mail.user_id)

    def _room(self) -> tuple[Collection[int] | None, Collection[int]]:
        """Whose mail may be claimed (None: anybody's), and whose not: that of full lanes waits where it is."""
        full = {lane.route for lane in self._lanes.values() if lane.full}
        if SMARTHOST in full:
            return {number for number, route in self._routes.items() if route not in full}, ()
        return None, {number for number, route in self._routes.items() if route in full}

    # --- handing over ---

    def _serve(self, lane: _Lane) -> None:
        try:
            with self._context.db.glances() as glance, closing(self._parcels(lane, glance)) as parcels:
                done = partial(self._done, lane)
                self._transport.deliver(lane.route, parcels, done, self._keep)
        except MailcrmError as error:
            self._give_back(lane, error)
        finally:
            self._turn.set()

    def _parcels(self, lane: _Lane, glance: Connection) -> Generator[Parcel, None, None]:
        """Each is looked at once more at the instant of sending: consent may have been withdrawn (SEQ-27)."""
        while lane.waiting:
            self._keep()
            mail = lane.waiting.popleft()
            if len(lane.waiting) == BATCH // 2 - 1:
                self._turn.set()
            if mail.id not in self._mine:
                continue
            try:
                outcome = self._found(lane, glance, mail) or self._vetoed(mail) or self._hindered(glance, mail)
            except MailcrmError:
                lane.waiting.appendleft(mail)
                raise
            if outcome is not None:
                self._end(mail, outcome)
                continue
            lane.out[mail.id] = mail
            sender = mail.sender if mail.envelope_from is None else mail.envelope_from
            yield Parcel(mail.id, sender, mail.recipient, mail.content, self._user(mail))

    def _found(self, lane: _Lane, glance: Connection, mail: Leaving) -> Outcome | None:
        """It was perhaps taken at an earlier try: is it in Sent?

        Of what is written by hand the mail program keeps a copy whatever became of it, and that of a mail to several
        does not tell who got it.
        """
        if not mail.doubt or self._filed is None or mail.kind not in AUTOMATIC:
            return None
        alone = leaving.alone(glance, mail.message_id)
        glance.rollback()
        if not alone:
            return None
        user = self._user(mail)
        if not self._filed.filed(lane.route, user, mail.message_id):
            return None
        return Sent("found in Sent: it was taken at an earlier try")

    def _vetoed(self, mail: Leaving) -> Outcome | None:
        reason = vetoed(self._context, mail) if mail.kind in AUTOMATIC else None
        return Failed(reason, refused=True) if reason else None

    def _hindered(self, glance: Connection, mail: Leaving) -> Outcome | None:
        by_hand = mail.kind not in AUTOMATIC
        whose = mail.kind, mail.user_id
        if by_hand and time.monotonic() < self._free.get(whose, 0.0):
            return None
        config, secret, now = self._context.config, self._context.secret, self._context.clock()
        why = clearance.said(glance, config, secret, mail.id, mail.recipient, now)
        glance.rollback()
        if by_hand and why is None:
            self._free[whose] = time.monotonic() + _FREE
        return of_hindrance(mail, why) if why is not None else None

    def _done(self, lane: _Lane, parcel: Parcel, said: str | MailcrmError) -> None:
        mail = lane.out.pop(parcel.id)
        copy = wants_copy(self._context.config, lane.route, mail, parcel.user)
        self._end(mail, of_answer(mail, said, self._context.clock(), copy))

    def _end(self, mail: Leaving, outcome: Outcome) -> None:
        self._count([outcome])
        self._notes.add(mail, outcome)

    def _give_back(self, lane: _Lane, error: MailcrmError) -> None:
        """Nothing leaves by this route now; who can mend it is told where that is one of us."""
        now = self._context.clock()
        until = now + (LOGIN_DELAY if isinstance(error, LoginFailed) else BLOCKED_DELAY)
        with self._lock:
            lane.fault = error
            # What was handed over, and of which nothing was reported, was perhaps taken.
            mails = [*(replace(mail, doubt=True) for mail in lane.out.values()), *lane.waiting]
            lane.out.clear()
            lane.waiting.clear()
        for mail in mails:
            self._end(mail, later(mail, until, str(error)))
        mine = {number for number, route in self._routes.items() if route == lane.route}
        with self._context.db.write() as connection:
            if lane.route == SMARTHOST:
                others = self._routes.keys() - mine
                more = leaving.put_off(connection, now, until, str(error), without=others)
                if isinstance(error, LoginFailed):
                    smarthost_refused(connection, self._context.config, now)
            else:
                more = leaving.put_off(connection, now, until, str(error), only=mine)
                for number in mine if isinstance(error, LoginFailed) else ():
                    hold_sender(connection, number, str(error), now, None)
        with self._lock:
            self.delayed += more
            self.reason = str(error)
        log.warning("mail by %s waits: %s", lane.route, error)

    # --- leases ---

    def _keep(self) -> None:
        """Renew the leases while it takes long; mails that were lost to another process are left to it."""
        with self._keeping:
            now = self._context.clock()
            if now - self._renewed < LEASE / 3:
                return
            with self._lock:
                mine = dict(self._mine)
            with self._context.db.write() as connection:
                kept = leaving.renew(connection, mine, now)
            with self._lock:
                for ended in mine.keys() - kept:
                    self._mine.pop(ended, None)
            self._renewed = now

    def _count(self, outcomes: Iterable[Outcome]) -> None:
        with self._lock:
            for outcome in outcomes:
                if isinstance(outcome, Later):
                    self.delayed += 1
                    self.reason = outcome.row.reason


@dataclass(frozen=True, slots=True)
class _Claim:
    """Mails that this process may hand over. ``full``: there may be others."""

    free: list[Leaving]
    full: bool
