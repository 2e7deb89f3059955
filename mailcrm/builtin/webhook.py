"""Another program is called: ``webhook.call``."""

from __future__ import annotations

from typing import Any

from mailcrm.core.enrollment import Effect
from mailcrm.hookspecs import Reach


async def run(hands: Reach, effect: Effect) -> None:
    """``webhook.call {url, body}``: POST, signed, with the effect's key; see ``Reach.request``.

    Args:
        effect: its ``body`` is a table, sent as JSON, or text, each with what stands in ``{{ }}`` filled in; without
            one, who it is about is sent.
    """
    body: Any = effect.args.get("body")
    if body is None:
        card = hands.card
        person = {"id": card.person, "name": card.fields.get("name"), "email": hands.email}
        body = {"key": effect.key, "at": effect.at.isoformat(), "person": person}
    else:
        body = _filled(hands, body)
    await hands.request("POST", effect.args["url"], body=body)


def _filled(hands: Reach, value: Any) -> Any:
    """The body with every text in it filled in."""
    if isinstance(value, str):
        return hands.render(value)
    if isinstance(value, dict):
        return {name: _filled(hands, each) for name, each in value.items()}
    return [_filled(hands, each) for each in value] if isinstance(value, list) else value
