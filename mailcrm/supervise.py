"""Carries out on the watcher what commands of other processes and first looks decide about mailboxes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from mailcrm.app.context import Context
from mailcrm.errors import LoginFailed, MailcrmError
from mailcrm.mail.imap_account import State
from mailcrm.store import mailboxes
from mailcrm.store.ownership import Ownership

_ROUND = 1.0  # seconds between two looks at the mailboxes' states
_PAUSE = 60.0  # seconds after a first look that failed
_AT_ONCE = 4
_REFUSALS = 3  # logins in a row, after which a mailbox is paused
_TAKE = 10.0  # seconds between two tries to take over mailboxes that another process reads
log = logging.getLogger("mailcrm")


class Watched(Protocol):
    """The watcher, as far as it is told what to do."""

    def pause(self, mailbox: str) -> None:
        """Leave it alone."""

    def resume(self, mailbox: str) -> None:
        """Watch it again, and ask anew whether it may be read."""

    def states(self) -> Mapping[str, tuple[State, str]]:
        """Each mailbox's state, and what is wrong with it."""


class Drafts(Protocol):
    """Who looks after the drafts in the reps' mailboxes."""

    def busy(self) -> frozenset[str]:
        """The mailboxes in which there is something to do now."""

    def tend(self, mailbox: str) -> int:
        """Do it."""


class Supervisor:
    """Follows the states that the database holds; to be closed.

    Args:
        watched: the mailboxes that the watcher knows. Those that another process reads are paused here, and taken
            over when it ends.
        ownership: which of them are read here.
        look: makes the first look into a mailbox. It is asked for once the watcher is connected, so that a refused
            login is met, counted and told by the watcher alone.
        offer: makes the folders for answers in a mailbox, where they are turned on.
        drafts: looks after the drafts in mailboxes that are read here.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        context: Context,
        watcher: Watched,
        watched: Collection[str],
        ownership: Ownership,
        *,
        look: Callable[[str], None],
        offer: Callable[[str], object],
        drafts: Drafts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._watcher = watcher
        self._watched = watched
        self._ownership = ownership
        self._take_at = 0.0
        self._look = look
        self._offer = offer
        self._drafts = drafts
        self._tending: set[str] = set()
        self._tenders = ThreadPoolExecutor(_AT_ONCE, "drafts")
        self._clock = clock
        self._states: dict[str, str] = {}
        self._looking: set[str] = set()
        self._refusals: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, "first-look")
        self.faults: dict[str, str] = {}
        """Mailboxes whose first look failed, and why."""
        self.owned: frozenset[str] = frozenset(key for key in watched if ownership.take(key))
        for key in sorted(set(watched) - self.owned):
            log.warning("the mailbox %s is read by another process; it is taken over when that ends", key)
            watcher.pause(key)

    def run(self, stopping: threading.Event) -> None:
        """Look again and again until ``stopping``."""
        while not stopping.is_set():
            try:
                self.round()
            except MailcrmError as error:
                log.warning("%s", error)
            stopping.wait(_ROUND)

    def round(self) -> None:
        """Look once at each mailbox. Raises MailcrmError: the database is away, or one mailbox's folders failed."""
        self._own()
        with self._context.db.read() as connection:
            states = [state for state in mailboxes.every(connection) if state.key in self.owned]
        for state in states:
            self._follow(state.key, state.state, state.reason)
        for key in self._drafts.busy() & self.owned - self._tending:
            self._tending.add(key)
            self._tenders.submit(self._tend, key)
        for state in states:
            if state.state == "active":
                self._offer_folders(state.key)

    def close(self) -> None:
        """Wait for what has begun."""
        self._pool.shutdown(cancel_futures=True)
        self._tenders.shutdown(cancel_futures=True)

    def _own(self) -> None:
        """Leave alone what was lost, take over what is free."""
        for key in self._ownership.lost():
            log.warning("the mailbox %s is no longer ours: the database closed our connection", key)
            self._watcher.pause(key)
            self.owned -= {key}
            self._take_at = 0.0
        if self._clock() < self._take_at:
            return
        self._take_at = self._clock() + _TAKE
        for key in sorted(set(self._watched) - self.owned):
            if self._ownership.take(key):
                log.info("the mailbox %s is ours now", key)
                self.owned |= {key}
                self._states.pop(key, None)
                self._watcher.resume(key)

    def _follow(self, key: str, state: str, reason: str | None) -> None:
        before, self._states[key] = self._states.get(key), state
        if state == "new":
            self._consider(key)
        if state == before:
            return
        if state == "paused":
            self._watcher.pause(key)
        elif before is not None:
            self._watcher.resume(key)
        if state in ("paused", "waiting"):
            log.warning("mailbox %s is %s: %s", key, state, reason)

    def _consider(self, key: str) -> None:
        connected = self._watcher.states()[key][0] is State.WATCHING
        if connected and key not in self._looking and self._clock() >= self._not_before.get(key, 0.0):
            self._looking.add(key)
            self._pool.submit(self._first_look, key)

    def _first_look(self, key: str) -> None:
        self._not_before[key] = self._clock() + _PAUSE
        try:
            self._look(key)
            self.faults.pop(key, None)
            self._refusals.pop(key, None)
        except Exception as error:
            self.faults[key] = f"the first look failed: {error}"
            trace = None if isinstance(error, MailcrmError) else error
            log.warning("mailbox %s: the first look failed: %s", key, error, exc_info=trace)
            self._count(key, error)
        finally:
            self._looking.discard(key)

    def _offer_folders(self, key: str) -> None:
        try:
            self._offer(key)
        except LoginFailed as error:
            self._count(key, error)
            raise

    def _count(self, key: str, error: Exception) -> None:
        """The third login in a row that is refused pauses the mailbox: servers punish the address for all."""
        if not isinstance(error, LoginFailed):
            return
        self._refusals[key] = self._refusals.get(key, 0) + 1
        if self._refusals[key] >= _REFUSALS:
            with self._context.db.write() as connection:
                mailboxes.set_state(connection, key, "paused", reason=f"{error} ({_REFUSALS} logins were refused)")
            del self._refusals[key]

    def _tend(self, key: str) -> None:
        try:
            self._drafts.tend(key)
            self._refusals.pop(key, None)
        except Exception as error:
            trace = None if isinstance(error, MailcrmError) else error
            log.warning("mailbox %s: its drafts are left alone for a while: %s", key, error, exc_info=trace)
            self._count(key, error)
        finally:
            self._tending.discard(key)
