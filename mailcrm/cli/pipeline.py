"""``mailcrm pipeline``: list, apply."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mailcrm.app import pipelines as verbs
from mailcrm.cli.desk import desk
from mailcrm.cli.options import Json, Yes
from mailcrm.cli.output import confirm, emit, say
from mailcrm.store import pipelines

app = typer.Typer(no_args_is_help=True, help="Pipelines and their stages.")


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the pipelines with their stages."""
    with desk(ctx).context.db.read() as connection:
        emit(pipelines.every(connection), as_json, ["id", "name", "stages"])


@app.command()
def apply(ctx: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE.toml")], yes: Yes = False) -> None:
    """Make a pipeline have exactly the stages of a file; shows the difference first."""
    at = desk(ctx)
    wanted = verbs.read(file)
    changes = verbs.difference(at.context, wanted)
    for line in changes:
        say(line)
    if not changes:
        say(f"the pipeline {wanted.name!r} is like that already")
        return
    confirm(f"Apply {file.name}", yes)
    verbs.apply(at.context, wanted)
