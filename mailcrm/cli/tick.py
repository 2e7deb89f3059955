"""``mailcrm tick``: everything that is due, once."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.cli.context import context
from mailcrm.cli.output import emit_one, say

app = typer.Typer()


@app.command()
def tick(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as one JSON object.")] = False,
) -> None:
    """Do everything that is due at ``--now`` once, then exit: questions, outgoing mail, plugins."""
    from dataclasses import asdict

    from mailcrm.app.react import deliver_due
    from mailcrm.app.work import work
    from mailcrm.mail.smtp_out import SmtpTransport

    built = context(ctx)
    done = work(built, SmtpTransport(built.config))
    delivered = done.delivered
    while made := deliver_due(built):
        delivered += made
    emit_one({**asdict(done), "delivered": delivered}, as_json)
    if done.reason:
        say(f"{done.delayed} mails wait: {done.reason}")
