"""Mail of our own that came back: believed by our signed Message-ID or envelope sender alone, all else is hearsay.

A question to a rep that came back has failed, and its choice stays open for other ways. Of a letter to somebody else
the outbox says so, the rep is told, and whether the address gets automatic mail again depends on whose fault it was.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.core import spans
from mailcrm.core.addresses import normalise
from mailcrm.core.bounce import returned_ids
from mailcrm.core.letter_ids import returned_key, run_of
from mailcrm.core.model import Arrival, Bounce, Kind, Message, Reading
from mailcrm.core.returns import Fault, complained_ids, envelope_recipients, fault
from mailcrm.core.text import clean
from mailcrm.store import effects, outbox, pulse, responses, returns, suppressions
from mailcrm.store.returns import Letter

log = logging.getLogger(__name__)
_LONGEST_REASON = 400


@dataclass(frozen=True, slots=True)
class Returned:
    """What a batch brought back.

    Args:
        own: identities of reports about mail to ourselves: they are no correspondence and are not stored.
        persons: identity of a bounce or complaint -> whose letter it is about, for sure.
    """

    own: frozenset[str] = frozenset()
    persons: Mapping[str, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Report:
    """A bounce or a complaint. ``ids``: Message-IDs that it names; ``keys``: of letters, by whom it was sent to."""

    identity: str
    at: datetime
    message: Message
    reading: Reading
    ids: tuple[str, ...]
    keys: tuple[str, ...]


def take(connection: Connection, context: Context, arrivals: Mapping[str, Arrival], now: datetime) -> Returned:
    """Note what these bounces and complaints return, and suppress addresses.

    Args:
        arrivals: new ones, by identity.
    """
    reports = list(_reports(context, arrivals))
    if not reports:
        return Returned()
    own = _to_ourselves(connection, reports)
    persons: defaultdict[str, set[int]] = defaultdict(set)
    signed = {name for report in reports for name in report.ids if run_of(context.secret, name) is not None}
    letters = returns.with_ids(connection, signed)
    letters += returns.with_keys(connection, {key for report in reports for key in report.keys})
    by_name = {name: each for each in letters for name in (each.message_id, each.key)}
    for report in reports:
        for letter in dict.fromkeys(by_name[name] for name in (*report.ids, *report.keys) if name in by_name):
            if letter.person is not None:
                persons[report.identity].add(letter.person)
            _came_back(connection, context, report, letter, now)
    return Returned(frozenset(own), {identity: frozenset(found) for identity, found in persons.items()})


def _reports(context: Context, arrivals: Mapping[str, Arrival]) -> Iterator[_Report]:
    base = normalise(context.config.returns.bounces or "")
    for identity, arrival in arrivals.items():
        if not isinstance(arrival.content, tuple):
            continue
        message, reading = arrival.content
        if reading.bounce is not None:
            ids = returned_ids(message, reading.bounce)
        elif reading.kind is Kind.COMPLAINT:
            ids = complained_ids(message)
        else:
            continue
        tags = (returned_key(context.secret, each, base) for each in envelope_recipients(message)) if base else ()
        keys = tuple(filter(None, tags)) if reading.bounce is not None else ()
        yield _Report(identity, arrival.received_at, message, reading, tuple(map(clean, ids)), keys)


def _to_ourselves(connection: Connection, reports: list[_Report]) -> set[str]:
    reasons: dict[str, str] = {}
    back: dict[str, datetime] = {}
    bounces = [(report, report.reading.bounce) for report in reports if report.reading.bounce is not None]
    for report, bounce in bounces:
        for each in report.ids:
            reasons.setdefault(each, _reason(bounce))
            back[each] = max(report.at, back.get(each, report.at))
    ours = outbox.returned(connection, reasons, back) if reasons else set()
    for each in ours:
        log.warning("mail of ours came back: %s: %s", each, reasons[each])
    return {report.identity for report, _ in bounces if not ours.isdisjoint(report.ids)}


def _came_back(connection: Connection, context: Context, report: _Report, letter: Letter, now: datetime) -> None:
    """Of old mail, and of a letter that came back before, nothing is made."""
    old = now - report.at > timedelta(days=context.config.linking.history_days)
    bounce = report.reading.bounce
    if bounce is None:
        if not old:
            _complained(connection, context, report, letter, now)
        return
    whose, reason = fault(bounce, normalise(letter.recipient)), _reason(bounce)
    if not returns.note(connection, letter, whose.value, reason, report.at):
        return
    log.warning("the letter %s to %s: %s", letter.message_id, letter.recipient, reason)
    if letter.waits:  # who handed it over died before he could note it
        effects.settle(connection, letter.key, now, reason)
    if not old:
        _suppress(connection, context, report, letter, whose, reason, now)
        _tell(connection, letter, reason, now)


def _suppress(
    connection: Connection,
    context: Context,
    report: _Report,
    letter: Letter,
    whose: Fault,
    reason: str,
    now: datetime,
) -> None:
    """An address that is at fault gets no automatic mail for a while; what the sender is to blame for is not its."""
    terms = context.config.returns
    if whose is Fault.ADDRESS:
        until = spans.after(now, terms.gone, UTC)
    elif whose is Fault.PASSING:
        since = spans.before(now, terms.full_within)
        if returns.count(connection, letter, whose.value, since) < terms.full_times:
            return
        until = spans.after(now, terms.full, UTC)
    else:
        return
    source = _source(report)
    suppressions.add(connection, context.secret, normalise(letter.recipient), "bounce", reason, source, now, until)


def _complained(connection: Connection, context: Context, report: _Report, letter: Letter, now: datetime) -> None:
    what = "complained of our mail as spam"
    source = _source(report)
    if suppressions.add(connection, context.secret, normalise(letter.recipient), "complaint", what, source, now):
        log.warning("%s %s: %s", letter.recipient, what, letter.message_id)
        if letter.run is not None:
            whose = responses.of_runs(connection, [letter.run])
            responses.note(connection, "unsubscribed", dict.fromkeys(whose.values(), report.at))
        _tell(connection, letter, what, now)


def _tell(connection: Connection, letter: Letter, what: str, now: datetime) -> None:
    """The rep learns of it in his pulse."""
    if letter.user is not None:
        subject = " ".join("".join(c if c.isprintable() else " " for c in letter.subject).split())[:120]
        text = f"{letter.recipient}: {subject}\n\n{what}"
        pulse.add(connection, letter.user, "notice", text, now, now, run=letter.run)


def _source(report: _Report) -> str:
    return clean(f"message:{report.message.message_id or report.identity}")[:_LONGEST_REASON]


def _reason(bounce: Bounce) -> str:
    said = " ".join(filter(None, (bounce.recipient, bounce.status, bounce.reason)))
    plain = "".join(c if c.isprintable() else " " for c in said)
    return clean(f"came back: {plain}")[:_LONGEST_REASON]
