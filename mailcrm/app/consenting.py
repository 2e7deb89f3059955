"""A user's consent that a flow sends mail in his name: explicit, his own, for one flow (SEQ-20 to SEQ-23)."""

from __future__ import annotations

from mailcrm.app.acting import Actor, may
from mailcrm.app.context import Context
from mailcrm.core.flow import FlowKind
from mailcrm.errors import Refused
from mailcrm.store import consents, flows, users

KINDS = (FlowKind.SEQUENCE, FlowKind.WORKFLOW, FlowKind.RULE, FlowKind.CAMPAIGN)


def say(context: Context, actor: Actor, flow: str, user: str | None, *, granted: bool) -> bool:
    """Grant or withdraw consent.

    Args:
        flow: name or id.
        user: whose consent it is: key, e-mail or id; None: the actor's.

    Returns:
        False if that is what he said last: nothing is noted.

    Raises:
        Refused: nobody can be told, or it is another's consent and the actor is no administrator.
        NotFound: no such flow or user.
    """
    with context.db.write() as connection:
        stored = flows.find(connection, flow, KINDS)
        whose = users.find(connection, user) if user else actor.user
        if whose is None:
            raise Refused("whose consent? say --user USER, or --as USER before the command")
        if actor.user is not None and actor.user.id != whose.id and not may(context.config, actor, "admin"):
            raise Refused(
                f"consent is a user's own to give: {whose.key} can say so (`mailcrm --as {whose.key} consent …`), "
                f"or an administrator"
            )
        if whose.disabled and granted:
            raise Refused(f"{whose.key} is disabled and sends nothing")
        if consents.is_live(connection, stored.id, whose.id) == granted:
            return False
        now = context.clock()
        consents.record(connection, stored.id, whose.id, now, granted=granted, by=actor.source, via="command")
    context.changed()
    return True
