"""Webinars: somebody registered for one.

Its page tells of it: `mailcrm event emit webinar.registered --person E-MAIL --data '{"webinar": "spring"}'`. A flow
names it: ``on = "webinar.registered"``, ``where = { webinar = "spring" }``.

Nothing to configure.
"""

from mailcrm import EventKind, hookimpl


@hookimpl
def register_events() -> list[EventKind]:
    return [EventKind("webinar.registered", {"webinar": str}, "Somebody registered for a webinar")]
