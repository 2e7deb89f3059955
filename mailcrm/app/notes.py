"""Notes what became of mail, many in one commit, a few hundredths of a second late at most."""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType

from mailcrm.app.context import Context
from mailcrm.app.outcomes import Outcome, Sent, note
from mailcrm.errors import Temporary
from mailcrm.store.leaving import Leaving

_LATE = 0.05  # seconds
_OPEN = 64
"""Results that wait to be noted: so many mails at most are sent again if the process is killed. Where noting takes long
since somebody else writes, no more is handed over meanwhile."""

_LOOK = 0.1  # seconds
_TRIES = 3


class Notes:
    """A thread that notes results; leaving the block waits for the last one.

    ``sent``, ``failed``: how many of each were noted.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue: SimpleQueue[tuple[Leaving, Outcome] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="mail-notes")
        self._room = threading.Semaphore(_OPEN)
        self._hurry = threading.Event()  # nothing more is worth waiting for
        self._ending = False
        self._fault: BaseException | None = None
        self.sent = 0
        self.failed = 0

    def __enter__(self) -> Notes:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        self._hurry.set()
        self._queue.put(None)
        self._thread.join()
        if self._fault is not None and error is None:
            raise self._fault

    def add(self, mail: Leaving, outcome: Outcome) -> None:
        """Have a result noted, as soon as there is room for it.

        Raises what noting an earlier one failed by: then nothing more is to be sent.
        """
        if not self._room.acquire(blocking=False):
            self._hurry.set()
            while self._fault is None and not self._room.acquire(timeout=_LOOK):
                pass
        if self._fault is not None:
            raise self._fault
        self._queue.put((mail, outcome))

    def _run(self) -> None:
        try:
            self._note_all()
        except BaseException as error:  # noqa: BLE001 - as of ``_write``: nobody is to wait for ever
            self._fault = error

    def _note_all(self) -> None:
        while (first := self._queue.get()) is not None:
            self._hurry.wait(_LATE)
            if not self._ending:
                self._hurry.clear()
            group, more = [first], True
            with suppress(Empty):
                while more:
                    if item := self._queue.get_nowait():
                        group.append(item)
                    more = item is not None
            self._write(group)
            self._room.release(len(group))
            if not more:
                return

    def _write(self, group: list[tuple[Leaving, Outcome]]) -> None:
        """Without the note a mail would be sent again, so it is tried more than once."""
        for left in reversed(range(_TRIES)):
            try:
                with self._context.db.write() as connection:
                    sent, failed = note(connection, self._context, group, self._context.clock())
            except BaseException as error:  # noqa: BLE001 - raised by whoever adds the next one, or at the end
                if isinstance(error, Temporary) and left:
                    continue
                if isinstance(error, Temporary) or len(group) == 1:
                    self._fault = error
                    return
                for each in group:  # one of them is at fault
                    self._write([each])
                return
            else:
                self.sent += sent
                self.failed += failed
                if not all(mail.kind == "relay" and isinstance(outcome, Sent) for mail, outcome in group):
                    self._context.changed()  # flows go on; nothing waits for what a rep wrote by hand
                return
