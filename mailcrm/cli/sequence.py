"""``mailcrm sequence``: list, show, apply, remove, enroll, complete, leave, overview, preview, templates."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from typing import Annotated, Literal, TypeAlias

import typer

from mailcrm.app import enrolling, flow_shapes, sequences
from mailcrm.app import overview as views
from mailcrm.app.enrolling import Item
from mailcrm.cli.desk import Desk, desk
from mailcrm.cli.flow_file import File, announce, applied, definition_faults, show_definition
from mailcrm.cli.options import DryRun, Json, Owner, Toml, Yes
from mailcrm.cli.output import clean, confirm, emit, emit_one, say
from mailcrm.cli.templates import show_templates
from mailcrm.core.enrollment import Status
from mailcrm.core.plural import counted
from mailcrm.errors import Refused
from mailcrm.gallery import gallery
from mailcrm.store import flows

app = typer.Typer(no_args_is_help=True, help="Sequences: steps that deals and leads go through.")
Noun: TypeAlias = Literal["deal", "lead"]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")]
More = Annotated[list[str] | None, typer.Argument(metavar="[MORE]…", help="Further deals or leads.")]
Deals = Annotated[list[str] | None, typer.Option("--deal", metavar="DEAL", help="Title or id; several are allowed.")]
Leads = Annotated[list[str] | None, typer.Option("--lead", metavar="LEAD", help="Title or id; several are allowed.")]
FromFile = Annotated[
    Path | None, typer.Option("--from", metavar="FILE", help="Titles or ids, one a line; - is standard input.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")]
_LISTED = ["id", "name", "item", "version", "owner", "in_progress", "completed", "failed", "removed"]
_OVERVIEW = ["id", "item", "title", "owner", "status", "step", "completed_at", "completed_by", "reason"]
_STATUSES = ", ".join(Status)


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the sequences with how many items are in progress, completed and failed."""
    with desk(ctx).context.db.read() as connection:
        emit(flow_shapes.flows_(connection, sequences.KINDS), as_json, _LISTED)


@app.command()
def show(ctx: typer.Context, name: Name, toml: Toml = False, as_json: Json = False) -> None:
    """Show a sequence; --toml prints its definition back."""
    with desk(ctx).context.db.read() as connection:
        row = flow_shapes.flow_(connection, name, sequences.KINDS)
        text = flows.text(connection, row["id"], row["version"])
    show_definition(row, text, toml=toml, as_json=as_json)


@app.command()
def apply(ctx: typer.Context, file: File, dry_run: DryRun = False, yes: Yes = False, as_json: Json = False) -> None:
    """Store a sequence from a file, as a new version; shows first what it changes."""
    at = desk(ctx)
    with definition_faults():
        plan = sequences.read(at.context, file)
    effect = sequences.effect(plan)
    announce(plan, effect, sequences.remarks(at.context, at.actor, plan), as_json)
    doing = bool(plan.changes) and not dry_run
    if doing:
        confirm(f"Apply {file.name}", yes)
        sequences.apply(at.context, at.actor, plan)
    applied(plan, effect, as_json, stored=doing)


@app.command()
def remove(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Remove a sequence; items inside are taken out, and nothing scheduled is done."""
    at = desk(ctx)
    inside = sequences.inside(at.context, name)
    confirm(f"Remove the sequence {name}, with {inside} inside", yes, final=inside > 0)
    sequences.remove(at.context, at.actor, name, confirmed=True)


@app.command()
def enroll(
    ctx: typer.Context,
    name: Name,
    more: More = None,
    deal: Deals = None,
    lead: Leads = None,
    file: FromFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Put deals or leads into a sequence; several at once need the permission bulk."""
    at = desk(ctx)
    items = _items(at, name, more, deal, lead, file)
    many = len(items) > 1 or file is not None
    if many or dry_run:
        say(f"{name}: {', '.join(map(str, items))}")
    if dry_run:
        return
    if many:
        confirm(f"Enroll {counted(len(items), 'item')} in {name}", yes)
    done = enrolling.enroll(at.context, at.actor, name, items)
    for warning in done.warnings:
        say(f"note: {warning}")
    for item, why in done.left_out.items():
        say(f"{item} was not enrolled: {why}")
    if not done.items:
        raise Refused(f"nothing was enrolled in {name}")
    say(f"{len(done.items)} enrolled in {name}")


@app.command()
def complete(
    ctx: typer.Context,
    name: Name,
    more: More = None,
    deal: Deals = None,
    lead: Leads = None,
    file: FromFile = None,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Mark items completed, for good: the steps to come are cancelled."""
    at = desk(ctx)
    items = _items(at, name, more, deal, lead, file)
    confirm(f"Mark {_named(items)} as completed in {name}, which can't be undone", yes)
    enrolling.complete(at.context, at.actor, name, items, reason)


@app.command()
def leave(
    ctx: typer.Context,
    name: Name,
    more: More = None,
    deal: Deals = None,
    lead: Leads = None,
    file: FromFile = None,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Take items out: the steps to come are cancelled, and their places are free again."""
    at = desk(ctx)
    items = _items(at, name, more, deal, lead, file)
    confirm(f"Take {_named(items)} out of {name}", yes, final=len(items) > 1 or file is not None)
    enrolling.leave(at.context, at.actor, name, items, reason)


@app.command()
def overview(
    ctx: typer.Context,
    name: Name,
    status: Annotated[Status | None, typer.Option(metavar="STATUS", help=f"Only these: {_STATUSES}.")] = None,
    owner: Owner = None,
    as_json: Json = False,
) -> None:
    """List the items of a sequence, each by its latest run, with how many are in progress, completed and failed."""
    at = desk(ctx)
    whose = at.user(owner) or None
    wanted = [status] if status else [None, Status.REMOVED]
    found = [views.overview(at.context, name, each, whose) for each in wanted]
    rows = sorted((row for part in found for row in part.rows), key=lambda row: row.id)
    emit([views.shape(row, found[0].flow) for row in rows], as_json, _OVERVIEW)
    if not as_json:
        say(", ".join(f"{each.value.replace('_', ' ')}: {count}" for each, count in found[0].counts.items()))


@app.command()
def preview(
    ctx: typer.Context,
    name: Name,
    deal: Annotated[str | None, typer.Option("--deal", metavar="DEAL", help="Title or id.")] = None,
    lead: Annotated[str | None, typer.Option("--lead", metavar="LEAD", help="Title or id.")] = None,
    as_json: Json = False,
) -> None:
    """Show each step as it would be for a deal or lead now: its letters written out, or why they can't be."""
    at = desk(ctx)
    (item,) = _items(at, name, None, [deal] if deal else None, [lead] if lead else None, None)
    steps = views.preview(at.context, name, item)
    if as_json:
        emit(steps, as_json=True, columns=())
        return
    for step in steps:
        emit_one(replace(step, text=None), as_json=False)
        if step.text:
            typer.echo(f"\n{indent(clean(step.text.rstrip()), '    ')}")
        typer.echo()


@app.command()
def templates(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this one's file.")] = None,
    language: Annotated[str | None, typer.Option(metavar="LANGUAGE", help="en or pl.")] = None,
    as_json: Json = False,
) -> None:
    """List the templates to begin with; NAME prints one, to be saved, changed and applied."""
    show_templates([each for each in gallery(language) if each.kind != "campaign"], name, as_json)


def _items(
    at: Desk, name: str, more: list[str] | None, deals: list[str] | None, leads: list[str] | None, file: Path | None
) -> list[Item]:
    """The deals or leads that are meant; those without a word of what they are, are what the sequence is for."""
    given: list[tuple[Noun, str]] = [("deal", each) for each in deals or ()] + [("lead", each) for each in leads or ()]
    if deals and leads:
        raise Refused("name deals or leads, not both: a sequence is for one of them")
    if more or file:
        noun: Noun = "lead" if leads else "deal"
        if not given:
            with at.context.db.read() as connection:
                noun = "lead" if flows.find(connection, name, sequences.KINDS).item == "lead" else "deal"
        given += [(noun, each) for each in (*(more or ()), *_lines(file))]
    if not given:
        raise typer.BadParameter("name a deal or lead", param_hint="--deal, --lead, --from")
    return [Item(noun, at.find(noun, each)) for noun, each in given]


def _lines(file: Path | None) -> Iterator[str]:
    if file is None:
        return
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"can't read {file}: {error}") from None
    yield from (line.strip() for line in text.splitlines() if line.strip())


def _named(items: list[Item]) -> str:
    return str(items[0]) if len(items) == 1 else counted(len(items), "item")
