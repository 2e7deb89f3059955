"""``mailcrm quarantine``: mail that could not be read."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mailcrm.cli.context import context
from mailcrm.cli.options import LARGEST_ID, Json
from mailcrm.cli.output import emit, emit_one, say

app = typer.Typer(no_args_is_help=True, help="Mail that could not be read.")


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """Everything that is put aside, with the reason."""
    from dataclasses import asdict

    from mailcrm.app.quarantine import listing

    columns = ("id", "mailbox", "folder", "uid", "received_at", "size", "reason", "attempts")
    emit([asdict(entry) for entry in listing(context(ctx))], as_json, columns)


@app.command()
def show(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ID", max=LARGEST_ID)],
    raw: Annotated[bool, typer.Option("--raw", help="Its bytes, to standard output.")] = False,
    as_json: Json = False,
) -> None:
    """One of them."""
    from dataclasses import asdict

    from mailcrm.app.quarantine import find

    built = context(ctx)
    entry = find(built, number)
    if raw:
        sys.stdout.buffer.write(built.blobs.read(entry.sha256))
        return
    emit_one(asdict(entry), as_json)


@app.command()
def retry(
    ctx: typer.Context,
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]…", max=LARGEST_ID, help="These only; else all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read them again; what can be read now is stored where it lay. Exit code 1 if something still can't."""
    from mailcrm.app.quarantine import find, listing
    from mailcrm.app.quarantine import retry as verb
    from mailcrm.mail.readers import Readers

    built = context(ctx)
    entries = [find(built, number) for number in numbers] if numbers else listing(built)
    with Readers(built.config.data / "files", built.config.parsing) as readers:
        results = verb(built, entries, lambda raw: readers.read_many([raw])[0])
    rows = [{"id": entry.id, "stored": reason is None, "reason": reason} for entry, reason in results]
    emit(rows, as_json, ("id", "stored", "reason"))
    left = sum(not row["stored"] for row in rows)
    say(f"{len(rows) - left} stored, {left} still unreadable")
    if left:
        raise typer.Exit(1)
