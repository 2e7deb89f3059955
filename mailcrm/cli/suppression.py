"""``mailcrm suppression``: addresses that get no automatic mail."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.cli.desk import desk
from mailcrm.cli.options import DryRun, Json
from mailcrm.cli.output import emit
from mailcrm.cli.output import say as tell
from mailcrm.core.addresses import normalise
from mailcrm.errors import Refused
from mailcrm.store import suppressions

app = typer.Typer(no_args_is_help=True, help="Addresses that get no automatic mail: list, add, remove, review.")
Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS…", help="E-mail addresses.")]
_COLUMNS = ["address", "reason", "detail", "source", "at", "expires_at"]


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List those in force, the oldest first. One whose person was erased has no address any more."""
    at = desk(ctx)
    with at.context.db.read() as connection:
        emit(suppressions.every(connection, at.context.clock()), as_json, _COLUMNS)


@app.command()
def add(
    ctx: typer.Context,
    addresses: Addresses,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, in your own words.")] = "",
    until: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; else for good.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Let no automatic mail go to these addresses."""
    at = desk(ctx)
    wanted, expires = _normal(addresses), at.time(until)
    if dry_run:
        tell(f"{len(wanted)} would be suppressed")
        return
    now, secret, source = at.context.clock(), at.context.secret, at.actor.source
    with at.context.db.write() as connection:
        new = [
            each
            for each in wanted
            if suppressions.add(connection, secret, each, "manual", reason, source, now, expires)
        ]
    tell(f"{len(new)} suppressed; {len(wanted) - len(new)} were so already")


@app.command()
def remove(ctx: typer.Context, addresses: Addresses, dry_run: DryRun = False) -> None:
    """Let automatic mail go there again, whatever it was kept from them for."""
    at = desk(ctx)
    wanted, now, secret = _normal(addresses), at.context.clock(), at.context.secret
    with at.context.db.read() as connection:
        there = suppressions.among(connection, secret, wanted, now)
    if missing := [each for each in wanted if each not in there]:
        raise Refused(f"{', '.join(missing)} is not suppressed; `mailcrm suppression list` shows who is")
    if dry_run:
        tell(f"{len(wanted)} would be removed")
        return
    with at.context.db.write() as connection:
        for each in wanted:
            suppressions.lift(connection, secret, each, now)
    tell(f"{len(wanted)} removed")


@app.command()
def review(
    ctx: typer.Context,
    dismissed: Annotated[
        list[str] | None, typer.Option("--dismiss", metavar="ADDRESS", help="Not meant so: take it off this list.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Old mail that asks for no more, which suppresses nobody by itself: `suppression add` whom it is to."""
    at = desk(ctx)
    now, secret, source = at.context.clock(), at.context.secret, at.actor.source
    wanted = _normal(dismissed or [])
    with at.context.db.read() as connection:
        wishes = suppressions.old_wishes(connection, secret)
    if missing := set(wanted) - {each.address for each in wishes}:
        raise Refused(f"{min(missing)} is not on this list; `mailcrm suppression review` shows it")
    if wanted and not dry_run:
        with at.context.db.write() as connection:
            for each in wanted:
                suppressions.add(connection, secret, each, "manual", "reviewed: not meant so", source, now, now)
    if dry_run:
        tell(f"{len(wanted)} would be taken off this list")
    emit([each for each in wishes if each.address not in wanted], as_json, ["address", "message_id", "at"])


def _normal(addresses: list[str]) -> list[str]:
    found = {given: normalise(given) for given in addresses}
    if wrong := [given for given, address in found.items() if not address]:
        raise Refused(f"{wrong[0]!r} is no e-mail address; write it as name@domain.example")
    return list(dict.fromkeys(found.values()))
