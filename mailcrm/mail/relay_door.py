"""Who may come in at the relay: names and passwords, the patience with wrong ones, room for connections.

Guessing is slow and then stops: each failure is answered later than the one before, a connection has few tries, and an
address with many failures is not listened to for a while, save with a password that was found right before.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import Protocol

from mailcrm.app.logins import Login

log = logging.getLogger(__name__)


class Checks(Protocol):
    """What tells whose a password is; see ``app.logins.Logins``."""

    def quickly(self, name: str, password: str) -> Login | None:
        """The user, if this was found right before."""

    def check(self, name: str, password: str) -> Login | None:
        """The user, at the price of a slow hash."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The limits; times in seconds.

    Args:
        delay: before the answer to the first failure; doubled with each further one, up to ``longest``.
        tries: failures of one connection before it is closed.
        address_tries: failures of one address within ``window``, after which nothing is checked any more until then.
        connections, address_connections: open at once, of all and of one address.
        at_once: passwords checked at the same time.
        held: bytes of messages that are being handed in, of all connections together.
    """

    delay: float = 1.0
    longest: float = 8.0
    tries: int = 3
    address_tries: int = 10
    window: float = 900.0
    connections: int = 500
    address_connections: int = 100
    at_once: int = 2
    held: int = 256 << 20


class Locked(Exception):
    """This address has failed too often; nothing is checked for now."""


@dataclass(slots=True)
class Door:
    """Counts what comes in. To be used from one event loop.

    Args:
        clock: seconds, ever growing.
        held: bytes of messages that are being handed in now.
    """

    checks: Checks
    patience: Patience = field(default_factory=Patience)
    clock: Callable[[], float] = monotonic
    held: int = 0
    _open: Counter[str] = field(default_factory=Counter)
    _failures: dict[str, list[float]] = field(default_factory=dict)
    _checking: asyncio.Semaphore | None = None

    def enter(self, address: str) -> bool:
        """Count a connection; False if there is no room for one more from there."""
        place = _place(address)
        if self._open.total() >= self.patience.connections or self._open[place] >= self.patience.address_connections:
            log.warning("relay: too many connections, one from %s is refused", address)
            return False
        self._open[place] += 1
        return True

    def leave(self, address: str) -> None:
        """A connection that was let in has ended."""
        place = _place(address)
        self._open[place] -= 1
        if not self._open[place]:
            del self._open[place]

    async def log_in(self, address: str, name: str, password: str) -> Login | None:
        """The user whose name and password these are, or None, later with each failure from there.

        Raises:
            Locked: too many failures.
            Temporary: the database is away.
        """
        login = await asyncio.to_thread(self.checks.quickly, name, password)
        if login is not None:
            return login
        place = _place(address)
        if len(self._recent(place)) >= self.patience.address_tries:
            log.warning("relay: logins from %s are not looked at for now", address)
            raise Locked
        if self._checking is None:
            self._checking = asyncio.Semaphore(self.patience.at_once)
        async with self._checking:
            if len(self._recent(place)) >= self.patience.address_tries:  # others failed while this one waited
                raise Locked
            # A client's connections come together: what one of them proved is not computed for the others.
            login = await asyncio.to_thread(self.checks.quickly, name, password)
            login = login or await asyncio.to_thread(self.checks.check, name, password)
            if login is None:
                failures = len(self._recent(place, self.clock()))
        if login is None:
            log.warning("relay: a login from %s was refused, %s lately", address, failures)
            await asyncio.sleep(min(self.patience.delay * 2 ** (failures - 1), self.patience.longest))
        return login

    def _recent(self, place: str, failed: float | None = None) -> list[float]:
        """When logins from there failed, within the window; ``failed`` is one more."""
        since = self.clock() - self.patience.window
        if len(self._failures) > 10_000:
            self._failures = {each: times for each, times in self._failures.items() if times[-1] > since}
        recent = [time for time in self._failures.get(place, ()) if time > since]
        if failed is not None:
            recent.append(failed)
        if recent:
            self._failures[place] = recent
        else:
            self._failures.pop(place, None)
        return recent


def _place(address: str) -> str:
    """The address; of IPv6 the network, within which one machine has them all."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or found.exploded[:19])
    return address
