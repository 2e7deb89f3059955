"""A person's way through flows: each step and why, and what is waited for (WF-16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.flow_book import Flows
from mailcrm.core.enrollment import Enrollment, Status, Waiting
from mailcrm.core.flow import FlowKind, On
from mailcrm.core.spans import before
from mailcrm.errors import NotFound
from mailcrm.store import enrollments, flows, traces
from mailcrm.store.traces import Pending, Run

KINDS = (FlowKind.WORKFLOW, FlowKind.RULE, FlowKind.SEQUENCE)


def trace(connection: Connection, book: Flows, name: str, person: int, *, every: bool) -> list[dict[str, Any]]:
    """A person's latest run through a flow, removed or not, or every one that is known, the newest first.

    Raises:
        NotFound: there is no such flow and was none, or the person was never in it.
    """
    there = flows.search(connection, name, KINDS)
    stored = there or flows.removed(connection, name, KINDS) or flows.find(connection, name, KINDS)
    runs = traces.runs(connection, stored.id, person)
    if not runs:
        closed = there is not None and stored.active_since is None
        state = f"; it lets nobody in until `mailcrm workflow activate {stored.name!r}`" if closed else ""
        raise NotFound(f"person {person} was never in {stored.name!r}{state}")
    wanted = runs if every else runs[:1]
    ids = [run.id for run in wanted]
    steps, waiting = traces.steps(connection, ids), _waiting(connection, book, ids)
    return [
        {
            "workflow": run.flow,
            "version": run.version,
            "person": person,
            "enrollment": run.id,
            "item": run.subject,
            "run": run.number,
            "status": run.status,
            "reason": run.reason,
            "began_at": run.began_at,
            "ended_at": run.ended_at,
            "steps": [
                {
                    "node": step.node,
                    "at": step.at,
                    "stimulus": step.stimulus,
                    "result": step.result,
                    "expected": step.expected,
                    "actual": step.actual,
                }
                for step in steps.get(run.id, ())
            ],
            "waiting": waiting.get(run.id, []),
        }
        for run in wanted
    ]


def jobs(context: Context, connection: Connection, person: int) -> list[dict[str, Any]]:
    """Every flow that a person, his deals or leads are in or lately were in, with what comes next and when.

    Lately: for as long as the history of flows is kept.
    """
    runs = traces.lately(connection, person, before(context.clock(), context.config.retention.history))
    waiting = _waiting(
        connection, context.flows.read(connection), [run.id for run in runs if run.status is Status.IN_PROGRESS]
    )
    return [_job(run, place) for run in runs for place in waiting.get(run.id) or [_NOWHERE]]


_NOWHERE: dict[str, Any] = {"node": None, "due_at": None, "event": None, "action": None}


def _job(run: Run, place: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "flow": run.flow,
        "kind": run.kind,
        "enrollment": run.id,
        "item": run.subject,
        "status": run.status,
        **place,
        "reason": run.reason,
        "ended_at": run.ended_at,
    }


def _waiting(connection: Connection, book: Flows, ids: list[int]) -> dict[int, list[dict[str, Any]]]:
    """By enrollment, each of its places: the node, when its timer runs out, the kind of event or the action."""
    live = enrollments.with_ids(connection, ids)
    pending = traces.pending(connection, ids)
    return {each.id: list(_places(connection, book, each, pending)) for each in live}


def _places(
    connection: Connection, book: Flows, live: Enrollment, pending: Mapping[str, Pending]
) -> Iterator[dict[str, Any]]:
    compiled = book.version(connection, live.flow, live.version)
    for token in live.tokens:
        action = next((pending[key] for key in sorted(token.keys) if key in pending), None)
        node = compiled.flow.nodes.get(token.node) if compiled else None
        event = None
        if compiled and isinstance(node, On) and token.waiting is Waiting.EVENT:
            event = compiled.flow.triggers[node.trigger].event
        due = token.due or (action.due_at if action else None)
        yield {"node": token.node, "due_at": due, "event": event, "action": _action(action)}


def _action(action: Pending | None) -> str | None:
    if action is None:
        return None
    return f"{action.name}: {action.reason}" if action.reason else action.name
