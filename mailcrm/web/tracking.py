"""``GET /c/{token}``: a click. It is stored before the redirect, which leads nowhere but where the database says."""

from __future__ import annotations

import asyncio

from litestar import Request, Response, get, head
from litestar.datastructures import State
from litestar.enums import MediaType
from litestar.params import FromPath

from mailcrm.app import tracking
from mailcrm.app.context import Context
from mailcrm.web.guesses import Guesses

AHEAD = ("purpose", "sec-purpose", "x-purpose", "x-moz")
"""Headers of requests for pages that nobody has asked for yet (Fetch standard: ``Sec-Purpose: prefetch``)."""


@get("/c/{token:str}")
async def follow(token: FromPath[str], state: State, request: Request[object, object, State]) -> Response[str]:
    """The click, and on to where the link leads. What is fetched ahead is no click."""
    status, url = await _led(token, state, request, counts=not any(name in request.headers for name in AHEAD))
    if url is not None:
        return Response("", status_code=status, headers={"Location": url}, media_type=MediaType.TEXT)
    said = "There is no such link (any more).\n" if status == 404 else "Too many: please wait a minute.\n"
    return Response(said, status_code=status, media_type=MediaType.TEXT)


@head("/c/{token:str}")
async def look(token: FromPath[str], state: State, request: Request[object, object, State]) -> Response[None]:
    """Link checkers ask like this; they see where it leads, and nothing is stored."""
    status, url = await _led(token, state, request, counts=False)
    return Response(None, status_code=status, headers={} if url is None else {"Location": url})


async def _led(
    token: str, state: State, request: Request[object, object, State], *, counts: bool
) -> tuple[int, str | None]:
    """The answer's status, and the address that it leads to."""
    context: Context = state.context
    guesses: Guesses = state.guesses
    client = request.client.host if request.client else ""
    if guesses.too_many(client):
        return 429, None
    asked = tracking.Request(token, context.clock(), request.headers.get("user-agent", ""), client)
    url = await asyncio.to_thread(tracking.clicked, context, asked, counts=counts)
    if url is None:
        guesses.wrong(client)
        return 404, None
    return 302, url
