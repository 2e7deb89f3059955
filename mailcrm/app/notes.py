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
_MOST = 200
_TRIES = 3


class Notes:
    """A thread that notes results; leaving the block waits for the last one.

    ``sent``, ``failed``: how many of each were noted.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue: SimpleQueue[tuple[Leaving, Outcome] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="mail-notes")
        self._ending = threading.Event()  # nothing more is worth waiting for
        self._fault: BaseException | None = None
        self.sent = 0
        self.failed = 0

    def __enter__(self) -> Notes:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._queue.put(None)
        self._thread.join()
        if self._fault is not None and error is None:
            raise self._fault

    def add(self, mail: Leaving, outcome: Outcome) -> None:
        """Have a result noted. Raises what noting an earlier one failed by: then nothing more is to be sent."""
        if self._fault is not None:
            raise self._fault
        self._queue.put((mail, outcome))

    def _run(self) -> None:
        full = False
        while (first := self._queue.get()) is not None:
            if not full:
                self._ending.wait(_LATE)
            group, more = [first], True
            with suppress(Empty):
                while more and len(group) < _MOST:
                    if item := self._queue.get_nowait():
                        group.append(item)
                    more = item is not None
            full = len(group) == _MOST
            self._write(group)
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
