"""Communities: somebody joined one.

The community tells of it: `mailcrm event emit community.joined --person E-MAIL --data '{"community": "makers"}'`. A
flow names it: ``on = "community.joined"``, ``where = { community = "makers" }``.

Nothing to configure.
"""

from mailcrm import EventKind, hookimpl


@hookimpl
def register_events() -> list[EventKind]:
    return [EventKind("community.joined", {"community": str}, "Somebody joined a community")]
