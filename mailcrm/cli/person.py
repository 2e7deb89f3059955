"""``mailcrm person``: list, show, add, edit, merge, remove, undo, files."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import pages, persons, record_shapes
from mailcrm.cli.desk import desk, done
from mailcrm.cli.filing import list_or_save
from mailcrm.cli.options import Gone, Json, Keep, Org, Owner, Save, Search, Yes
from mailcrm.store import people

app = typer.Typer(no_args_is_help=True, help="Persons.")
PersonArgument = Annotated[str, typer.Argument(metavar="PERSON", help="Name, e-mail or id.")]
Emails = Annotated[list[str] | None, typer.Option("--email", help="An address; the first is the primary one.")]
Phones = Annotated[list[str] | None, typer.Option("--phone", help="A phone number.")]
ThoughErased = Annotated[bool, typer.Option("--though-erased", help="The owner of an erased address has agreed.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    search: Search = None,
    org: Org = None,
    owner: Owner = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    as_json: Json = False,
) -> None:
    """List persons."""
    at = desk(ctx)
    query = people.ids(
        search=search, organization=at.maybe("organization", org) or None, owner=at.user(owner) or None, tagged=tag
    )
    at.list(query, record_shapes.persons, as_json, ["id", "name", "emails", "organization", "owner", "tags"])


@app.command()
def show(ctx: typer.Context, person: PersonArgument, as_json: Json = False) -> None:
    """Show a person with deals, activities, files and timeline."""
    at = desk(ctx)
    number = at.find("person", person)
    at.show(lambda connection: pages.person(connection, number, at.viewer), as_json)


@app.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="First and last name.")],
    email: Emails = None,
    phone: Phones = None,
    org: Org = None,
    owner: Owner = None,
    though_erased: ThoughErased = False,
    as_json: Json = False,
) -> None:
    """Add a person; prints the id."""
    at = desk(ctx)
    number = persons.add(
        at.context,
        at.actor,
        name,
        emails=email or (),
        phones=phone or (),
        organization=at.maybe("organization", org) or None,
        owner=at.user(owner),
        though_erased=though_erased,
    )
    done(at, number, as_json, record_shapes.persons)


@app.command()
def edit(
    ctx: typer.Context,
    person: PersonArgument,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    email: Annotated[list[str] | None, typer.Option("--email", help="One more address.")] = None,
    remove_email: Annotated[list[str] | None, typer.Option(help="An address that is his no more.")] = None,
    primary: Annotated[str | None, typer.Option(metavar="EMAIL", help="His address to write to first.")] = None,
    phone: Annotated[list[str] | None, typer.Option("--phone", help="One more phone number.")] = None,
    remove_phone: Annotated[list[str] | None, typer.Option(help="A number that is his no more.")] = None,
    org: Org = None,
    owner: Owner = None,
    though_erased: ThoughErased = False,
    as_json: Json = False,
) -> None:
    """Change a person; an empty --org or --owner clears it."""
    at = desk(ctx)
    number = at.find("person", person)
    change = persons.PersonEdit(
        name=name,
        organization=at.maybe("organization", org),
        owner=at.user(owner),
        primary=primary,
        add_emails=email or (),
        remove_emails=remove_email or (),
        add_phones=phone or (),
        remove_phones=remove_phone or (),
    )
    persons.edit(at.context, number, change, though_erased=though_erased)
    done(at, number, as_json, record_shapes.persons)


@app.command()
def merge(ctx: typer.Context, keep: Keep, gone: Gone, yes: Yes = False, as_json: Json = False) -> None:
    """Make two persons one: addresses, deals, activities, notes, tags, fields and mail move to the first."""
    at = desk(ctx)
    done(at, at.merge("person", persons.merge, keep, gone, yes), as_json, record_shapes.persons)


@app.command()
def remove(ctx: typer.Context, person: PersonArgument, yes: Yes = False) -> None:
    """Take a person out of every list; his history stays (`mailcrm erase` deletes it)."""
    desk(ctx).remove("person", persons.remove, person, yes)


@app.command()
def undo(ctx: typer.Context, person: PersonArgument) -> None:
    """Take back a person whom mail created; his addresses create nobody again."""
    at = desk(ctx)
    persons.undo(at.context, at.find("person", person))


@app.command()
def files(ctx: typer.Context, person: PersonArgument, save: Save = None, as_json: Json = False) -> None:
    """List, or save, the files of a person's mail."""
    list_or_save(desk(ctx), "person", person, save, as_json)
