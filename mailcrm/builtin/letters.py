"""Mail that flows write: ``mail.send`` by itself, ``draft.create`` for the rep. Written when the step is scheduled."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from urllib.parse import quote

from mailcrm.builtin import placing, who, whom
from mailcrm.builtin.documents import document_of
from mailcrm.builtin.hands import Hands, Outcome
from mailcrm.builtin.tracking_rule import allowed
from mailcrm.builtin.writing import Draft, draft_of, template_of
from mailcrm.config import User
from mailcrm.core import spans
from mailcrm.core.addresses import normalise
from mailcrm.core.calendar import subject_calendar
from mailcrm.core.compose import Envelope, ListUnsubscribe, compose
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.letter_ids import bounce_address, letter_id
from mailcrm.core.letters import Attachment
from mailcrm.core.rich import from_text
from mailcrm.core.tracked import tracked
from mailcrm.core.wishes import naming
from mailcrm.errors import Refused
from mailcrm.store import absences, fields, flows, outbox, pulse, tracks, written
from mailcrm.store.documents import StoredDocument
from mailcrm.store.outbox import NewMail


def mail_send(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``mail.send``, told ``template``, or ``subject`` with ``body`` or ``html``, and ``sender``, ``recipient``,
    ``in_thread``, ``track``, ``after``, ``attach`` (the document made before): it waits in the outbox until it is due.

    A campaign's recipient has his own address, sender and subject of ``subjects`` (CAMP-6), and is told how to get no
    more where ``unsubscribe`` says so (RFC 8058).

    From then on its text stays as it is (SEQ-18). Whether the sender consents is asked when it leaves (SEQ-25).
    """
    draft = _tracked(hands, effect, _draft(hands, effect, subject))
    span = who.optional(effect, "after")
    due = _due(hands, effect, draft.rep, subject, span)
    envelope = _envelope(hands, effect, draft, due)
    if subject.recipient is not None:
        envelope = replace(envelope, reply_to_sender=True)  # CAMP-7
    mail = NewMail(
        key=effect.key,
        kind="flow",
        user_id=draft.sender.id,
        message_id=envelope.message_id,
        sender=draft.sender.email,
        recipient=draft.recipient,
        subject=draft.letter.subject,
        content=compose(draft.letter, envelope),
        due_at=due,
        person_id=draft.person,
        flow_id=effect.chain[-1][0] if effect.chain else None,
        node=effect.chain[-1][1] if effect.chain else None,
        recipient_id=subject.recipient,
        envelope_from=bounce_address(
            hands.secret, effect.key, draft.sender.email, normalise(hands.config.returns.bounces or "")
        ),
    )
    number = outbox.put(hands.connection, mail, hands.now)
    if number is not None:
        tracks.put(hands.connection, number, draft.tracks)
    if subject.recipient is None:  # of a campaign's many its results tell
        _announce(hands, effect, draft, "auto", due)
    return Outcome.WAITS


def draft_create(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``draft.create``: as ``mail.send``, with ``remind`` for ``after``; the rep sends it himself (SEQ-11).

    It waits in his pulse, and in the Drafts folder of his own mailbox, until it turns up in Sent, or until he says
    that it is done. Without a mailbox on a server, his next mail to the person is taken for it.
    """
    draft = _draft(hands, effect, subject)
    if draft.tracks:
        raise Refused("a draft is a rep's own mail and has no {{ unsubscribe.url }}; leave it out")
    span = who.optional(effect, "remind")
    due = _due(hands, effect, draft.rep, subject, span) if span or _away(hands, subject) else effect.at
    placing.place(hands, effect, subject, draft.sender, draft.letter, _envelope(hands, effect, draft, effect.at))
    _announce(hands, effect, draft, "draft", due)
    return Outcome.WAITS


def _draft(hands: Hands, effect: Effect, subject: Subject) -> Draft:
    found = whom.recipient(hands.connection, subject)
    if found is not None:
        owner = number = found.user
    else:
        owner = flows.get(hands.connection, effect.chain[-1][0]).owner if effect.chain else None
        number = who.meant(hands.connection, subject, who.optional(effect, "sender"), owner)
    if number is None:
        raise Refused("nobody to write in whose name; give the flow an owner, or the step a sender")
    run = int(effect.key.partition(".")[0])
    template = template_of(hands.connection, hands.blobs, effect.args, found.variant if found else None)
    attach = bool(effect.args.get("attach"))
    wanted = attach or any("document" in part for part in (template.subject, template.body, template.html or ""))
    document = document_of(hands, subject, who.run(effect)) if wanted else None
    draft = draft_of(
        hands.connection,
        hands.config,
        template,
        subject,
        sender=number,
        owner=owner,
        recipient=who.optional(effect, "recipient"),
        before=written.by_run(hands.connection, run) if effect.args.get("in_thread") else (),
        to=found,
        document=document,
        unsubscribe=bool(effect.args.get("unsubscribe")),
    )
    return replace(draft, letter=replace(draft.letter, attachments=_files(hands, document))) if attach else draft


def _files(hands: Hands, document: StoredDocument | None) -> tuple[Attachment, ...]:
    """The PDF of the document that the mail brings. Raises Refused: there is none."""
    if document is None or document.sha256 is None:
        raise Refused("there is no document to attach" if document is None else f"{document.name} has no PDF yet")
    return (Attachment(f"{document.name}.pdf", "application/pdf", hands.blobs.read(document.sha256)),)


def _tracked(hands: Hands, effect: Effect, draft: Draft) -> Draft:
    """With an image that tells of the opening and links that tell of clicks, where that is allowed.

    That takes HTML: what is text alone gets it, with the same words.
    """
    if not allowed(hands.connection, hands.config, draft.sender.key, draft.person, effect.args):
        return draft
    web, tracking = hands.config.web, hands.config.tracking
    html = draft.letter.html or f"<p>{from_text(draft.letter.text)}</p>\n"
    done = tracked(html, web.base_url, tracks.tokens(), hidden=tracking.hidden_link)
    return replace(draft, letter=replace(draft.letter, html=done.html), tracks=(*draft.tracks, *done.tracks))


def _envelope(hands: Hands, effect: Effect, draft: Draft, at: datetime) -> Envelope:
    return Envelope(
        sender=draft.sender.email,
        sender_name=draft.rep.name,
        recipient=draft.recipient,
        recipient_name=draft.recipient_name,
        message_id=letter_id(hands.secret, effect.key, draft.sender.email),
        date=at.astimezone(draft.rep.zone),
        references=draft.references,
        list_unsubscribe=ListUnsubscribe(draft.unsubscribe, _by_mail(draft)) if draft.unsubscribe else None,
    )


def _by_mail(draft: Draft) -> str:
    """Another way to get no more, for mail programs that know no better one: a mail that says so to who wrote."""
    token = next(each.token for each in draft.tracks if each.kind == "unsubscribe")
    return f"{draft.sender.email}?subject={quote(naming(token))}"


def _due(hands: Hands, effect: Effect, rep: User, subject: Subject, span: str | None) -> datetime:
    """``span`` after the step, in the rep's working hours; months go by the person's clock, where it is known.

    Not before a person who is away is back; a campaign's mail is asked so when it is to leave, with that of many.
    """
    known = None
    if span is not None and span.endswith(spans.BY_THE_CALENDAR) and subject.person is not None:
        known = fields.of(hands.connection, "person", [subject.person]).get(subject.person, {}).get("time_zone")
    calendar = subject_calendar(known, rep.zone, rep.hours())
    due = calendar.later(effect.at, span) if span else effect.at
    return calendar.opening(max(due, _away(hands, subject) or due))


def _away(hands: Hands, subject: Subject) -> datetime | None:
    """When the person is back who is away now; None if he is not."""
    if subject.person is None or subject.recipient is not None:
        return None
    return absences.back(hands.connection, [subject.person], hands.now, hands.config.returns.away).get(subject.person)


def _announce(hands: Hands, effect: Effect, draft: Draft, kind: pulse.Kind, due: datetime) -> None:
    """Into the rep's pulse (SEQ-16, SEQ-17): whom it goes to, the subject, and the text."""
    text = f"{draft.recipient_name} <{draft.recipient}>".strip() + f": {draft.letter.subject}\n\n{draft.letter.text}"
    pulse.add(hands.connection, draft.sender.id, kind, text, due, hands.now, effect_key=effect.key)
