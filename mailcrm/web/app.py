"""The web app: the choice page, the delivery hook, what operators ask."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from litestar import Litestar, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template.config import TemplateConfig
from litestar.types import Scope

from mailcrm.app.context import Context
from mailcrm.web import choice, hooks, operators

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
    return Litestar(
        route_handlers=[choice.show, choice.head_, choice.answer, hooks.delivery, *operators.HANDLERS],
        state=State(
            {
                "context": context,
                "style": style,
                "hooks": hooks.Doorbell.of(context, wake),
                "health": health,
            }
        ),
        template_config=TemplateConfig(directory=TEMPLATES, engine=JinjaTemplateEngine),
        after_request=_guard(choice.policy(style)),
        after_exception=[_log],
        openapi_config=None,
        request_max_body_size=LARGEST_BODY,
        logging_config=None,
        debug=False,
    )


async def _log(error: Exception, _scope: Scope) -> None:
    """A fault of ours is told to the log; the client learns no more than that there was one."""
    if not isinstance(error, HTTPException):
        log.error("a page failed: %s", error, exc_info=error)


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
