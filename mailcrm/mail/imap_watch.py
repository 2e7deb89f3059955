"""The watcher: all mailboxes in one selector loop, a few threads for what they have to say.

Sleeping connections cost a socket and some kilobytes each. As soon as one has something to tell, or the delivery
hook or the clock asks, a thread takes it over, does what is to be done over that same connection, and hands it back.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from mailcrm.config import Config
from mailcrm.core import spans
from mailcrm.errors import ConfigError, LoginFailed, MailcrmError, Temporary
from mailcrm.mail.imap_account import Account, Pace, State, Why
from mailcrm.mail.imap_desk import Desk
from mailcrm.mail.imap_faults import Away
from mailcrm.mail.imap_intake import Blobs, Intake, Readers
from mailcrm.mail.imap_seats import Seats
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.imap_visit import Shop, arrive, first, visit

_log = logging.getLogger(__name__)
_ENDINGS: Final = 3
_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Watcher:
    """Watches mailboxes from ``run`` until ``stop``.

    Args:
        config: those of its mailboxes that have a host are watched.
        may_read: asked before a mailbox is read for the first time; until it says True it is watched, not read.
        pace: times and pool sizes.
        mailboxes: keys to watch; None is all.
        paused: keys of those that are left alone until ``resume``.
        seats: shared with others who connect to these mailboxes.
    """

    def __init__(
        self,
        config: Config,
        intake: Intake,
        readers: Readers,
        blobs: Blobs,
        *,
        may_read: Callable[[str], bool] = lambda _: True,
        pace: Pace | None = None,
        mailboxes: frozenset[str] | None = None,
        paused: frozenset[str] = frozenset(),
        seats: Seats | None = None,
    ) -> None:
        self._pace = pace or Pace()
        self._intake = intake
        self._shop = Shop(Dialer(config, timeout=self._pace.answer, seats=seats), intake, may_read)
        self._accounts = {
            key: Account(key, box, Desk(key, intake, readers, blobs), _seconds(box.poll))
            for key, box in config.mailboxes.items()
            if box.host and (mailboxes is None or key in mailboxes)
        }
        for key in paused & self._accounts.keys():
            self._accounts[key].state = self._accounts[key].wanted = State.PAUSED
        self._selector = selectors.DefaultSelector()
        self._inbox: deque[Callable[[], None]] = deque()
        self._ear, self._bell = socket.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ, None)
        self._timers: list[tuple[float, int, str]] = []
        self._count = itertools.count()
        self._stopping = False
        self._dialers = ThreadPoolExecutor(self._pace.dialers, "imap-connect")
        self._fetchers = ThreadPoolExecutor(self._pace.fetchers, "imap-fetch")
        self._firsts = ThreadPoolExecutor(self._pace.first_passes, "imap-first-pass")

    def run(self) -> None:
        """Watch until ``stop`` is called from another thread; then every connection is closed."""
        for account in self._accounts.values():
            self._again(account, 0.0)
        try:
            while not self._stopping:
                for key, _ in self._selector.select(self._until_next()):
                    if key.data is None:
                        self._hear()
                    else:
                        self._readable(key.data)
                self._tick()
        finally:
            self._end()

    def stop(self) -> None:
        """End ``run``. Any thread may call it."""
        self._post(self._set_stopping)

    def wake(self, mailbox: str) -> None:
        """The delivery hook says that mail has arrived: fetch at once. Any thread may call it."""
        account = self._accounts.get(mailbox)
        if account is not None:
            self._post(lambda: self._ask(account, Why.WAKE))

    def pause(self, mailbox: str) -> None:
        """Leave a mailbox alone until ``resume``. Any thread may call it."""
        account = self._accounts.get(mailbox)
        if account is not None:
            self._post(lambda: self._pause(account))

    def resume(self, mailbox: str) -> None:
        """Watch a paused mailbox again, and ask anew whether it may be read. Any thread may call it."""
        account = self._accounts.get(mailbox)
        if account is not None:
            self._post(lambda: self._resume(account))

    def states(self) -> Mapping[str, tuple[State, str]]:
        """Each mailbox's state, and what is wrong with it ("" if nothing is)."""
        return {key: (account.state, account.alert) for key, account in list(self._accounts.items())}

    # --- the loop's own thread from here on, but for what the pools run ---

    def _post(self, call: Callable[[], None]) -> None:
        self._inbox.append(call)
        with contextlib.suppress(OSError):  # full: then the loop is about to look anyway; closed: it has ended
            self._bell.send(b"!")

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._ear.recv(4096):
                pass
        while self._inbox:
            self._inbox.popleft()()

    def _set_stopping(self) -> None:
        self._stopping = True

    def _until_next(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _again(self, account: Account, seconds: float) -> None:
        """Look at the mailbox after so many seconds; this replaces what was set before."""
        account.due = time.monotonic() + seconds
        heapq.heappush(self._timers, (account.due, next(self._count), account.key))

    def _tick(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            due, _, key = heapq.heappop(self._timers)
            account = self._accounts[key]
            if due != account.due:
                continue  # set anew since
            if account.state is State.WAITING:
                self._start(account)
            elif account.state is State.WATCHING:
                self._due(account, now)

    def _due(self, account: Account, now: float) -> None:
        if account.unfinished and not account.first_running and now >= account.first_due:
            self._first(account)
        if now >= account.poll_at:
            self._ask(account, Why.POLL)
        elif account.talk is not None and account.talk.flagged:
            self._ask(account, Why.FLAGS)
        else:
            self._later(account)

    def _later(self, account: Account) -> None:
        """Set the time at which something is due next."""
        at = account.poll_at
        if account.unfinished and not account.first_running:
            at = min(at, account.first_due)
        if account.talk is not None and account.talk.flagged:
            at = min(at, time.monotonic() + self._pace.settle)
        self._again(account, at - time.monotonic())

    def _start(self, account: Account) -> None:
        account.state = State.BUSY
        self._submit(self._dialers, lambda: arrive(account, self._shop), lambda error: self._back(account, error))

    def _submit(
        self, pool: ThreadPoolExecutor, work: Callable[[], object], after: Callable[[BaseException | None], None]
    ) -> None:
        def job() -> None:
            error: BaseException | None = None
            try:
                work()
            except BaseException as fault:  # noqa: BLE001 - whatever it is, the loop has to get the mailbox back
                error = fault
            self._post(lambda: after(error))

        pool.submit(job)

    def _ask(self, account: Account, why: Why) -> None:
        """Have a mailbox looked after, now or as soon as its connection is back."""
        if account.state is State.BUSY:
            account.again |= why
        elif account.state is State.WATCHING and account.talk is not None:
            self._selector.unregister(account.talk.wire.sock)
            account.state = State.BUSY
            why |= account.again
            account.again = Why.NONE
            self._submit(
                self._fetchers,
                lambda: visit(account, self._shop, why),
                lambda error: self._back(account, error, polled=bool(why & Why.POLL)),
            )

    def _back(self, account: Account, error: BaseException | None, *, polled: bool = True) -> None:
        """A thread hands a mailbox back."""
        if error is not None or account.talk is None:
            self._failed(account, error)
            return
        if account.fruitless > self._pace.fruitless:
            account.fruitless = 0
            self._failed(
                account, Away(f"{account.talk.where}: the server goes on telling of mail that is not there", 60.0)
            )
            return
        if account.wanted is State.PAUSED or self._stopping:
            self._drop(account, account.wanted if account.wanted is State.PAUSED else State.WAITING)
            return
        account.state = State.WATCHING
        account.alert = ""
        account.talk.wire.sock.setblocking(False)
        self._selector.register(account.talk.wire.sock, selectors.EVENT_READ, account)
        if polled:
            account.poll_at = time.monotonic() + account.interval(self._pace)
        self._later(account)
        if account.again:
            self._ask(account, Why.NONE)
        else:
            self._readable(account)  # bytes may have been read already, or sit in the TLS layer

    def _readable(self, account: Account) -> None:
        """Take in what a sleeping connection says."""
        talk = account.talk
        if account.state is not State.WATCHING or talk is None:
            return
        try:
            alive = talk.wire.drain()
            idle = talk.idle_tag is not None
            news = talk.flagged
            while (parts := talk.wire.arrived()) is not None:
                if talk.note(parts).word == b"FETCH":
                    talk.flagged = True
        except MailcrmError as error:
            self._selector.unregister(talk.wire.sock)
            self._failed(account, error)
            return
        why = Why.NEW if talk.fresh else Why.NONE
        why |= Why.GONE if talk.vanished else Why.NONE
        why |= Why.NEWS if talk.news else Why.NONE
        if idle and talk.idle_tag is None:
            why |= Why.POLL
            account.endings += 1
            if account.endings > _ENDINGS:
                talk.capabilities -= {"IDLE"}
        if talk.overflow:
            why |= Why.POLL
            account.notify = talk.overflow = False
        if not alive:
            self._selector.unregister(talk.wire.sock)
            self._failed(account, Away(f"{talk.where}: the server closed the connection"))
        elif why:
            self._ask(account, why)
        elif talk.flagged and not news:
            self._later(account)

    def _failed(self, account: Account, error: BaseException | None) -> None:
        """Close, and decide when to try again."""
        lived = time.monotonic() - account.since if account.talk is not None else 0.0
        self._drop(account, State.WAITING)
        if account.wanted is State.PAUSED or self._stopping:
            account.state = State.PAUSED
            return
        account.alert = str(error)
        if isinstance(error, LoginFailed | ConfigError):
            wait = self._refused(account, error)
            if wait is not None:
                self._again(account, wait)
            return
        account.failures = 0 if lived > 60 else account.failures + 1
        if isinstance(error, MailcrmError):
            asked = error.retry_after if isinstance(error, Away) else None
            wait = self._pace.wait(account.failures, asked)
            if not isinstance(error, Away) and not isinstance(error, Temporary):
                wait = max(wait, self._pace.needs_person)
            _log.warning("%s; next try in %.0f s", error, wait)
        else:
            wait = self._pace.wait(account.failures)
            _log.error("mailboxes.%s: unexpected; next try in %.0f s", account.key, wait, exc_info=error)
        self._again(account, wait)

    def _refused(self, account: Account, error: LoginFailed | ConfigError) -> float | None:
        """A login was refused, or can't be tried. Returns the seconds to wait before the next; None: it is given up."""
        if isinstance(error, ConfigError):
            self._give_up(account, str(error))
            return None
        account.refusals += 1
        if account.refusals >= self._pace.logins:
            self._give_up(account, f"{error} ({account.refusals} logins were refused; then mailbox resume)")
            return None
        _log.warning("%s", error)
        self._store(account, "the login is refused", lambda: self._intake.refused(account.key))
        return self._pace.refused * account.refusals

    def _give_up(self, account: Account, reason: str) -> None:
        self._pause(account)
        account.alert = reason
        _log.error("%s", reason)
        self._store(account, "it is paused", lambda: self._intake.paused(account.key, reason))

    def _store(self, account: Account, what: str, store: Callable[[], None]) -> None:
        def told(error: BaseException | None) -> None:
            if error is not None:
                _log.error("mailboxes.%s: %s, but that could not be stored: %s", account.key, what, error)

        self._submit(self._dialers, store, told)

    def _drop(self, account: Account, state: State) -> None:
        if account.talk is not None:
            account.talk.wire.close()
        account.talk = None
        account.again = Why.NONE
        account.state = state

    def _first(self, account: Account) -> None:
        account.first_running = True
        waits: list[float] = []

        def work() -> None:
            waits.append(first(account, self._shop, lambda: self._stopping or account.wanted is State.PAUSED))

        self._submit(self._firsts, work, lambda error: self._first_over(account, error, waits))

    def _first_over(self, account: Account, error: BaseException | None, waits: list[float]) -> None:
        account.first_running = False
        wait = waits[0] if waits else 0.0
        if isinstance(error, LoginFailed | ConfigError):
            wait = self._refused(account, error) or 0.0
        elif error is not None:
            account.first_failures += 1
            wait = self._pace.wait(account.first_failures, error.retry_after if isinstance(error, Away) else None)
            _log.warning("mailboxes.%s: the first pass stopped: %s; it goes on in %.0f s", account.key, error, wait)
        else:
            account.first_failures = 0
            account.unfinished = wait > 0
        account.first_due = time.monotonic() + wait
        if account.state is State.WATCHING:
            self._later(account)

    def _pause(self, account: Account) -> None:
        account.wanted = State.PAUSED
        if account.state is State.WATCHING and account.talk is not None:
            self._selector.unregister(account.talk.wire.sock)
        if account.state is not State.BUSY:
            self._drop(account, State.PAUSED)

    def _resume(self, account: Account) -> None:
        account.wanted = State.WATCHING
        account.refusals = account.failures = 0
        account.alert = ""
        if account.state in (State.PAUSED, State.WAITING):
            account.state = State.WAITING
            self._again(account, 0.0)
        else:
            self._ask(account, Why.POLL)

    def _hang_up(self) -> None:
        for account in self._accounts.values():
            for talk in (account.talk, account.first_talk):
                if talk is not None:
                    talk.wire.close()

    def _end(self) -> None:
        self._hang_up()  # also wakes threads that read from these connections
        for pool in (self._dialers, self._fetchers, self._firsts):
            pool.shutdown(wait=True, cancel_futures=True)
        self._hang_up()
        self._selector.close()
        self._ear.close()
        self._bell.close()


def _seconds(span: str) -> float:
    return max(1.0, (_EPOCH - spans.before(_EPOCH, span)).total_seconds())
