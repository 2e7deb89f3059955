"""``mailcrm db``: upgrade, backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mailcrm.app import backup as verbs
from mailcrm.app import erasing, holding
from mailcrm.cli.context import context, invocation
from mailcrm.cli.options import Yes
from mailcrm.cli.output import confirm, say
from mailcrm.core.plural import counted
from mailcrm.main import build
from mailcrm.store import pipelines, unwanted

app = typer.Typer(no_args_is_help=True, help="The database.")


@app.command()
def upgrade(ctx: typer.Context) -> None:
    """Bring the database to this version's tables, and make a first pipeline where there is none."""
    built = context(ctx)
    with built.db.write() as connection:
        pipelines.ensure_default(connection)
    say(f"{'SQLite' if built.db.is_sqlite else 'PostgreSQL'} is up to date")


@app.command()
def backup(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE.tar]", help="Where to; must not exist.")] = None,
) -> None:
    """Write the database and all files into one tar file, while work goes on; prints its name."""
    built = context(ctx)
    target = file or Path(f"mailcrm-{built.clock():%Y%m%d-%H%M%S}.tar")
    size = verbs.write(built.db, built.config.data, target, built.clock())
    typer.echo(str(target))
    say(f"{size / 1e6:.1f} MB; it holds people's mail, so keep it where only you can read it")


@app.command()
def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.tar", help="What `db backup` wrote.")],
    yes: Yes = False,
) -> None:
    """Put back a backup; `mailcrm run` must not be running. Whoever was erased since stays erased."""
    built = context(ctx)
    if not verbs.is_empty(built):
        confirm(f"Replace all that is in {built.config.database.rpartition('@')[2]} by {file}", yes)
    with built.db.read() as connection:
        erased = unwanted.everything(connection)
    with verbs.alone(built):
        verbs.restore(built.db, built.config.data, file)
    restored = build(invocation(ctx).config, now=built.clock())
    try:
        with restored.db.write() as connection:
            unwanted.put_back(connection, erased)
        count = erasing.obey(restored)
        waiting = holding.after_restore(restored, file.name)
    finally:
        restored.db.close()
    if count:
        say(f"{counted(count, 'person was', 'persons were')} erased again, as since the backup")
    if waiting is not None:
        say(f"flows and {counted(waiting, 'mail')} are held, since what is due has perhaps been done; {holding.MEND}")
