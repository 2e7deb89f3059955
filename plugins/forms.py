"""Forms on a web site: of a funnel, a blog or a creator's store.

The site tells of one that was filled in: `mailcrm event emit form.submitted --person E-MAIL --data '{"form": "offer-1",
"place": "blog"}'`. A flow names it by the form or the place: ``on = "form.submitted"``, ``where = { place = "blog" }``;
or by a trigger of its own for each place: ``on = "form.blog"``, ``where = { form = "offer-1" }``.

Nothing to configure.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from mailcrm import Event, EventKind, TriggerType, hookimpl

PLACES = {"funnel": "A form of a funnel", "blog": "A form of the blog", "store": "A form of a creator's store"}


@hookimpl
def register_events() -> list[EventKind]:
    fields = {"form": str, "place": str | None}
    return [EventKind("form.submitted", fields, "A form was filled in", among={"place": tuple(PLACES)})]


@hookimpl
def register_triggers() -> list[TriggerType]:
    return [
        TriggerType(f"form.{place}", "form.submitted", partial(stands_in, place=place), label)
        for place, label in PLACES.items()
    ]


def stands_in(event: Event, where: Mapping[str, Any], *, place: str) -> bool:
    """A form of that place; ``where = { form = … }``: that one."""
    return event.data["place"] == place and where.get("form") in (None, event.data["form"])
