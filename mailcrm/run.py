"""The running program: watches, works, listens, serves; each role a part of one process or the whole of one."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from mailcrm.app import holding
from mailcrm.app.ask import drop_box
from mailcrm.app.context import Context
from mailcrm.app.intake import StoreIntake
from mailcrm.app.receive import receive
from mailcrm.app.start import start
from mailcrm.core.plural import counted
from mailcrm.errors import ConfigError, Temporary
from mailcrm.mail import smtp_in
from mailcrm.mail.choice_folders import ChoiceFolders
from mailcrm.mail.imap_intake import Content
from mailcrm.mail.imap_seats import Seats
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.imap_watch import Watcher
from mailcrm.mail.readers import Readers
from mailcrm.mail.relay import RelayRole
from mailcrm.mail.sent_copy import SETTLE, SentLook
from mailcrm.mail.smtp_out import SmtpTransport
from mailcrm.store import mailboxes
from mailcrm.store.ownership import Ownership
from mailcrm.supervise import Supervisor
from mailcrm.sync import first_look, keepers
from mailcrm.web import app as web
from mailcrm.web import pixel_protocol

if TYPE_CHECKING:
    from mailcrm.engine.worker import Worker

ROLES = ("watch", "worker", "relay", "web")
_CHECKPOINT = 0.5  # seconds between two looks at SQLite's log
_GRACE = 5.0  # seconds that clients have to say goodbye
_NO_MAILBOX = "no mailbox: none has a host; `mailcrm check` says what is missing"
log = logging.getLogger("mailcrm")


class Bell:
    """Wakes the worker after a commit; rings from any thread are one until it is heard."""

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self) -> None:
        """Something may be due."""
        self._rung.set()

    def wait(self, seconds: float) -> bool:
        """Sleep until somebody rings, at most so long; whether somebody did."""
        rung = self._rung.wait(max(seconds, 0.0))
        self._rung.clear()
        return rung


class Program:
    """One process with some of the roles.

    Args:
        context: its ``changed`` rings ``bell``.
        roles: of ``ROLES``.
    """

    def __init__(self, context: Context, bell: Bell, roles: frozenset[str]) -> None:
        self._context = context
        self._bell = bell
        self._roles = roles
        self._stopping = threading.Event()
        self._faults: dict[str, str] = {}
        self._readers = Readers(context.config.data / "files", context.config.parsing)
        self._ownership = Ownership(context.db, context.config.data / "locks")
        self._seats = Seats()
        self._watcher: Watcher | None = None
        self._supervisor: Supervisor | None = None

    def run(self) -> None:
        """Run until SIGTERM or SIGINT; what has begun is finished.

        Raises:
            ConfigError: a port can't be listened on.
        """
        try:
            uvloop.run(self._main())
        finally:
            if self._supervisor:
                self._supervisor.close()
            self._readers.close()
            self._ownership.close()

    async def _main(self) -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        threads = self._threads()
        lmtp = await self._lmtp()
        relay = RelayRole(self._context, self._readers)
        server: uvicorn.Server | None = None
        if "web" in self._roles:
            server, thread = self._web()
            threads.append(thread)
        await asyncio.to_thread(start, self._context)
        if "relay" in self._roles:
            await relay.open()
        for thread in threads:
            thread.start()
        try:
            await stopped.wait()
            log.info("stopping")
        finally:
            self._stopping.set()
            self._bell.ring()
            if self._watcher:
                self._watcher.stop()
            if server:
                server.should_exit = True
            await relay.close(_GRACE)
            if lmtp:
                lmtp.close()
                with suppress(TimeoutError):  # a client that stays connected holds nobody up
                    await asyncio.wait_for(lmtp.wait_closed(), _GRACE)
            for thread in threads:
                await asyncio.to_thread(thread.join)

    def _threads(self) -> list[threading.Thread]:
        found = []
        if "watch" in self._roles:
            watched = frozenset(key for key, mailbox in self._context.config.mailboxes.items() if mailbox.host)
            log.info("watching %s", counted(len(watched), "mailbox", "mailboxes") if watched else _NO_MAILBOX)
            self._watcher = Watcher(
                self._context.config,
                StoreIntake(self._context),
                self._readers,
                self._context.blobs,
                may_read=self._may_read,
                seats=self._seats,
            )
            dialer = Dialer(self._context.config, seats=self._seats)
            self._supervisor = Supervisor(
                self._context,
                self._watcher,
                watched,
                self._ownership,
                look=partial(self._look, dialer),
                offer=ChoiceFolders(self._context, dialer).offer,
                drafts=keepers(self._context, dialer, SETTLE),
            )
            supervise = partial(self._supervisor.run, self._stopping)
            found += [self._thread("watch", self._watcher.run), self._thread("mailboxes", supervise)]
        if "worker" in self._roles:
            # Only here, for a process without this role does without DBOS; and before any thread runs, for a module
            # that one thread is importing is not whole to the others.
            from mailcrm.engine.worker import Worker

            found.append(self._thread("worker", partial(self._work, Worker)))
        if self._context.db.is_sqlite:
            found.append(self._thread("log", self._empty_log))
        return found

    def _thread(self, part: str, body: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=partial(self._guarded, part, body), name=part)

    def _guarded(self, part: str, body: Callable[[], None]) -> None:
        """A part that ends by an error is a fault that /readyz tells; the others go on."""
        try:
            body()
        except Exception as error:
            self._faults[part] = f"ended: {error}"
            log.exception("%s ended", part)

    # --- mailboxes ---

    def _may_read(self, key: str) -> bool:
        with self._context.db.read() as connection:
            return mailboxes.find(connection, key).state == "active"

    def _look(self, dialer: Dialer, key: str) -> None:
        mailbox = self._context.config.mailboxes[key]
        first_look(self._context, key, mailbox, dialer, self._readers, stopping=self._stopping.is_set)

    # --- work ---

    def _empty_log(self) -> None:
        done = 0
        while not self._stopping.wait(_CHECKPOINT):
            changed = self._context.db.log_changed_at()
            if changed != done:
                with suppress(Temporary):
                    self._context.db.checkpoint()
                done = changed

    def _work(self, worker: type[Worker]) -> None:
        if held := holding.look(self._context):
            log.warning("everything is held: %s; %s", held.reason, holding.MEND)
        transport = SmtpTransport(self._context.config)
        filed = SentLook(self._context, Dialer(self._context.config, seats=self._seats))
        try:
            worker(self._context, transport, self._bell, self._faults, filed=filed).run(self._stopping)
        finally:
            transport.close()

    # --- listening ---

    async def _lmtp(self) -> asyncio.Server | None:
        config = self._context.config
        if "relay" not in self._roles or not config.lmtp:
            return None
        accepted = smtp_in.accepted_addresses(config, drop_box(config))
        deliver = partial(receive, self._context, self._read, accepted)
        try:
            server = await smtp_in.serve(config.lmtp.listen, accepted, deliver, max_bytes=config.parsing.max_bytes)
        except OSError as error:
            raise ConfigError(f"lmtp.listen: can't listen on {config.lmtp.listen}: {error.strerror}") from None
        log.info("LMTP on %s:%s", *server.sockets[0].getsockname()[:2])
        return server

    def _read(self, raw: bytes, mail_from: str) -> Content:
        return self._readers.read_many([raw], [mail_from])[0]

    def _web(self) -> tuple[uvicorn.Server, threading.Thread]:
        """The web server in a thread of its own: there uvicorn leaves the signals to us."""
        listener = _bind(self._context.config.web.listen)
        app = web.create(self._context, self._wake, self._health)
        settings = uvicorn.Config(
            app,
            http=pixel_protocol.protocol(app.state.pixel),
            log_config=None,
            access_log=False,
            lifespan="on",  # at its end, openings that wait are stored
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        server = uvicorn.Server(settings)
        log.info("web on http://%s:%s", *listener.getsockname()[:2])
        return server, self._thread("web", partial(server.run, [listener]))

    def _wake(self, key: str) -> bool:
        if self._watcher is None or self._supervisor is None or key not in self._supervisor.owned:
            return False
        self._watcher.wake(key)
        return True

    def _health(self) -> Mapping[str, str]:
        health = dict.fromkeys(self._roles, "ok") | self._faults
        if self._watcher:
            for key, (_, alert) in self._watcher.states().items():
                health[f"mailbox {key}"] = alert or "ok"
        if self._supervisor:
            health |= {f"mailbox {key}": fault for key, fault in self._supervisor.faults.items()}
        return health


def _bind(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), int(port)), family=family, backlog=512)
    except (OSError, ValueError) as error:
        raise ConfigError(f"web.listen: can't listen on {listen}: {error}; is it in use?") from None
    # Inherited by what is accepted. asyncio sets it only on sockets that it made itself, and without it an answer
    # waits 40 ms for the client's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
