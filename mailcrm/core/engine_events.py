"""What an event, enrolling and moving do: let the subject in, let waiting tokens on, overtake, set elsewhere."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from mailcrm.core.enrollment import (
    Decision,
    Enrol,
    Enrollment,
    Facts,
    Happened,
    Move,
    Place,
    Status,
    Step,
    Token,
    Waiting,
)
from mailcrm.core.events import Event
from mailcrm.core.flow import Again, Flow, On
from mailcrm.core.walk import Moment, Walk, circle, in_words


def happened(flow: Flow, live: Enrollment | None, stimulus: Happened, facts: Facts) -> Decision:
    """An event of the subject."""
    event, told = stimulus.event, in_words(stimulus.event)
    walk = Walk(flow, facts, live or _begun(flow, facts, event.at, stimulus.chain), told, event.at)
    names = [name for name in flow.by_kind.get(event.kind, ()) if walk.answers(name, event)]
    if not names:
        return Decision(live, steps=tuple(walk.steps))
    if why := circle(flow.id, stimulus.chain):
        return _ignored(walk, live, names, why)
    enters = facts.active_since is not None and event.at >= facts.active_since
    if live is not None:
        if event.at < live.began:
            return _ignored(walk, live, names, "ignored: happened before this run began")
        again = any(name in flow.entries and name in live.passed for name in names)
        if not (enters and again and flow.again is Again.RESTART):
            return _moved(walk, live, stimulus, names, enters)
    elif why := _stays_out(flow, facts, event.at):
        return _ignored(walk, None, names, f"ignored: {why}")
    starts = [name for name in names if name in flow.entries] or _first(flow, names)
    if not starts:
        return _ignored(walk, None, names, "ignored: only lets those on who came this way")
    replaced = None
    if live is not None:
        replaced, walk = _restarted(flow, live, facts, event.at, stimulus.chain, told)
    for name in starts:
        _enter(walk, name, (event.at, event.id))
    walk.run()
    return walk.decision(replaced)


def enrolled(flow: Flow, live: Enrollment | None, stimulus: Enrol, facts: Facts) -> Decision:
    """By hand, or by another flow. A start that is an entry is passed, as if its event had happened."""
    walk = Walk(flow, facts, live or _begun(flow, facts, stimulus.at, stimulus.chain), "enrolled", stimulus.at)
    if not flow.start:
        return _ignored(walk, live, ("",), "ignored: the flow has no place where enrolling begins")
    if why := circle(flow.id, stimulus.chain):
        return _ignored(walk, live, flow.start, why)
    if live is not None and flow.again is not Again.RESTART:
        return _ignored(walk, live, flow.start, "ignored: is inside already")
    if why := _stays_out(flow, facts, stimulus.at, inside=live is not None):
        return _ignored(walk, live, flow.start, f"ignored: {why}")
    replaced = None
    if live is not None:
        replaced, walk = _restarted(flow, live, facts, stimulus.at, stimulus.chain, "enrolled")
    when = (stimulus.at, 0)
    for name in flow.start:
        if name in flow.entries:
            _enter(walk, name, when)
        else:
            walk.queue.append((walk.new_token(), name, when, "enrolled"))
    walk.run()
    return walk.decision(replaced)


def moved(flow: Flow, live: Enrollment | None, stimulus: Move, facts: Facts) -> Decision:
    """To another node and nowhere else: every token is gone with what it had pending. Who is outside stays there."""
    name = stimulus.node
    if live is None:
        return Decision(None)
    walk = Walk(flow, facts, live, f"moved to {name}", stimulus.at)
    if name not in flow.nodes:
        return _ignored(walk, live, ("",), "ignored: there is no such node in this version")
    if why := circle(flow.id, stimulus.chain):
        return _ignored(walk, live, (name,), why)
    for token in live.tokens:
        walk.withdraw |= token.keys
        walk.note(token.node, f"taken back: moved to {name}", hop=token.hop)
    walk.tokens.clear()
    walk.chain = stimulus.chain
    when = max([(stimulus.at, 0), *(token.at for token in live.tokens)])
    walk.queue.append((walk.new_token(), name, when, walk.told))
    walk.run()
    return walk.decision()


# -- inside


def _moved(walk: Walk, live: Enrollment, stimulus: Happened, names: list[str], enters: bool) -> Decision:
    """Each token goes to at most one ``On``; those that meet at one become one."""
    event = stimulus.event
    goals: dict[str, list[Token]] = {}
    for token in live.tokens:
        goal = _goal(walk.flow, live, token, event, names)
        if goal:
            goals.setdefault(goal, []).append(token)
    entries = [name for name in names if enters and name in walk.flow.entries and name not in live.passed]
    for name in names:
        if name not in goals and name not in entries:
            walk.note(name, f"ignored: {_why_not(walk.flow, live, name, event)}")
    if not goals and not entries:
        return Decision(live, steps=tuple(walk.steps))
    walk.moved_by(stimulus.chain)
    for name in names:
        if name in goals:
            _take(walk, name, goals[name], (event.at, event.id))
    for name in entries:
        _enter(walk, name, (event.at, event.id))
    walk.run()
    return walk.decision()


def _goal(flow: Flow, live: Enrollment, token: Token, event: Event, names: list[str]) -> str | None:
    """The ``On`` that this token waits at, else the nearest that overtakes it."""
    if token.node in names and _in_time(flow, token, event):
        return token.node
    hops = flow.hops.get(token.node, {})
    ahead = [name for name in names if name in hops and name in flow.overtaking and name not in live.passed]
    return min(ahead, key=hops.__getitem__, default=None)


def _in_time(flow: Flow, token: Token, event: Event) -> bool:
    """Not after its time; and not before the token came, unless that ``On`` overtakes anyway."""
    return (
        token.waiting is Waiting.EVENT
        and (token.due is None or event.at <= token.due)
        and (token.node in flow.overtaking or (event.at, event.id) > token.at)
    )


def _take(walk: Walk, name: str, tokens: list[Token], moment: Moment) -> None:
    """The nearest token passes; the others that stood before the ``On`` are gone, and what they had pending."""
    flow, node = walk.flow, walk.flow.nodes[name]
    if not isinstance(node, On):
        return
    order = list(flow.nodes)
    nearest = min(tokens, key=lambda t: (0 if t.node == name else flow.hops[t.node][name], order.index(t.node), t.id))
    for token in tokens:
        del walk.tokens[token.id]
        walk.withdraw |= token.keys
        if token is not nearest:
            walk.note(token.node, f"taken back: {name} was passed")
    result = "passed" if nearest.node == name else f"passed, overtaking from {nearest.node}"
    walk.pass_on(nearest.id, name, node.next, max(moment, *(token.at for token in tokens)), result)


def _why_not(flow: Flow, live: Enrollment, name: str, event: Event) -> str:
    waiting = [token for token in live.tokens if token.node == name and token.waiting is Waiting.EVENT]
    if any(token.due is not None and event.at > token.due for token in waiting):
        return "too late"
    if waiting:
        return "happened before the token came here"
    if name in live.passed:
        return "passed already"
    if name in flow.entries:
        return "the flow lets nobody in now, or did not when it happened"
    return "nobody stands before it" if name in flow.overtaking else "nobody waits here"


# -- letting in


def _stays_out(flow: Flow, facts: Facts, at: datetime, inside: bool = False) -> str:
    if facts.active_since is None:
        return "the flow lets nobody in now"
    if at < facts.active_since:
        return "happened before the flow was activated"
    if not inside and facts.past.ended is not None and at < facts.past.ended:
        return "happened while the run before was still going on"
    if not inside and flow.again is Again.NEVER and facts.past.counted:
        return "the flow takes nobody twice"
    return ""


def _first(flow: Flow, names: list[str]) -> list[str]:
    """Of the nodes that let people in mid-flow, the first that no other one leads to."""
    free = [name for name in names if name in flow.overtaking]
    hops = flow.hops
    return [n for n in free if not any(n in hops[other] and other not in hops[n] for other in free)][:1]


def _begun(flow: Flow, facts: Facts, at: datetime, chain: tuple[Place, ...], number: int = 0) -> Enrollment:
    number = number or facts.past.runs + 1
    return Enrollment(facts.new_id, flow.id, flow.version, facts.subject, number, at, chain=chain)


def _restarted(
    flow: Flow, live: Enrollment, facts: Facts, at: datetime, chain: tuple[Place, ...], told: str
) -> tuple[Enrollment, Walk]:
    """The run before, ended, and the walk of the new one."""
    at = max(at, live.began)
    old = replace(live, status=Status.REMOVED, reason="restarted", ended=at, tokens=(), seq=live.seq + 1)
    walk = Walk(flow, facts, _begun(flow, facts, at, chain, live.number + 1), told, at)
    return old, walk


def _enter(walk: Walk, name: str, when: Moment) -> None:
    node = walk.flow.nodes[name]
    if isinstance(node, On):
        walk.pass_on(walk.new_token(), name, node.next, when, "entered")


def _ignored(walk: Walk, live: Enrollment | None, names: list[str] | tuple[str, ...], why: str) -> Decision:
    hop = live.hop if live else 0
    walk.steps += [Step(hop, name, walk.at, walk.told, why) for name in names]
    return Decision(live, steps=tuple(walk.steps))
