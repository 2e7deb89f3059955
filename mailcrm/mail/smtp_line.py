"""One connection that mail is handed over by, pipelined where the server allows (RFC 2920). It never waits.

With PIPELINING a mail's MAIL, RCPT and DATA leave together, and behind the dot that ends it those of the next one. Each
answer belongs to the oldest command that has none yet.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mailcrm.app.handover import Ambiguous, Parcel, Unreachable, Unsigned
from mailcrm.errors import ConfigError, MailcrmError, Temporary
from mailcrm.mail.smtp_dial import Opened
from mailcrm.mail.smtp_faults import Stage, refused, shown
from mailcrm.mail.smtp_wire import Answer, Answers, Garbled, envelope, strict, stuffed

_CHUNK = 16_384  # of TLS, no record is longer
_QUICK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
_GO_ON, _CLOSING = 354, 421

log = logging.getLogger(__name__)


class Work(Protocol):
    """Where a connection gets mail from and tells what became of it."""

    def take(self) -> Parcel | None:
        """The next mail; None if there is none now."""

    def done(self, parcel: Parcel, result: str | MailcrmError) -> None:
        """The server took it, or why it did not."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How mail is handed over.

    Args:
        where: the server in words, for errors.
        key: the section of the configuration, for errors.
        sign: what is done last to a message, whose lines all end in CRLF.
        most: how many mails a connection takes before it is closed.
        seconds: how long a server may think about a command.
        end_seconds: how long it may think about a mail of which it has seen the end.
        beat: seconds between two beats (``handover.Transport.deliver``).
    """

    where: str
    key: str
    sign: Callable[[bytes], bytes]
    most: int = 500
    seconds: float = 20.0
    end_seconds: float = 60.0
    beat: float = 5.0


class Line:
    """A connection in use.

    Args:
        opened: the connection, logged in.
    """

    def __init__(self, opened: Opened, manner: Manner) -> None:
        self.sock = opened.sock
        self.open = True
        self.since = time.monotonic()
        self._offers = opened.offers
        self._manner = manner
        self._begun = 0  # mails
        self._proved = False  # it has taken a mail's envelope
        self._answers = Answers()
        self._awaited: deque[Stage] = deque()
        self._unsaid: deque[tuple[Stage, bytes]] = deque()  # the rest of an envelope, where nothing is pipelined
        self._opening: tuple[Parcel, bytes] | None = None  # the mail whose envelope is said, and what follows DATA
        self._fault: MailcrmError | None = None  # of that envelope
        self._torn = False  # an envelope was said that no mail followed
        self._ending: tuple[Parcel, int] | None = None  # the mail that is said, and where in the stream it ends
        self._closing = False
        self._out = memoryview(b"")
        self._queued = self._sent = 0  # bytes of the stream

    @property
    def idle(self) -> bool:
        """It waits for nothing."""
        return self.open and not self._awaited

    @property
    def unsent(self) -> bool:
        """It has something to send as soon as the socket takes it."""
        return bool(self._out)

    @property
    def expired(self) -> bool:
        """The server has been thinking for too long."""
        seconds = self._manner.end_seconds if Stage.END in self._awaited else self._manner.seconds
        return bool(self._awaited) and time.monotonic() - self.since > seconds

    def begin(self, work: Work) -> None:
        """Hand over mail until there is none left."""
        self._guarded(work, lambda: self._next(work))

    def ready(self, work: Work) -> None:
        """The socket can be read, or written to: do both as far as it goes."""
        self._guarded(work, lambda: self._move(work))

    def quit(self) -> None:
        """Say goodbye, without waiting for what the server says to it."""
        if self.idle:
            self._awaited.append(Stage.QUIT)
            try:
                self._say(b"QUIT\r\n")
            except OSError:
                self.close()

    def close(self) -> None:
        """Close the socket without a word."""
        self.open = False
        self.sock.close()

    def lost(self, work: Work, why: str) -> None:
        """Close it, and say what is to be thought of the mails that were on their way."""
        if not self.open:
            return
        self.close()
        ending, opening, fault = self._ending, self._opening, self._fault
        self._ending = self._opening = self._fault = None
        self._awaited.clear()
        if ending is not None:
            parcel, end = ending
            whole = f"{self._manner.where} was handed the whole mail, and its answer is missing: {why}"
            part = f"{self._manner.where} was handed only a part of the mail: {why}"
            work.done(parcel, Ambiguous(whole) if self._sent >= end else Temporary(part))
        if opening is not None:
            text = f"{self._manner.where}: {why}"
            work.done(opening[0], Unreachable(text) if self._proved else fault or Temporary(text))

    def _guarded(self, work: Work, act: Callable[[], None]) -> None:
        try:
            act()
        except Garbled as error:
            self.lost(work, f"it sent what is no answer ({shown(str(error))!r})")
        except OSError as error:
            self.lost(work, shown(error.strerror or str(error)) or "the connection broke")

    def _move(self, work: Work) -> None:
        self._flush()
        while self.open:
            try:
                data = self.sock.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            if not data:
                self.lost(work, "it closed the connection")
                return
            said, due = self._queued, len(self._awaited)
            for number, answer in enumerate(self._answers.feed(data)):
                self.since = time.monotonic()  # half an answer is none: it may come byte by byte
                if self.open:  # beyond those due it is no answer to a command that these lead to
                    self._heard(answer, work, asked=number < due)
            if self._awaited and self._queued == said and _QUICK is not None and self.open:
                # A server that writes each answer by itself waits for this before the next one (RFC 896).
                self.sock.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)
            if len(data) < _CHUNK and not isinstance(self.sock, ssl.SSLSocket):
                return

    def _heard(self, answer: Answer, work: Work, *, asked: bool) -> None:
        if not asked:
            self.lost(work, f"it said, unasked: {answer.code} {shown(answer.text)}")
            return
        stage = self._awaited.popleft()
        self._closing = answer.code == _CLOSING
        if stage is Stage.END:
            self._ended(answer, work)
        elif stage is Stage.QUIT:
            self.close()
        elif stage is Stage.RSET:
            self._say_on()
        else:
            self._envelope_answered(stage, answer, work)
        if self._closing:
            self.lost(work, f"{answer.code} {shown(answer.text)}")

    def _envelope_answered(self, stage: Stage, answer: Answer, work: Work) -> None:
        accepted = answer.code == _GO_ON if stage is Stage.DATA else answer.good
        if not accepted and self._fault is None:
            self._fault = refused(stage, answer, self._manner.where, self._manner.key)
        if stage is Stage.DATA:
            self._mail(work, accepted=accepted)
        elif self._fault is None or self._offers.pipelining:
            self._say_on()
        elif not self._closing:
            self._unsaid.clear()
            self._mail(work, accepted=False)

    def _mail(self, work: Work, *, accepted: bool) -> None:
        """The envelope is answered: the mail follows, unless it is refused. ``accepted``: the server waits for one."""
        if self._opening is None:
            return
        (parcel, body), fault = self._opening, self._fault
        if fault is None:
            self._proved = True
            self._opening = None
            self._ending = parcel, self._queued + len(body)
            self._awaited.append(Stage.END)
            if self._offers.pipelining:
                self._next(work, body)
            else:
                self._say(body)
            return
        self._opening = self._fault = None
        self._torn = not accepted
        if accepted:  # RFC 2920 section 3.1: a single dot, and whatever it says to that
            self._awaited.append(Stage.END)
            self._say(b".\r\n")
        work.done(parcel, fault)
        if not accepted:
            self._next(work)

    def _ended(self, answer: Answer, work: Work) -> None:
        """The server's word on a mail; one that comes before the mail's end leaves the two of us out of step."""
        ending, self._ending = self._ending, None
        if ending is not None:
            parcel, end = ending
            early = self._sent < end
            if answer.good and not early:
                work.done(parcel, shown(answer.text))
            else:
                fault = refused(Stage.END, answer, self._manner.where, self._manner.key)
                work.done(parcel, fault)
            if early:
                self.lost(work, "it answered before the mail's end")
                return
        if self._opening is None:
            self._next(work)

    def _next(self, work: Work, before: bytes = b"") -> None:
        """Begin the next mail, if there is one, behind ``before``."""
        if self._closing or not self.open:
            return
        if self._begun < self._manner.most:
            while self._opening is None and (parcel := work.take()) is not None:
                try:
                    content = self._manner.sign(strict(parcel.content))
                    mail, recipient = envelope(parcel.sender, parcel.recipient, content, self._offers)
                except ConfigError as error:  # the key's; the server is not concerned
                    work.done(parcel, Unsigned(str(error)))
                    continue
                except MailcrmError as error:
                    work.done(parcel, error)
                    continue
                except Exception as error:
                    log.exception("mail %s can't be made ready", parcel.id)
                    work.done(parcel, Temporary(f"it can't be made ready ({type(error).__name__})"))
                    continue
                self._opening = parcel, stuffed(content)
                self._begun += 1
                self._unsaid.extend([(Stage.RSET, b"RSET")] if self._torn else [])
                self._unsaid.extend([(Stage.MAIL, mail), (Stage.RCPT, recipient), (Stage.DATA, b"DATA")])
                self._torn = False
        elif not self._awaited:
            self.quit()
        self._say_on(before)

    def _say_on(self, before: bytes = b"") -> None:
        """Say the rest of the envelope, or, where nothing is pipelined, its next command."""
        data = before
        while self._unsaid:
            stage, command = self._unsaid.popleft()
            data += command + b"\r\n"
            self._awaited.append(stage)
            if not self._offers.pipelining:
                break
        if data:
            self._say(data)

    def _say(self, data: bytes) -> None:
        if not self._out:
            self.since = time.monotonic()
        self._out = memoryview(bytes(self._out) + data) if self._out else memoryview(data)
        self._queued += len(data)
        self._flush()

    def _flush(self) -> None:
        while self._out:
            try:
                sent = self.sock.send(self._out)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            self.since = time.monotonic()
            self._sent += sent
            self._out = self._out[sent:]
