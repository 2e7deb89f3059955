"""``mailcrm note``: list, show, add, edit, merge, remove."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import activities as verbs
from mailcrm.app import record_shapes
from mailcrm.cli.desk import desk, done
from mailcrm.cli.options import Deal, Gone, Json, Keep, Lead, Org, Person, Yes
from mailcrm.store import activities

app = typer.Typer(no_args_is_help=True, help="Notes.")
NoteArgument = Annotated[str, typer.Argument(metavar="NOTE", help="Its id.")]
Text = Annotated[str, typer.Option(metavar="TEXT", help="What it says.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    person: Person = None,
    org: Org = None,
    deal: Deal = None,
    lead: Lead = None,
    author: Annotated[str | None, typer.Option(metavar="USER", help="Who wrote them.")] = None,
    as_json: Json = False,
) -> None:
    """List notes, the newest first; a person's with those of his deals."""
    at = desk(ctx)
    query = activities.note_ids(scope=at.scope(person, org, deal, lead), author=at.user(author) or None)
    at.list(
        query, record_shapes.notes, as_json, ["id", "at", "author", "text", "person", "organization", "deal", "lead"]
    )


@app.command()
def show(ctx: typer.Context, note: NoteArgument, as_json: Json = False) -> None:
    """Show a note."""
    at = desk(ctx)
    number = at.find("note", note)
    at.show(lambda connection: record_shapes.notes(connection, [number])[0], as_json)


@app.command()
def add(
    ctx: typer.Context,
    text: Text,
    person: Person = None,
    org: Org = None,
    deal: Deal = None,
    lead: Lead = None,
    as_json: Json = False,
) -> None:
    """Write a note about records; prints the id."""
    at = desk(ctx)
    done(
        at,
        verbs.add_note(at.context, at.actor, text, at.about(person, org, deal, lead)),
        as_json,
        record_shapes.notes,
    )


@app.command()
def edit(ctx: typer.Context, note: NoteArgument, text: Text, as_json: Json = False) -> None:
    """Change a note's text."""
    at = desk(ctx)
    number = at.find("note", note)
    verbs.edit_note(at.context, number, text)
    done(at, number, as_json, record_shapes.notes)


@app.command()
def merge(ctx: typer.Context, keep: Keep, gone: Gone, yes: Yes = False, as_json: Json = False) -> None:
    """Make two notes one: the text of the second goes under that of the first."""
    at = desk(ctx)
    done(at, at.merge("note", verbs.merge_notes, keep, gone, yes), as_json, record_shapes.notes)


@app.command()
def remove(ctx: typer.Context, note: NoteArgument, yes: Yes = False) -> None:
    """Take a note out of every list."""
    desk(ctx).remove("note", verbs.remove_note, note, yes)
