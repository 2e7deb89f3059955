"""``mailcrm relink``: judge stored threads anew."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.cli.context import context
from mailcrm.cli.output import emit, say
from mailcrm.core.plural import counted

app = typer.Typer()


@app.command()
def relink(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Link stored mail to the persons, organizations and deals of today. Takes no link away, creates nobody."""
    from dataclasses import asdict

    from mailcrm.app.relink import relink as verb

    changes = [asdict(change) for change in verb(context(ctx), dry_run=dry_run)]
    emit(changes, as_json, ("thread", "message", "to", "rule", "evidence"))
    verbs = ("link would be", "links would be") if dry_run else ("link was", "links were")
    say(f"{counted(len(changes), *verbs)} added")
