"""Drafts that flows ask of reps: done when they turn up in Sent or the rep says so; deleted ones are skipped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailcrm.app import proof
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.linker import Linked
from mailcrm.core import drafts as core
from mailcrm.core.drafts import Evidence, Found, Sought
from mailcrm.core.model import Batch, Direction, FolderRole
from mailcrm.errors import Refused
from mailcrm.store import drafts, effects, pulse, users, written
from mailcrm.store.drafts import Draft
from mailcrm.store.mailboxes import DROP_BOX

TIDY = timedelta(minutes=15)
"""What the rep's mail program has, after it sent a draft, to delete it from Drafts itself."""
REMINDERS = (timedelta(days=1), timedelta(days=3), timedelta(days=7))
"""After a draft was due, when its rep is reminded again."""
AT_ONCE = 500
"""Lines that are put there at once; the others are with the next look."""
_SKEW = timedelta(hours=1)  # by which a Date may lie ahead of our clock, or before the draft, and still be believed


def done(context: Context, actor: Actor, number: int) -> None:
    """Close a line of somebody's pulse; a flow that waits for a draft goes on from now.

    Raises:
        NotFound: there is no such line.
        Refused: it is another's, closed already, or a mail that goes by itself.
    """
    now = context.clock()
    with context.db.write() as connection:
        entry = pulse.get(connection, number)
        if actor.user is not None and actor.user.key != entry.user:
            raise Refused(f"pulse item {number} is {entry.user}'s; `mailcrm pulse` shows yours")
        if entry.done_at is not None:
            raise Refused(f"pulse item {number} was done on {entry.done_at:%Y-%m-%d}")
        if entry.kind == "auto":
            raise Refused(f"pulse item {number} goes by itself; `mailcrm consent revoke` or `sequence leave` stops it")
        pulse.done(connection, number, now)
        if entry.kind == "draft" and entry.effect is not None:
            effects.settle(connection, entry.effect, now)
            pulse.close_notices(connection, entry.effect, now)
    context.changed()


def fulfil(connection: Connection, context: Context, batch: Batch, linked: Sequence[Linked], now: datetime) -> None:
    """Settle the drafts that these mails of ours were.

    One that lies in Drafts is known by ``core.drafts``. Of the others, which a rep has in his pulse alone, each mail of
    his is taken for the oldest to that person that he was asked for before. Mail that a flow sent by itself is no
    draft, and neither is what was seen to be one already, nor what only claims to be written by one of ours.

    Args:
        linked: what was just stored of the batch.
    """
    mails = [each for each in linked if each.counts and _left(context, batch, each)]
    writers = _writers(connection, context, batch, mails) if mails else {}
    flows_own = written.of_flows(connection, [_name(each) for each in mails]) if writers else set()
    mails = [each for each in mails if each.id in writers and _name(each) not in flows_own]
    if not mails:
        return
    lying = drafts.of_users(connection, set(writers.values()))
    over = drafts.named(connection, [_name(each) for each in mails]) - {each.message_id for each in lying}
    mails = sorted((each for each in mails if _name(each) not in over), key=lambda each: each.item.at)
    used = _recognised(connection, lying, mails, writers, now)
    in_drafts = {each.effect for each in lying if each.placed_at is not None}
    by_hand = [each for each in mails if each.id not in used]
    _in_pulse_alone(connection, in_drafts, by_hand, writers, now)


def sought(connection: Connection, some: Sequence[Draft], mails: Iterable[Found]) -> list[Sought]:
    """These drafts as ``core.drafts`` looks for them among the mails; the thread only where the recipient is right."""
    recipients = {address for mail in mails for address in mail.recipients}
    heads = drafts.heads(connection, [each.id for each in some if each.recipient in recipients])
    return [
        Sought(
            token=each.token,
            message_id=each.message_id,
            recipient=each.recipient,
            subject=each.subject,
            placed_at=each.placed_at or each.created_at,
            thread=core.thread_of(heads[each.id], each.token) if each.id in heads else frozenset(),
            missing_since=each.missing_since,
        )
        for each in some
    ]


def sent(connection: Connection, draft: Draft, mail: Found, why: Evidence, now: datetime) -> None:
    """A draft turned up in Sent: its step is done as of then."""
    at = _believed(mail.at, draft.created_at, now)
    if not effects.settle(connection, draft.effect, at):
        return
    drafts.became(connection, draft.id, mail.message_id)
    pulse.close(connection, [draft.effect], now)
    reason = f"known by {why.name.lower().replace('_', ' ')}"
    drafts.end(connection, draft.id, "sent", at, reason, now + TIDY)


def skip(connection: Connection, draft: Draft, now: datetime) -> None:
    """The rep deleted a draft: its step is done without a mail, which he is told."""
    if not effects.settle(connection, draft.effect, now):
        return
    pulse.close(connection, [draft.effect], now)
    text = f"The draft to {draft.recipient}, {draft.subject!r}, was deleted; its step is skipped, and the flow goes on"
    run = int(draft.effect.partition(".")[0])
    pulse.add(connection, draft.user_id, "notice", text, now, now, run=run)
    drafts.end(connection, draft.id, "skipped", now, "deleted from Drafts", None)
    drafts.closed(connection, draft.id, "skipped", "deleted from Drafts")


def remind_overdue(context: Context) -> int:
    """Put a further line into the pulse of who has not sent a draft long after it was due.

    Returns:
        How many; others may be left.
    """
    now = context.clock()
    with context.db.read() as connection:
        if not _late(connection, now):
            return 0
    with context.db.write() as connection:
        late = _late(connection, now)[:AT_ONCE]
        known = users.ids(connection, sorted({entry.user for entry in late}))
        for entry in late:
            assert entry.effect is not None
            whom = known[entry.user]
            line = entry.text.partition("\n")[0]
            text = f"Still to be sent: {line} (a draft of {entry.created_at:%Y-%m-%d}, due {entry.due_at:%Y-%m-%d})"
            pulse.close_notices(connection, entry.effect, now)
            pulse.add(connection, whom, "notice", text, now, now, effect_key=entry.effect)
    return len(late)


def _late(connection: Connection, now: datetime) -> list[pulse.Entry]:
    found = []
    for entry, last in pulse.overdue(connection, now - REMINDERS[0]):
        latest = max(entry.due_at + each for each in REMINDERS if entry.due_at + each <= now)
        if last is None or last < latest:
            found.append(entry)
    return found


# --- what a mail of ours was ---


def _believed(at: datetime, since: datetime, now: datetime) -> datetime:
    """When a mail was written that can't have been before the draft: by its Date, unless that can't be."""
    return at if since - _SKEW <= at <= now + _SKEW else now


def _left(context: Context, batch: Batch, mail: Linked) -> bool:
    """Whether it is the copy of a mail that one of ours sent.

    Who hands a blind copy to the drop-box can't leave out what servers write into it: there the server's verdict
    counts, where it gives one.
    """
    item, linking = mail.item, context.config.linking
    if item.direction is not Direction.OUT:
        return False
    dropped = batch.mailbox == DROP_BOX
    by_lmtp = dropped or item.arrival.mail_from is not None
    from_server = item.arrival.uid is not None or batch.role is FolderRole.INBOX  # files are of no folder
    is_judged = bool(linking.authserv_id and linking.require_dmarc)
    if batch.role is not FolderRole.SENT and by_lmtp and (is_judged or dropped):
        author = item.message.from_
        user = context.ours.user(author.email) if author else None
        return user is not None and proof.proven(context, item.message, user, "", None)
    return core.is_own_copy(item.message, batch.role, item.arrival.flags, has_server=from_server or by_lmtp)


def _name(mail: Linked) -> str:
    return mail.item.message.message_id or mail.item.identity


def _writers(connection: Connection, context: Context, batch: Batch, mails: Sequence[Linked]) -> Mapping[int, int]:
    """Who wrote each, by the message's id: the user in From; else, in the Sent folder of his own mailbox, its owner."""
    keys: dict[int, str] = {}
    configured = context.config.mailboxes.get(batch.mailbox)
    for each in mails:
        author = each.item.message.from_
        key = context.ours.user(author.email) if author else None
        if key is None and configured and len(configured.people) == 1:
            key = configured.people[0]
        if key is not None:
            keys[each.id] = key
    ids = users.ids(connection, sorted(set(keys.values())))
    return {number: ids[key] for number, key in keys.items() if key in ids}


def _recognised(
    connection: Connection, lying: Sequence[Draft], mails: Sequence[Linked], writers: Mapping[int, int], now: datetime
) -> set[int]:
    """Settle those that lie in Drafts; gives the ids of the mails that they were."""
    used: set[int] = set()
    for user in {each.user_id for each in lying}:
        his = [each for each in lying if each.user_id == user]
        sent_by_him = [each for each in mails if writers[each.id] == user]
        signs = [core.found(each.item.message, each.item.at) for each in sent_by_him]
        for number, match in core.assign(sought(connection, his, signs), signs).items():
            used.add(sent_by_him[match.index].id)
            sent(connection, his[number], signs[match.index], match.evidence, now)
    return used


def _in_pulse_alone(
    connection: Connection,
    in_drafts: set[str],
    mails: Iterable[Linked],
    writers: Mapping[int, int],
    now: datetime,
) -> None:
    to = [(person, mail) for mail in mails for person in mail.persons]
    by_person: defaultdict[int, list[pulse.Draft]] = defaultdict(list)
    for waiting in pulse.drafts(connection, {person for person, _ in to}) if to else ():
        if waiting.effect not in in_drafts:
            by_person[waiting.person].append(waiting)
    for person, mail in to:
        mine = by_person[person]
        his = (each for each in mine if each.user_id == writers[mail.id] and each.made_at <= mail.item.at)
        meant = next(his, None)
        if meant is not None:
            mine.remove(meant)
            effects.settle(connection, meant.effect, _believed(mail.item.at, meant.made_at, now))
            pulse.close(connection, [meant.effect], now)
