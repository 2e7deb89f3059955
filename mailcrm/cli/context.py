"""What a command works with: the configuration it was pointed at, the clock it was given, and who acts."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import typer

from mailcrm.errors import Refused

if TYPE_CHECKING:
    from mailcrm.app.acting import Actor
    from mailcrm.app.context import Context
    from mailcrm.config import Config, User
    from mailcrm.store.users import StoredUser


@dataclass(slots=True)
class Invocation:
    """The global options, and the context once a command has asked for it.

    Args:
        now: the time given with ``--now``; without a zone it is meant in the acting user's.
    """

    config: Path
    as_user: str | None = None
    now: datetime | None = None
    built: Context | None = field(default=None)


def invocation(ctx: typer.Context) -> Invocation:
    """The global options of this command line."""
    found = ctx.find_root().obj
    if not isinstance(found, Invocation):
        raise TypeError("called outside of the command line's root")
    return found


def context(ctx: typer.Context) -> Context:
    """The parts that verbs need: built on the first call, closed when the command ends.

    Raises:
        ConfigError: the configuration is wrong.
    """
    options = invocation(ctx)
    if options.built is None:
        from mailcrm.main import build

        options.built = build(options.config, now=_aware(options))
        ctx.find_root().call_on_close(options.built.db.close)
    return options.built


def acting_user(ctx: typer.Context) -> StoredUser:
    """Who acts: ``--as``, else the only user, else the one with the name of the operating system's user.

    Raises:
        NotFound: ``--as`` names nobody.
        Refused: nobody can be told; or he is disabled.
    """
    from mailcrm.store import users

    built, options = context(ctx), invocation(ctx)
    with built.db.read() as connection:
        if options.as_user is not None:
            user = users.find(connection, options.as_user)
        else:
            known = [entry for entry in users.every(connection) if entry.key in built.config.users]
            key = _default(list(built.config.users))
            found = [entry for entry in known if entry.key == key]
            if not found:
                names = ", ".join(entry.key for entry in known) or "none; add one under [users]"
                raise Refused(f"who acts? say --as USER before the command; users are: {names}")
            user = found[0]
    if user.disabled:
        raise Refused(f"the user {user.key} is disabled; act --as another")
    return user


def actor(ctx: typer.Context) -> Actor:
    """Who acts where it does not matter that it is somebody: as ``acting_user``, else nobody in particular.

    Raises:
        NotFound: ``--as`` names nobody.
        Refused: he is disabled.
    """
    from mailcrm.app.acting import Actor

    if invocation(ctx).as_user is None and _default(list(context(ctx).config.users)) is None:
        return Actor()
    return Actor(acting_user(ctx))


def time_zone(ctx: typer.Context) -> ZoneInfo:
    """The acting user's time zone, in which times without a zone are meant; UTC where nobody can be told."""
    user = _configured(context(ctx).config, invocation(ctx).as_user)
    return ZoneInfo(user.time_zone if user else "UTC")


def _default(keys: list[str]) -> str | None:
    """The user meant where none is named, out of the configured keys."""
    if len(keys) == 1:
        return keys[0]
    name = getpass.getuser()
    return name if name in keys else None


def _configured(config: Config, name: str | None) -> User | None:
    if name is None:
        key = _default(list(config.users))
        return config.users[key] if key else None
    for key, user in config.users.items():
        if name in (key, user.email):
            return user
    return None


def _aware(options: Invocation) -> datetime | None:
    if options.now is None or options.now.tzinfo is not None:
        return options.now.astimezone(UTC) if options.now else None
    from mailcrm import config as configuration

    user = _configured(configuration.load(options.config), options.as_user)
    return options.now.replace(tzinfo=ZoneInfo(user.time_zone if user else "UTC")).astimezone(UTC)
