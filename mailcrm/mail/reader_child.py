"""The reading process: takes requests on standard input, answers on standard output, ends with its input."""

from __future__ import annotations

import gc
import mmap
import os
import resource
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from mailcrm import config
from mailcrm.errors import Temporary
from mailcrm.mail.content import Content, Sink
from mailcrm.mail.counting import Counting
from mailcrm.mail.read import read
from mailcrm.mail.reader_wire import LENGTH, Reply, Request, Setup, framed
from mailcrm.store.blobs import Blobs

MEMORY = 512 << 20  # bytes of its own; the large message itself is mapped from a file


def main() -> None:
    """Serve until the parent closes the pipe, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipe
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    answers = os.dup(1)
    os.dup2(2, 1)  # nothing printed by mistake may get between the frames
    incoming = sys.stdin.buffer
    first = _frame(incoming)
    if first is None:
        return
    setup = msgspec.msgpack.decode(first, type=Setup)
    sink: Sink = Blobs(Path(setup.folder)) if setup.folder else Counting()
    decoder = msgspec.msgpack.Decoder(Request)
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)  # a message leaves no cycles behind
    _write(answers, framed(Reply()))
    while (frame := _frame(incoming)) is not None:
        signal.alarm(int(setup.limits.seconds * 2) + 1)  # should the parent be gone, nobody else would end a loop
        reply = _answer(decoder.decode(frame), sink, setup.limits)
        signal.alarm(0)
        _write(answers, framed(reply))


def _frame(incoming: BinaryIO) -> bytes | None:
    head = incoming.read(LENGTH)
    if len(head) < LENGTH:
        return None
    size = int.from_bytes(head, "big")
    frame = incoming.read(size)
    return frame if len(frame) == size else None


def _answer(request: Request, sink: Sink, limits: config.Parsing) -> Reply:
    try:
        if request.path is None:
            return _reply(read(request.raw, sink, limits, request.mail_from))
        with Path(request.path).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return _reply(read(b"", sink, limits, request.mail_from))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
                return _reply(read(raw, sink, limits, request.mail_from))
    except Temporary as error:
        return Reply(trouble=str(error))
    except OSError as error:
        return Reply(trouble=f"can't read {request.path}: {error}")


def _reply(content: Content) -> Reply:
    return Reply(*content) if isinstance(content, tuple) else Reply(unreadable=content)


def _write(answers: int, frame: bytearray) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(answers, view) :]


if __name__ == "__main__":
    main()
