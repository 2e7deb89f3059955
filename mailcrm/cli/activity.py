"""``mailcrm activity``: list, show, add, edit, done, merge, remove."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.app import activities as verbs
from mailcrm.app import record_shapes
from mailcrm.cli.desk import desk, done
from mailcrm.cli.options import Deal, Gone, Json, Keep, Lead, Org, Person, Yes
from mailcrm.store import activities

app = typer.Typer(no_args_is_help=True, help="Activities: calls, meetings, tasks of any type.")
ActivityArgument = Annotated[str, typer.Argument(metavar="ACTIVITY", help="Its id.")]
Due = Annotated[str | None, typer.Option(metavar="TIME", help="When it is due: 2026-03-01T09:00.")]
Assignee = Annotated[str | None, typer.Option(metavar="USER", help="Who does it: key, e-mail or id.")]
Priority = Annotated[str | None, typer.Option(help="low, normal or high.")]
Text = Annotated[str | None, typer.Option(metavar="TEXT", help="What to think of.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    person: Person = None,
    org: Org = None,
    deal: Deal = None,
    lead: Lead = None,
    assignee: Assignee = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    done_: Annotated[bool | None, typer.Option("--done/--open", help="Only those done, or not.")] = None,
    due_before: Annotated[str | None, typer.Option(metavar="TIME", help="Only those due before.")] = None,
    as_json: Json = False,
) -> None:
    """List activities, the soonest due first; a person's with those of his deals."""
    at = desk(ctx)
    query = activities.ids(
        scope=at.scope(person, org, deal, lead),
        assignee=at.user(assignee) or None,
        kind=kind,
        done=done_,
        due_before=at.time(due_before),
    )
    columns = ["id", "type", "due", "assignee", "priority", "note", "done_at", "person", "organization", "deal", "lead"]
    at.list(query, record_shapes.activities_, as_json, columns)


@app.command()
def show(ctx: typer.Context, activity: ActivityArgument, as_json: Json = False) -> None:
    """Show an activity."""
    at = desk(ctx)
    number = at.find("activity", activity)
    at.show(lambda connection: record_shapes.activities_(connection, [number])[0], as_json)


@app.command()
def add(
    ctx: typer.Context,
    kind: Annotated[str, typer.Option("--type", help="call, meeting, visit, or any other.")],
    person: Person = None,
    org: Org = None,
    deal: Deal = None,
    lead: Lead = None,
    due: Due = None,
    assignee: Assignee = None,
    priority: Priority = None,
    note: Text = None,
    as_json: Json = False,
) -> None:
    """Plan an activity; prints the id."""
    at = desk(ctx)
    number = verbs.add(
        at.context,
        at.actor,
        kind,
        at.about(person, org, deal, lead),
        due=at.time(due),
        assignee=at.user(assignee),
        priority=priority,
        note=note,
    )
    done(at, number, as_json, record_shapes.activities_)


@app.command()
def edit(
    ctx: typer.Context,
    activity: ActivityArgument,
    kind: Annotated[str | None, typer.Option("--type", help="A new type.")] = None,
    person: Person = None,
    org: Org = None,
    deal: Deal = None,
    lead: Lead = None,
    due: Due = None,
    assignee: Assignee = None,
    priority: Priority = None,
    note: Text = None,
    as_json: Json = False,
) -> None:
    """Change an activity; an empty option clears what it names."""
    at = desk(ctx)
    number = at.find("activity", activity)
    change = verbs.ActivityEdit(type=kind, due=at.time(due), assignee=at.user(assignee), priority=priority, note=note)
    verbs.edit(at.context, at.actor, number, change, at.about(person, org, deal, lead))
    done(at, number, as_json, record_shapes.activities_)


@app.command("done")
def done_(ctx: typer.Context, activity: ActivityArgument, as_json: Json = False) -> None:
    """Mark an activity done."""
    at = desk(ctx)
    number = at.find("activity", activity)
    verbs.done(at.context, at.actor, number)
    done(at, number, as_json, record_shapes.activities_)


@app.command()
def merge(ctx: typer.Context, keep: Keep, gone: Gone, yes: Yes = False, as_json: Json = False) -> None:
    """Make two activities one: what the first lacks it takes from the second."""
    at = desk(ctx)
    done(at, at.merge("activity", verbs.merge, keep, gone, yes), as_json, record_shapes.activities_)


@app.command()
def remove(ctx: typer.Context, activity: ActivityArgument, yes: Yes = False) -> None:
    """Take an activity out of every list."""
    desk(ctx).remove("activity", verbs.remove, activity, yes)
