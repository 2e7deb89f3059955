"""``mailcrm lead``: list, show, add, edit, convert, merge, remove."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import leads as verbs
from mailcrm.app import pages, record_shapes
from mailcrm.app.item_edit import ItemEdit
from mailcrm.cli.desk import desk, done
from mailcrm.cli.options import Currency, Gone, Json, Keep, Org, Owner, Person, Search, Value, Yes
from mailcrm.store import leads

app = typer.Typer(no_args_is_help=True, help="Leads.")
LeadArgument = Annotated[str, typer.Argument(metavar="LEAD", help="Title or id.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    person: Person = None,
    org: Org = None,
    owner: Owner = None,
    search: Search = None,
    as_json: Json = False,
) -> None:
    """List leads."""
    at = desk(ctx)
    query = leads.ids(
        person=at.maybe("person", person) or None,
        organization=at.maybe("organization", org) or None,
        owner=at.user(owner) or None,
        search=search,
    )
    columns = ["id", "title", "person", "organization", "value", "currency", "owner"]
    at.list(query, record_shapes.leads_, as_json, columns)


@app.command()
def show(ctx: typer.Context, lead: LeadArgument, as_json: Json = False) -> None:
    """Show a lead with its person, organization, activities and notes."""
    at = desk(ctx)
    number = at.find("lead", lead)
    at.show(lambda connection: pages.lead(connection, number, at.viewer), as_json)


@app.command()
def add(
    ctx: typer.Context,
    title: Annotated[str, typer.Option(help="What it is about.")],
    person: Person = None,
    org: Org = None,
    owner: Owner = None,
    value: Value = None,
    currency: Currency = None,
    as_json: Json = False,
) -> None:
    """Add a lead; prints the id."""
    at = desk(ctx)
    number = verbs.add(
        at.context,
        at.actor,
        title,
        person=at.maybe("person", person) or None,
        organization=at.maybe("organization", org) or None,
        owner=at.user(owner),
        value=value,
        currency=currency,
    )
    done(at, number, as_json, record_shapes.leads_)


@app.command()
def edit(
    ctx: typer.Context,
    lead: LeadArgument,
    title: Annotated[str | None, typer.Option(help="A new title.")] = None,
    person: Person = None,
    org: Org = None,
    owner: Owner = None,
    value: Value = None,
    currency: Currency = None,
    as_json: Json = False,
) -> None:
    """Change a lead; an empty option clears what it names."""
    at = desk(ctx)
    number = at.find("lead", lead)
    change = ItemEdit(
        title=title,
        person=at.maybe("person", person),
        organization=at.maybe("organization", org),
        owner=at.user(owner),
        value=value,
        currency=currency,
    )
    verbs.edit(at.context, number, change)
    done(at, number, as_json, record_shapes.leads_)


@app.command()
def convert(
    ctx: typer.Context,
    lead: LeadArgument,
    stage: Annotated[str | None, typer.Option(help="Where the deal starts; else the first stage.")] = None,
    as_json: Json = False,
) -> None:
    """Open a deal with what a lead holds; prints the deal's id."""
    at = desk(ctx)
    number = verbs.convert(at.context, at.actor, at.find("lead", lead), stage=stage)
    done(at, number, as_json, record_shapes.deals_)


@app.command()
def merge(ctx: typer.Context, keep: Keep, gone: Gone, yes: Yes = False, as_json: Json = False) -> None:
    """Make two leads one."""
    at = desk(ctx)
    done(at, at.merge("lead", verbs.merge, keep, gone, yes), as_json, record_shapes.leads_)


@app.command()
def remove(ctx: typer.Context, lead: LeadArgument, yes: Yes = False) -> None:
    """Take a lead out of every list."""
    desk(ctx).remove("lead", verbs.remove, lead, yes)
