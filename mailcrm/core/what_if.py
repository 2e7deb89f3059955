"""What a flow would have done with somebody's events: a virtual clock, effects taken as done, nothing carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from mailcrm.core.engine import advance
from mailcrm.core.enrollment import (
    Calendar,
    Decision,
    Done,
    Due,
    Effect,
    Enrollment,
    Facts,
    Happened,
    Move,
    Past,
    Status,
    Stimulus,
    Subject,
    Verdict,
)
from mailcrm.core.flow import Condition, Flow


@dataclass(frozen=True, slots=True)
class Imagined:
    """One step: when, what moved the subject, and what the flow would have decided."""

    at: datetime
    stimulus: Stimulus
    decision: Decision


def what_if(
    flow: Flow,
    subject: Subject,
    happened: Sequence[Happened],
    calendar: Calendar,
    judge: Callable[[Condition, datetime], Verdict],
    at_once: Set[str],
    since: datetime,
    until: datetime,
    follows: Callable[[Effect], Sequence[Happened]] = lambda _effect: (),
) -> Iterator[Imagined]:
    """Let one subject walk through a flow that was active from ``since`` on.

    Args:
        happened: the subject's stored events, in any order; those before ``since`` and after ``until`` do not count.
        judge: a condition's answer as of that time, as well as it can be told.
        at_once: names of the actions that change rows.
        until: where the clock stops, UTC: timers that are due later do not run out.
        follows: told each effect before it is taken as done; the events that it causes, at its time.

    Returns:
        The steps in the order of time; none for what the flow takes no notice of. A flow that sends and waits in a
        circle gives steps until it stops the subject itself.
    """
    waiting = sorted((each for each in happened if since <= each.event.at <= until), key=_order, reverse=True)
    seen: list[Happened] = []
    live: Enrollment | None = None
    past = Past()

    def taken(stimulus: Stimulus, at: datetime) -> Imagined:
        nonlocal live, past
        facts = Facts(
            subject, past.runs + (2 if live else 1), since, past, calendar, lambda c: judge(c, at), seen, at_once
        )
        decision = advance(flow, live, stimulus, facts, at)
        for run in (decision.replaced, decision.enrollment):
            if run is not None and run.status is not Status.IN_PROGRESS:
                past = Past(past.runs + 1, past.counted + 1, run.ended)
        now = decision.enrollment
        live = now if now is not None and now.status is Status.IN_PROGRESS else None
        return Imagined(at, stimulus, decision)

    while True:
        timers = ((token.due, token.id) for token in live.tokens if token.due is not None) if live else ()
        due, token = min(timers, default=(None, 0))
        if waiting and (due is None or waiting[-1].event.at <= due):
            event = waiting.pop()
            seen.append(event)
            todo: list[Stimulus] = [event]
            at = event.event.at
        elif due is not None and due <= until:
            todo, at = [Due(token)], due
        else:
            return
        while todo:
            stimulus = todo.pop(0)
            if isinstance(stimulus, Done) and not _awaited(live, stimulus.key):
                continue  # the run is over, or was moved on
            step = taken(stimulus, at)
            for effect in step.decision.effects:
                waiting.extend(follows(effect))
                if effect.name == "workflow.move" and effect.args.get("workflow") == flow.name:
                    todo.append(Move(effect.args["node"], effect.at, effect.chain))
                todo.append(Done(effect.key, effect.at))
            waiting.sort(key=_order, reverse=True)
            if step.decision.steps:
                yield step


def _awaited(live: Enrollment | None, key: str) -> bool:
    return live is not None and any(key in token.keys for token in live.tokens)


def _order(happened: Happened) -> tuple[datetime, int]:
    return happened.event.at, happened.event.id
