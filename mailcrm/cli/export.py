"""``mailcrm export``: everything about a person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from mailcrm.app import exporting, pages
from mailcrm.cli.desk import desk
from mailcrm.cli.filing import save
from mailcrm.store.scope import Scope
from mailcrm.store.visible import Viewer

app = typer.Typer()


@app.command()
def export(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Name, e-mail or id.")],
    to: Annotated[Path | None, typer.Option("--to", metavar="FOLDER", help="Write it there, with the files.")] = None,
) -> None:
    """Everything that is stored about a person, as JSON; with --to also the files of his mail."""
    at = desk(ctx)
    number = at.find("person", person)
    with at.context.db.read() as connection:
        record = exporting.export(connection, number)
        files = pages.files(connection, Scope("person", number), Viewer(mailboxes=None)) if to else []
    encoded = msgspec.json.format(msgspec.json.Encoder(decimal_format="number").encode(record), indent=2)
    if to is None:
        typer.echo(encoded.decode())
        return
    to.mkdir(parents=True, exist_ok=True)
    path = to / f"person-{number}.json"
    path.write_bytes(encoded + b"\n")
    for written in [path, *(save(at.context.blobs, files, to / "files") if files else [])]:
        typer.echo(str(written))
