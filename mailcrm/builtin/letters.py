"""Mail that flows write: ``mail.send`` by itself, ``draft.create`` for the rep. Written when the step is scheduled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from mailcrm.builtin import placing, variables, who
from mailcrm.builtin.hands import Hands, Outcome
from mailcrm.config import Config, User
from mailcrm.core import spans
from mailcrm.core.addresses import normalise
from mailcrm.core.calendar import subject_calendar
from mailcrm.core.compose import Envelope, compose
from mailcrm.core.enrollment import Effect, Subject
from mailcrm.core.letter_ids import letter_id
from mailcrm.core.letters import Image, Letter, is_address, render, reply_to
from mailcrm.errors import Refused
from mailcrm.store import fields, flows, outbox, people, pulse, templates, users, written
from mailcrm.store.blobs import Blobs
from mailcrm.store.outbox import NewMail
from mailcrm.store.templates import NewTemplate, StoredTemplate
from mailcrm.store.users import StoredUser
from mailcrm.store.written import Written


@dataclass(frozen=True, slots=True)
class Template:
    """What a letter is written from.

    Args:
        subject: empty: ``Re:`` and that of the mail before.
        body, html: Liquid; see ``core.letters.render``.
        images: those that the HTML may show.
        named: it stands under a name, for any mail; a reply made from it goes on under the subject of its thread.
    """

    subject: str
    body: str
    html: str | None = None
    images: tuple[Image, ...] = ()
    named: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A letter as it would go out now.

    Args:
        sender: in whose name.
        recipient, recipient_name: normalised address, and the person's name ("": none).
        references: the Message-IDs of the thread that it goes on with.
    """

    letter: Letter
    sender: StoredUser
    rep: User
    recipient: str
    recipient_name: str
    references: tuple[str, ...] = ()


def mail_send(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``mail.send {template | subject, body, html, sender, recipient, in_thread, after}``: waits until it is due.

    From then on its text stays as it is (SEQ-18). Whether the sender consents is asked when it leaves (SEQ-25).
    """
    draft = _draft(hands, effect, subject)
    span = who.optional(effect, "after")
    due = _due(hands, effect, draft.rep, subject, span)
    envelope = _envelope(hands, effect, draft, due)
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
    )
    outbox.put(hands.connection, mail, hands.now)
    _announce(hands, effect, draft, "auto", due)
    return Outcome.WAITS


def draft_create(hands: Hands, effect: Effect, subject: Subject) -> Outcome:
    """``draft.create``: as ``mail.send``, with ``remind`` for ``after``; the rep sends it himself (SEQ-11).

    It waits in his pulse, and in the Drafts folder of his own mailbox, until it turns up in Sent, or until he says
    that it is done. Without a mailbox on a server, his next mail to the person is taken for it.
    """
    draft = _draft(hands, effect, subject)
    span = who.optional(effect, "remind")
    due = _due(hands, effect, draft.rep, subject, span) if span else effect.at
    placing.place(hands, effect, subject, draft.sender, draft.letter, _envelope(hands, effect, draft, effect.at))
    _announce(hands, effect, draft, "draft", due)
    return Outcome.WAITS


def template_of(connection: Connection, blobs: Blobs, args: Mapping[str, Any]) -> Template:
    """What a step is told to write: its own words, or those of the template that it names (SEQ-14).

    Raises:
        NotFound: there is no such template, or a picture of it is gone.
        Refused: it is not for mail.
    """
    name = args.get("template")
    if not name:
        html = args.get("html")
        return Template(str(args.get("subject") or ""), str(args.get("body") or ""), html and str(html))
    return stored_template(blobs, mail_template(connection, str(name)).new)


def mail_template(connection: Connection, name: str) -> StoredTemplate:
    """The template of exactly this name. Raises NotFound, or Refused for one that is not for mail."""
    found = templates.get(connection, name)
    if found.new.purpose == "call":
        raise Refused(f"the template {name!r} is for calls; name one that is for mail")
    return found


def stored_template(blobs: Blobs, new: NewTemplate) -> Template:
    """A template with its pictures. Raises NotFound: one of them is gone."""
    images = tuple(Image(each.cid, each.name, each.type, blobs.read(each.sha256)) for each in new.images)
    return Template(new.subject, new.text, new.html, images, named=True)


def draft_of(
    connection: Connection,
    config: Config,
    template: Template,
    subject: Subject,
    *,
    sender: int,
    owner: int | None,
    recipient: str | None = None,
    before: Sequence[Written] = (),
) -> Draft:
    """Fill a template in for a subject.

    Args:
        sender: in whose name it goes: a user's id.
        owner: the user whose signature is put under it (SEQ-15).
        recipient: an address; None: the subject's person's primary one.
        before: the mail whose thread it goes on with, the oldest first; none: it begins one.

    Raises:
        Refused: a variable has no value, there is no address, the sender has left, or no mail came before.
    """
    known = {each.id: each for each in users.every(connection)}
    writer = known[sender]
    rep = _configured(config, writer)
    if not template.subject and not before:
        raise Refused("the step is a reply to the mail before, and there is none; write a subject")
    signer = config.users.get(known[owner].key, rep) if owner in known else rep
    replying = bool(before) and (template.named or not template.subject)
    title = "Re:" if replying else template.subject
    values = variables.of(connection, subject, rep, signer.signature, title, template.body, template.html or "")
    letter = render(title, template.body, values, signer.signature, template.html, template.images)
    if replying:
        letter = replace(letter, subject=reply_to(before[-1].subject))
    address, name = _recipient(connection, subject, recipient)
    return Draft(letter, writer, rep, address, name, tuple(each.message_id for each in before))


def _draft(hands: Hands, effect: Effect, subject: Subject) -> Draft:
    owner = flows.get(hands.connection, effect.chain[-1][0]).owner if effect.chain else None
    number = who.meant(hands.connection, subject, who.optional(effect, "sender"), owner)
    if number is None:
        raise Refused("nobody to write in whose name; give the flow an owner, or the step a sender")
    run = int(effect.key.partition(".")[0])
    return draft_of(
        hands.connection,
        hands.config,
        template_of(hands.connection, hands.blobs, effect.args),
        subject,
        sender=number,
        owner=owner,
        recipient=who.optional(effect, "recipient"),
        before=written.by_run(hands.connection, run) if effect.args.get("in_thread") else (),
    )


def _envelope(hands: Hands, effect: Effect, draft: Draft, at: datetime) -> Envelope:
    return Envelope(
        sender=draft.sender.email,
        sender_name=draft.rep.name,
        recipient=draft.recipient,
        recipient_name=draft.recipient_name,
        message_id=letter_id(hands.secret, effect.key, draft.sender.email),
        date=at.astimezone(draft.rep.zone),
        references=draft.references,
    )


def _configured(config: Config, sender: StoredUser) -> User:
    if sender.disabled or sender.key not in config.users:
        raise Refused(f"{sender.key} writes no mail any more; give the step another sender")
    return config.users[sender.key]


def _recipient(connection: Connection, subject: Subject, given: str | None) -> tuple[str, str]:
    """Address and name. Raises Refused: none, or one that not every server takes."""
    if given is not None and given != "person":
        address, name = normalise(given), ""
        if not address:
            raise Refused(f"the recipient {given!r} is no e-mail address; write one, or leave it out")
    else:
        person = who.person(subject)
        name = people.rows(connection, [person])[person].name
        address = next(iter(people.emails(connection, [person]).get(person, [])), "")
        if not address:
            raise Refused(f"{name} has no e-mail address; `mailcrm person edit {person} --email …` gives one")
    if not address.isascii():
        raise Refused(f"{address} has letters before the @ that not every server takes; add another address")
    return address, "" if is_address(name) else name


def _due(hands: Hands, effect: Effect, rep: User, subject: Subject, span: str | None) -> datetime:
    """``span`` after the step, in the rep's working hours; months go by the person's clock, where it is known."""
    known = None
    if span is not None and span.endswith(spans.BY_THE_CALENDAR) and subject.person is not None:
        known = fields.of(hands.connection, "person", [subject.person]).get(subject.person, {}).get("time_zone")
    calendar = subject_calendar(known, rep.zone, rep.hours())
    return calendar.opening(calendar.later(effect.at, span) if span else effect.at)


def _announce(hands: Hands, effect: Effect, draft: Draft, kind: pulse.Kind, due: datetime) -> None:
    """Into the rep's pulse (SEQ-16, SEQ-17): whom it goes to, the subject, and the text."""
    text = f"{draft.recipient_name} <{draft.recipient}>".strip() + f": {draft.letter.subject}\n\n{draft.letter.text}"
    pulse.add(hands.connection, draft.sender.id, kind, text, due, hands.now, effect_key=effect.key)
