"""``mailcrm check``: is everything as it must be?"""

from __future__ import annotations

from datetime import UTC

import typer

from mailcrm import config as configuration
from mailcrm.cli.context import invocation
from mailcrm.cli.options import Json
from mailcrm.cli.output import emit
from mailcrm.cli.probes import Finding, examine

app = typer.Typer()


@app.command()
def check(ctx: typer.Context, as_json: Json = False) -> None:
    """Examine configuration, database, mailboxes, smarthost, names and plugins; each fault says how to mend it.

    Exit code 1 if there is a fault.
    """
    path, now = invocation(ctx).config, invocation(ctx).now
    now = now.astimezone(UTC) if now is not None else None
    found = [Finding("configuration", "ok", str(path)), *examine(configuration.load(path), now=now)]
    emit(found, as_json, ["check", "state", "text"])
    if any(finding.state == "fault" for finding in found):
        raise typer.Exit(1)
