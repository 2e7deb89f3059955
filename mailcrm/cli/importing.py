"""``import``: take in persons, organizations, deals or leads from a sheet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.cli.context import context
from mailcrm.cli.output import clean, emit, say
from mailcrm.core.columns import Subject

if TYPE_CHECKING:
    from mailcrm.app.import_file import Import
    from mailcrm.app.importing import Result, Summary

app = typer.Typer(add_completion=False)
_STATES = ("created", "updated", "unchanged", "skipped", "failed")
_SHOWN_WARNINGS = 20


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A .csv, .xls or .xlsx file with headings.")],
    subject: Annotated[Subject, typer.Option("--as", help="What its rows are.")],
    mapping: Annotated[
        Path | None, typer.Option("--map", help='TOML with lines such as "Column" = "email" ("" leaves it out).')
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="The sheet of a workbook; default: the first.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a text file; default: detected.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would become of each row; store nothing.")
    ] = False,
    all_or_nothing: Annotated[bool, typer.Option("--all-or-nothing", help="Store nothing if any row is bad.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object a row, then one with the counts.")] = False,
) -> None:
    """Import persons, organizations, deals or leads; rows that are known are completed, not doubled."""
    from mailcrm.app import importing
    from mailcrm.app.import_file import prepare, read_mapping

    built = context(ctx)
    given = read_mapping(mapping) if mapping else {}
    job = prepare(file, subject, given=given, sheet=sheet, encoding=encoding)
    _show_columns(job, on_stdout=dry_run and not as_json)
    with _progress() as advance:

        def on_results(results: list[Result]) -> None:
            _show_results(results, as_json=as_json, every=dry_run)
            advance(len(results))

        summary = importing.run(built, job, dry_run=dry_run, all_or_nothing=all_or_nothing, on_results=on_results)
    _show_summary(job, summary, as_json=as_json, dry_run=dry_run)
    if summary.counts["failed"]:
        raise typer.Exit(1)


def _show_columns(job: Import, *, on_stdout: bool) -> None:
    tell = typer.echo if on_stdout else say
    tell(clean(f"{job.path} ({job.described}), headings in line {job.headings}:"))
    width = max(len(column.heading) for column in job.columns)
    for column in job.columns:
        tell(clean(f"  {column.heading:<{min(width, 50)}} -> {column.target or '(left out)'}"))


def _show_results(results: list[Result], *, as_json: bool, every: bool) -> None:
    if as_json:
        emit(results, True, ())
        return
    for result in results:
        if result.state in ("failed", "skipped"):
            (typer.echo if every else say)(clean(f"line {result.line}: {result.state}: {result.reason}"))
        elif every:
            changes = f" ({', '.join(result.changes)})" if result.changes else ""
            typer.echo(clean(f"line {result.line}: {result.state}{changes}"))


def _show_summary(job: Import, summary: Summary, *, as_json: bool, dry_run: bool) -> None:
    for text, times in summary.warnings.most_common(_SHOWN_WARNINGS):
        say(f"warning ({times} rows): {text}")
    counts = {state: summary.counts[state] for state in _STATES}  # type: ignore[index]
    if as_json:
        row = {
            "rows": sum(counts.values()),
            **counts,
            "stored": summary.stored,
            "columns": {column.heading: column.target for column in job.columns},
        }
        emit([row], True, ())
        return
    typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()))
    if dry_run:
        say("a dry run: nothing was stored")
    elif not summary.stored:
        say("nothing was stored, since rows failed (--all-or-nothing); mend them and import again")


@contextmanager
def _progress() -> Iterator[Callable[[int], object]]:
    """A bar on a terminal; elsewhere a line every 10,000 rows."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("rows", total=None)
            yield lambda count: progress.advance(task, count)
        return
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if done // 10_000 > (done - count) // 10_000:
            say(f"{done} rows")

    yield tell
