"""Reading mail in child processes: fetch, parse and store overlap, and no message can stall or sink the parent.

Children are started with ``subprocess`` (a fork would copy the locks of the parent's threads) and end by themselves
when the parent is gone, for then their standard input ends.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import TracebackType

import msgspec

import mailcrm
from mailcrm import config
from mailcrm.core.model import Unreadable
from mailcrm.errors import MailcrmError, Permanent, Temporary
from mailcrm.mail.content import Content, Sink, unreadable
from mailcrm.mail.counting import Counting
from mailcrm.mail.reader_pipe import Died, Pipe, Stuck
from mailcrm.mail.reader_wire import Reply, Request, Setup
from mailcrm.store.blobs import Blobs

LARGE = 4 << 20  # bytes from which a message goes to the child as a file instead of through the pipe
COMMAND = (sys.executable, "-P", "-m", "mailcrm.mail.reader_child")
_START = 60.0  # seconds a child may take to start on a busy machine

Raw = bytes | Path
_Job = tuple[Sequence[Raw], Sequence[str | None], Future[list[Content]]]


class Readers:
    """Child processes that read mail. Safe to use from several threads; children start when first needed.

    Args:
        blobs_folder: where attachments and unreadable mail are put; None only counts them.
        limits: bounds on one message; ``seconds`` is kept by ending the child.
        processes: how many children.
    """

    def __init__(self, blobs_folder: Path | None, limits: config.Parsing, processes: int = 1) -> None:
        self._setup = Setup(str(blobs_folder) if blobs_folder else None, limits)
        self._blobs: Sink = Blobs(blobs_folder) if blobs_folder else Counting()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._processes = processes
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, raws: Sequence[Raw], mail_from: Sequence[str | None] = ()) -> Future[list[Content]]:
        """Begin to read; ask the future when the results are needed.

        Args:
            raws: messages, as bytes or as files that hold one message each.
            mail_from: the envelope senders, one a message; empty where they are not known.

        Returns:
            A future with one result for each message, in order. It raises Temporary where attachments can't be
            stored or no child can be started.
        """
        future: Future[list[Content]] = Future()
        with self._lock:
            if self._closed:
                raise Permanent("the readers are closed")
            self._jobs.put((raws, mail_from, future))
            if len(self._threads) < self._processes:
                thread = threading.Thread(target=self._serve, name=f"reader-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def start(self) -> None:
        """Begin to start a child, where mail is sure to come; that takes it a third of a second.

        It is tried again when there is something to read, which then tells of a failure.
        """
        self.submit(())

    def read_many(self, raws: Sequence[Raw], mail_from: Sequence[str | None] = ()) -> list[Content]:
        """``submit`` and wait."""
        return self.submit(raws, mail_from).result()

    def close(self) -> None:
        """Finish what was submitted and end the children."""
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Readers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        """One child's thread: job after job."""
        lane = _Lane(self._setup, self._blobs)
        while (job := self._jobs.get()) is not None:
            raws, mail_from, future = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(lane.read(raws, mail_from))
            except BaseException as error:  # noqa: BLE001  whoever waits for the future gets it
                lane.stop()
                future.set_exception(error)
        lane.stop()


class _Lane:
    """One child at a time, replaced when it is lost."""

    def __init__(self, setup: Setup, blobs: Sink) -> None:
        self._setup = setup
        self._blobs = blobs
        self._pipe: Pipe | None = None

    def read(self, raws: Sequence[Raw], mail_from: Sequence[str | None]) -> list[Content]:
        """One result a message.

        The child collects its answers; so when it is lost, any message that is not answered yet may be at fault, and
        they go to the next child one at a time until it is known which.
        """
        self.start()
        large = any(map(_is_large, raws))
        with ExitStack() as stack:
            try:
                made = tempfile.TemporaryDirectory(prefix=".new-", dir=self._setup.folder) if large else nullcontext()
                folder = stack.enter_context(made)
                requests = [_request(raw, mail_from[i] if mail_from else None, folder, i) for i, raw in enumerate(raws)]
            except OSError as error:
                raise Temporary(f"can't store a message to be read: {error}; make room in data_dir") from error
            results: list[Content] = []
            singly = False
            deaths = 0
            while len(results) < len(requests):
                asked = requests[len(results) : len(results) + 1 if singly else None]
                suspects = len(asked)
                try:
                    for contents in self._contents(asked):
                        results += contents
                        suspects -= len(contents)
                    deaths = 0
                except (Stuck, Died) as error:
                    self.stop()
                    singly = True
                    deaths = deaths + 1 if suspects == 1 and isinstance(error, Died) else 0
                    if suspects == 1 and deaths != 1:  # the first death may have been somebody else's doing
                        results.append(self._given_up(raws[len(results)], self._reason(error)))
                        singly, deaths = False, 0
            return results

    def start(self) -> Pipe:
        """Have a child ready. Raises Temporary."""
        if self._pipe is None:
            self._pipe = _started(self._setup)
        return self._pipe

    def stop(self) -> None:
        """End the child."""
        if self._pipe is not None:
            self._pipe.stop()
            self._pipe = None

    def _contents(self, requests: Sequence[Request]) -> Iterator[list[Content]]:
        for replies in self.start().ask(requests, self._setup.limits.seconds):
            yield [_content(reply) for reply in replies]

    def _reason(self, error: Stuck | Died) -> str:
        if isinstance(error, Stuck):
            return f"takes longer than {self._setup.limits.seconds:g} s to read"
        return f"ends the reading process ({error})"

    def _given_up(self, raw: Raw, reason: str) -> Unreadable:
        try:
            return unreadable(raw if isinstance(raw, bytes) else raw.read_bytes(), self._blobs, reason)
        except OSError as error:
            raise Temporary(f"can't store an unreadable message: {error}; make room in data_dir") from error


def _content(reply: Reply) -> Content:
    if reply.trouble is not None:
        raise Temporary(reply.trouble)
    if reply.message is not None and reply.reading is not None:
        return reply.message, reply.reading
    if reply.unreadable is not None:
        return reply.unreadable
    raise Died("an empty answer")


def _is_large(raw: Raw) -> bool:
    return isinstance(raw, bytes) and len(raw) >= LARGE


def _request(raw: Raw, mail_from: str | None, folder: str | None, number: int) -> Request:
    if isinstance(raw, Path):
        return Request(path=str(raw.absolute()), mail_from=mail_from)
    if folder is not None and _is_large(raw):
        path = Path(folder, str(number))
        path.write_bytes(raw)
        return Request(path=str(path), mail_from=mail_from)
    return Request(raw, mail_from=mail_from)


def _started(setup: Setup) -> Pipe:
    """A child that is ready.

    Raises:
        Temporary: it does not start.
    """
    home = str(Path(mailcrm.__file__).parent.parent)
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
    except OSError as error:
        raise Temporary(f"can't start a reading process: {error}") from error
    pipe = Pipe(process)
    try:
        if list(pipe.ask([setup], _START)) == [[Reply()]]:
            return pipe
    except (MailcrmError, msgspec.MsgspecError) as error:
        pipe.stop()
        raise Temporary(f"a reading process does not start: {error or 'no answer'}") from error
    pipe.stop()
    raise Temporary("a reading process does not start: it answers nonsense")
