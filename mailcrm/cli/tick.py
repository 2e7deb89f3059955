"""``mailcrm tick``: everything that is due, once."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.cli.context import context, invocation
from mailcrm.cli.output import emit_one, say
from mailcrm.core.plural import counted

app = typer.Typer()
_COUNTED = ("asked", "steps", "acted", "sent", "failed", "delivered")
_TOLD = 5  # reasons for which mail is held


@app.command()
def tick(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as one JSON object.")] = False,
) -> None:
    """Do everything that is due at ``--now`` once, then exit: questions, flows, outgoing mail, plugins."""
    from dataclasses import asdict

    from mailcrm.app import holding
    from mailcrm.app.work import Worked, work
    from mailcrm.mail.imap_session import Dialer
    from mailcrm.mail.sent_copy import SentLook
    from mailcrm.mail.smtp_out import SmtpTransport
    from mailcrm.store import outbox
    from mailcrm.sync import tend_mailboxes

    built = context(ctx)
    # A clock that was set ahead makes nothing overdue: what came due since then is to be done.
    if held := holding.look(built, patience=None if invocation(ctx).now else holding.OVERDUE):
        say(f"everything is held: {held.reason}; {holding.MEND}")
    transport = SmtpTransport(built.config)
    filed = SentLook(built, Dialer(built.config))
    done = asdict(Worked()) | {"drafts": 0}
    faults: list[str] = []
    tended = -1
    while tended:
        last = work(built, transport, filed)
        for name in _COUNTED:
            done[name] += getattr(last, name)
        done["delayed"], done["reason"] = last.delayed, last.reason
        if last.is_idle:
            transport.close()
            tended, failed = tend_mailboxes(built)
            done["drafts"] += tended
            faults += failed
    emit_one(done, as_json)
    for each in faults:
        say(f"a mailbox waits: {each}")
    with built.db.read() as connection:
        held_for = outbox.why_held(connection, _TOLD)
    for reason, number in held_for.items():
        say(f"{counted(number, 'mail is held', 'mails are held')}: {reason}")
    if last.reason:
        say(f"{counted(last.delayed, 'mail waits', 'mails wait')}: {last.reason}")
