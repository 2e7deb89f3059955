"""LMTP (RFC 2033): the drop-box, answers to questions, copies that a mail server hands in.

Nothing is answered 250 before it is durable, and who hangs up meanwhile does not undo it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session, syntax

from mailcrm.config import Config
from mailcrm.core.addresses import normalise, without_tag
from mailcrm.errors import MailcrmError, Permanent

Deliver = Callable[[bytes, str, list[str]], None]
"""Takes a raw message with CRLF line ends, the envelope sender ("" is the null sender), the normalised recipients."""

MOST_RECIPIENTS = 100
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_CHUNK = 1 << 20

log = logging.getLogger(__name__)


async def serve(
    listen: str, addresses: Collection[str], deliver: Deliver, *, max_bytes: int, hostname: str = "mailcrm"
) -> asyncio.Server:
    """Begin to listen.

    Args:
        listen: ``host:port``; port 0 is any free one.
        addresses: the normalised addresses that are accepted, with or without a plus-tag.
        deliver: called in a thread, one call a message; returns when the message is stored for good. An error of
            ours that is Permanent refuses the message, anything else asks the client to come again.
        max_bytes: size of the largest message.

    Returns:
        The server, listening; the caller closes it.
    """
    host, _, port = listen.rpartition(":")
    loop = asyncio.get_running_loop()
    handler = _Handler(frozenset(addresses), deliver)
    return await loop.create_server(
        lambda: _Lmtp(handler, max_bytes=max_bytes, hostname=hostname, loop=loop),
        host.strip("[]") or "127.0.0.1",
        int(port),
    )


def accepted_addresses(config: Config, drop_box: str | None) -> dict[str, str | None]:
    """The addresses that mail is taken for -> the key of the mailbox it belongs to, None for the drop-box.

    A user's address and aliases belong to his own mailbox, a shared mailbox's to its login, where that is an address.
    What comes back (``returns.bounces``) is for the drop-box.
    """
    found: dict[str, str | None] = {}
    for key, mailbox in config.mailboxes.items():
        given = [mailbox.login]
        if mailbox.user:
            owner = config.users[mailbox.user]
            given += [owner.email, *owner.aliases]
        for address in given:
            if normal := normalise(address):
                found.setdefault(normal, key)
    if bounces := normalise(config.returns.bounces or ""):
        found.setdefault(bounces, None)
    if drop_box:
        found[drop_box] = None
    return found


class _Handler:
    """What the protocol asks us."""

    def __init__(self, addresses: frozenset[str], deliver: Deliver) -> None:
        self._addresses = addresses
        self._deliver = deliver

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return f"452 4.5.3 at most {MOST_RECIPIENTS} recipients a message"
        normal = normalise(address)
        if normal not in self._addresses and without_tag(normal) not in self._addresses:
            return "550 5.1.1 no such mailbox here"
        envelope.rcpt_tos.append(normal)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        if _BARE.search(content):
            return "554 5.6.0 a bare CR or LF is not allowed in a message"
        sender = "" if envelope.mail_from in (None, "<>") else str(envelope.mail_from)
        work = asyncio.to_thread(self._deliver, content, sender, list(envelope.rcpt_tos))
        # The client's hanging up cancels us; the commit that has begun is ended all the same.
        return await asyncio.shield(asyncio.ensure_future(_answered(work)))

    async def handle_exception(self, error: Exception) -> str:
        """What aiosmtpd did not foresee: told to the log, not to the client."""
        log.error("LMTP: %s", error, exc_info=error)
        return "451 4.3.0 something went wrong here, try again later"


async def _answered(work: Any) -> str:
    try:
        await work
    except Permanent as error:
        log.warning("a message was refused: %s", error)
        return "554 5.6.0 the message was refused"
    except MailcrmError as error:
        log.warning("a message could not be stored now: %s", error)
        return "451 4.3.0 not stored now, try again later"
    except Exception:
        log.exception("a message could not be stored")
        return "451 4.3.0 not stored now, try again later"
    return "250 2.0.0 stored"


class _Lmtp(LMTP):
    """LMTP with an answer for each recipient (RFC 2033 section 4.2), and lines of any length."""

    line_length_limit = _CHUNK

    def __init__(self, handler: _Handler, *, max_bytes: int, hostname: str, loop: asyncio.AbstractEventLoop) -> None:
        self._max_bytes = max_bytes
        super().__init__(handler, data_size_limit=max_bytes, hostname=hostname, ident="mailcrm LMTP", loop=loop)

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        if await self.check_helo_needed("LHLO"):
            return
        envelope = self.envelope
        if envelope is None or not envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = await self._read_content()
        recipients = len(envelope.rcpt_tos)
        if content is None:
            answer = f"552 5.3.4 the message is larger than {self._max_bytes} bytes"
        else:
            envelope.content = envelope.original_content = content
            answer = await self._call_handler_hook("DATA")
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        await self.push("\r\n".join([answer] * recipients))

    async def _read_content(self) -> bytes | None:
        """The message up to the line with the lone dot, dots unstuffed; None if it is too large."""
        lines = bytearray()
        size, begins = 0, True
        while True:
            try:
                piece: bytes = await self._reader.readuntil(b"\r\n")
            except asyncio.LimitOverrunError as overrun:
                piece = await self._reader.read(overrun.consumed)
            if begins and piece == b".\r\n":
                return None if size > self._max_bytes else bytes(lines)
            size += len(piece)
            if size > self._max_bytes:
                lines.clear()  # read on to the end, but keep nothing
            else:
                lines += piece[1:] if begins and piece.startswith(b".") else piece
            begins = piece.endswith(b"\r\n")
            self._reset_timeout()
