"""``mailcrm tag``: list, add, remove."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import persons
from mailcrm.cli.desk import desk
from mailcrm.cli.options import Json
from mailcrm.cli.output import emit, say
from mailcrm.store import tags

app = typer.Typer(no_args_is_help=True, help="Tag persons.")
Tag = Annotated[str, typer.Argument(metavar="TAG")]
Person = Annotated[str, typer.Option("--person", metavar="PERSON", help="Name, e-mail or id.")]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the tags, each with how many persons have it."""
    with desk(ctx).context.db.read() as connection:
        emit([{"tag": name, "persons": count} for name, count in tags.counts(connection)], as_json, ["tag", "persons"])


@app.command()
def add(ctx: typer.Context, tag: Tag, person: Person) -> None:
    """Tag a person."""
    at = desk(ctx)
    if not persons.add_tag(at.context, at.actor, tag, at.find("person", person)):
        say(f"{person} has the tag {tag!r} already")


@app.command()
def remove(ctx: typer.Context, tag: Tag, person: Person) -> None:
    """Take a tag from a person."""
    at = desk(ctx)
    if not persons.remove_tag(at.context, at.actor, tag, at.find("person", person)):
        say(f"{person} does not have the tag {tag!r}")
