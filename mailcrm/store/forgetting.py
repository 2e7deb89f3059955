"""Takes somebody who is erased out of the mail that was sent to him; that something was sent stays, for the limits."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, Text, cast, delete, exists, or_, select, update

from mailcrm.store.db import slices
from mailcrm.store.returns import LETTERS
from mailcrm.store.tables import (
    draft,
    effect,
    enrollment,
    event,
    hit,
    outbox,
    outbox_body,
    permission,
    pulse,
    suppression,
    track,
)


def letters(connection: Connection, persons: Sequence[int], emails: Collection[str]) -> None:
    """Forget letters and drafts to these persons and addresses, with who opened and clicked; before their runs go.

    Of a letter that has left the row stays, without a word of whom it went to.
    """
    runs = select(effect.c.key).join(enrollment, enrollment.c.id == effect.c.enrollment_id)
    keys = runs.where(enrollment.c.person_id.in_(persons))
    theirs = or_(
        outbox.c.person_id.in_(persons),
        outbox.c.key.in_(keys),
        outbox.c.kind.in_(LETTERS) & outbox.c.recipient.in_(emails),
    )
    blank = {"recipient": "", "subject": "", "content": b"", "reason": None, "person_id": None, "envelope_from": None}
    for piece in slices(list(connection.execute(select(outbox.c.id).where(theirs)).scalars())):
        tokens = select(track.c.token).where(track.c.outbox_id.in_(piece))
        connection.execute(delete(hit).where(hit.c.token.in_(tokens)))
        connection.execute(delete(track).where(track.c.outbox_id.in_(piece)))
        mine = outbox.c.id.in_(piece)
        connection.execute(delete(outbox).where(mine, outbox.c.sent_at.is_(None)))
        connection.execute(update(outbox).where(mine).values(**blank, body_id=None, domain=None, copy=None))
    drafts = or_(draft.c.person_id.in_(persons), draft.c.effect_key.in_(keys), draft.c.recipient.in_(emails))
    connection.execute(delete(draft).where(drafts))
    drop_bodies(connection)


def words(connection: Connection, persons: Sequence[int], emails: Collection[str]) -> None:
    """Forget their permissions, and what notices, reports and suppressions say of them.

    A suppression stays in force: by its keyed hash the address is known, should it ever turn up again.
    """
    connection.execute(delete(permission).where(permission.c.person_id.in_(persons)))
    hidden = {"address": None, "detail": "", "source": "erased"}
    for email in emails:
        connection.execute(update(suppression).where(suppression.c.address == email).values(**hidden))
        connection.execute(delete(pulse).where(pulse.c.kind == "notice", pulse.c.text.contains(email, autoescape=True)))
        nobodys = (event.c.person_id.is_(None), event.c.kind.like("mail.%"))
        said = cast(event.c.data, Text).contains(email, autoescape=True)
        for number, data in connection.execute(select(event.c.id, event.c.data).where(*nobodys, said)).all():
            without = {name: "" if isinstance(value, str) and email in value else value for name, value in data.items()}
            connection.execute(update(event).where(event.c.id == number).values(data=without))


def drop_bodies(connection: Connection) -> int:
    """Delete bodies of one mail to many that no mail names any more. Returns how many."""
    named = exists().where(outbox.c.body_id == outbox_body.c.id)
    return connection.execute(delete(outbox_body).where(~named)).rowcount
