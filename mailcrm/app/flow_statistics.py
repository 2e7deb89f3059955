"""Statistics of sequences, workflows and rules, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from mailcrm.app.context import Context
from mailcrm.core.definitions import parse, to_flow
from mailcrm.core.flow import Do, FlowKind, Node, On
from mailcrm.core.series import Days, Series
from mailcrm.errors import MailcrmError
from mailcrm.store import flows as stored_flows
from mailcrm.store import step_sums
from mailcrm.store.step_sums import Mailed

_KINDS = (FlowKind.SEQUENCE, FlowKind.WORKFLOW, FlowKind.RULE)
_MAILED = ("sent", "returned", "opened", "clicked", "replied")


class Step(Struct, frozen=True, tag="steps", tag_field="table"):
    """What happened at a node of a flow.

    Args:
        does: its actions or what it waits for; "" where the flow has no such node any more.
        reached: how often somebody came to it.
        returned: of the mails ``sent``, how many came back; ``opened`` and ``clicked``: by humans, once a mail.
        replied: answers that name its mail as what they answer.
        failed: runs that ended there as failed.
    """

    flow: str
    kind: str
    step: str
    does: str
    reached: int
    sent: int
    returned: int
    opened: int
    clicked: int
    replied: int
    failed: int


class FlowFigures(Struct, frozen=True):
    """What is told of flows; those in which nothing happened are left out."""

    steps: list[Step]
    series: list[Series]


def flows(context: Context, days: Days, owner: int | None = None) -> FlowFigures:
    """What happened in flows on these days; mail counts on the day when it left.

    Args:
        owner: id of a user: only the flows that are his.
    """
    steps: list[Step] = []
    series: list[Series] = []
    with context.db.read() as connection:
        counted = step_sums.read(connection, days.since, days.until)
        for stored, text in stored_flows.current(connection, _KINDS):
            sums = counted.get(stored.id)
            if sums is None or owner not in (None, stored.owner):
                continue
            try:
                definition = parse(text, stored.name, context.registry, max_steps=len(text))
                nodes = dict(to_flow(definition, context.registry, id=stored.id, version=stored.version).nodes)
            except MailcrmError:  # its plugin has gone
                nodes = {}
            mailed = step_sums.mailed(connection, stored.id, days.instants)
            mine = []
            for name in [*nodes, *sorted((sums.keys() | mailed.keys()) - nodes.keys())]:
                mail, found = mailed.get(name, Mailed()), sums.get(name, {})
                numbers = (found.get("reached", 0), mail.sent, mail.returned, mail.opened, mail.clicked)
                more = (found.get("replied", 0), found.get("failed", 0))
                mine.append(Step(stored.name, stored.kind, name, _does(nodes.get(name)), *numbers, *more))
            steps += mine
            series += _series(stored.name, mine)
    return FlowFigures(steps, series)


def _series(flow: str, steps: Sequence[Step]) -> Iterator[Series]:
    """Of mail only the steps that sent some, if any did."""
    for name in ("reached", "failed"):
        yield Series(name, "runs", _points(steps, name), flow=flow)
    letters = [each for each in steps if each.sent]
    for name in _MAILED if letters else ():
        yield Series(f"mail {name}", "mails", _points(letters, name), flow=flow)


def _points(steps: Sequence[Step], field: str) -> tuple[tuple[str, int], ...]:
    return tuple((each.step, int(getattr(each, field))) for each in steps)


def _does(node: Node | None) -> str:
    match node:
        case None:
            return ""
        case Do():
            return ", ".join(action.name for action in node.actions)
        case On():
            return f"on {node.trigger}"
        case _:
            return type(node).__name__.lower()
