"""``mailcrm sync``: read every mailbox once."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from mailcrm.cli.context import context
from mailcrm.cli.output import emit, fault, say

app = typer.Typer()


@app.command()
def sync(
    ctx: typer.Context,
    mailbox: Annotated[list[str] | None, typer.Option(help="This one only; may be given again.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a mailbox.")] = False,
) -> None:
    """Read every mailbox once, then exit. Exit code 1 if one could not be read or waits for ``mailbox resume``."""
    from mailcrm.cli.progress import progress
    from mailcrm.errors import MailcrmError
    from mailcrm.sync import Syncer

    built = context(ctx)
    rows = []
    with Syncer(built) as syncer:
        for key in mailbox or [key for key, each in built.config.mailboxes.items() if each.host]:
            try:
                with progress(key) as told:
                    row = {"mailbox": key, **asdict(syncer.sync(key, told)), "fault": None}
            except MailcrmError as error:
                fault(str(error))
                row = {"mailbox": key, "fault": str(error)}
            rows.append(row)
    emit(rows, as_json, ("mailbox", "stored", "known", "unreadable", "vanished", "fault"))
    if any(row["fault"] for row in rows):
        raise typer.Exit(1)
    if any(row.get("paced") for row in rows):
        say("a provider's daily limit was reached; the rest of the first pass follows tomorrow")
