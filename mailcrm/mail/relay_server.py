"""The relay's port: opened with its certificate, closed without cutting anybody off."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from mailcrm.config_sending import Relay
from mailcrm.errors import ConfigError
from mailcrm.mail.relay_door import Door
from mailcrm.mail.relay_hooks import HandIn
from mailcrm.mail.relay_session import RelaySession, Rules

_HANDSHAKE = 20.0  # seconds
_BACKLOG = 512

# aiosmtpd logs commands that it does not know as they are: a password that comes after its AUTH was refused is one.
logging.getLogger("mail.log").disabled = True


class RelayServer:
    """Listens, until it is drained."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._sessions: set[RelaySession] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server else 0

    async def listen(self, relay: Relay, rules: Rules, door: Door, hand_in: HandIn) -> None:
        """Begin to listen. Raises OSError if it can't."""
        loop = asyncio.get_running_loop()
        host, port = place(relay.listen)
        implicit = relay.tls == "implicit"
        self._server = await loop.create_server(
            lambda: RelaySession(rules, door, hand_in, loop, self._sessions.add, self._sessions.discard),
            host,
            port,
            ssl=rules.context if implicit else None,
            ssl_handshake_timeout=_HANDSHAKE if implicit else None,
            backlog=_BACKLOG,
        )

    async def drain(self, seconds: float) -> None:
        """Take no new clients, let those finish that are handing in a message, and say goodbye to all.

        Args:
            seconds: after which those that are left are cut off.
        """
        if self._server is None:
            return
        self._server.close()
        for session in list(self._sessions):
            session.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._sessions:
                    await asyncio.sleep(0.01)
        for session in list(self._sessions):
            session.abort()


def rules(relay: Relay, base: Callable[[str], Path], now: Callable[[], datetime], hostname: str) -> Rules:
    """What the configuration says, checked.

    Args:
        base: makes a configured path absolute.
        now: the time, aware.
        hostname: what the relay calls itself.

    Raises:
        ConfigError: the certificate can't be used.
    """
    context = None
    if relay.tls != "none" and relay.cert and relay.key:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(base(relay.cert), base(relay.key))
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or error
            raise ConfigError(f"relay.cert, relay.key: {relay.cert} and {relay.key} can't be used: {reason}") from None
    return Rules(relay.tls, hostname, relay.max_bytes, context, now)


def place(listen: str) -> tuple[str, int]:
    """Host and port of ``host:port``; the port 0 is any free one."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)
