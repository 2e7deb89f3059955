"""What a flow's letter says, from the template that its step writes or names, for one subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from mailcrm.builtin import variables, who, whom
from mailcrm.builtin.whom import Records
from mailcrm.config import Config, User
from mailcrm.core.addresses import normalise
from mailcrm.core.enrollment import Subject
from mailcrm.core.letters import Image, Letter, is_address, render, reply_to, variables_of
from mailcrm.core.tracked import Track, unsubscribing
from mailcrm.errors import Refused
from mailcrm.store import people, templates, tracks, users
from mailcrm.store.blobs import Blobs
from mailcrm.store.documents import StoredDocument
from mailcrm.store.recipients import StoredRecipient
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
        person: the recipient, where he is a person of ours.
        references: the Message-IDs of the thread that it goes on with.
        tracks: what its own addresses stand for, to be stored with it: that to unsubscribe.
        unsubscribe: that address, where it is to be told to mail programs.
    """

    letter: Letter
    sender: StoredUser
    rep: User
    recipient: str
    recipient_name: str
    person: int | None = None
    references: tuple[str, ...] = ()
    tracks: tuple[Track, ...] = ()
    unsubscribe: str | None = None


def template_of(connection: Connection, blobs: Blobs, args: Mapping[str, Any], variant: int | None = None) -> Template:
    """What a step is told to write: its own words, or those of the template that it names (SEQ-14).

    Args:
        variant: which of the ``subjects``, if it is told several, takes the place of the template's own.

    Raises:
        NotFound: there is no such template, or a picture of it is gone.
        Refused: it is not for mail.
    """
    name = args.get("template")
    if not name:
        html = args.get("html")
        return Template(str(args.get("subject") or ""), str(args.get("body") or ""), html and str(html))
    found = stored_template(blobs, mail_template(connection, str(name)).new)
    subjects = args.get("subjects")
    return replace(found, subject=str(subjects[(variant or 0) % len(subjects)])) if subjects else found


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
    to: StoredRecipient | None = None,
    document: StoredDocument | None = None,
    unsubscribe: bool = False,
) -> Draft:
    """Fill a template in for a subject.

    Args:
        sender: in whose name it goes: a user's id.
        owner: the user whose signature is put under it (SEQ-15).
        recipient: an address; None: the subject's person's primary one.
        before: the mail whose thread it goes on with, the oldest first; none: it begins one.
        to: the campaign's recipient that the subject is: he has his own address.
        document: what it brings.
        unsubscribe: an address to unsubscribe at is made, whether or not the template names it.

    Raises:
        Refused: a variable has no value, there is no address, the sender has left, or no mail came before.
    """
    known = {each.id: each for each in users.every(connection)}
    writer = known[sender]
    rep = configured(config, writer)
    if not template.subject and not before:
        raise Refused("the step is a reply to the mail before, and there is none; write a subject")
    signer = config.users.get(known[owner].key, rep) if owner in known else rep
    replying = bool(before) and (template.named or not template.subject)
    title = "Re:" if replying else template.subject
    parts = (title, template.body, template.html or "")
    made = any("deal" in part for part in parts)
    about = replace(whom.records(connection, subject, to, made=made), document=document)
    values = variables.of(connection, about, rep, signer.signature, *parts)
    url, own = _way_out(config, *parts) if not unsubscribe else _told_way_out(config)
    values["unsubscribe"] = {"url": url} if url else {}
    letter = render(title, template.body, values, signer.signature, template.html, template.images)
    if replying:
        letter = replace(letter, subject=reply_to(before[-1].subject))
    address, name, person = _addressee(connection, about, to) if to else _recipient(connection, subject, recipient)
    references = tuple(each.message_id for each in before)
    return Draft(letter, writer, rep, address, name, person, references, own, url if unsubscribe else None)


def configured(config: Config, sender: StoredUser) -> User:
    """A user who may write. Raises Refused: he has left."""
    if sender.disabled or sender.key not in config.users:
        raise Refused(f"{sender.key} writes no mail any more; let somebody else be the sender")
    return config.users[sender.key]


def _way_out(config: Config, *templates: str) -> tuple[str | None, tuple[Track, ...]]:
    """The address to unsubscribe at, where a template names it, and what it stands for."""
    if not any(("unsubscribe", "url") in variables_of(each) for each in templates if "unsubscribe" in each):
        return None, ()
    return _told_way_out(config)


def _told_way_out(config: Config) -> tuple[str, tuple[Track, ...]]:
    url, track = unsubscribing(config.web.base_url, next(tracks.tokens()))
    return url, (track,)


def _addressee(connection: Connection, about: Records, to: StoredRecipient) -> tuple[str, str, int | None]:
    """As ``_recipient``, of a campaign's. Raises Refused: nothing is mailed to him."""
    if to.address is None:
        raise Refused("no address: nothing is mailed to this recipient")
    return to.address, whom.called(connection, to), about.person


def _recipient(connection: Connection, subject: Subject, given: str | None) -> tuple[str, str, int | None]:
    """Address, name, person's id. Raises Refused: none, or one that not every server takes."""
    person: int | None
    if given is not None and given != "person":
        address, name = normalise(given), ""
        if not address:
            raise Refused(f"the recipient {given!r} is no e-mail address; write one, or leave it out")
        person = people.with_address(connection, address)
    else:
        person = who.person(subject)
        name = people.rows(connection, [person])[person].name
        address = next(iter(people.emails(connection, [person]).get(person, [])), "")
        if not address:
            raise Refused(f"{name} has no e-mail address; `mailcrm person edit {person} --email …` gives one")
    if not address.isascii():
        raise Refused(f"{address} has letters before the @ that not every server takes; add another address")
    return address, "" if is_address(name) else name, person
