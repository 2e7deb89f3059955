"""``mailcrm init``: a configuration to begin with."""

from __future__ import annotations

from importlib.resources import files

import typer

from mailcrm.app import setup
from mailcrm.cli.context import invocation
from mailcrm.cli.output import say

app = typer.Typer()


@app.command()
def init(ctx: typer.Context) -> None:
    """Write a commented config.toml with the strict defaults, and a fresh secret; prints the files' names."""
    target = invocation(ctx).config
    example = files("mailcrm.cli").joinpath("template.toml").read_text(encoding="utf-8")
    for path in setup.write(target, example):
        typer.echo(str(path))
    say(f"now put yourselves into {target} under [users] and [mailboxes], then run `mailcrm check`")
