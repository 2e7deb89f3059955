"""``mailcrm org``: list, show, add, edit, relate, merge, remove, files."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import organizations as verbs
from mailcrm.app import pages, record_shapes
from mailcrm.cli.desk import desk, done
from mailcrm.cli.filing import list_or_save
from mailcrm.cli.options import Gone, Json, Keep, Owner, Save, Search, Yes
from mailcrm.store import organizations

app = typer.Typer(no_args_is_help=True, help="Organizations.")
OrgArgument = Annotated[str, typer.Argument(metavar="ORG", help="Name, domain, e-mail or id.")]
Industry = Annotated[str | None, typer.Option(help="The industry.")]


@app.command("list")
def list_(ctx: typer.Context, search: Search = None, owner: Owner = None, as_json: Json = False) -> None:
    """List organizations."""
    at = desk(ctx)
    query = organizations.ids(search=search, owner=at.user(owner) or None)
    at.list(query, record_shapes.organizations_, as_json, ["id", "name", "domains", "emails", "industry", "owner"])


@app.command()
def show(ctx: typer.Context, org: OrgArgument, as_json: Json = False) -> None:
    """Show an organization with its persons, their deals, activities, files and timeline."""
    at = desk(ctx)
    number = at.find("organization", org)
    at.show(lambda connection: pages.organization(connection, number, at.viewer), as_json)


@app.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="Its name.")],
    domain: Annotated[list[str] | None, typer.Option(help="Mail from there is its.")] = None,
    email: Annotated[list[str] | None, typer.Option(help="An address of its own, such as an office's.")] = None,
    industry: Industry = None,
    owner: Owner = None,
    as_json: Json = False,
) -> None:
    """Add an organization; prints the id."""
    at = desk(ctx)
    number = verbs.add(
        at.context,
        at.actor,
        name,
        domain_names=domain or (),
        emails=email or (),
        industry=industry,
        owner=at.user(owner),
    )
    done(at, number, as_json, record_shapes.organizations_)


@app.command()
def edit(
    ctx: typer.Context,
    org: OrgArgument,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    domain: Annotated[list[str] | None, typer.Option(help="One more domain.")] = None,
    remove_domain: Annotated[list[str] | None, typer.Option(help="A domain that is its no more.")] = None,
    email: Annotated[list[str] | None, typer.Option(help="One more address.")] = None,
    remove_email: Annotated[list[str] | None, typer.Option(help="An address that is its no more.")] = None,
    industry: Industry = None,
    owner: Owner = None,
    as_json: Json = False,
) -> None:
    """Change an organization; an empty --industry or --owner clears it."""
    at = desk(ctx)
    number = at.find("organization", org)
    change = verbs.OrganizationEdit(
        name=name,
        industry=industry,
        owner=at.user(owner),
        add_domains=domain or (),
        remove_domains=remove_domain or (),
        add_emails=email or (),
        remove_emails=remove_email or (),
    )
    verbs.edit(at.context, number, change)
    done(at, number, as_json, record_shapes.organizations_)


@app.command()
def relate(
    ctx: typer.Context,
    org: OrgArgument,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The other organization.")],
    kind: Annotated[str, typer.Option("--as", metavar="KIND", help="What OTHER is to ORG: parent, partner, …")],
) -> None:
    """Relate two organizations."""
    at = desk(ctx)
    verbs.relate(at.context, at.find("organization", org), at.find("organization", other), kind)


@app.command()
def unrelate(
    ctx: typer.Context, org: OrgArgument, other: Annotated[str, typer.Argument(metavar="OTHER", help="The other one.")]
) -> None:
    """Take back what relates two organizations."""
    at = desk(ctx)
    verbs.unrelate(at.context, at.find("organization", org), at.find("organization", other))


@app.command()
def merge(ctx: typer.Context, keep: Keep, gone: Gone, yes: Yes = False, as_json: Json = False) -> None:
    """Make two organizations one."""
    at = desk(ctx)
    done(at, at.merge("organization", verbs.merge, keep, gone, yes), as_json, record_shapes.organizations_)


@app.command()
def remove(ctx: typer.Context, org: OrgArgument, yes: Yes = False) -> None:
    """Take an organization out of every list; its persons and deals stay."""
    desk(ctx).remove("organization", verbs.remove, org, yes)


@app.command()
def files(ctx: typer.Context, org: OrgArgument, save: Save = None, as_json: Json = False) -> None:
    """List, or save, the files of its mail."""
    list_or_save(desk(ctx), "organization", org, save, as_json)
