"""Flows as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from mailcrm.core.flow import FlowKind
from mailcrm.store import flows
from mailcrm.store.flows import StoredFlow
from mailcrm.store.tables import user


def flow_(connection: Connection, name: str, kinds: Sequence[FlowKind]) -> dict[str, Any]:
    """The flow of one of these kinds with this name or id. Raises NotFound."""
    return _shaped(connection, [flows.find(connection, name, kinds)])[0]


def flows_(connection: Connection, kinds: Sequence[FlowKind]) -> list[dict[str, Any]]:
    """Every flow of these kinds, by name."""
    return _shaped(connection, flows.every(connection, kinds))


def _shaped(connection: Connection, stored: Sequence[StoredFlow]) -> list[dict[str, Any]]:
    counts = flows.counts(connection, [each.id for each in stored])
    keys = {row.id: row.key for row in connection.execute(select(user.c.id, user.c.key))}
    return [
        {
            "id": each.id,
            "name": each.name,
            "kind": each.kind,
            "item": each.item,
            "active_since": each.active_since,
            "paused": each.paused,
            "version": each.version,
            "owner": keys.get(each.owner or 0),
            "changed_at": each.changed_at,
            **{status.value: count for status, count in counts[each.id].items()},
        }
        for each in stored
    ]
