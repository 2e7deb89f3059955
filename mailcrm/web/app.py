"""The web app: the choice page, tracking and unsubscribing, events and the delivery hook, what operators ask."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from litestar import Litestar, MediaType, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template.config import TemplateConfig
from litestar.types import Scope

from mailcrm.app.context import Context
from mailcrm.app.logins import Logins
from mailcrm.app.tracking import opened
from mailcrm.errors import Temporary
from mailcrm.web import choice, consents, events, hooks, operators, tracking, unsubscribe
from mailcrm.web.guesses import Guesses
from mailcrm.web.pixel import Openings, Pixel

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
LARGEST_BODY = 64_000


def create(context: Context, wake: Callable[[str], bool], health: Callable[[], Mapping[str, str]]) -> Litestar:
    """The app, to be served by an ASGI server.

    Args:
        wake: has a mailbox (its key) looked into at once; False if there is no such mailbox. Called on the event
            loop, so it must not wait.
        health: the parts of the running program, each with ``ok`` or what is wrong with it. Called on the event loop.
    """
    style = (TEMPLATES / "choice.css").read_text(encoding="utf-8")
    openings = Openings(partial(opened, context))
    doorbell = hooks.Doorbell.of(context, wake)
    app = Litestar(
        route_handlers=[
            *(choice.show, choice.head_, choice.answer),
            *(tracking.follow, tracking.look, unsubscribe.show, unsubscribe.head_, unsubscribe.end),
            *(events.receive, hooks.delivery, consents.say, consents.listed),
            *operators.HANDLERS,
        ],
        state=State(
            {
                "context": context,
                "style": style,
                "hooks": doorbell,
                "key": doorbell.key,
                "guesses": Guesses(time.monotonic),
                "logins": Logins(context),
                "one_login": asyncio.Lock(),
                "health": health,
            }
        ),
        template_config=TemplateConfig(directory=TEMPLATES, engine=JinjaTemplateEngine),
        after_request=_guard(choice.policy(style)),
        exception_handlers={Temporary: _later},
        after_exception=[_log],
        on_shutdown=[openings.close],
        openapi_config=None,
        request_max_body_size=LARGEST_BODY,
        logging_config=None,
        debug=False,
    )
    app.asgi_handler = app.state.pixel = Pixel(app.asgi_handler, openings, context.clock)
    return app


async def _log(error: Exception, _scope: Scope) -> None:
    """A fault of ours is told to the log; the client learns no more than that there was one."""
    if not isinstance(error, HTTPException):
        log.error("a page failed: %s", error, exc_info=error)


def _later(_request: Request[object, object, State], _error: Temporary) -> Response[str]:
    return Response(
        "Please try again in a minute.\n", status_code=503, media_type=MediaType.TEXT, headers={"Retry-After": "60"}
    )


def _guard(policy: str) -> Callable[[Response[object]], Awaitable[Response[object]]]:
    """Adds to every response what keeps a page to itself: no scripts, no frames, no referrer, no caches."""
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
        "Cache-Control": "no-store",
    }

    async def guard(response: Response[object]) -> Response[object]:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    return guard
