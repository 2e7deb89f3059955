"""``mailcrm choice``: questions about which deal a thread belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from mailcrm.cli.desk import desk
from mailcrm.cli.options import Json
from mailcrm.cli.output import emit

if TYPE_CHECKING:
    from mailcrm.core.questions import Question

app = typer.Typer(no_args_is_help=True, help="Questions about which deal a thread belongs to.")


@app.callback()
def _group() -> None:
    """So that ``list`` is a command of its own, although it is the only one."""


@app.command("list")
def list_(
    ctx: typer.Context,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that nobody has answered.")] = False,
    as_json: Json = False,
) -> None:
    """List the questions about threads that the acting user may see."""
    from mailcrm.store import choices

    at = desk(ctx)
    with at.context.db.read() as connection:
        found = choices.listed(connection, "open" if only_open else None, at.viewer.sees_thread())
    if as_json:
        emit([shape(question) for question in found], as_json=True, columns=())
        return
    columns = ["id", "asked", "from", "subject", "deals", *([] if only_open else ["state", "answer"])]
    emit([_line(question) for question in found], as_json=False, columns=columns)


def shape(question: Question) -> dict[str, object]:
    """A choice as JSON: ``answer`` is a deal's id, ``none``, or null while there is none."""
    offered = [each.deal for each in question.candidates if each.open or question.state != "open"]
    return {
        "id": question.id,
        "thread": question.thread,
        "deals": offered,
        "state": question.state,
        "answer": _answer(question),
        "user": question.user,
        "answered_by": question.answered_by,
        "answered_via": question.answered_via,
        "answered_at": question.answered_at,
    }


def _answer(question: Question) -> int | str | None:
    return (question.answer or "none") if question.state == "answered" else None


def _line(question: Question) -> Mapping[str, object]:
    deals = [f"{each.deal} {each.title}" for each in question.candidates if each.open or question.state != "open"]
    return {
        "id": question.id,
        "asked": question.user or "nobody",
        "from": question.author,
        "subject": question.subject,
        "deals": "; ".join(deals),
        "state": question.state,
        "answer": _answer(question),
    }
