"""What one stimulus does to one subject of one flow. Pure: the shell stores and carries out what is decided here."""

from __future__ import annotations

from datetime import datetime

from mailcrm.core.engine_events import enrolled, happened, moved
from mailcrm.core.enrollment import (
    IN_PROGRESS,
    Decision,
    Done,
    Due,
    Enrol,
    Enrollment,
    Facts,
    Happened,
    Move,
    Step,
    Stimulus,
    Stop,
    Token,
    Waiting,
)
from mailcrm.core.flow import Do, Flow, FlowKind, On, Wait
from mailcrm.core.walk import Moment, Walk

_GONE = "this version of the flow has no such node any more"


def advance(flow: Flow, live: Enrollment | None, stimulus: Stimulus, facts: Facts, now: datetime) -> Decision:
    """Answer one stimulus for one subject of one flow.

    The caller gives the pending stimuli of a subject in the order of their times (an event's ``at``, a token's
    ``due``, ``Done.at``), events before timers, then by id.

    Args:
        flow: the enrollment's own version; for a sequence the newest, which its positions then go on in.
        live: the subject's enrollment in this flow, if it is inside.
        facts: read in the transaction that stores the decision. A ``Done`` of an action in ``facts.at_once`` is given
            in that transaction too.
        now: aware, UTC; a timer that is not yet due then changes nothing.

    Returns:
        ``live`` itself inside the decision if nothing moved it.

    Raises:
        Temporary: a condition could not be judged now.
    """
    if live is not None and live.status is not IN_PROGRESS:
        return Decision(live)
    match stimulus:
        case Due():
            return _due(flow, live, stimulus, facts, now)
        case Happened():
            return happened(flow, live, stimulus, facts)
        case Enrol():
            return enrolled(flow, live, stimulus, facts)
        case Move():
            return moved(flow, live, stimulus, facts)
        case Done():
            return _done(flow, live, stimulus, facts)
    return _stopped(flow, live, stimulus, facts)


def _due(flow: Flow, live: Enrollment | None, due: Due, facts: Facts, now: datetime) -> Decision:
    token = _token(live, due.token)
    if live is None or token is None or token.due is None or token.due > now:
        return Decision(live)
    when = max((token.due, 0), token.at)
    walk = Walk(flow, facts, live, "timer", when[0])
    walk.moved_by(())
    node = flow.nodes.get(token.node)
    if isinstance(node, Wait) and token.waiting is Waiting.WAIT:
        walk.along(token.id, token.node, node.next, when)
    elif isinstance(node, Do) and token.waiting is Waiting.DELAY:
        walk.perform(token.id, token.node, node, token.hop, token.index, when)
    elif isinstance(node, On) and token.waiting is Waiting.EVENT:
        walk.note(token.node, "did not happen in time", hop=token.hop)
        walk.along(token.id, token.node, node.otherwise, when)
    else:
        _without_node(walk, token, when)
    walk.run()
    return walk.decision()


def _token(live: Enrollment | None, number: int) -> Token | None:
    for token in live.tokens if live else ():
        if token.id == number:
            return token
    return None


def _without_node(walk: Walk, token: Token, when: Moment) -> None:
    """An edit took the node away. A sequence goes on with what comes after its last step: it is through."""
    if walk.flow.kind is FlowKind.SEQUENCE:
        walk.note(token.node, "the step was taken away", hop=token.hop)
        walk.along(token.id, token.node, (), when)
    else:
        walk.fail(token.node, _GONE)


def _done(flow: Flow, live: Enrollment | None, done: Done, facts: Facts) -> Decision:
    told = f"done {done.key}"
    token = next((token for token in live.tokens if done.key in token.keys), None) if live else None
    if live is None or token is None:
        late = f"failed too late to matter: {done.problem}" if done.problem else "was done after the token had moved on"
        return Decision(live, steps=(Step(live.hop if live else 0, "", done.at, told, f"ignored: {late}"),))
    when = max((done.at, 0), token.at)
    walk = Walk(flow, facts, live, told, when[0])
    node = flow.nodes.get(token.node)
    if not isinstance(node, Do) or token.index >= len(node.actions):
        if done.problem:
            walk.fail(token.node, done.problem)
        else:
            _without_node(walk, token, when)
    elif done.problem and (done.refused or node.on_error == "fail"):
        walk.fail(token.node, f"{node.actions[token.index].name}: {done.problem}")
    else:
        name = node.actions[token.index].name
        result = f"{name} failed, goes on: {done.problem}" if done.problem else f"did {name}"
        walk.note(token.node, result, hop=token.hop)
        walk.perform(token.id, token.node, node, token.hop, token.index + 1, when)
    walk.run()
    return walk.decision()


def _stopped(flow: Flow, live: Enrollment | None, stop: Stop, facts: Facts) -> Decision:
    if live is None:
        return Decision(None)
    walk = Walk(flow, facts, live, "stopped", stop.at)
    walk.withdraw_all = True
    walk.finish(stop.status, stop.reason, stop.by)
    return walk.decision()
