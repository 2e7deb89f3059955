"""What recipients did with our mail: opened it, followed a link. Stored at once, judged a little later, then told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailcrm.app.context import Context
from mailcrm.core.hits import LONGEST_AGENT, Hit, Verdict, judge, signs
from mailcrm.core.tracked import TrackKind, destination
from mailcrm.store import events, responses, tracks
from mailcrm.store.events import NewEvent
from mailcrm.store.responses import What
from mailcrm.store.tracks import Mail, NewHit

_TOKEN = re.compile("[0-9a-f]{32}")
_UNPRINTABLE = re.compile(r"[^ -~]")
_GONE = Verdict("unknown", ("the mail is not kept any more",))


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asked for something of a mail.

    Args:
        agent: the header User-Agent, as it came.
        address: the client's IP address; it is looked at and not kept.
    """

    token: str
    at: datetime
    agent: str
    address: str


def is_token(text: str) -> bool:
    """Whether it looks like a token of ours; what does not is not looked up."""
    return _TOKEN.fullmatch(text) is not None


def opened(context: Context, requests: Sequence[Request]) -> int:
    """Store openings, one of each mail and kind of client; gives how many.

    Raises:
        Temporary: the database is locked or away; nothing was stored.
    """
    once = {(each.token, each.agent, each.address): each for each in reversed(requests)}
    networks = context.config.tracking.networks
    found = {address: signs(address, networks) for address in {each.address for each in requests}}
    hits = [NewHit(each.token, each.at, _clean(each.agent), found[each.address]) for each in once.values()]
    return _note(context, "open", hits)


def clicked(context: Context, request: Request, *, counts: bool = True) -> str | None:
    """Where a link leads, after the click is stored; None: no such link.

    Args:
        counts: False: only looked at ahead (prefetch), nothing is stored.

    Raises:
        Temporary: the database is locked or away.
    """
    if not is_token(request.token):
        return None
    with context.db.read() as connection:
        url = tracks.target(connection, request.token)
    if url is None or destination(url) != url:
        return None
    if counts:
        found = signs(request.address, context.config.tracking.networks)
        _note(context, "click", [NewHit(request.token, request.at, _clean(request.agent), found)])
    return url


def judge_due(context: Context, limit: int = 500) -> int:
    """Judge the hits that can be, and tell flows and plugins: ``mail.opened``, ``link.clicked``.

    Within an hour what is done again is told once. Safe in several processes at once, and to be killed.

    Returns:
        How many hits were judged.

    Raises:
        Temporary: the database is locked or away; nothing was judged.
    """
    now = context.clock()
    with context.db.read() as connection:
        due = tracks.next_due(connection)
    if due is None or due > now:
        return 0
    plugins = context.plugins.implementers("on_event")
    verdicts: dict[int, Verdict] = {}
    told: list[NewEvent] = []
    did: dict[What, dict[int, datetime]] = {"opened": {}, "clicked": {}}
    with context.db.write() as connection:
        claimed = tracks.claim(connection, now, limit)
        mails = tracks.mails(connection, claimed.keys() - {0})
        for number, ids in claimed.items():
            mail = mails.get(number)
            hits = {each.id: each for each in mail.hits} if mail else {}
            for each in ids:
                if mail is None or each not in hits:
                    verdicts[each] = _GONE
                    continue
                verdicts[each] = judge(hits[each], mail.hits, mail.links, mail.sent_at)
                if not hits[each].hidden:
                    told.append(_event(mail, hits[each], verdicts[each]))
                if mail.recipient is not None and verdicts[each].grade == "human":
                    first = did["opened" if hits[each].kind == "open" else "clicked"]
                    first[mail.recipient] = min(hits[each].at, first.get(mail.recipient, hits[each].at))
        tracks.judged(connection, verdicts)
        for what, when in did.items():
            responses.note(connection, what, when)
        events.record_many(connection, sorted(told, key=lambda row: row.at), plugins, now)
    if told:
        context.changed()
    return len(verdicts)


def _event(mail: Mail, hit: Hit, verdict: Verdict) -> NewEvent:
    return NewEvent(
        kind="mail.opened" if hit.kind == "open" else "link.clicked",
        key=f"hit:{mail.tokens[hit.id]}:{verdict.grade}:{hit.at:%Y-%m-%dT%H}",
        person=mail.person,
        at=hit.at,
        source="web",
        data={
            "message": mail.message_id,
            "flow": mail.flow,
            "node": mail.node,
            "url": mail.urls[hit.id],
            "grade": verdict.grade,
        },
    )


def _note(context: Context, kind: TrackKind, hits: Sequence[NewHit]) -> int:
    with context.db.write() as connection:
        return tracks.note(connection, kind, hits)


def _clean(agent: str) -> str:
    return _UNPRINTABLE.sub("?", agent)[:LONGEST_AGENT]
