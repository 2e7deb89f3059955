"""``mailcrm workflow``: list, show, apply, activate, deactivate, remove, trace, jobs, replay."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import flow_shapes, replaying, tracing
from mailcrm.app import workflows as verbs
from mailcrm.cli.desk import desk
from mailcrm.cli.flow_file import File, announce, applied, definition_faults, show_definition
from mailcrm.cli.options import DryRun, Json, Toml, Yes
from mailcrm.cli.output import clean, confirm, emit, emit_one, emit_section, say
from mailcrm.core.definitions import OnEdit
from mailcrm.core.plural import counted

app = typer.Typer(no_args_is_help=True, help="Workflows and rules: what becomes of persons when something happens.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")]
Person = Annotated[str, typer.Argument(metavar="PERSON", help="Name, e-mail or id.")]
_VERSIONS = 2**31 - 1  # what a column of PostgreSQL holds
_LISTED = [
    "id",
    "name",
    "kind",
    "active_since",
    "paused",
    "version",
    "owner",
    "in_progress",
    "completed",
    "failed",
    "removed",
]
_STEPS = ["at", "node", "stimulus", "result", "expected", "actual"]
_WAITING = ["node", "event", "action", "due_at"]
_JOBS = ["flow", "kind", "item", "status", "node", "event", "action", "due_at", "reason"]
_WOULD = ["at", "person", "name", "node", "action", "with", "result", "todays"]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List workflows and rules, each with how many are inside and what became of the others."""
    with desk(ctx).context.db.read() as connection:
        emit(flow_shapes.flows_(connection, verbs.KINDS), as_json, _LISTED)


@app.command()
def show(ctx: typer.Context, name: Name, toml: Toml = False, as_json: Json = False) -> None:
    """Show a workflow or rule; --toml prints its definition back."""
    with desk(ctx).context.db.read() as connection:
        text = verbs.definition(connection, name)
        row = flow_shapes.flow_(connection, name, verbs.KINDS)
    show_definition(row, text, toml=toml, as_json=as_json)


@app.command()
def apply(
    ctx: typer.Context,
    file: File,
    finish: Annotated[
        bool, typer.Option("--finish", help="Those inside finish on their version, instead of starting anew.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Store a workflow or rule from a file, as a new version; shows first what it changes, and for how many."""
    at = desk(ctx)
    with definition_faults():
        plan = verbs.read(at.context, file)
    on_edit = OnEdit.FINISH if finish else None
    effect = verbs.effect(plan, on_edit)
    announce(plan, effect, verbs.remarks(at.context, at.actor, plan), as_json)
    doing = bool(plan.changes) and not dry_run
    if doing:
        confirm(f"Apply {file.name}", yes)
        verbs.apply(at.context, at.actor, plan, on_edit)
    applied(plan, effect, as_json, stored=doing)


@app.command()
def diff(
    ctx: typer.Context,
    name: Name,
    old: Annotated[
        int | None, typer.Argument(metavar="[OLD]", max=_VERSIONS, help="A version; else the one before.")
    ] = None,
    new: Annotated[
        int | None, typer.Argument(metavar="[NEW]", max=_VERSIONS, help="A version; else the current one.")
    ] = None,
) -> None:
    """Show what changed between two versions: + new, - gone, ~ changed."""
    with desk(ctx).context.db.read() as connection:
        for line in verbs.versions(connection, name, old, new):
            typer.echo(clean(line))


@app.command()
def activate(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Let people in: whatever triggers it from now on counts."""
    at = desk(ctx)
    if verbs.is_active(at.context, name):
        say(f"{name} is active already")
        return
    for line in verbs.doubled(at.context, name):
        say(f"note: {line}")
    confirm(f"Activate {name}, so that every trigger from now on counts", yes)
    verbs.activate(at.context, name)


@app.command()
def deactivate(
    ctx: typer.Context,
    name: Name,
    cancel: Annotated[
        bool, typer.Option("--cancel-scheduled", help="Those inside are removed, and nothing scheduled is done.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Let nobody in any more. Those inside go on to their end, unless --cancel-scheduled."""
    at = desk(ctx)
    inside = verbs.inside(at.context, name)
    are = counted(inside, "inside is", "inside are")
    fate = f"{are} {'removed, with all that is scheduled' if cancel else 'going on'}"
    confirm(f"Deactivate {name}: {fate}", yes)
    verbs.deactivate(at.context, at.actor, name, cancel=cancel)
    say(f"{name} lets nobody in any more; {fate}")


@app.command()
def remove(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Remove a workflow or rule; whoever is inside drops out, and nothing scheduled is done."""
    at = desk(ctx)
    inside = verbs.inside(at.context, name)
    confirm(f"Remove {name}, with the {inside} inside", yes)
    verbs.remove(at.context, at.actor, name)


@app.command()
def trace(
    ctx: typer.Context,
    name: Name,
    person: Person,
    every: Annotated[bool, typer.Option("--all", help="Every run that is kept, the newest first.")] = False,
    as_json: Json = False,
) -> None:
    """Show a person's way through a workflow: each step, why, and what is waited for. Kept for a month."""
    at = desk(ctx)
    number = at.find("person", person)
    with at.context.db.read() as connection:
        runs = tracing.trace(connection, at.context.flows.read(connection), name, number, every=every)
    if as_json:
        emit(runs, as_json=True, columns=())
        return
    for run in runs:
        emit_one({name: value for name, value in run.items() if name not in ("steps", "waiting")}, as_json=False)
        _table("steps", run["steps"], _STEPS)
        _table("waiting", run["waiting"], _WAITING)


@app.command()
def jobs(ctx: typer.Context, person: Person, as_json: Json = False) -> None:
    """List every flow that a person is or lately was in, with what comes next and when."""
    at = desk(ctx)
    number = at.find("person", person)
    with at.context.db.read() as connection:
        emit(tracing.jobs(at.context, connection, number), as_json, _JOBS)


@app.command()
def replay(
    ctx: typer.Context,
    file: File,
    since: Annotated[str, typer.Option(metavar="DATE", help="From when on stored events are taken (ISO 8601).")],
    compare: Annotated[
        bool, typer.Option("--compare", help="Only what differs from the stored version: + new, - no more.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a new or changed workflow over past events: who would have got what, and when. Changes nothing."""
    at = desk(ctx)
    with definition_faults():
        plan = verbs.read(at.context, file)
    start = at.time(since)
    if start is None:
        raise typer.BadParameter("say from when on", param_hint="--since")
    if compare:
        emit(replaying.compare(at.context, plan, start), as_json, ["change", *_WOULD])
    else:
        emit(replaying.replay(at.context, plan, start), as_json, _WOULD)


def _table(title: str, rows: list[dict[str, object]], columns: list[str]) -> None:
    if rows:
        emit_section(title, [{name: row[name] for name in columns} for row in rows])
