"""``mailcrm choose``: answer the question which deal a thread belongs to."""

from __future__ import annotations

from typing import Annotated

import typer

from mailcrm.cli.choice import shape
from mailcrm.cli.desk import desk
from mailcrm.cli.options import LARGEST_ID, Json
from mailcrm.cli.output import emit_one, say
from mailcrm.errors import NotFound, Refused

app = typer.Typer()


@app.command()
def choose(
    ctx: typer.Context,
    choice: Annotated[int, typer.Argument(metavar="CHOICE", max=LARGEST_ID, help="Its id: `mailcrm choice list`.")],
    deal: Annotated[str, typer.Argument(metavar="DEAL|none", help="One of its deals, by id; or none of them.")],
    always: Annotated[bool, typer.Option("--always", help="For the person's later threads too.")] = False,
    as_json: Json = False,
) -> None:
    """Say which deal a thread belongs to. The first answer counts."""
    from mailcrm.app.choose import choose as verb
    from mailcrm.app.choose import described
    from mailcrm.store import choices

    if deal != "none" and not deal.isdecimal():
        raise Refused(f"{deal!r} is no deal's id; give one of the ids in `mailcrm choice list`, or none")
    at = desk(ctx)
    with at.context.db.read() as connection:
        seen = [question.id for question in choices.listed(connection, None, at.viewer.sees_thread())]
    if choice not in seen:
        raise NotFound(f"there is no choice {choice}; `mailcrm choice list` shows them")
    by = at.actor.user.key if at.actor.user else "the operator"
    number = None if deal == "none" else int(deal)
    question = verb(at.context, choice, number, always=always, by=by, via="command")
    if as_json:
        emit_one(shape(question), as_json=True)
    else:
        say(f"choice {choice}: {described(question)}")
