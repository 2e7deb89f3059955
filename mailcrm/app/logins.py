"""Who logs in with a user's name and password, as at the relay."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import select

from mailcrm.app import passwords
from mailcrm.app.context import Context
from mailcrm.core.addresses import normalise
from mailcrm.errors import NotFound
from mailcrm.store import users
from mailcrm.store.tables import user

_LONGEST = 1_000  # characters of a password that anybody looks at


@dataclass(frozen=True, slots=True)
class Login:
    """A user of ours who proved who he is.

    Args:
        addresses: his own, normalised.
        track_by_hand: he wants to know of openings and clicks of what he writes himself.
    """

    id: int
    key: str
    email: str
    addresses: frozenset[str]
    track_by_hand: bool = False


class Logins:
    """Checks names and passwords. Safe to use from several threads.

    A right password is remembered by a keyed digest in this process's memory, so that a client with a connection for
    each mail does not cost the slow hash each time; a changed password or a disabled user counts at once all the same.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._key = secrets.token_bytes(32)
        self._right: dict[int, tuple[str, bytes]] = {}
        self._nobodys = passwords.nobodys()

    def quickly(self, name: str, password: str) -> Login | None:
        """The user, if this password of his was found right before; cheap, and no help to who guesses."""
        stored = self._stored(name)
        if stored is None or self._right.get(stored[0].id) != (stored[1], self._digest(password)):
            return None
        return stored[0]

    def check(self, name: str, password: str) -> Login | None:
        """The user whose name (key, e-mail or id) and password these are, or None. Takes as long for nobody's name.

        Raises:
            Temporary: the database is away.
        """
        stored = self._stored(name)
        known = stored[1] if stored else self._nobodys
        right = len(password) <= _LONGEST and passwords.matches(known, password)
        if stored is None or not right:
            return None
        self._right[stored[0].id] = (stored[1], self._digest(password))
        return stored[0]

    def _stored(self, name: str) -> tuple[Login, str] | None:
        """The user and the hash of his password; None for who may not log in at all."""
        with self._context.db.read() as connection:
            try:
                found = users.find(connection, name)
            except NotFound:
                return None
            query = select(user.c.password_hash).where(user.c.id == found.id, user.c.disabled_at.is_(None))
            stored = connection.execute(query).scalar()
        configured = self._context.config.users.get(found.key)
        if stored is None or configured is None:
            return None
        own = frozenset(filter(None, map(normalise, (configured.email, *configured.aliases))))
        return Login(found.id, found.key, found.email, own, configured.track_by_hand), stored

    def _digest(self, password: str) -> bytes:
        return hmac.new(self._key, password.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
