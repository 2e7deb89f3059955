"""The relay: where our users' own mail programs, and programs that write in their name, hand mail in (RFC 6409).

``relay_server`` listens, ``relay_session`` speaks, ``relay_door`` lets in, ``relay_letter`` looks at what comes,
``relay_desk`` has it stored (``app.submit``) and linked (``app.submit_link``).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from mailcrm.app.context import Context
from mailcrm.app.logins import Logins
from mailcrm.app.submit import submit
from mailcrm.app.submit_link import link, link_rest
from mailcrm.errors import ConfigError
from mailcrm.mail import relay_server
from mailcrm.mail.content import Content
from mailcrm.mail.readers import Readers
from mailcrm.mail.relay_desk import Desk
from mailcrm.mail.relay_door import Door

_APART = 0.1  # seconds

log = logging.getLogger("mailcrm")


class Calls:
    """Passes calls on, but not more than one in ``_APART``: the last of many is made late, the first at once.

    What is rung for by each of hundreds of mails a second would be busy with being rung for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop, self._call = loop, call
        self._made_at = 0.0
        self._waiting = False

    def make(self) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # the loop is closed: the program ends
            self._loop.call_soon_threadsafe(self._plan)

    def _plan(self) -> None:
        if not self._waiting:
            self._waiting = True
            self._loop.call_at(self._made_at + _APART, self._make)

    def _make(self) -> None:
        self._waiting, self._made_at = False, self._loop.time()
        self._call()


class RelayRole:
    """The relay of one process, where one is configured.

    Args:
        readers: reads what is to be linked.
    """

    def __init__(self, context: Context, readers: Readers) -> None:
        self._context = context
        self._readers = readers
        self._server = relay_server.RelayServer()
        self._desk: Desk | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 before ``open``."""
        return self._server.port

    async def open(self) -> None:
        """Begin to listen, if there is a section ``[relay]``. Raises ConfigError: it can't be done so."""
        relay = self._context.config.relay
        if relay is None:
            return
        calls = Calls(asyncio.get_running_loop(), self._context.changed)
        context = replace(self._context, changed=calls.make)
        rules = relay_server.rules(relay, context.config.path, context.clock, socket.gethostname() or "mailcrm")
        self._desk = Desk(
            partial(submit, context), partial(link, context, self._read), partial(link_rest, context, self._read)
        )
        try:
            await self._server.listen(relay, rules, Door(Logins(context)), self._desk.hand_in)
        except OSError as error:
            await self.close(0)
            raise ConfigError(
                f"relay.listen: can't listen on {relay.listen}: {error.strerror}; is it in use?"
            ) from None
        log.info("relay on %s, TLS: %s", relay.listen, relay.tls)

    async def close(self, seconds: float) -> None:
        """Drain: who is handing in a mail may finish within ``seconds``, and what was taken is linked."""
        await self._server.drain(seconds)
        if self._desk is not None:
            await asyncio.to_thread(self._desk.close)
            self._desk = None

    def _read(self, raws: Sequence[bytes], senders: Sequence[str]) -> Sequence[Content]:
        return self._readers.read_many(raws, senders)
