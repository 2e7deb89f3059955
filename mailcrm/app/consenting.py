"""A user's consent that a flow sends mail in his name: explicit, his own, for one flow (SEQ-20 to SEQ-23)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from mailcrm.app.acting import Actor, may
from mailcrm.app.context import Context
from mailcrm.core.consent_mail import ConsentReference, mail_key
from mailcrm.core.flow import FlowKind
from mailcrm.errors import Refused
from mailcrm.store import consents, flows, outbox, users
from mailcrm.store.last_words import last_word

KINDS = (FlowKind.SEQUENCE, FlowKind.WORKFLOW, FlowKind.RULE, FlowKind.CAMPAIGN)


FRESH = timedelta(minutes=5)
"""How old a word may be that says when it was said, and by how much its teller's clock may be wrong."""


class Overtaken(Refused):
    """Something was said about it since, or the word is too old."""


def say(
    context: Context,
    actor: Actor,
    flow: str,
    user: str | None,
    *,
    granted: bool,
    via: Literal["command", "api"] = "command",
    said_at: datetime | None = None,
) -> bool:
    """Grant or withdraw consent. When this returns, it survives a power cut.

    Args:
        flow: name or id.
        user: whose consent it is: key, e-mail or id; None: the actor's.
        said_at: when it was said, by whoever passes it on: so it can't be passed on twice.

    Returns:
        False if that is what he said last: nothing is noted.

    Raises:
        Refused: nobody can be told, or it is another's consent and the actor is no administrator.
        Overtaken: of a word with a time: it is not fresh, or something was said since.
        NotFound: no such flow or user.
    """
    now = context.clock()
    if said_at is not None and not now - FRESH <= said_at <= now + FRESH:
        raise Overtaken("that was not said just now; send the time at which it is said, with its zone")
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
        last = consents.last(connection, stored.id, whose.id)
        if said_at is not None and last is not None and last.at >= said_at:
            raise Overtaken(f"something was said about {stored.name!r} since; look at it and say it anew")
        if consents.is_live(connection, stored.id, whose.id) == granted:
            return False
        asked = ConsentReference(stored.id, whose.id, last_word(connection, stored.id, whose.id))
        outbox.withdraw(connection, [mail_key("ask", asked)], f"said by {via}")
        at = max(now, said_at or now)
        consents.record(connection, stored.id, whose.id, at, granted=granted, by=actor.source, via=via)
    context.db.settle()
    context.changed()
    return True
