"""``mailcrm why``: the evidence behind a message's links."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.cli.output import emit, emit_one

app = typer.Typer()


@app.command()
def why(
    ctx: typer.Context,
    message: Annotated[str, typer.Argument(metavar="MESSAGE-ID", help="With or without <>, or its number.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Why a message is linked to what it is linked to."""
    from dataclasses import asdict

    from mailcrm.app.mail_shapes import visible_message
    from mailcrm.app.why import why as verb
    from mailcrm.cli.desk import desk

    at = desk(ctx)
    with at.context.db.read() as connection:
        found = verb(connection, str(visible_message(connection, message, at.viewer)))
    if as_json:
        emit_one(asdict(found), as_json=True)
        return
    typer.echo(f"{found.message_id} is a message of kind {found.kind} ({found.kind_rule}) in thread {found.thread}")
    emit([asdict(link) for link in found.links], as_json=False, columns=("to", "rule", "evidence"))
    if found.choice:
        typer.echo(f"the question which deal is meant: {found.choice}")
