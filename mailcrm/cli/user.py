"""``mailcrm user``: list, disable, enable, password. Who there is stands in config.toml."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer
from sqlalchemy import select, update

from mailcrm.app import passwords
from mailcrm.cli.context import context
from mailcrm.cli.options import Json
from mailcrm.cli.output import emit, say
from mailcrm.errors import Refused
from mailcrm.store import users
from mailcrm.store.tables import user as table

app = typer.Typer(no_args_is_help=True, help="Our users.")
UserArgument = Annotated[str, typer.Argument(metavar="USER", help="Key, e-mail or id.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List our users."""
    built = context(ctx)
    with built.db.read() as connection:
        locked = set(connection.execute(select(table.c.id).where(table.c.password_hash.is_(None))).scalars())
        rows = [
            {
                "id": user.id,
                "key": user.key,
                "name": user.name,
                "email": user.email,
                "disabled": user.disabled,
                "configured": user.key in built.config.users,
                "password": user.id not in locked,
            }
            for user in users.every(connection)
        ]
    emit(rows, as_json, ["id", "key", "name", "email", "disabled", "configured", "password"])


@app.command()
def disable(ctx: typer.Context, user: UserArgument) -> None:
    """Let a user neither log in nor act; his records stay."""
    _switch(ctx, user, off=True)


@app.command()
def enable(ctx: typer.Context, user: UserArgument) -> None:
    """Let a disabled user in again."""
    _switch(ctx, user, off=False)


@app.command()
def password(ctx: typer.Context, user: UserArgument) -> None:
    """Set a user's password, read from standard input."""
    built = context(ctx)
    with built.db.read() as connection:
        found = users.find(connection, user)
    given = _read(found.key)
    passwords.set_password(built, found.id, given)
    if len(given) < passwords.ADVISED:
        say(f"that is a short password; {passwords.ADVISED} characters and more are hard to guess")


def _read(key: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    given = getpass.getpass(f"Password of {key}: ")
    if getpass.getpass("Once more: ") != given:
        raise Refused("the two are not the same; nothing was changed")
    return given


def _switch(ctx: typer.Context, name: str, *, off: bool) -> None:
    built = context(ctx)
    with built.db.write() as connection:
        found = users.find(connection, name)
        if found.disabled == off:
            say(f"{found.key} is {'disabled' if off else 'enabled'} already")
            return
        values = {"disabled_at": built.clock() if off else None}
        connection.execute(update(table).where(table.c.id == found.id).values(**values))
