"""A template seen as a letter: filled in for a contact to look at, or sent to oneself."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.builtin import variables, whom, writing
from mailcrm.config import User
from mailcrm.core.addresses import domain_of
from mailcrm.core.compose import Envelope, compose
from mailcrm.core.enrollment import Subject
from mailcrm.core.letters import Letter, render
from mailcrm.errors import Refused
from mailcrm.store import deals, leads, outbox, templates
from mailcrm.store.outbox import NewMail
from mailcrm.store.users import StoredUser


def preview(context: Context, writer: StoredUser, name: str, about: Subject | None) -> Letter:
    """A template as it would be sent now in a user's name.

    Args:
        about: whom it is filled in for; None: every variable shows its own name. Those of a document always do.

    Raises:
        NotFound: no such template.
        MissingVariable: it asks for a value that there is none of.
        BadTemplate: it can't be filled in.
    """
    with context.db.read() as connection:
        return _letter(context, connection, writer, name, about)


def send_to_me(context: Context, writer: StoredUser, name: str, about: Subject | None) -> None:
    """Put a template, filled in as by ``preview``, into the outbox as a mail of a user's to himself.

    Raises:
        As ``preview``; Refused: it can't be written safely.
    """
    now, token = context.clock(), secrets.token_hex(16)
    with context.db.write() as connection:
        letter = _letter(context, connection, writer, name, about)
        rep = _rep(context, writer)
        message_id = f"t.{token}@{domain_of(writer.email)}"
        envelope = Envelope(writer.email, rep.name, writer.email, rep.name, message_id, date=now.astimezone(rep.zone))
        mail = NewMail(
            key=f"test:{token}",
            kind="test",
            user_id=writer.id,
            message_id=message_id,
            sender=writer.email,
            recipient=writer.email,
            subject=letter.subject,
            content=compose(letter, envelope),
        )
        outbox.put(connection, mail, now)
    context.changed()


def subject_of(connection: Connection, person: int | None, deal: int | None, lead: int | None) -> Subject | None:
    """Whom some records mean together: of a deal or lead its person, unless one is named. None: nobody is meant."""
    if deal is not None and lead is not None:
        raise Refused("a letter is about a deal or a lead, not both; name one")
    if person is None and deal is not None:
        person = deals.rows(connection, [deal])[deal].person_id
    if person is None and lead is not None:
        person = leads.rows(connection, [lead])[lead].person_id
    return None if person is deal is lead is None else Subject(person, deal, lead)


def _letter(context: Context, connection: Connection, writer: StoredUser, name: str, about: Subject | None) -> Letter:
    new = templates.find(connection, name).new
    found = writing.stored_template(context.blobs, new)
    rep, parts = _rep(context, writer), (found.subject, found.body, found.html or "")
    values = variables.of(connection, whom.records(connection, about or Subject(None)), rep, rep.signature, *parts)
    values["unsubscribe"] = {"url": f"{context.config.web.base_url.rstrip('/')}/u/{'0' * 32}"}  # leads nowhere
    samples = variables.samples(*parts)
    if about is None:
        values = samples | {root: known for root, known in values.items() if known}
    elif "document" in samples:
        values["document"] = samples["document"]  # it is made when the letter is
    signature = "" if new.purpose == "call" else rep.signature
    return render(found.subject or new.name, found.body, values, signature, found.html, found.images)


def _rep(context: Context, writer: StoredUser) -> User:
    if writer.disabled or writer.key not in context.config.users:
        raise Refused(f"{writer.key} writes no mail any more; act --as another")
    return context.config.users[writer.key]
