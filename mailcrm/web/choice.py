"""The page on which a choice is answered. Looking at it changes nothing: scanners follow links."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from typing import Annotated
from zoneinfo import ZoneInfo

from litestar import Request, get, head, post
from litestar.datastructures import State
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Response, Template
from markupsafe import Markup

from mailcrm.app.choose import choose
from mailcrm.app.context import Context
from mailcrm.core import questions
from mailcrm.core.choices import read_page_token
from mailcrm.core.questions import Question
from mailcrm.errors import Refused
from mailcrm.store import choices
from mailcrm.web.languages import preferred


def policy(style: str) -> str:
    """The Content-Security-Policy: this one style sheet, forms to ourselves, nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )


@get("/q/{token:str}")
async def show(
    token: FromPath[str],
    state: State,
    request: Request[object, object, State],
    n: Annotated[str, QueryParameter(max_length=9)] = "",
) -> Template:
    """The question, or its answer; ``n`` is the number that a link in the mail stands for."""
    question = await asyncio.to_thread(_question, state.context, token)
    return _page(state, request, question, 200 if question else 404, picked=n)


@head("/q/{token:str}")
async def head_(token: FromPath[str]) -> None:
    """Link checkers ask like this; there is nothing to say."""


@post("/q/{token:str}")
async def answer(
    token: FromPath[str],
    state: State,
    request: Request[object, object, State],
    data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[None] | Template:
    """Take the answer; the browser is sent back to the page, which then shows it."""
    context: Context = state.context
    question = await asyncio.to_thread(_question, context, token)
    if question is None:
        return _page(state, request, None, 404)
    numbered = {str(candidate.number): candidate for candidate in question.candidates}
    picked = data.get("n", "")
    if picked != "0" and picked not in numbered:
        return _page(state, request, question, 400, problem="wrong")
    if question.state != "open":
        return _page(state, request, question, 409, problem="already")
    deal = numbered[picked].deal if picked != "0" else None
    always = deal is not None and data.get("always") == "1"
    try:
        by = question.user or "the page"
        await asyncio.to_thread(choose, context, question.id, deal, always=always, by=by, via="page")
        await asyncio.to_thread(context.db.settle)
    except Refused:
        question = await asyncio.to_thread(_question, context, token)
        problem = "not_open" if question and question.state == "open" else "already"
        return _page(state, request, question, 409, problem=problem)
    return Redirect(f"/q/{token}", status_code=303)


def _question(context: Context, token: str) -> Question | None:
    """The choice of a token that is ours and whose choice still has its nonce."""
    read = read_page_token(context.secret, token)
    if read is None:
        return None
    with context.db.read() as connection:
        found = choices.load(connection, [read[0]]).get(read[0])
    return found if found and hmac.compare_digest(found.nonce, read[1]) else None


def _page(
    state: State,
    request: Request[object, object, State],
    question: Question | None,
    status: int,
    *,
    problem: str = "",
    picked: str = "",
) -> Template:
    context: Context = state.context
    user = context.config.users.get(question.user or "") if question else None
    accepted = request.headers.get("accept-language", "")
    language = preferred(accepted, user.time_zone if user else "", user.language if user else None)
    say = questions.words(language)
    candidates = []
    if question:
        candidates = [(each, questions.amount(each, language)) for each in question.candidates if each.open]
    answered = next((each for each in question.candidates if each.deal == question.answer), None) if question else None
    return Template(
        template_name="choice.html",
        status_code=status,
        context={
            "language": language,
            "say": say,
            "style": Markup(state.style),  # noqa: S704 - our own file
            "question": question,
            "date": question.date.astimezone(ZoneInfo(user.time_zone if user else "UTC")) if question else None,
            "candidates": candidates,
            "answered": f"{answered.number} – {answered.title}" if answered else say["none"],
            "problem": say[problem] if problem else "",
            "picked": picked,
        },
    )
