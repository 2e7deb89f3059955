"""Submission of our mail (RFC 6409): by each mailbox's own server, or by the smarthost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Lock, Timer

from mailcrm.app.handover import SMARTHOST, Parcel, Report
from mailcrm.config import Config, Submission
from mailcrm.errors import ConfigError
from mailcrm.mail.dkim import Signer
from mailcrm.mail.oauth import Tokens
from mailcrm.mail.smtp_dial import Dialer
from mailcrm.mail.smtp_line import Manner
from mailcrm.mail.smtp_pool import KEPT, Pool


class SmtpTransport:
    """See ``handover.Transport``. Connections are kept for half a minute; safe for several threads, each its route.

    Args:
        manner: how mail is handed over; ``where``, ``key``, ``sign`` and ``most`` are put in for each server.
    """

    def __init__(self, config: Config, manner: Manner | None = None) -> None:
        self._config = config
        self._manner = manner or Manner("", "", bytes)
        self._tokens = Tokens(config)
        self._signer = Signer(config)
        self._lock = Lock()
        self._pools: dict[str, Pool] = {}
        self._timer: Timer | None = None

    def deliver(self, route: str, parcels: Iterator[Parcel], report: Report, beat: Callable[[], None]) -> None:
        """See ``handover.Transport``."""
        try:
            self._pool(route).deliver(parcels, report, beat)
        finally:
            self._rest_later()

    def probe(self, route: str) -> None:
        """Connect and log in. Raises what ``deliver`` does."""
        self._dialer(route).open().sock.close()

    def close(self) -> None:
        """Take leave of all servers."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for pool in pools:
            pool.close()

    def _pool(self, route: str) -> Pool:
        with self._lock:
            if route not in self._pools:
                dialer = self._dialer(route)
                settings = dialer.settings
                manner = replace(
                    self._manner,
                    where=dialer.where,
                    key=dialer.key,
                    sign=self._signer.signed,
                    most=max(1, settings.per_connection),
                )
                self._pools[route] = Pool(dialer, manner, max(1, settings.connections))
            return self._pools[route]

    def _dialer(self, route: str) -> Dialer:
        settings, key = submission(self._config, route)
        return Dialer(self._config, settings, key, self._tokens)

    def _rest_later(self) -> None:
        """Connections without work are closed though no further mail comes."""
        with self._lock:
            if self._timer is None and self._pools:
                self._timer = Timer(KEPT + 1, self._rest)
                self._timer.daemon = True
                self._timer.start()

    def _rest(self) -> None:
        with self._lock:
            self._timer = None
            pools = list(self._pools.values())
        for pool in pools:
            pool.rest()
        if any(pool.open for pool in pools):
            self._rest_later()


def submission(config: Config, route: str) -> tuple[Submission, str]:
    """The settings of a route, and the key of their section. Raises ConfigError: it is not configured."""
    if route == SMARTHOST:
        if config.smarthost is None:
            raise ConfigError(
                "[smarthost] is missing in the configuration, so mail waits in the outbox; set smarthost.host"
            )
        return config.smarthost, SMARTHOST
    mailbox = config.mailboxes.get(route)
    if mailbox is None or mailbox.submission is None:
        raise ConfigError(f"[mailboxes.{route}.submission] is missing in the configuration; set its host")
    return mailbox.submission, f"mailboxes.{route}.submission"
