"""What was written to a person, for himself: letters, who opened them, his permission, why he gets no mail."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from mailcrm.store.returns import LETTERS
from mailcrm.store.tables import draft, effect, enrollment, hit, outbox, permission, suppression, track


def sent_to(
    connection: Connection, persons: Sequence[int], emails: Collection[str]
) -> dict[str, list[Mapping[str, Any]]]:
    """Letters, drafts, hits, permissions and suppressions of these persons and addresses, each the oldest first."""
    runs = select(effect.c.key).join(enrollment, enrollment.c.id == effect.c.enrollment_id)
    theirs = or_(
        outbox.c.person_id.in_(persons),
        outbox.c.key.in_(runs.where(enrollment.c.person_id.in_(persons))),
        outbox.c.kind.in_(LETTERS) & outbox.c.recipient.in_(emails),
    )
    letters = [
        outbox.c[name] for name in ("message_id", "sender", "recipient", "subject", "state", "created_at", "sent_at")
    ]
    seen = [hit.c.at, track.c.kind, track.c.url, hit.c.grade, hit.c.reasons, hit.c.agent, outbox.c.message_id]
    given = [permission.c[name] for name in ("granted", "basis", "source", "proof", "tracking", "at", "by")]
    kept = [suppression.c[name] for name in ("address", "reason", "detail", "at", "expires_at", "lifted_at")]
    drafts = [draft.c[name] for name in ("recipient", "subject", "state", "created_at", "ended_at")]
    opened = select(*seen).join(track, track.c.token == hit.c.token).join(outbox, outbox.c.id == track.c.outbox_id)
    return {
        "letters": _rows(connection, select(*letters).where(theirs).order_by(outbox.c.id)),
        "drafts": _rows(
            connection,
            select(*drafts)
            .where(or_(draft.c.person_id.in_(persons), draft.c.recipient.in_(emails)))
            .order_by(draft.c.id),
        ),
        "hits": _rows(connection, opened.where(theirs).order_by(hit.c.id)),
        "permissions": _rows(
            connection, select(*given).where(permission.c.person_id.in_(persons)).order_by(permission.c.id)
        ),
        "suppressions": _rows(
            connection, select(*kept).where(suppression.c.address.in_(emails)).order_by(suppression.c.id)
        ),
    }


def _rows(connection: Connection, query: Select[Any]) -> list[Mapping[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]
