"""What every verb of campaigns needs: the definition, whose it is, and that it goes on or stands still."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from mailcrm.app.acting import Actor, may
from mailcrm.app.context import Context
from mailcrm.config import Config
from mailcrm.core.definitions import CampaignDefinition, parse
from mailcrm.errors import Refused
from mailcrm.store import campaigns, flows, users
from mailcrm.store.flows import StoredFlow


def definition(connection: Connection, context: Context, stored: StoredFlow) -> CampaignDefinition:
    """The current definition."""
    text = flows.text(connection, stored.id, stored.version)
    found = parse(text, stored.name, context.registry, max_steps=len(text))
    assert isinstance(found, CampaignDefinition), "it is stored as a campaign"
    return found


def his(connection: Connection, context: Context, actor: Actor, name: str) -> StoredFlow:
    """The campaign of this name or id, which the actor may change: its owner, or an administrator (CAMP-5).

    Raises:
        NotFound: there is none.
        Refused: it may be several, or it is somebody else's.
    """
    stored = flows.find(connection, name, campaigns.KINDS)
    allow(connection, context, actor, stored)
    return stored


def allow(connection: Connection, context: Context, actor: Actor, stored: StoredFlow) -> None:
    """See that the actor may change a campaign. Raises Refused."""
    if _may_change(context.config, actor, stored):
        return
    owner = next((user.key for user in users.every(connection) if user.id == stored.owner), "somebody else")
    raise Refused(
        f"{stored.name!r} is {owner}'s; he can do that (`mailcrm --as {owner} campaign …`), or an administrator"
    )


def meant(connection: Connection, config: Config, actor: Actor, definition: CampaignDefinition) -> StoredFlow | None:
    """The campaign not launched yet that a file would change; None: it makes another, whoever has one of that name.

    Of namesakes (CAMP-3) that of the owner whom the file names, then the actor's own, then the oldest; of those that
    are not his to change only the one of the owner whom the file names: whoever stores it is refused.

    Raises:
        NotFound: there is no such owner.
    """
    found = campaigns.editable(connection, definition.name)
    owner = users.find(connection, definition.owner).id if definition.owner else None
    his = [each for each in found if _may_change(config, actor, each)]
    of_owner = [each for each in his or found if each.owner is not None and each.owner == owner]
    own = [each for each in his if each.owner is not None and each.owner == actor.id]
    return next(iter([*of_owner, *own, *his]), None)


def _may_change(config: Config, actor: Actor, stored: StoredFlow) -> bool:
    return stored.owner is None or stored.owner == actor.id or may(config, actor, "admin")


def go_on(connection: Connection, context: Context, number: int, now: datetime) -> None:
    """Let a paused campaign go on; after ``Flows.change``."""
    campaigns.resume(connection, number)
    flows.activate(connection, number, now)
    context.flows.publish(connection, now)


def stand_still(connection: Connection, context: Context, number: int, now: datetime) -> None:
    """Have nothing more done for anybody; after ``Flows.change``."""
    flows.deactivate(connection, number, now)
    context.flows.publish(connection, now)
