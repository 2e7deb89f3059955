"""What-if: a new or changed workflow over the stored events. Nothing is carried out, nothing stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.flow_files import Plan
from mailcrm.core.calendar import subject_calendar
from mailcrm.core.conditions import needs
from mailcrm.core.definitions import parse, to_flow
from mailcrm.core.enrollment import Enrollment
from mailcrm.core.flow import Flow, If, Switch
from mailcrm.core.past_card import PastCard
from mailcrm.core.rehearsal import Rehearsal, Would
from mailcrm.errors import NotFound
from mailcrm.store import flow_past, flows, users
from mailcrm.store.cards import cards
from mailcrm.store.db import slices

_PIECE = 200  # persons at a time


def replay(context: Context, plan: Plan, since: datetime) -> Iterator[dict[str, Any]]:
    """Run a workflow or rule over the stored events from ``since`` on, as if it had been active then.

    Its timers run until now. Facts are as they were where the log tells (tags, deals, mail, other flows), else as they
    are today, which ``todays`` says. Every action is taken as done at once.

    Args:
        plan: of the file; compared with a stored flow of its name, what that flow caused itself is left out.

    Returns:
        One line for each action that would have been done, with person and time, and for each end of a run and
        each wait that is still going on; ``result`` says which. Persons by id, each in order of time.
    """
    stored, now = plan.stored, context.clock()
    flow = to_flow(plan.definition, context.registry, id=stored.id if stored else 0, version=0)
    parts = _needs(context, flow)
    with context.db.read() as connection:
        rep = context.flows.read(connection).rep(_owner(connection, plan))
        for piece in slices(flow_past.persons(connection, flow.by_kind.keys(), since), _PIECE):
            today = cards(connection, piece, parts | {"time_zone"}, since)
            events = flow_past.events(connection, piece, since)
            stays, names = flow_past.stays(connection, piece), flow_past.names(connection, piece)
            for person in piece:
                mine = events.get(person, [])
                past = PastCard(today[person], [each.event for each in mine], stays.get(person, ()), since)
                calendar = subject_calendar(today[person].time_zone, rep.zone, rep.hours)
                recent = [each for each in mine if each.event.at >= since]
                rehearsal = Rehearsal(flow, context.registry, person, past, recent, calendar, since, now)
                about: dict[str, Any] = {"person": person, "name": names[person]}
                yield from (about | line for line in map(_line, rehearsal.play()) if line)
                yield from (about | line for line in _waits(rehearsal.waiting))


def compare(context: Context, plan: Plan, since: datetime) -> list[dict[str, Any]]:
    """What a changed workflow or rule would have done otherwise than its stored version: the actions of one alone.

    Returns:
        As ``replay``, each with ``change``: ``+`` only the new one does it, ``-`` only the stored one does.

    Raises:
        NotFound: none is stored under that name.
    """
    stored = plan.stored
    if stored is None:
        raise NotFound(f"no workflow {plan.definition.name!r} is stored yet, so there is nothing to compare with")
    with context.db.read() as connection:
        text = flows.text(connection, stored.id, stored.version)
    now = replace(plan, definition=parse(text, f"{stored.name}.toml", context.registry))
    found = {"-": _actions(replay(context, now, since)), "+": _actions(replay(context, plan, since))}
    told = [
        {"change": sign, **line}
        for sign, other in (("-", "+"), ("+", "-"))
        for key, line in found[sign].items()
        if key not in found[other]
    ]
    return sorted(told, key=lambda line: (line["person"], line["at"], line["change"] == "+"))


def _actions(lines: Iterable[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The actions, by whom they concern, when, and what they do: wherever in the graph they stand."""
    return {
        (line["person"], line["at"], line["action"], repr(sorted(line["with"].items()))): line
        for line in lines
        if line["action"]
    }


def _line(would: Would) -> dict[str, Any] | None:
    """An action, or the end of a run."""
    step, effect = would.step, would.effect
    if effect is None and step.node:
        return None
    return {
        "at": effect.at if effect else step.at,
        "run": would.run,
        "node": step.node,
        "action": effect.name if effect else None,
        "with": dict(effect.args) if effect else {},
        "result": step.result,
        "todays": sorted(would.todays),
    }


def _waits(live: Enrollment | None) -> Iterator[dict[str, Any]]:
    for token in live.tokens if live else ():
        yield {
            "at": token.due,
            "run": live.number if live else 0,
            "node": token.node,
            "action": None,
            "with": {},
            "result": "waits still",
            "todays": [],
        }


def _needs(context: Context, flow: Flow) -> frozenset[str]:
    asked = []
    for node in flow.nodes.values():
        if isinstance(node, If):
            asked += [condition for group in node.groups for condition in group]
        elif isinstance(node, Switch):
            asked += [condition for condition, _ in node.cases]
    return needs(asked, context.registry)


def _owner(connection: Connection, plan: Plan) -> int | None:
    """Whose working hours and time zone count."""
    named = plan.definition.owner
    return users.find(connection, named).id if named else plan.stored.owner if plan.stored else None
