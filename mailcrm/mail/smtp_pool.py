"""All connections to one server that takes mail: kept between batches, more of them while there is more to do."""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from threading import Lock, Thread

from mailcrm.app.handover import Parcel, Report, Unreachable
from mailcrm.errors import ConfigError, LoginFailed, MailcrmError
from mailcrm.mail.smtp_dial import Dialer, Opened
from mailcrm.mail.smtp_line import Line, Manner

KEPT = 30.0
"""Seconds that a connection is kept while there is nothing to send."""

_FEW = 4  # mails a connection, before there is another one
_ALONE = 60.0  # seconds after a further connection was refused
_PATIENCE = 2.0  # seconds for a connection that is being opened when all ends
_LOSSES = 3  # connections one after the other that took nothing

log = logging.getLogger(__name__)


class Pool:
    """Connections to one server.

    Args:
        most: how many there are at once.
    """

    def __init__(self, dialer: Dialer, manner: Manner, most: int) -> None:
        self._dialer = dialer
        self._manner = manner
        self._most = most
        self._lock = Lock()
        self._lines: list[Line] = []
        self._dialled: Future[Opened] | None = None
        self._alone_until = 0.0

    def deliver(self, parcels: Iterator[Parcel], report: Report, beat: Callable[[], None]) -> None:
        """See ``handover.Transport``."""
        work = _Work(parcels, report)
        with self._lock:
            try:
                self._deliver(work, beat)
            except BaseException:
                for line in self._lines:
                    line.close()
                raise
            finally:
                self._lines = [line for line in self._lines if line.idle]
        if work.problem is not None:
            raise work.problem

    @property
    def open(self) -> bool:
        """There are connections that nobody has taken leave of."""
        return bool(self._lines) or self._dialled is not None

    def rest(self, seconds: float = KEPT) -> None:
        """Take leave of the connections that have had nothing to do for so long, unless mail is on its way."""
        if self._lock.acquire(blocking=False):
            try:
                self._leave(seconds)
            finally:
                self._lock.release()

    def close(self) -> None:
        """Take leave of the server."""
        with self._lock:
            if self._dialled is not None and wait([self._dialled], _PATIENCE).not_done:
                self._dialled.add_done_callback(_unwanted)
                self._dialled = None
            self._leave(0)

    def _leave(self, seconds: float) -> None:
        if opened := self._dialled_meanwhile():
            self._lines.append(Line(opened, self._manner))  # there was nothing left to do for it
        old = [line for line in self._lines if time.monotonic() - line.since >= seconds]
        for line in old:
            line.quit()
        nothing = _Work(iter(()), lambda _parcel, _result: None)
        watch, end = _Watch(), time.monotonic() + 1
        while (open_ := [line for line in old if line.open]) and time.monotonic() < end:
            watch.wait(open_, nothing, 0.1)
        for line in old:
            line.close()
        self._lines = [line for line in self._lines if line.open]

    def _deliver(self, work: _Work, beat: Callable[[], None]) -> None:
        self._leave(KEPT)
        for line in self._lines:
            line.ready(work)  # the server may have closed it meanwhile
        watch, losses, beaten = _Watch(), 0, time.monotonic()
        for line in [line for line in self._lines if line.open]:
            line.begin(work)
        while True:
            lost = [line for line in self._lines if not line.open]
            self._lines = [line for line in self._lines if line.open]
            losses = 0 if work.lucky else losses + len(lost)
            work.lucky = False
            if losses >= _LOSSES:
                work.stop(Unreachable(f"{self._dialer.where} breaks off every connection: {work.last}"))
            if opened := self._dialled_meanwhile():
                self._start(opened, work)
            if work.more and not self._lines and self._dialled is None:
                self._start(self._dialer.open(), work)
            elif work.more and len(self._lines) < min(self._most, 1 + work.taken // _FEW):
                self._dial()
            busy = [line for line in self._lines if not line.idle]
            if not busy and not (work.more and self._dialled):
                return
            watch.wait(busy, work, 0.05 if self._dialled and work.more else min(1.0, self._manner.beat))
            if (now := time.monotonic()) - beaten > self._manner.beat:
                beaten = now
                beat()

    def _dial(self) -> None:
        """Another connection is opened meanwhile, if it can be."""
        if self._dialled is None and time.monotonic() >= self._alone_until:
            self._dialled = Future()
            Thread(target=_fulfil, args=(self._dialled, self._dialer.open), name="smtp-dial", daemon=True).start()

    def _dialled_meanwhile(self) -> Opened | None:
        """The connection that has been opened meanwhile, once; after a refused one there is no other for a while."""
        if self._dialled is None or not self._dialled.done():
            return None
        dialled, self._dialled = self._dialled, None
        try:
            return dialled.result()
        except MailcrmError as error:
            self._alone_until = time.monotonic() + _ALONE
            log.info("no more connections than %s: %s", len(self._lines), error)
            return None

    def _start(self, opened: Opened, work: _Work) -> None:
        line = Line(opened, self._manner)
        self._lines.append(line)
        line.begin(work)


def _fulfil(future: Future[Opened], dial: Callable[[], Opened]) -> None:
    try:
        future.set_result(dial())
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)


def _unwanted(future: Future[Opened]) -> None:
    if future.exception() is None:
        future.result().sock.close()


class _Work:
    """See ``smtp_line.Work``.

    ``taken``: how many were asked for; ``more``: there may be more; ``lucky``: the server took one since it was
    last asked; ``last``: what it last refused one with.
    """

    def __init__(self, parcels: Iterator[Parcel], report: Report) -> None:
        self._parcels = parcels
        self._report = report
        self.taken = 0
        self.more = True
        self.lucky = False
        self.last = ""
        self.problem: BaseException | None = None

    def take(self) -> Parcel | None:
        """The next mail. A fault in the giving ends it, once the mails that are on their way have arrived."""
        if not self.more:
            return None
        try:
            parcel = next(self._parcels, None)
        except BaseException as error:  # noqa: BLE001 - it is raised at the end
            self.stop(error)
            return None
        if parcel is None:
            self.more = False
        else:
            self.taken += 1
        return parcel

    def done(self, parcel: Parcel, result: str | MailcrmError) -> None:
        """Told on. What somebody has to mend first ends it all."""
        if isinstance(result, str):
            self.lucky = True
        else:
            self.last = str(result)
            if isinstance(result, ConfigError | LoginFailed):
                self.stop(result)
        self._report(parcel, result)

    def stop(self, problem: BaseException) -> None:
        """Ask for no more mail, and raise this at the end."""
        self.more = False
        self.problem = self.problem or problem


class _Watch:
    """Waits for sockets."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._known: dict[int, int] = {}

    def wait(self, lines: list[Line], work: _Work, seconds: float) -> None:
        """Let those lines go on that can, waiting so long for one at most; those whose time is over are lost."""
        wanted = {line.sock.fileno(): line for line in lines}
        for fd in self._known.keys() - wanted.keys():
            self._poll.unregister(fd)
            del self._known[fd]
        for fd, line in wanted.items():
            events = select.POLLIN | (select.POLLOUT if line.unsent else 0)
            if self._known.get(fd) != events:
                self._poll.register(fd, events)
                self._known[fd] = events
        for fd, _ in self._poll.poll(seconds * 1_000):
            wanted[fd].ready(work)
        for line in lines:
            if line.expired:
                line.lost(work, "no answer in time")
