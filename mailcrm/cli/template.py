"""``mailcrm template``: list, show, apply, remove, preview, send-to-me."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import template_files, template_letters
from mailcrm.app import templates as verbs
from mailcrm.cli.context import acting_user
from mailcrm.cli.desk import Desk, desk
from mailcrm.cli.filing import safe_name
from mailcrm.cli.flow_file import File, definition_faults, tell
from mailcrm.cli.options import Deal, DryRun, Json, Lead, Person, Save, Toml, Yes
from mailcrm.cli.output import clean, confirm, emit, emit_one, say
from mailcrm.core.definitions import to_toml
from mailcrm.core.enrollment import Subject
from mailcrm.store import templates

app = typer.Typer(no_args_is_help=True, help="Templates of letters.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")]
_LISTED = ["id", "name", "for", "language", "subject", "used_by", "changed_at"]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the templates with the flows that use them."""
    with desk(ctx).context.db.read() as connection:
        emit([verbs.shape(connection, each) for each in templates.every(connection)], as_json, _LISTED)


@app.command()
def show(ctx: typer.Context, name: Name, toml: Toml = False, folder: Save = None, as_json: Json = False) -> None:
    """Show a template; --toml prints its definition back, --save writes it with its pictures."""
    at = desk(ctx)
    with at.context.db.read() as connection:
        stored = templates.find(connection, name)
        row = verbs.shape(connection, stored)
    definition = verbs.definition(stored.new)
    if folder is not None:
        for path in template_files.save(at.context.blobs, stored, definition, folder, f"{safe_name(row['name'])}.toml"):
            typer.echo(str(path))
    elif toml:
        typer.echo(to_toml(definition), nl=False)
    elif as_json:
        emit_one(row, as_json=True)
    else:
        emit_one({key: value for key, value in row.items() if key not in ("body", "html")}, as_json=False)
        typer.echo(f"\n{clean(to_toml(definition))}", nl=False)


@app.command()
def apply(ctx: typer.Context, file: File, dry_run: DryRun = False, yes: Yes = False, as_json: Json = False) -> None:
    """Store a template from a file; shows first what it changes, and for which flows."""
    at = desk(ctx)
    with definition_faults():
        plan = verbs.read(at.context, file)
    effect, name = verbs.effect(plan), plan.definition.name
    tell(name, plan.changes, effect, verbs.remarks(plan), as_json)
    doing = bool(plan.changes) and not dry_run
    if doing:
        confirm(f"Apply {file.name}", yes)
        verbs.apply(at.context, at.actor, plan)
    if as_json:
        about = {"kind": "template", "name": name, "applied": doing, "changes": plan.changes, "effect": effect}
        emit_one({**about, "used_by": [each.flow.name for each in plan.uses]}, as_json=True)


@app.command()
def remove(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Remove a template that no flow uses."""
    at = desk(ctx)
    confirm(f"Remove the template {name}", yes)
    verbs.remove(at.context, at.actor, name)


@app.command()
def preview(
    ctx: typer.Context,
    name: Name,
    person: Person = None,
    deal: Deal = None,
    lead: Lead = None,
    html: Annotated[bool, typer.Option("--html", help="The HTML, to be looked at in a browser.")] = False,
    as_json: Json = False,
) -> None:
    """Show a template as it would be sent now; without a contact every variable shows its name."""
    at = desk(ctx)
    letter = template_letters.preview(at.context, acting_user(ctx), name, _about(at, person, deal, lead))
    if as_json:
        images = [{"cid": each.cid, "name": each.name, "type": each.type} for each in letter.images]
        shown = {"subject": letter.subject, "text": letter.text, "html": letter.html, "images": images}
        emit_one({"name": name, **shown}, as_json=True)
    elif html:
        typer.echo(clean(letter.html or ""), nl=False)
    else:
        typer.echo(f"{clean(letter.subject)}\n\n{clean(letter.text)}", nl=False)


@app.command("send-to-me")
def send_to_me(ctx: typer.Context, name: Name, person: Person = None, deal: Deal = None, lead: Lead = None) -> None:
    """Send a template, filled in, to oneself."""
    at, writer = desk(ctx), acting_user(ctx)
    template_letters.send_to_me(at.context, writer, name, _about(at, person, deal, lead))
    say(f"{name} goes to {writer.email} with the next mail that leaves")


def _about(at: Desk, person: str | None, deal: str | None, lead: str | None) -> Subject | None:
    found = [at.find(noun, given) if given else None for noun, given in (("person", person), ("deal", deal))]
    with_lead = at.find("lead", lead) if lead else None
    with at.context.db.read() as connection:
        return template_letters.subject_of(connection, found[0], found[1], with_lead)
