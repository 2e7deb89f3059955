"""Stores what many clients hand in at the same moment in one transaction, then has it linked, many at once.

A client is answered as soon as its mail is safe; linking follows within moments, by a thread of its own.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from mailcrm.app.submit import Handed, Refusal
from mailcrm.app.submit_link import Written
from mailcrm.errors import MailcrmError, Temporary

MOST = 200  # mails stored at once
_LINKED = 500  # mails linked at once
_HELD = 64 << 20  # bytes of stored mail that wait to be linked; beyond, who hands in waits too
_APART = 0.25  # seconds from one batch that is linked to the next
_AGAIN = 1.0  # seconds between tries to link

log = logging.getLogger(__name__)

Fate = Refusal | MailcrmError | None


@dataclass(frozen=True, slots=True)
class _Waiting:
    mail: Handed
    loop: asyncio.AbstractEventLoop
    fate: asyncio.Future[Fate]


class Desk:
    """Two threads; ``close`` ends them when all is done that was begun.

    Args:
        submit: stores some mails; see ``app.submit.submit``.
        link: links some; raises Temporary to be called again.
        rest: links what an earlier process left, once at the start; raises the same.
    """

    def __init__(
        self,
        submit: Callable[[Sequence[Handed]], Sequence[Refusal | None]],
        link: Callable[[Sequence[Written]], None],
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._submit, self._link, self._rest = submit, link, rest
        self._incoming: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._room = threading.Condition()
        self._unlinked: list[Written] = []
        self._bytes = 0
        self._ending = threading.Event()  # nothing more is handed in
        self._closing = threading.Event()
        self._storing = threading.Thread(target=self._store_all, name="relay")
        self._linking = threading.Thread(target=self._link_all, name="relay-link")
        self._storing.start()
        self._linking.start()

    async def hand_in(self, mail: Handed) -> Fate:
        """Store one mail; when this returns None, it is safe. Who stops waiting does not undo it."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(mail, loop, loop.create_future())
        self._incoming.put(waiting)
        return await waiting.fate

    def close(self) -> None:
        """Finish what was handed in and end."""
        self._incoming.put(None)
        with self._room:
            self._ending.set()
            self._room.notify_all()
        self._storing.join()
        with self._room:
            self._closing.set()
            self._room.notify_all()
        self._linking.join()

    # --- storing ---

    def _store_all(self) -> None:
        while some := self._next():
            fates = self._stored([each.mail for each in some])
            for loop in {each.loop for each in some}:
                told = [(each.fate, fate) for each, fate in zip(some, fates, strict=True) if each.loop is loop]
                loop.call_soon_threadsafe(_tell, told)
            self._await_linking([each.mail for each, fate in zip(some, fates, strict=True) if fate is None])

    def _next(self) -> list[_Waiting]:
        """What waits now, at least one; nothing at the end."""
        some: list[_Waiting] = []
        try:
            while len(some) < MOST and (waiting := self._incoming.get(block=not some)) is not None:
                some.append(waiting)
            if len(some) < MOST and some:
                self._incoming.put(None)  # the end comes after these
        except queue.Empty:
            pass
        return some

    def _stored(self, mails: Sequence[Handed]) -> Sequence[Fate]:
        try:
            return self._submit(mails)
        except MailcrmError as error:
            log.warning("relay: %s mails could not be stored: %s", len(mails), error)
            return [error] * len(mails)
        except Exception as error:
            if len(mails) > 1:  # one of them is at fault
                return [fate for mail in mails for fate in self._stored([mail])]
            log.exception("relay: a mail of %s could not be stored", mails[0].login.key)
            return [Temporary(str(error))]

    # --- linking ---

    def _await_linking(self, mails: Sequence[Handed]) -> None:
        """Mail that a program writes for a flow is linked when it has left and its copy is seen."""
        written = [
            Written(mail.login.key, mail.sender, mail.recipients, mail.original) for mail in mails if mail.flow is None
        ]
        with self._room:
            self._unlinked += written
            self._bytes += sum(len(each.raw) for each in written)
            self._room.notify_all()
            while self._bytes > _HELD and not self._ending.is_set():
                self._room.wait()

    def _link_all(self) -> None:
        self._try(self._rest)
        while True:
            with self._room:
                while not self._unlinked and not self._closing.is_set():
                    self._room.wait()
                some, self._unlinked = self._unlinked[:_LINKED], self._unlinked[_LINKED:]
            if not some:
                return
            begun = monotonic()
            self._link_some(some)
            with self._room:
                self._bytes -= sum(len(each.raw) for each in some)
                self._room.notify_all()
            self._closing.wait(begun + _APART - monotonic())  # linking ten at a time costs almost what a hundred do

    def _link_some(self, mails: Sequence[Written]) -> None:
        if not self._try(lambda: self._link(mails)) and len(mails) > 1:  # one of them is at fault
            for mail in mails:
                self._link_some([mail])

    def _try(self, work: Callable[[], None]) -> bool:
        """Until it is done, fails for good, or the program ends: then the next one begins with what is left.

        Returns:
            False if it failed for good.
        """
        while True:
            try:
                work()
            except Temporary as error:
                log.warning("relay: mail that was handed in can't be linked now: %s", error)
                if self._closing.wait(_AGAIN):
                    return True
            except Exception:
                log.exception("relay: mail that was handed in could not be linked; it leaves all the same")
                return False
            else:
                return True


def _tell(told: Sequence[tuple[asyncio.Future[Fate], Fate]]) -> None:
    for future, fate in told:
        if not future.done():  # who hung up does not listen any more
            future.set_result(fate)
