"""``mailcrm stats``: deals, mail, flows, campaigns in figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Any, Literal

import typer

from mailcrm.cli.options import Json, Owner

app = typer.Typer()
What = Literal["deals", "mail", "flows", "campaigns"]
_UNCOUNTED = "{} of mail {} not counted yet; the worker counts, and so does `mailcrm tick`"


@app.command()
def stats(
    ctx: typer.Context,
    what: Annotated[What | None, typer.Argument(metavar="[deals|mail|flows|campaigns]", help="Only of these.")] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="From this day on (UTC): 2026-03-01.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="To this day, which is included.")] = None,
    owner: Owner = None,
    as_json: Json = False,
) -> None:
    """Deals by stage, won and lost; mail and how soon it was answered; what became of flows and campaigns."""
    from mailcrm.app import statistics
    from mailcrm.cli.desk import desk

    at = desk(ctx)
    days = _days(since, until)
    whose = at.user(owner) or None
    for section in (what,) if what else ("deals", "mail", "flows", "campaigns"):
        found = statistics.SECTIONS[section](at.context, at.actor, days, whose)
        _show(found.tables, found.series, as_json)
        if found.waiting:
            from mailcrm.cli.output import say
            from mailcrm.core.plural import counted

            say(_UNCOUNTED.format(counted(found.waiting, "change"), "is" if found.waiting == 1 else "are"))


def _days(since: str | None, until: str | None) -> Any:
    from mailcrm.core.series import Days
    from mailcrm.errors import Refused

    given = {"--since": since, "--until": until}
    if odd := [f"{option}: {text!r}" for option, text in given.items() if text and _day(text) is None]:
        raise typer.BadParameter(f"{' and '.join(odd)} is no day; write it as 2026-03-01")
    found = Days(_day(since), _day(until))
    if found.since and found.until and found.since > found.until:
        raise Refused(f"--since {since} is after --until {until}; no day lies between them")
    return found


def _day(given: str | None) -> date | None:
    try:
        return date.fromisoformat(given) if given else None
    except ValueError:
        return None


def _show(tables: Sequence[Any], series: Sequence[Any], as_json: bool) -> None:
    from mailcrm.cli.output import emit, emit_section

    if as_json:
        emit((*(row for rows in tables for row in rows), *series), True, ())
        return
    for rows in tables:
        if rows:
            shown = [dict(_readable(row)) for row in rows]
            if len({row.get("pipeline") for row in shown}) > 1:
                shown = [row | {"stage": f"{row['pipeline']}: {row['stage']}"} for row in shown]
            emit_section(shown[0].pop("table"), [{k: v for k, v in row.items() if k != "table"} for row in shown])


def _readable(row: Any) -> Iterator[tuple[str, Any]]:
    """Shares as per cent and seconds as spans."""
    from mailcrm.cli.output import mapping

    for name, value in mapping(row).items():
        if name in _SHARES and value is not None:
            yield name, f"{value:.0%}"
        elif name in _TIMES and value is not None:
            yield name, span(value)
        elif name == "user" and value is None:
            yield name, "(all)"
        else:
            yield name, value


def span(seconds: float) -> str:
    """``2 h 05 min``; the two largest units are enough."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min" if minutes else f"{rest} s"


_SHARES = {"share", "to_next", "to_won"}
_TIMES = {"median", "p90", "mean"}
