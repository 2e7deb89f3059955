"""One client of the relay (RFC 6409): logs in, hands mail in, is held to the limits.

aiosmtpd speaks SMTP; here stands what it leaves open: passwords off the event loop and out of the log, reading DATA in
bulk, an end of data that is nothing but CRLF . CRLF, patience with errors and slowness that ends, an orderly farewell.
"""

from __future__ import annotations

import asyncio
import binascii
import re
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import AnyStr, cast

from aiosmtpd.smtp import SMTP, Envelope, syntax

from mailcrm.app.logins import Login
from mailcrm.errors import Temporary
from mailcrm.mail.relay_door import Door, Locked
from mailcrm.mail.relay_hooks import HandIn, Hooks

MOST_ERRORS = 20
"""Refused commands of one connection before it is closed."""

_CHUNK = 1 << 16
_LONGEST_HELD = 2_000  # bytes of answers
_PLAIN = re.compile(r"<([\w!#$%&'*+/=?^`{|}~.-]{1,64}@[\w.-]{1,255})>(?: (.*))?", re.ASCII)
_LONGEST_LINE = 12_288  # bytes of an answer in AUTH (RFC 4954 section 4)
_END = b"\r\n.\r\n"
_BARE = re.compile(rb"(500|501|502|503|530|552) (?!\d\.)")
_CODES = {b"500": b"5.5.2", b"501": b"5.5.4", b"502": b"5.5.1", b"503": b"5.5.1", b"530": b"5.7.0", b"552": b"5.3.4"}


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every session.

    Args:
        tls: none | starttls | implicit.
        idle, unknown: seconds without a command after which a client is sent away, logged in or not yet.
        data: seconds in which each 64 kB of a message must come.
        now: the time, aware.
    """

    tls: str
    hostname: str
    max_bytes: int
    context: ssl.SSLContext | None
    now: Callable[[], datetime]
    idle: float = 300.0
    unknown: float = 60.0
    data: float = 60.0


class RelaySession(SMTP):
    """A connection. ``gone`` is called once when it has ended."""

    line_length_limit = _CHUNK

    def __init__(
        self,
        rules: Rules,
        door: Door,
        hand_in: HandIn,
        loop: asyncio.AbstractEventLoop,
        begun: Callable[[RelaySession], None],
        gone: Callable[[RelaySession], None],
    ) -> None:
        self._rules, self._door = rules, door
        self._begun, self._gone = begun, gone
        self._login: Login | None = None
        self._address = ""
        self._open = self._refused = False
        self._busy = self._leaving = False
        self._errors = self._failures = 0
        self._held = b""
        self._due = 0.0
        super().__init__(
            Hooks(lambda: self._login, hand_in, rules.now),
            data_size_limit=rules.max_bytes,
            enable_SMTPUTF8=True,
            hostname=rules.hostname,
            ident="mailcrm relay",
            tls_context=rules.context if rules.tls == "starttls" else None,
            require_starttls=rules.tls == "starttls",
            timeout=rules.unknown,
            auth_require_tls=rules.tls == "starttls",
            loop=loop,
        )
        self._auth_required = True  # told here: aiosmtpd warns of what ``tls`` has been checked for already
        # aiosmtpd's own table is one for all connections, and grows with every EHLO.
        self.command_size_limits = _Limits({"AUTH": _LONGEST_LINE, "MAIL": 1_024, "RCPT": 1_024})

    # --- connections ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let in or sent away; after STARTTLS everything said before is void (RFC 3207 section 4.2)."""
        if self._original_transport is None:
            peer = transport.get_extra_info("peername")
            self._address = str(peer[0]) if peer else ""
            if not self._door.enter(self._address):
                self._refused = True
                sent_away = cast(asyncio.WriteTransport, transport)
                sent_away.write(b"421 4.7.0 too many connections, try again later\r\n")
                sent_away.close()
                return
            self._open = True
            self._begun(self)
        self._login = None
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """What the client says; nothing of one that was sent away."""
        if not self._refused:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """The client says no more."""
        return None if self._refused else super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        if self._open:
            self._open = False
            self._door.leave(self._address)
            self._gone(self)
        if not self._refused:
            super().connection_lost(error)

    def leave(self) -> None:
        """Say goodbye as soon as no mail is being handed in."""
        self._leaving = True
        if not self._busy:
            self._bid("421 4.3.2 the relay is closing, try again later")

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]

    def _bid(self, farewell: str) -> None:
        self._held += farewell.encode() + b"\r\n"
        self._hang_up()

    def _hang_up(self) -> None:
        """Nothing that the client has already sent is looked at any more."""
        if self.transport is not None and not self.transport.is_closing():
            self._tell()
            self.transport.close()
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    async def push(self, status: AnyStr) -> None:
        """Answer; too many refusals end the connection.

        What was asked together is answered together (RFC 2920): an assent waits while the next command is there.
        """
        answer = status.encode() if isinstance(status, str) else bytes(status)
        if bare := _BARE.match(answer):  # aiosmtpd gives most refusals no enhanced code (RFC 3463)
            answer = b"%s %s %s" % (bare[1], _CODES[bare[1]], answer[bare.end() :])
        self._held += answer + b"\r\n"
        if answer[:1] in (b"4", b"5") and not answer.startswith(b"452"):  # that one is to send the rest later
            self._errors += 1
            if self._errors >= MOST_ERRORS:
                self._bid("421 4.7.0 too many errors")
        if not (answer.startswith(b"250") and b"\n" in self._reader._buffer):  # type: ignore[attr-defined]
            self._tell()
            await self._writer.drain()
        elif len(self._held) > _LONGEST_HELD:
            self._tell()
            await asyncio.sleep(0)  # others have their turn, however much this one sent ahead

    def _tell(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._writer.write(held)

    def _reset_timeout(self, duration: float | None = None) -> None:
        """One timer serves all commands: it looks whether it is time when it goes off."""
        self._due = self.loop.time() + (duration or self._timeout_duration)
        if self._timeout_handle is None or self._timeout_handle.cancelled() or self._timeout_handle.when() > self._due:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        self._timeout_handle = self.loop.call_at(self._due, self._timeout_cb)

    def _timeout_cb(self) -> None:
        if self.loop.time() < self._due:
            self._set_timer()
        elif self.transport is not None:
            self.transport.close()

    # --- TLS and passwords ---

    @syntax("STARTTLS", when="tls_context")
    async def smtp_STARTTLS(self, arg: str | None) -> None:  # noqa: N802
        """Begin TLS (RFC 3207)."""
        if self.tls_context is None or self._tls_protocol is not None:
            await self.push("503 5.5.1 TLS is not to be had here, or stands already")
        elif self._reader._buffer:  # type: ignore[attr-defined]  # sent before TLS, to be taken for sent in it
            await self.push("554 5.5.1 nothing may follow STARTTLS before the handshake")
            self._hang_up()
        else:
            await super().smtp_STARTTLS(arg or "")

    @syntax("AUTH <mechanism>")
    async def smtp_AUTH(self, arg: str | None) -> None:  # noqa: N802
        """Take a name and a password (RFC 4954)."""
        mechanism, _, initial = (arg or "").strip().partition(" ")
        if await self.check_helo_needed("EHLO"):
            return
        if self._login is not None or (self.envelope is not None and self.envelope.mail_from):
            await self.push("503 5.5.1 not now")
        elif mechanism.upper() not in ("PLAIN", "LOGIN"):
            await self.push("504 5.5.4 there are PLAIN and LOGIN")
        elif (given := await self._credentials(mechanism.upper(), initial.strip())) is not None:
            await self._log_in(*given)

    async def _credentials(self, mechanism: str, initial: str) -> tuple[str, str] | None:
        """Name and password; None if the client was told already what is wrong."""
        first = await self._answer("" if mechanism == "PLAIN" else "VXNlcm5hbWU6", initial)
        if first is None:
            return None
        if mechanism == "LOGIN":
            second = await self._answer("UGFzc3dvcmQ6", "")
            return None if second is None else (first, second)
        pieces = first.split("\0")
        if len(pieces) != 3 or pieces[0] not in ("", pieces[1]):
            await self.push("501 5.5.2 name and password can't be told apart")
            return None
        return pieces[1], pieces[2]

    async def _answer(self, challenge: str, given: str) -> str | None:
        """What the client says to a challenge, or has said before it."""
        line = given.encode("ascii", "replace")
        if not line:
            await self.push(f"334 {challenge}")
            line = (await self._reader.readuntil(b"\n")).strip()
        try:
            if line == b"*" or len(line) > _LONGEST_LINE:
                raise ValueError
            return "" if line == b"=" else b64decode(line, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            await self.push("501 5.5.2 given up, or not to be read")
            return None

    async def _log_in(self, name: str, password: str) -> None:
        self._reset_timeout(self._rules.idle)
        try:
            login = await self._door.log_in(self._address, name, password)
        except Locked:
            await self.push("421 4.7.0 too many failed logins from there, try again later")
            self._hang_up()
            return
        except Temporary:
            await self.push("454 4.7.0 can't be checked now, try again later")
            return
        if login is not None:
            self._login = login
            assert self.session is not None
            self.session.authenticated = True
            self._timeout_duration = self._rules.idle
            await self.push("235 2.7.0 welcome")
            return
        self._failures += 1
        await self.push("535 5.7.8 no such user and password")
        if self._failures >= self._door.patience.tries:
            self._bid("421 4.7.0 too many failed logins")

    # --- mail ---

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Plain addresses are told at a glance; aiosmtpd's grammar, which is slow, reads the rest."""
        if plain := _PLAIN.fullmatch(arg.strip()):
            return plain[1], plain[2] or ""
        found: tuple[str | None, str | None] = super()._getaddr(arg)
        return found

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        """Take a message (RFC 5321 section 4.1.1.4)."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        envelope = self.envelope
        if envelope is None or not envelope.rcpt_tos:
            await self.push("503 5.5.1 RCPT comes first")
            return
        if arg:
            await self.push("501 5.5.4 DATA stands alone")
            return
        self._busy = True
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            answer = await self._take(envelope)
            self._reset_timeout()
            await self.push(answer)
        finally:
            self._set_post_data_state()  # type: ignore[no-untyped-call]
            self._busy = False
        if self._leaving:
            self.leave()

    async def _take(self, envelope: Envelope) -> str:
        held = 0
        try:
            pieces: list[bytes] = []
            size, room = 0, True
            async for piece in self._pieces():
                size += len(piece)
                room = room and self._door.held + len(piece) <= self._door.patience.held
                if size > self._rules.max_bytes + len(_END) or not room:
                    pieces.clear()  # read on to the end, but keep nothing
                    self._door.held -= held
                    held = 0
                else:
                    pieces.append(piece)
                    held += len(piece)
                    self._door.held += len(piece)
            if size > self._rules.max_bytes + len(_END):
                return f"552 5.3.4 the message is larger than {self._rules.max_bytes} bytes"
            if not room:
                return "452 4.3.1 too much is being handed in at once, try again later"
            self._reset_timeout(self._rules.idle)
            envelope.content = unstuffed(b"".join(pieces))
            answer: str = await self._call_handler_hook("DATA")
            return answer
        finally:
            self._door.held -= held

    async def _pieces(self) -> AsyncIterator[bytes]:
        """The message as it comes, up to and with its end."""
        self._reader._buffer[0:0] = b"\r\n"  # type: ignore[attr-defined]  # the end may come at once
        while True:
            self._reset_timeout(self._rules.data)
            try:
                yield await self._reader.readuntil(_END)
            except asyncio.LimitOverrunError as overrun:
                yield await self._reader.read(overrun.consumed)
            except asyncio.IncompleteReadError as error:
                raise ConnectionResetError from error
            else:
                return


def unstuffed(data: bytes) -> bytes:
    """A message without the dots that lines were begun with, from what stands between two line ends and the dot."""
    body = data[: -len(".\r\n")]
    return (body.replace(b"\r\n.", b"\r\n") if b"\r\n." in body else body)[2:]


class _Limits(dict[str, int]):
    """The longest line of each command. aiosmtpd adds to what MAIL may have with every EHLO; here it stays."""

    def __missing__(self, command: str) -> int:
        return 512

    def __setitem__(self, command: str, most: int) -> None:
        """Stays as it is."""
