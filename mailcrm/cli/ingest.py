"""``mailcrm ingest``: take in mail from files, without a server."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.cli.context import context
from mailcrm.cli.output import emit_one, say
from mailcrm.core.plural import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailcrm.app.context import Context
    from mailcrm.app.ingest import Outcome
    from mailcrm.core.model import Batch

app = typer.Typer()


@app.command()
def ingest(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="FILE|DIR…", help=".eml, mbox, maildir or a folder of .eml.")],
    mailbox: Annotated[str, typer.Option(help="Whose mail it is: a mailbox of the configuration.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what it would do; store nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Also if it is much mail.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as one JSON object.")] = False,
) -> None:
    """Take in mail from files; what is stored already is left as it is."""
    from dataclasses import asdict

    from mailcrm.app.ingest import Outcome, preview
    from mailcrm.app.ingest import ingest as verb
    from mailcrm.errors import Refused
    from mailcrm.mail.feed import batches
    from mailcrm.mail.readers import Readers
    from mailcrm.store import mailboxes

    built = context(ctx)
    with built.db.read() as connection:
        mailboxes.find(connection, mailbox)
    faults: list[str] = []
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise Refused(f"no such file or folder: {', '.join(missing)}; nothing was taken in")

    def report(label: str, reason: str) -> None:
        faults.append(label)
        say(f"{label}: {reason}")

    folder = None if dry_run else built.config.data / "files"
    with Readers(folder, built.config.parsing) as readers:
        found = batches(paths, mailbox, readers, built.clock(), report)
        if dry_run:
            total = preview(built, found)
        else:
            begun, rest = _within(found, built.config.linking.first_sight)
            if rest is not None and not yes:
                would = preview(built, chain(begun, rest))
                raise Refused(
                    f"{_counted(would)}: that is much at once and nothing was stored; add --yes to take it in"
                )
            total = Outcome()
            for batch in chain(begun, rest or ()):
                total += verb(built, batch)
                read = total.stored + total.known + total.skipped + total.quarantined
                say(f"{counted(read, 'message')} …")
    if not dry_run:
        _finish(built)
    emit_one(asdict(total), as_json)
    if faults:
        raise typer.Exit(1)


def _within(found: Iterator[Batch], bound: int) -> tuple[list[Batch], Iterator[Batch] | None]:
    """The batches up to ``bound`` messages, and the rest; None where there is no rest."""
    begun: list[Batch] = []
    for batch in found:
        begun.append(batch)
        if sum(len(each.arrivals) for each in begun) > bound:
            return begun, found
    return begun, None


def _finish(built: Context) -> None:
    """Put questions that came up into the outbox, as the running program would."""
    from mailcrm.app.ask import ask_due

    ask_due(built)


def _counted(outcome: Outcome) -> str:
    return (
        f"{counted(outcome.stored, 'message')}, of these {outcome.linked} to deals, "
        f"{counted(outcome.persons, 'new person')}, {counted(outcome.choices, 'question')}, "
        f"{outcome.quarantined} unreadable"
    )
