"""The web app: the choice page, the delivery hook, what operators ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from litestar import Litestar, Response
from litestar.contrib.jinja import JinjaTemplateEngine
from litestar.datastructures import State
from litestar.template.config import TemplateConfig

from mailcrm.app.context import Context
from mailcrm.web import choice, hooks, operators

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
        openapi_config=None,
        request_max_body_size=LARGEST_BODY,
        logging_config=None,
        debug=False,
    )


def _guard(policy: str) -> Callable[[Response[object]], Response[object]]:
    """Adds to every response what keeps a page to itself: no scripts, no frames, no referrer, no caches."""
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
        "Cache-Control": "no-store",
    }

    def guard(response: Response[object]) -> Response[object]:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    return guard
