"""What a workflow's author should know when he applies it, and its file alone can't tell."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from mailcrm.config import Config
from mailcrm.core.flow import Action, Do, Flow, FlowKind, On, Trigger
from mailcrm.core.nearest import nearest
from mailcrm.errors import MailcrmError
from mailcrm.store import consents, find, flows, permissions, users

_WORDS = frozenset({"owner", "contact-owner"})
"""Who is meant is found out for each contact."""

_TRACKED = frozenset({"mail.opened", "link.clicked"})


def missing(connection: Connection, flow: Flow) -> list[str]:
    """A line for each flow, user and stage that an action names, and that is not there (yet): it would fail."""
    found = []
    for node, action in _actions(flow):
        for key, look in _NAMED.get(action.name, {}).items():
            given = action.args.get(key)
            if not isinstance(given, str) or given in _WORDS or given == flow.name:
                continue
            try:
                look(connection, given)
            except MailcrmError as error:
                found.append(f"nodes.{node}: {action.name} would fail: {error}")
        if action.name == "workflow.move" and (fault := _goal(connection, flow, action.args)):
            found.append(f"nodes.{node}: {action.name} would fail: {fault}")
    return list(dict.fromkeys(found))


def senders(connection: Connection, flow: Flow, owner: int | None) -> set[int]:
    """Ids of the users in whose name it sends mail by itself, as far as its definition tells."""
    found: set[int] = set()
    for _, action in _actions(flow):
        if action.name != "mail.send":
            continue
        given = action.args.get("sender")
        sender = _user(connection, given) if given and given not in _WORDS else owner
        found |= {sender} if sender is not None else set()
    return found


def unconsented(connection: Connection, flow: Flow, owner: int | None) -> list[str]:
    """A line for each user in whose name it would send mail, and who does not consent to that (A4)."""
    return [
        f"{key} has not consented to automatic mail of {flow.name!r}, so it would fail when it is to be sent; "
        f"`mailcrm --as {key} consent grant --flow {flow.name!r}`"
        for key in consents.lacking(connection, flow.id, senders(connection, flow, owner))
    ]


def untracked(connection: Connection, config: Config, flow: Flow, triggers: Mapping[str, Trigger]) -> list[str]:
    """A line for each element that waits for openings or clicks, where nothing can tell of them: it waits in vain."""
    waiting = {
        name: node.trigger
        for name, node in flow.nodes.items()
        if isinstance(node, On) and node.trigger in triggers and triggers[node.trigger].event in _TRACKED
    }
    if not waiting:
        return []
    if config.tracking.when == "never":
        why = 'tracking.when is "never" in config.toml'
    elif not any(user.tracking for user in config.users.values()):
        why = "no user's mail is tracked: users.NAME.tracking is false for all in config.toml"
    elif config.tracking.when == "permission" and not permissions.anybody_tracked(connection):
        why = "no recipient's permission covers tracking yet; `mailcrm permission grant PERSON --tracking` records one"
    else:
        return []
    return [f"nodes.{name}: {trigger} will not happen: {why}" for name, trigger in waiting.items()]


def _goal(connection: Connection, flow: Flow, args: Mapping[str, Any]) -> str:
    """What is wrong with the node that somebody is to be moved to; "" if nothing is, or there is no such workflow."""
    name, node = args["workflow"], args["node"]
    nodes: Iterable[str] = flow.nodes
    if name != flow.name:
        stored = flows.search(connection, name, [FlowKind.WORKFLOW])
        if stored is None:
            return ""
        nodes = tomllib.loads(flows.text(connection, stored.id, stored.version))["nodes"]
    return "" if node in nodes else f"{name!r} has no node {node!r}; {nearest(node, nodes, 'its nodes')}"


def _actions(flow: Flow) -> Iterator[tuple[str, Action]]:
    for name, node in flow.nodes.items():
        if isinstance(node, Do):
            yield from ((name, action) for action in node.actions)


def _user(connection: Connection, given: str) -> int | None:
    try:
        return users.find(connection, given).id
    except MailcrmError:
        return None


def _flow(kind: FlowKind) -> Callable[[Connection, str], object]:
    return lambda connection, given: flows.find(connection, given, [kind])


_NAMED: Mapping[str, Mapping[str, Callable[[Connection, str], object]]] = {
    "workflow.join": {"workflow": _flow(FlowKind.WORKFLOW)},
    "workflow.leave": {"workflow": _flow(FlowKind.WORKFLOW)},
    "workflow.move": {"workflow": _flow(FlowKind.WORKFLOW)},
    "sequence.enroll": {"sequence": _flow(FlowKind.SEQUENCE)},
    "sequence.leave": {"sequence": _flow(FlowKind.SEQUENCE)},
    "activity.create": {"assignee": users.find},
    "notify": {"user": users.find},
    "mail.send": {"sender": users.find},
    "draft.create": {"sender": users.find},
    "deal.create": {"stage": find.stage_id, "owner": users.find},
    "deal.move": {"stage": find.stage_id},
}
