"""Our users: configured in config.toml, with an id, a password and a switch in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from mailcrm.config import Config
from mailcrm.core.addresses import normalise
from mailcrm.errors import NotFound
from mailcrm.store.db import Lookup, insert_new
from mailcrm.store.tables import user


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user as the database knows him; ``email`` is normalised."""

    id: int
    key: str
    email: str
    name: str
    disabled: bool


def sync(connection: Connection, config: Config) -> None:
    """Bring the table up to the configuration. A user who left the file stays, since records name him."""
    stored = {row.key: row for row in connection.execute(select(user))}
    for key, entry in config.users.items():
        values = {"email": normalise(entry.email) or entry.email, "name": entry.name or key}
        if key not in stored:
            # Another process may be first.
            connection.execute(insert_new(connection, user, ["key"]).values(key=key, **values))
        elif any(getattr(stored[key], name) != value for name, value in values.items()):
            connection.execute(update(user).where(user.c.key == key).values(**values))


def every(connection: Connection) -> list[StoredUser]:
    """All users, by key."""
    rows = connection.execute(_EVERY)
    return [StoredUser(row.id, row.key, row.email, row.name, row.disabled_at is not None) for row in rows]


_IDS = Lookup(select(user.c.key, user.c.id), user.c.key)


def ids(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    """Key -> id, of those of the users that are known."""
    return {row.key: row.id for row in _IDS.rows(connection, keys)}


def find(connection: Connection, name: str) -> StoredUser:
    """The user with this key, e-mail address or id. Raises NotFound naming the known ones."""
    known = every(connection)
    for entry in known:
        if name in (entry.key, str(entry.id)) or normalise(name) == entry.email:
            return entry
    raise NotFound(f"no user {name!r}; configured are: {', '.join(entry.key for entry in known) or 'none'}")


_EVERY = select(user).order_by(user.c.key)
