"""``mailcrm tick``: everything that is due, once."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.cli.context import context
from mailcrm.cli.output import emit_one, say

app = typer.Typer()
_COUNTED = ("asked", "steps", "acted", "sent", "failed", "delivered")


@app.command()
def tick(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as one JSON object.")] = False,
) -> None:
    """Do everything that is due at ``--now`` once, then exit: questions, flows, outgoing mail, plugins."""
    from dataclasses import asdict

    from mailcrm.app.work import work
    from mailcrm.mail.smtp_out import SmtpTransport

    built = context(ctx)
    transport = SmtpTransport(built.config)
    last = work(built, transport)
    done = asdict(last)
    while not last.is_idle:
        last = work(built, transport)
        for name in _COUNTED:
            done[name] += getattr(last, name)
        done["delayed"], done["reason"] = last.delayed, last.reason
    emit_one(done, as_json)
    if last.reason:
        say(f"{last.delayed} mails wait: {last.reason}")
