"""``mailcrm campaign``: define, fill, look at, launch, pause, resume and stop campaigns, and see what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from textwrap import indent
from typing import Annotated, Literal

import typer

from mailcrm.app import campaign_ends, campaign_letters, campaign_shapes, launching, members, planning, results
from mailcrm.app import campaigns as verbs
from mailcrm.app.launching import Preview
from mailcrm.app.members import Changed
from mailcrm.app.planning import Planned
from mailcrm.cli.desk import Desk, desk
from mailcrm.cli.flow_file import File, announce, applied, definition_faults, show_definition
from mailcrm.cli.options import DryRun, Json, Lead, Org, Person, Toml, Yes
from mailcrm.cli.output import clean, confirm, emit, emit_one, emit_section, say
from mailcrm.cli.progress import progress
from mailcrm.cli.templates import show_templates
from mailcrm.core.campaigns import Group
from mailcrm.core.definitions import CampaignDefinition, Chosen, Definition
from mailcrm.core.plural import counted
from mailcrm.errors import Refused
from mailcrm.gallery import gallery
from mailcrm.store.results import State

app = typer.Typer(no_args_is_help=True, help="Campaigns: one action done for many at once.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is shown.")]
Groups = Literal["persons", "organizations", "leads"]
_GROUPS: dict[Groups, Group] = {"persons": "person", "organizations": "organization", "leads": "lead"}
_LISTED = ["id", "name", "type", "state", "status", "owner", "members", "launched_at", "why"]
_MEMBERS = ["group", "id", "name", "added_at", "added_by", "made"]
_RESULTS = ["recipient", "name", "state", "reason", "sender", "sent"]
_READ = ["bounced", "opened", "clicked", "replied", "unsubscribed"]
_SHOWN_BAD = 50  # of those who name nobody


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the campaigns, each with how far it is and how many were chosen."""
    emit(map(campaign_shapes.line, verbs.listed(desk(ctx).context)), as_json, _LISTED)


@app.command()
def show(ctx: typer.Context, name: Name, toml: Toml = False, as_json: Json = False) -> None:
    """Show a campaign, with how far it is; --toml prints its definition back."""
    at = desk(ctx)
    shown = verbs.shown(at.context, name)
    row = campaign_shapes.page(shown)
    if shown.course.launched_at is not None and not toml:
        row["progress"] = campaign_shapes.progress(results.sums(at.context, str(shown.stored.id)).sums)
    show_definition(row, shown.text, toml=toml, as_json=as_json)


@app.command()
def apply(ctx: typer.Context, file: File, dry_run: DryRun = False, yes: Yes = False, as_json: Json = False) -> None:
    """Store a campaign from a file; shows first what it changes. One that was launched is not changed any more."""
    at = desk(ctx)
    with definition_faults():
        plan = verbs.read(at.context, at.actor, file)
    effect = verbs.effect(plan)
    announce(plan, effect, verbs.remarks(at.context, at.actor, plan), as_json)
    doing = bool(plan.changes) and not dry_run
    if doing:
        confirm(f"Apply {file.name}", yes)
        verbs.apply(at.context, at.actor, plan)
    elif not dry_run and plan.stored is not None:
        _put(at, plan.stored.id, plan.definition)
    applied(plan, effect, as_json, stored=doing)


@app.command()
def remove(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Take a campaign out of every list; what it did stays."""
    at = desk(ctx)
    count = verbs.shown(at.context, name).total
    confirm(f"Remove the campaign {name}, with {counted(count, 'recipient')}", yes, final=count > 0)
    verbs.remove(at.context, at.actor, name, confirmed=True)


@app.command()
def recipients(
    ctx: typer.Context,
    name: Name,
    more: Annotated[list[str] | None, typer.Argument(metavar="[WHO]…", help="Further ones to add or remove.")] = None,
    add: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="WHO", help="An address, name or id; or all, tag:T, owner:U, organization:O, …"),
    ] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", metavar="WHO", help="The same, taken out.")] = None,
    group: Annotated[Groups | None, typer.Option("--group", help="Which are shown (all), or meant (persons).")] = None,
    file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Add those of a list, one a line, or of a sheet.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of the file; default: detected.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """List who was chosen, by group, or choose more or fewer. What names nobody is told; the others are in."""
    at = desk(ctx)
    if add is None and remove is None and file is None:
        if more:
            raise typer.BadParameter("say --add or --remove before them", param_hint="WHO")
        _list_members(at, name, group, as_json)
        return
    if remove is not None and (add is not None or file is not None):
        raise typer.BadParameter("add or remove, one at a time", param_hint="--add, --remove, --from")
    which = group or "persons"
    chosen = _chosen(which, remove if add is None else add, more)
    files = {_GROUPS[which]: file} if file else None
    if dry_run:
        verb: Literal["add", "remove"] = "remove" if remove is not None else "add"
        tried = members.tried(at.context, at.actor, name, verb, chosen, files, encoding=encoding)
        _tell(tried, f"would be {'removed' if remove is not None else 'added'}", as_json)
    elif remove is not None:
        _tell(members.remove(at.context, at.actor, name, chosen), "removed", as_json)
    else:
        with progress(str(file), "row") as told:
            changed = members.add(
                at.context, at.actor, name, chosen, files, encoding=encoding, progress=lambda rows: told(rows, 0)
            )
        _tell(changed, "added", as_json)


@app.command()
def preview(
    ctx: typer.Context, name: Name, person: Person = None, org: Org = None, lead: Lead = None, as_json: Json = False
) -> None:
    """Show what it would do for one who was chosen, the first unless said: what is made, and the mail written out."""
    at = desk(ctx)
    one = at.scope(person, org, None, lead)
    for each in campaign_letters.preview(at.context, name, f"{one.noun}:{one.id}" if one else None):
        row = {"recipient": each.recipient, "sender": each.sender, "problem": each.problem, "made": each.made}
        text = each.letter.text if each.letter else ""
        subject = each.letter.subject if each.letter else None
        if as_json:
            emit_one({**row, "subject": subject, "text": text, "html": each.letter and each.letter.html}, as_json=True)
            continue
        emit_one({**row, "subject": subject}, as_json=False)
        typer.echo(f"\n{indent(clean(text.rstrip()), '    ')}\n" if text else "")


@app.command()
def launch(ctx: typer.Context, name: Name, dry_run: DryRun = False, yes: Yes = False, as_json: Json = False) -> None:
    """Do a campaign's action for everybody who was chosen: once, however often it is launched. Or let it go on."""
    at = desk(ctx)
    shown = verbs.shown(at.context, name)
    name, number = shown.stored.name, str(shown.stored.id)
    if shown.course.launched_at is None:
        launching.check(at.context, at.actor, number)
        found = launching.preview(at.context, number)
        row = campaign_shapes.preview(name, found)
        if dry_run:
            emit_one(row, as_json)
        _warn(number, found)
        if not dry_run:
            left = f", {counted(sum(found.left_out.values()), 'is', 'are')} left out" if found.left_out else ""
            confirm(f"Launch {name} ({shown.definition.type}) for {counted(found.recipients, 'recipient')}{left}", yes)
    if dry_run:
        return
    launched = launching.launch(at.context, at.actor, number)
    if not launched.new:
        ago = f"{name} was launched {launched.at:%Y-%m-%d %H:%M}Z by {launched.by}"
        say(f"{ago}; {'it goes on' if launched.resumed else 'nothing is done twice'}")
    done = _planned(at, launched.id, launched.members)
    if as_json:
        emit_one({"campaign": name, "launched_at": launched.at, "launched_by": launched.by, **done}, as_json=True)
    elif launched.new:
        emit_one({"campaign": name, **done}, as_json=False)
        say(f"`mailcrm run` does it, or `mailcrm tick`; `mailcrm campaign results {number}` shows what came of it")


@app.command()
def pause(ctx: typer.Context, name: Name, reason: Reason = "", yes: Yes = False) -> None:
    """Have nothing more done for anybody until it is resumed."""
    at = desk(ctx)
    confirm(f"Pause {name}", yes, final=False)
    campaign_ends.pause(at.context, at.actor, name, reason)
    say(f"{name} is paused; `mailcrm campaign resume {name!r}` lets it go on")


@app.command()
def resume(ctx: typer.Context, name: Name) -> None:
    """Let a paused campaign go on."""
    at = desk(ctx)
    campaign_ends.resume(at.context, at.actor, name)


@app.command()
def stop(ctx: typer.Context, name: Name, reason: Reason = "", yes: Yes = False) -> None:
    """End a campaign for good: what was not done is not done any more."""
    at = desk(ctx)
    confirm(f"Stop {name} for good", yes)
    number = campaign_ends.stop(at.context, at.actor, name, reason)
    with progress("taken out", "recipient") as told:
        ended = campaign_ends.wind_up(at.context, number, lambda done: told(done, 0))
    say(f"{name} is stopped; {counted(ended, 'recipient was', 'recipients were')} still inside")


@app.command("results")
def results_(
    ctx: typer.Context,
    name: Name,
    state: Annotated[State | None, typer.Option(help="Only these.")] = None,
    as_json: Json = False,
) -> None:
    """Show what came of a campaign for each recipient, and in sum."""
    at = desk(ctx)
    rows = (row for row in results.of(at.context, name) if state is None or row["state"] == state)
    summary = results.sums(at.context, name)
    if as_json:
        emit(chain(rows, [results.shape(summary)]), as_json=True, columns=())
        return
    found = list(rows)
    told = [column for column in (*_READ, "made", "variant") if any(row[column] for row in found)]
    emit(found, as_json=False, columns=[*_RESULTS, *told])
    shape = results.shape(summary)
    for title in ("variants", "senders"):
        if shape.pop(title) and len(getattr(summary, title)) > 1:
            emit_section(title, results.shape(summary)[title])
    typer.echo()
    emit_one({key: value for key, value in shape.items() if value or key in ("total", "done", "failed")}, as_json=False)


@app.command()
def templates(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this one's file.")] = None,
    language: Annotated[str | None, typer.Option(metavar="LANGUAGE", help="en or pl.")] = None,
    as_json: Json = False,
) -> None:
    """List the campaigns to begin with; NAME prints one, to be saved, changed and applied."""
    show_templates([each for each in gallery(language) if each.kind == "campaign"], name, as_json)


def _put(at: Desk, number: int, definition: Definition) -> None:
    """A file that is applied again puts in whom it means now, if it changes nothing else."""
    if isinstance(definition, CampaignDefinition) and definition.recipients != Chosen():
        put = members.add(at.context, at.actor, str(number), definition.recipients)
        if put.done:
            say(f"{counted(put.done, 'recipient was', 'recipients were')} added")


def _chosen(group: Groups, given: Sequence[str] | None, more: Sequence[str] | None) -> Chosen:
    texts = (*(given or ()), *(more or ()))
    return Chosen(**{group: texts})


def _list_members(at: Desk, name: str, group: Groups | None, as_json: bool) -> None:
    found = chain.from_iterable(
        members.listed(at.context, name, _GROUPS[each]) for each in ([group] if group else _GROUPS)
    )
    emit(
        (
            {"group": each.group, "id": each.record, "name": each.name}
            | {"added_at": each.added_at, "added_by": each.added_by, "made": each.made}
            for each in found
        ),
        as_json,
        _MEMBERS,
    )


def _tell(changed: Changed, done: str, as_json: bool) -> None:
    """What came of those who were named; fails only if nobody was meant at all."""
    for row in changed.bad[:_SHOWN_BAD]:
        where = f"line {row.line}: " if row.line is not None else ""
        say(f"{where}{row.given!r}: {row.why}")
    if len(changed.bad) > _SHOWN_BAD:
        say(f"… and {len(changed.bad) - _SHOWN_BAD:,} more; --json has all of them")
    if as_json:
        bad = [asdict(row) for row in changed.bad]
        emit_one({done.split()[-1]: changed.done, "known": changed.known, "bad": bad}, as_json=True)
    else:
        parts = [f"{changed.done:,} {done}"]
        if changed.known:
            known = ("was in already", "were in already") if done.endswith("added") else ("was not in", "were not in")
            parts.append(counted(changed.known, *known))
        if changed.bad:
            parts.append(counted(len(changed.bad), "names nobody", "name nobody"))
        typer.echo(", ".join(parts))
    if changed.bad and not (changed.done or changed.known):
        raise Refused(f"nobody was {done}; add the record first, for example by `mailcrm person add`, or mend the name")


def _warn(number: str, found: Preview) -> None:
    for key in found.lacking:
        say(
            f"note: {key} has not consented that it sends mail in his name, so those mails would fail; "
            f"`mailcrm --as {key} consent grant --flow {number}`"
        )
    if found.refused:
        what = ", ".join(f"{reason} {count:,}" for reason, count in found.refused.items())
        many = counted(sum(found.refused.values()), "mail", "mails")
        say(f"note: {many} would be refused as things are: {what}; see `mailcrm permission` and `mailcrm suppression`")


def _planned(at: Desk, number: int, chosen: int) -> dict[str, int]:
    """Plan what is left, with a bar; how many get it and how many are left out, of those planned now."""
    done = getting = left_out = 0
    with progress("planned", "recipient") as told:

        def advance(planned: Planned) -> None:
            nonlocal done, getting, left_out
            done, getting, left_out = done + planned.members, getting + planned.recipients, left_out + planned.left_out
            if planned.members:
                told(done, chosen)

        planning.plan(at.context, number, advance)
    return {"members": done, "recipients": getting, "left_out": left_out}
