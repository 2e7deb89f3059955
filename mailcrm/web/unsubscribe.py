"""``/u/{token}``: the page on which a recipient unsubscribes. Only POST does it: scanners follow links.

Mail programs POST on their own when their user presses "unsubscribe" (RFC 8058). No cookie and no login stand for
anybody here, the token in the address is all there is: so another site's form can do no more than who has the token.
"""

from __future__ import annotations

import asyncio

from litestar import Request, get, head, post
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response import Template
from markupsafe import Markup

from mailcrm.app.context import Context
from mailcrm.app.unsubscribing import Subscription, look, unsubscribe
from mailcrm.core import farewell
from mailcrm.web.guesses import Guesses
from mailcrm.web.languages import preferred


@get("/u/{token:str}")
async def show(token: FromPath[str], state: State, request: Request[object, object, State]) -> Template:
    """The question, or that it is done already."""
    return await _answer(token, state, request, ends=False)


@head("/u/{token:str}")
async def head_(token: FromPath[str]) -> None:
    """Link checkers ask like this; there is nothing to say."""


@post("/u/{token:str}", status_code=200)
async def end(token: FromPath[str], state: State, request: Request[object, object, State]) -> Template:
    """Unsubscribe, and say so when it is stored. The body (``List-Unsubscribe=One-Click``) does not matter."""
    return await _answer(token, state, request, ends=True)


async def _answer(token: str, state: State, request: Request[object, object, State], *, ends: bool) -> Template:
    context: Context = state.context
    guesses: Guesses = state.guesses
    client = request.client.host if request.client else ""
    if not ends and guesses.too_many(client):  # who unsubscribes is never sent away
        return _page(state, request, None, 429)
    found = await asyncio.to_thread(unsubscribe if ends else look, context, token)
    if found is None:
        guesses.wrong(client)
    return _page(state, request, found, 200 if found else 404)


def _page(state: State, request: Request[object, object, State], found: Subscription | None, status: int) -> Template:
    context: Context = state.context
    user = context.config.users.get(found.sender or "") if found else None
    language = preferred(request.headers.get("accept-language", ""), user.time_zone if user else "")
    say = farewell.words(language)
    if found is None:
        heading, detail = say["too_many" if status == 429 else "gone"], say["gone_text"]
    else:
        heading = say["done" if found.ended else "title"]
        detail = say["text"].format(sender=user.name) if user and user.name else say["text_nobody"]
    return Template(
        template_name="unsubscribe.html",
        status_code=status,
        context={
            "language": language,
            "say": say,
            "style": Markup(state.style),  # noqa: S704 - our own file
            "found": found,
            "heading": heading,
            "detail": detail,
        },
    )
