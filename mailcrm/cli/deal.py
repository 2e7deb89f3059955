"""``mailcrm deal``: list, show, add, edit, move, won, lost, reopen, merge, remove, files."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mailcrm.app import deals as verbs
from mailcrm.app import pages, record_shapes
from mailcrm.app.item_edit import ItemEdit
from mailcrm.cli.desk import desk, done
from mailcrm.cli.filing import list_or_save
from mailcrm.cli.options import Currency, Gone, Json, Keep, Org, Owner, Person, Save, Search, Value, Yes
from mailcrm.store import deals, find

app = typer.Typer(no_args_is_help=True, help="Deals.")
DealArgument = Annotated[str, typer.Argument(metavar="DEAL", help="Title or id.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    status: Annotated[Literal["open", "won", "lost"] | None, typer.Option(help="Only these.")] = None,
    person: Person = None,
    org: Org = None,
    owner: Owner = None,
    stage: Annotated[str | None, typer.Option(help="Only in this stage.")] = None,
    search: Search = None,
    as_json: Json = False,
) -> None:
    """List deals."""
    at = desk(ctx)
    with at.context.db.read() as connection:
        stage_id = find.stage_id(connection, stage) if stage else None
    query = deals.ids(
        status=status,
        person=at.maybe("person", person) or None,
        organization=at.maybe("organization", org) or None,
        owner=at.user(owner) or None,
        stage_id=stage_id,
        search=search,
    )
    columns = ["id", "title", "person", "organization", "stage", "status", "value", "currency", "owner"]
    at.list(query, record_shapes.deals_, as_json, columns)


@app.command()
def show(ctx: typer.Context, deal: DealArgument, as_json: Json = False) -> None:
    """Show a deal with its person, organization, activities, files and timeline."""
    at = desk(ctx)
    number = at.find("deal", deal)
    at.show(lambda connection: pages.deal(connection, number, at.viewer), as_json)


@app.command()
def add(
    ctx: typer.Context,
    title: Annotated[str, typer.Option(help="What it is about.")],
    person: Person = None,
    org: Org = None,
    stage: Annotated[str | None, typer.Option(help="Where it starts; else the first stage.")] = None,
    owner: Owner = None,
    value: Value = None,
    currency: Currency = None,
    as_json: Json = False,
) -> None:
    """Open a deal with a person, an organization or both; prints the id."""
    at = desk(ctx)
    number = verbs.add(
        at.context,
        at.actor,
        title,
        person=at.maybe("person", person) or None,
        organization=at.maybe("organization", org) or None,
        stage=stage,
        owner=at.user(owner),
        value=value,
        currency=currency,
    )
    done(at, number, as_json, record_shapes.deals_)


@app.command()
def edit(
    ctx: typer.Context,
    deal: DealArgument,
    title: Annotated[str | None, typer.Option(help="A new title.")] = None,
    person: Person = None,
    org: Org = None,
    owner: Owner = None,
    value: Value = None,
    currency: Currency = None,
    as_json: Json = False,
) -> None:
    """Change a deal; an empty option clears what it names."""
    at = desk(ctx)
    number = at.find("deal", deal)
    change = ItemEdit(
        title=title,
        person=at.maybe("person", person),
        organization=at.maybe("organization", org),
        owner=at.user(owner),
        value=value,
        currency=currency,
    )
    verbs.edit(at.context, number, change)
    done(at, number, as_json, record_shapes.deals_)


@app.command()
def move(
    ctx: typer.Context,
    deal: DealArgument,
    to: Annotated[str | None, typer.Argument(metavar="STAGE", help="Its name, or Pipeline/Stage.")] = None,
    stage: Annotated[str | None, typer.Option("--stage", help="The same.")] = None,
    as_json: Json = False,
) -> None:
    """Move an open deal to another stage."""
    at = desk(ctx)
    wanted = to or stage
    if wanted is None:
        raise typer.BadParameter("name the stage", param_hint="STAGE")
    number = at.find("deal", deal)
    verbs.move(at.context, at.actor, number, wanted)
    done(at, number, as_json, record_shapes.deals_)


@app.command()
def won(ctx: typer.Context, deal: DealArgument, as_json: Json = False) -> None:
    """Close a deal as won."""
    at = desk(ctx)
    number = at.find("deal", deal)
    verbs.close(at.context, at.actor, number, won=True)
    done(at, number, as_json, record_shapes.deals_)


@app.command()
def lost(
    ctx: typer.Context,
    deal: DealArgument,
    reason: Annotated[str | None, typer.Option(help="Why.")] = None,
    as_json: Json = False,
) -> None:
    """Close a deal as lost."""
    at = desk(ctx)
    number = at.find("deal", deal)
    verbs.close(at.context, at.actor, number, won=False, reason=reason)
    done(at, number, as_json, record_shapes.deals_)


@app.command()
def reopen(ctx: typer.Context, deal: DealArgument, as_json: Json = False) -> None:
    """Open a closed deal again."""
    at = desk(ctx)
    number = at.find("deal", deal)
    verbs.reopen(at.context, number)
    done(at, number, as_json, record_shapes.deals_)


@app.command()
def merge(ctx: typer.Context, keep: Keep, gone: Gone, yes: Yes = False, as_json: Json = False) -> None:
    """Make two deals one."""
    at = desk(ctx)
    done(at, at.merge("deal", verbs.merge, keep, gone, yes), as_json, record_shapes.deals_)


@app.command()
def remove(ctx: typer.Context, deal: DealArgument, yes: Yes = False) -> None:
    """Take a deal out of every list; its mail stays with the persons."""
    desk(ctx).remove("deal", verbs.remove, deal, yes)


@app.command()
def files(ctx: typer.Context, deal: DealArgument, save: Save = None, as_json: Json = False) -> None:
    """List, or save, the files of its mail."""
    list_or_save(desk(ctx), "deal", deal, save, as_json)
