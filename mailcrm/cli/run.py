"""``mailcrm run``: the program itself."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from mailcrm.cli.context import invocation

app = typer.Typer()


@app.command()
def run(
    ctx: typer.Context,
    roles: Annotated[str, typer.Option(help="Parts to run in this process, separated by commas.")] = (
        "watch,worker,relay,web"
    ),
) -> None:
    """Watch the mailboxes, link what comes, ask and answer, serve the web app; until Ctrl-C or SIGTERM."""
    from mailcrm.main import build
    from mailcrm.run import ROLES, Bell, Program

    wanted = frozenset(filter(None, (role.strip() for role in roles.split(","))))
    if unknown := wanted - set(ROLES):
        raise typer.BadParameter(f"no such role: {', '.join(sorted(unknown))}; there are {', '.join(ROLES)}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for noisy in ("alembic", "uvicorn", "uvicorn.error", "asyncio", "mail.log"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    bell = Bell()
    options = invocation(ctx)
    context = build(options.config, now=options.now, changed=bell.ring)
    try:
        Program(context, bell, wanted).run()
    finally:
        context.db.close()
