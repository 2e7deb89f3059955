"""Answers to campaigns: whose letter a mail answers is known by the letter's own Message-ID, whoever writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection

from mailcrm.app.linker import Linked
from mailcrm.core.model import REPLIES, Direction, Kind
from mailcrm.store import responses, step_sums
from mailcrm.store.responses import What
from mailcrm.store.step_sums import Counted


def take(connection: Connection, arrived: Sequence[Linked]) -> None:
    """Note which recipients of campaigns these mails are replies of, and who of them asks for no more.

    Args:
        arrived: just linked. What answers no letter of ours is left out.
    """
    answers = [each for each in arrived if each.named and _is_answer(each)]
    note(connection, "replied", answers)
    note(connection, "unsubscribed", [each for each in answers if each.item.reading.kind is Kind.UNSUBSCRIBE])


def count(connection: Connection, arrived: Sequence[Linked], now: datetime) -> None:
    """Count the mails that answer letters of flows directly, by the letter's node."""
    direct: list[str] = []
    for linked in arrived:
        if linked.named and _is_answer(linked):
            message = linked.item.message
            direct += message.in_reply_to[:1] or message.references[-1:]
    nodes = step_sums.nodes_of(connection, set(direct))
    sums = Counter(Counted(*nodes[each], now.date(), "replied") for each in direct if each in nodes)
    step_sums.add(connection, sums)


def note(connection: Connection, what: What, answers: Iterable[Linked]) -> None:
    """These mails say so, when they were received."""
    by_run: dict[int, datetime] = {}
    for linked in answers:
        at = linked.item.arrival.received_at
        for run in linked.named:
            by_run[run] = min(at, by_run.get(run, at))
    if by_run:
        whose = responses.of_runs(connection, by_run)
        responses.note(connection, what, {number: by_run[run] for run, number in whose.items()})


def _is_answer(linked: Linked) -> bool:
    return linked.answers and linked.item.direction is Direction.IN and linked.item.reading.kind in REPLIES
