"""``mailcrm note``: list, show, add, edit, merge, remove."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import activities as verbs
from mailcrm.app import record_shapes
from mailcrm.cli.desk import DealOption, Json, LeadOption, OrgOption, PersonOption, Yes, desk, done
from mailcrm.cli.output import confirm
from mailcrm.store import activities

app = typer.Typer(no_args_is_help=True, help="Notes.")
NoteArgument = Annotated[str, typer.Argument(metavar="NOTE", help="Its id.")]
Text = Annotated[str, typer.Option(metavar="TEXT", help="What it says.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    person: PersonOption = None,
    org: OrgOption = None,
    deal: DealOption = None,
    lead: LeadOption = None,
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
    person: PersonOption = None,
    org: OrgOption = None,
    deal: DealOption = None,
    lead: LeadOption = None,
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
def merge(
    ctx: typer.Context,
    keep: Annotated[str, typer.Argument(metavar="KEEP", help="Which stays.")],
    gone: Annotated[str, typer.Argument(metavar="GONE", help="Whose text goes under it.")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make two notes one."""
    at = desk(ctx)
    one, two = at.find("note", keep), at.find("note", gone)
    confirm(f"Merge note {two} into note {one}", yes, final=False)
    verbs.merge_notes(at.context, one, two)
    done(at, one, as_json, record_shapes.notes)


@app.command()
def remove(ctx: typer.Context, note: NoteArgument, yes: Yes = False) -> None:
    """Take a note out of every list."""
    at = desk(ctx)
    number = at.find("note", note)
    confirm(f"Remove note {number}", yes, final=False)
    verbs.remove_note(at.context, number)
