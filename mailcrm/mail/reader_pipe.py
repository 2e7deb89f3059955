"""The parent's end of one reading process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from time import monotonic

import msgspec

from mailcrm.errors import Temporary
from mailcrm.mail.reader_wire import Reply, Request, Setup, add_frame, take_frames

_PIPE = 1 << 20
_AHEAD = 1 << 20  # bytes framed before they can be written


class Stuck(Temporary):
    """No answer within the time allowed for one message."""


class Died(Temporary):
    """The process is gone, or talks nonsense."""


class Pipe:
    """Requests out, replies in, both at once so that neither side waits for the other's full pipe.

    Args:
        process: started with pipes for standard input and output.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process needs both pipes")
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._in, self._out = process.stdout.fileno(), process.stdin.fileno()
        self._decoder = msgspec.msgpack.Decoder(Reply)
        for end in (self._in, self._out):
            os.set_blocking(end, False)
            with contextlib.suppress(OSError, AttributeError):  # Linux only, and bounded by a sysctl
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, _PIPE)

    def ask(self, requests: Sequence[Request | Setup], seconds: float) -> Iterator[list[Reply]]:
        """Send all, and give the replies as they come, several at once, in order.

        Args:
            seconds: the time allowed between one burst of replies and the next.

        Raises:
            Stuck: no reply in time.
            Died: the process ended, or its answer is none.
        """
        unsent = iter(requests)
        outgoing = bytearray()
        incoming = bytearray()
        waiting = len(requests)
        poll = select.poll()
        poll.register(self._in, select.POLLIN)
        if self._send(outgoing, unsent):
            poll.register(self._out, select.POLLOUT)
        deadline = monotonic() + seconds
        while waiting:
            ready = poll.poll(max(0.0, deadline - monotonic()) * 1000)
            if not ready and monotonic() >= deadline:
                raise Stuck("no answer in time")
            for end, event in ready:
                if end == self._out:
                    if not self._send(outgoing, unsent):
                        poll.unregister(self._out)
                elif event & (select.POLLIN | select.POLLHUP):
                    self._receive(incoming)
            if replies := self._replies(incoming):
                waiting -= len(replies)
                if waiting < 0:
                    raise Died("more answers than questions")
                yield replies
                deadline = monotonic() + seconds

    def _send(self, outgoing: bytearray, unsent: Iterator[Request | Setup]) -> bool:
        """Write what fits; False when all is written."""
        while True:
            while len(outgoing) < _AHEAD and (request := next(unsent, None)) is not None:
                add_frame(outgoing, request)
            if not outgoing:
                return False
            try:
                del outgoing[: os.write(self._out, outgoing)]
            except BlockingIOError:
                return True
            except OSError as error:
                raise Died(self._cause()) from error

    def _receive(self, incoming: bytearray) -> None:
        try:
            data = os.read(self._in, _PIPE)
        except BlockingIOError:
            return
        if not data:
            raise Died(self._cause())
        incoming += data

    def _replies(self, incoming: bytearray) -> list[Reply]:
        try:
            return take_frames(incoming, self._decoder)
        except msgspec.MsgspecError as error:
            raise Died(f"an answer that is none: {error}") from error

    def _cause(self) -> str:
        """How the process ended."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return "it closed its pipe"
        if code >= 0:
            return f"exit code {code}"
        return f"signal {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"signal {-code}"

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        for end in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                end.close()
        self._process.kill()
        self._process.wait()
