"""The reading process: takes requests on standard input, answers on standard output, ends with its input.

Replies are collected while there are requests; so when it is lost, any message not yet answered may be the cause.
"""

from __future__ import annotations

import gc
import mmap
import os
import resource
import signal
from pathlib import Path
from time import monotonic

import msgspec

from mailcrm import config
from mailcrm.errors import Temporary
from mailcrm.mail.content import Content, Sink
from mailcrm.mail.counting import Counting
from mailcrm.mail.read import read
from mailcrm.mail.reader_wire import Reply, Request, Setup, T, add_frame, take_frames
from mailcrm.store.blobs import Blobs

MEMORY = 512 << 20  # bytes of its own; the large message itself is mapped from a file
TOGETHER = 256 << 10  # bytes of replies that are written at once: the parent wakes seldom
HELD = 0.05  # seconds that a reply may wait for others
_CHUNK = 1 << 20


def main() -> None:
    """Serve until the parent closes the pipe, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipe
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    answers = os.dup(1)
    os.dup2(2, 1)  # nothing printed by mistake may get between the frames
    incoming = bytearray()
    first = _next(incoming, msgspec.msgpack.Decoder(Setup), 1)
    if not first:
        return
    setup = first[0]
    sink: Sink = Blobs(Path(setup.folder)) if setup.folder else Counting()
    decoder = msgspec.msgpack.Decoder(Request)
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)  # a message leaves no cycles behind
    outgoing = bytearray()
    add_frame(outgoing, Reply())
    _write(answers, outgoing)
    while requests := _next(incoming, decoder):
        written = monotonic()
        for request in requests:
            signal.alarm(int(setup.limits.seconds * 2) + 1)  # should the parent be gone, nobody else would end a loop
            add_frame(outgoing, _answer(request, sink, setup.limits))
            if len(outgoing) > TOGETHER or monotonic() - written > HELD:
                _write(answers, outgoing)
                written = monotonic()
        signal.alarm(0)
        _write(answers, outgoing)


def _next(incoming: bytearray, decoder: msgspec.msgpack.Decoder[T], most: int | None = None) -> list[T]:
    """What is asked for next, as much of it as has come whole; nothing at the end of the input."""
    while not (found := take_frames(incoming, decoder, most)):
        if not (data := os.read(0, _CHUNK)):
            break
        incoming += data
    return found


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


def _write(answers: int, outgoing: bytearray) -> None:
    while outgoing:
        del outgoing[: os.write(answers, outgoing)]


if __name__ == "__main__":
    main()
